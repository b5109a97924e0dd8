/*
 * test_headers - the rules of headers: each kind at work on a message, and
 * each mistake that an administrator can make with what is said about it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_host.h"

/* The message of the cases. */
static void
begin(milter_ctx *ctx)
{
    fake_host_mail(ctx, "<joe@example.org>");
    fake_host_rcpt(ctx, "<ann@example.net>");
    fake_host_header(ctx, "From", "joe@example.org");
    fake_host_header(ctx, "X-Spam-Flag", "NO");
    fake_host_header(ctx, "Subject", "hello ${sender} $$ 100%");
    fake_host_header(ctx, "X-Spam-Score", "0");
    fake_host_header(ctx, "x-spam-score", "1");
    fake_host_header(ctx, "X-Folded", "one\n\ttwo");
    fake_host_header(ctx, "X-Spam", "old");
}

#define MTA    "Received: by the mail server\n"
#define FROM   "From: joe@example.org\n"
#define FLAG   "X-Spam-Flag: NO\n"
#define SUBJ   "Subject: hello ${sender} $$ 100%\n"
#define SCORES "X-Spam-Score: 0\nx-spam-score: 1\n"
#define FOLDED "X-Folded: one\n\ttwo\n"
#define SPAM   "X-Spam: old\n"

static const struct edit_case {
    const char *name, *rules[4], *header;
} edit_cases[] = {
    {"no rule", {NULL}, MTA FROM FLAG SUBJ SCORES FOLDED SPAM},
    {"add", {"add X-A: b c"}, MTA FROM FLAG SUBJ SCORES FOLDED SPAM "X-A: b c\n"},
    {"add beside one of that name",
     {"add Subject: two"},
     MTA FROM FLAG SUBJ SCORES FOLDED SPAM "Subject: two\n"},
    {"white space around value",
     {"  ADD\t X-A :   b c  "},
     MTA FROM FLAG SUBJ SCORES FOLDED SPAM "X-A: b c\n"},
    {"no space after the colon", {"add X-A:b"}, MTA FROM FLAG SUBJ SCORES FOLDED SPAM "X-A: b\n"},
    {"colon in the value", {"add X-A: b: c"}, MTA FROM FLAG SUBJ SCORES FOLDED SPAM "X-A: b: c\n"},
    {"fold in the value",
     {"add X-A: b\n\tc"},
     MTA FROM FLAG SUBJ SCORES FOLDED SPAM "X-A: b\n\tc\n"},
    {"8-bit value",
     {"add X-A: gr\xc3\xbc\xc3\x9f"},
     MTA FROM FLAG SUBJ SCORES FOLDED SPAM "X-A: gr\xc3\xbc\xc3\x9f\n"},
    {"expanded",
     {"add X-A: ${sender}/${rcpt}/${client_addr}/${helo}/${auth_authen}/$$"},
     MTA FROM FLAG SUBJ SCORES FOLDED SPAM
     "X-A: joe@example.org/ann@example.net/192.0.2.9/mail.example.com/joe/$\n"},
    {"add without a value to add", {"add X-A: ${none}"}, MTA FROM FLAG SUBJ SCORES FOLDED SPAM},
    {"literal ${value}",
     {"add X-A: $${value}"},
     MTA FROM FLAG SUBJ SCORES FOLDED SPAM "X-A: ${value}\n"},

    {"insert 0", {"insert 0 X-A: b"}, "X-A: b\n" MTA FROM FLAG SUBJ SCORES FOLDED SPAM},
    {"insert 1", {"insert 1 X-A: b"}, MTA "X-A: b\n" FROM FLAG SUBJ SCORES FOLDED SPAM},
    {"insert 2", {"insert 2 X-A: b"}, MTA FROM "X-A: b\n" FLAG SUBJ SCORES FOLDED SPAM},
    {"insert far", {"insert 65535 X-A: b"}, MTA FROM FLAG SUBJ SCORES FOLDED SPAM "X-A: b\n"},
    {"insert without a value", {"insert 1 X-A: ${none} "}, MTA FROM FLAG SUBJ SCORES FOLDED SPAM},

    {"replace", {"replace Subject: new"}, MTA FROM FLAG "Subject: new\n" SCORES FOLDED SPAM},
    {"replace keeps the first of several",
     {"replace X-SPAM-SCORE: 9"},
     MTA FROM FLAG SUBJ "X-Spam-Score: 9\n" FOLDED SPAM},
    {"replace where there is none", {"replace X-A: b"}, MTA FROM FLAG SUBJ SCORES FOLDED SPAM},
    {"the old value is not expanded",
     {"replace Subject: [ext] ${value}"},
     MTA FROM FLAG "Subject: [ext] hello ${sender} $$ 100%\n" SCORES FOLDED SPAM},
    {"the old value twice, among others",
     {"replace X-Spam: ${value}${value} ${helo} ${value}!"},
     MTA FROM FLAG SUBJ SCORES FOLDED "X-Spam: oldold mail.example.com old!\n"},
    {"the old value keeps its folds",
     {"replace X-Folded: <${value}>"},
     MTA FROM FLAG SUBJ SCORES "X-Folded: <one\n\ttwo>\n" SPAM},
    {"literal ${value} in replace",
     {"replace X-Spam: $${value} $$${value}"},
     MTA FROM FLAG SUBJ SCORES FOLDED "X-Spam: ${value} $old\n"},
    {"replace by nothing", {"replace X-Spam-Score: ${none}"}, MTA FROM FLAG SUBJ FOLDED SPAM},

    {"delete", {"delete subject"}, MTA FROM FLAG SCORES FOLDED SPAM},
    {"delete with a colon", {"delete Subject:"}, MTA FROM FLAG SCORES FOLDED SPAM},
    {"delete each of that name", {"delete X-Spam-Score"}, MTA FROM FLAG SUBJ FOLDED SPAM},
    {"delete by prefix, neighbours too", {"delete x-spam-*"}, MTA FROM SUBJ FOLDED SPAM},
    {"a prefix may be the whole name", {"delete X-Spam*"}, MTA FROM SUBJ FOLDED},
    {"delete what is not there", {"delete X-A"}, MTA FROM FLAG SUBJ SCORES FOLDED SPAM},

    {"in their order: add, then delete",
     {"add X-Spam-New: 1", "delete X-Spam-*"},
     MTA FROM SUBJ FOLDED SPAM},
    {"in their order: delete, then add",
     {"delete X-Spam-*", "add X-Spam-New: 1"},
     MTA FROM SUBJ FOLDED SPAM "X-Spam-New: 1\n"},
    {"replace sees what replace made",
     {"replace X-Spam: a${value}", "replace X-Spam: b${value}"},
     MTA FROM FLAG SUBJ SCORES FOLDED "X-Spam: baold\n"},
};

