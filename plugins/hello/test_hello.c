/*
 * test_hello - the one field that hello adds, by default and as set.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fake_host.h"

static void
adds_its_header(void **state)
{
    milter_ctx *ctx = fake_host_new();

    (void)state;
    assert_int_equal(fake_host_load(ctx), 0);
    fake_host_mail(ctx, "<a@example.org>");
    fake_host_header(ctx, "Subject", "hi");
    assert_int_equal(fake_host_eom(ctx), MILTER_CONTINUE);
    assert_string_equal(fake_host_headers(ctx), "Received: by the mail server\nSubject: hi\n"
                                                "X-Hello: checked by milterd\n");
    fake_host_free(ctx);
}

static void
adds_what_is_set(void **state)
{
    milter_ctx *ctx = fake_host_new();

    (void)state;
    fake_host_set(ctx, "header", "X-Greeting", NULL);
    fake_host_set(ctx, "text", "good morning", NULL);
    assert_int_equal(fake_host_load(ctx), 0);
    fake_host_mail(ctx, "<a@example.org>");
    assert_int_equal(fake_host_eom(ctx), MILTER_CONTINUE);
    assert_string_equal(fake_host_headers(ctx),
                        "Received: by the mail server\nX-Greeting: good morning\n");
    fake_host_free(ctx);
}

/* Once for each message, and nothing of one in the next. */
static void
adds_it_once_a_message(void **state)
{
    milter_ctx *ctx = fake_host_new();

    (void)state;
    for (int i = 0; i < 3; i++) {
        fake_host_mail(ctx, "<a@example.org>");
        assert_int_equal(fake_host_eom(ctx), MILTER_CONTINUE);
        assert_int_equal(ctx->edits, 1);
        fake_host_end(ctx);
    }
    fake_host_free(ctx);
}

static void
fails_where_the_host_refuses(void **state)
{
    milter_ctx *ctx = fake_host_new();

    (void)state;
    ctx->edit_result = MILTER_ERR_NOT_OFFERED;
    fake_host_mail(ctx, "<a@example.org>");
    assert_int_equal(fake_host_eom(ctx), MILTER_FAILURE);
    fake_host_free(ctx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_its_header),
        cmocka_unit_test(adds_what_is_set),
        cmocka_unit_test(adds_it_once_a_message),
        cmocka_unit_test(fails_where_the_host_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