static void
set_rules(milter_ctx *ctx, const char *const rules[4])
{
    fake_host_set(ctx, "rules", rules[0], rules[0] != NULL ? rules[1] : NULL,
                  rules[0] != NULL && rules[1] != NULL ? rules[2] : NULL, NULL);
}

static void
rules_edit_the_header(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(edit_cases) / sizeof(edit_cases[0]); i++) {
        const struct edit_case *row = &edit_cases[i];
        milter_ctx *ctx = fake_host_new();

        print_message("         %s\n", row->name);
        ctx->macros[0][0] = "auth_authen";
        ctx->macros[0][1] = "joe";
        set_rules(ctx, row->rules);
        assert_int_equal(fake_host_load(ctx), 0);
        /* Twice: a message leaves nothing behind in the rules. */
        for (int message = 0; message < 2; message++) {
            begin(ctx);
            assert_int_equal(fake_host_eom(ctx), MILTER_CONTINUE);
            assert_string_equal(fake_host_headers(ctx), row->header);
            fake_host_end(ctx);
        }
        fake_host_free(ctx);
    }
}

/* What is no text in an old value would make the host refuse the whole new one. */
static void
old_values_are_made_text(void **state)
{
    milter_ctx *ctx = fake_host_new();

    (void)state;
    fake_host_set(ctx, "rules", "replace X-A: <${value}>", NULL);
    assert_int_equal(fake_host_load(ctx), 0);
    fake_host_mail(ctx, "<>");
    fake_host_header(ctx, "X-A",
                     "a\rb\nc\td\x7f"
                     "e\n f\xff");
    assert_int_equal(fake_host_eom(ctx), MILTER_CONTINUE);
    assert_string_equal(fake_host_headers(ctx), MTA "X-A: <a?b?c\td?e\n f\xff>\n");
    fake_host_free(ctx);
}

#define TEN(text) text text text text text text text text text text
#define LONG_NAME "add " TEN(TEN("X-A-long-")) "n: b"

static const struct error_case {
    const char *rule, *error; /* a part of what is said */
} error_cases[] = {
    {"", "a rule begins with add, insert, replace or delete, not \"\""},
    {"remove X-A", "not \"remove\"; an example: add X-Checked: by ${j}"},
    {"add", "the name of a header field is missing"},
    {"add : b", "the name of a header field is missing"},
    {"add X-A", "the name is followed by a colon and the value; an example: add"},
    {"add X A: b", "the name is followed by a colon"},
    {"add X-\xc3\x84: b", "the name is followed by a colon"},
    {LONG_NAME, "the name is longer than 900 bytes"},
    {"add X-A:", "the value is missing"},
    {"add X-A:   ", "the value is missing"},
    {"add X-*: b", "* stands only at the end of the name in delete"},
    {"add X-A: b\nc", "a line break in a value is followed by a space or a tab"},
    {"add X-A: b\rc", "a control character"},
    {"add X-A: b\x7f", "a control character"},
    {"add X-A: ${sender", "${ without its }"},
    {"add X-A: $$${", "${ without its }"},
    {"add X-A: ${value}", "${value}, the old value, exists only in replace"},
    {"insert X-A: b", "insert is followed by a position"},
    {"insert -1 X-A: b", "insert is followed by a position"},
    {"insert 1X-A: b", "insert is followed by a position"},
    {"insert 65536 X-A: b", "the position is over 65535"},
    {"insert 99999999999999999999 X-A: b", "the position is over 65535"},
    {"insert 1", "the name of a header field is missing"},
    {"insert 1 X-A: ${value}", "exists only in replace"},
    {"replace Subject", "the name is followed by a colon"},
    {"replace Subject:", "the value is missing (delete takes a field away)"},
    {"replace Subject: ${value", "${ without its }"},
    {"delete", "the name of a header field is missing"},
    {"delete *", "this would delete the whole header"},
    {"delete *-Spam", "* stands only at the end"},
    {"delete X-**", "* stands only at the end"},
    {"delete X-A: b", "delete takes one name and nothing after it"},
    {"delete X-A X-B", "delete takes one name and nothing after it"},
};

static void
mistakes_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(error_cases) / sizeof(error_cases[0]); i++) {
        milter_ctx *ctx = fake_host_new();

        fake_host_set(ctx, "rules", "add X-A: b", error_cases[i].rule, NULL);
        assert_int_equal(fake_host_load(ctx), -1);
        if (strncmp(ctx->log, "rules[1]: ", 10) != 0 ||
            strstr(ctx->log, error_cases[i].error) == NULL)
            fail_msg("\"%s\": %s", error_cases[i].rule, ctx->log);
        fake_host_free(ctx);
    }
}

static void
every_mistake_is_named(void **state)
{
    milter_ctx *ctx = fake_host_new();

    (void)state;
    fake_host_set(ctx, "rules", "delete *", "delete X-A", "add X-A", NULL);
    assert_int_equal(fake_host_load(ctx), -1);
    assert_non_null(strstr(ctx->log, "rules[0]: "));
    assert_null(strstr(ctx->log, "rules[1]: "));
    assert_non_null(strstr(ctx->log, "rules[2]: "));
    fake_host_free(ctx);
}

/* A message with half of its edits must not go on. */
static void
refused_edits_are_a_failure(void **state)
{
    static const char *const rules[] = {"add X-A: b", "insert 1 X-A: b", "replace Subject: b",
                                        "replace Subject: ${none}", "delete Subject"};

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        milter_ctx *ctx = fake_host_new();

        fake_host_set(ctx, "rules", rules[i], "add X-Last: c", NULL);
        assert_int_equal(fake_host_load(ctx), 0);
        ctx->edit_result = MILTER_ERR_NOT_OFFERED;
        begin(ctx);
        assert_int_equal(fake_host_eom(ctx), MILTER_FAILURE);
        assert_int_equal(ctx->edits, 1);
        fake_host_free(ctx);
    }
}

static void
no_memory_is_a_failure(void **state)
{
    milter_ctx *ctx = fake_host_new();
    long most;

    (void)state;
    fake_host_set(ctx, "rules", "add X-A: b", "insert 1 X-A: b", "replace Subject: a${value}b",
                  NULL);
    assert_int_equal(fake_host_load(ctx), 0);
    for (most = 0; most < 100; most++) {
        enum milter_verdict verdict;

        begin(ctx);
        ctx->allocations_left = most;
        verdict = fake_host_eom(ctx);
        ctx->allocations_left = -1;
        if (verdict == MILTER_CONTINUE)
            break;
        assert_int_equal(verdict, MILTER_FAILURE);
    }
    assert_in_range(most, 1, 99);
    fake_host_free(ctx);
}

/* The example of the README, in quotes at the beginning of lines, does what is said there. */
static void
the_readme_is_true(void **state)
{
    const char *top = getenv("top_srcdir");
    char path[1000], line[200], rules[5][200];
    milter_ctx *ctx = fake_host_new();
    size_t found = 0;
    FILE *file;

    (void)state;
    snprintf(path, sizeof(path), "%s/plugins/headers/README", top != NULL ? top : ".");
    file = fopen(path, "r");
    if (file == NULL)
        fail_msg("cannot read %s; is top_srcdir set?", path);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, " \"%199[^\"]\"", path) == 1) {
            assert_true(found < 5);
            strcpy(rules[found++], path);
        }
    }
    fclose(file);
    assert_int_equal(found, 5);

    fake_host_set(ctx, "rules", rules[0], rules[1], rules[2], rules[3], rules[4], NULL);
    assert_int_equal(fake_host_load(ctx), 0);
    begin(ctx);
    fake_host_header(ctx, "X-Client", "forged");
    assert_int_equal(fake_host_eom(ctx), MILTER_CONTINUE);
    assert_string_equal(fake_host_headers(ctx),
                        MTA "X-Client: 192.0.2.9 (mail.example.com)\n" FROM
                            "Subject: [external] hello ${sender} $$ 100%\n" FOLDED SPAM);
    fake_host_free(ctx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_edit_the_header),       cmocka_unit_test(old_values_are_made_text),
        cmocka_unit_test(mistakes_are_named),          cmocka_unit_test(every_mistake_is_named),
        cmocka_unit_test(refused_edits_are_a_failure), cmocka_unit_test(no_memory_is_a_failure),
        cmocka_unit_test(the_readme_is_true),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
