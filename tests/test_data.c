/*
 * test_data - what a plugin keeps between its callbacks: a pointer for each scope, found
 * again at every later event of that scope and at no other, destroyed once when the scope
 * ends or another pointer takes its place; and the number of its connection.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "bare_chain.h"

/* What plugins keep: what it is, and how often it has been destroyed. */
struct kept {
    char text[64];
    int destroyed;
};

static struct kept kept[32];
static size_t count;

static struct kept *
keep(milter_ctx *ctx, const char *what)
{
    struct kept *one = &kept[count++];

    assert_true(count <= sizeof(kept) / sizeof(kept[0]));
    *one = (struct kept){.destroyed = 0};
    snprintf(one->text, sizeof(one->text), "%s of %s", what, milter_name(ctx));
    return one;
}

static void
destroyed(void *data)
{
    ((struct kept *)data)->destroyed++;
}

/* How often a thing has been destroyed, -1 where nothing of that text is kept. */
static int
destroyed_of(const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(kept[i].text, text) == 0)
            return kept[i].destroyed;
    return -1;
}

static void
set(milter_ctx *ctx, enum milter_scope scope, const char *what)
{
    assert_int_equal(milter_set_data(ctx, scope, keep(ctx, what), destroyed), MILTER_OK);
}

/* The plugin's own, and not destroyed. NULL: there is none. */
static void
expect(milter_ctx *ctx, enum milter_scope scope, const char *what)
{
    const struct kept *found = milter_data(ctx, scope);
    char text[64];

    if (what == NULL) {
        assert_null(found);
        return;
    }
    snprintf(text, sizeof(text), "%s of %s", what, milter_name(ctx));
    assert_non_null(found);
    assert_string_equal(found->text, text);
    assert_int_equal(found->destroyed, 0);
}

/* ---- a plugin that keeps something of each scope ------------------------------------- */

static enum milter_verdict
on_connect(milter_ctx *ctx, const struct milter_client *client)
{
    expect(ctx, MILTER_CONNECTION, NULL);
    expect(ctx, MILTER_MESSAGE, NULL);
    assert_int_equal(milter_set_data(ctx, MILTER_MESSAGE, "", NULL), MILTER_ERR_STAGE);
    if (milter_data(ctx, MILTER_WORKER) == NULL)
        set(ctx, MILTER_WORKER, "the worker");
    expect(ctx, MILTER_WORKER, "the worker");
    set(ctx, MILTER_CONNECTION, client->name);
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_mail(milter_ctx *ctx, const char *sender, const char *const *args)
{
    (void)args;
    expect(ctx, MILTER_MESSAGE, NULL);
    set(ctx, MILTER_MESSAGE, sender);
    expect(ctx, MILTER_WORKER, "the worker");
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_rcpt(milter_ctx *ctx, const char *rcpt, const char *const *args)
{
    (void)args;
    expect(ctx, MILTER_MESSAGE, milter_sender(ctx));
    expect(ctx, MILTER_CONNECTION, milter_client(ctx)->name);
    if (strcmp(rcpt, "<again@x>") == 0) {
        /* The same pointer once more is not destroyed, another one is. */
        void *same = milter_data(ctx, MILTER_MESSAGE);
        assert_int_equal(milter_set_data(ctx, MILTER_MESSAGE, same, destroyed), MILTER_OK);
        expect(ctx, MILTER_MESSAGE, milter_sender(ctx));
        set(ctx, MILTER_MESSAGE, "the second");
        assert_int_equal(((struct kept *)same)->destroyed, 1);
        expect(ctx, MILTER_MESSAGE, "the second");
    }
    return MILTER_CONTINUE;
}

static void
on_end(milter_ctx *ctx, const struct milter_outcome *outcome)
{
    (void)outcome;
    assert_non_null(milter_data(ctx, MILTER_MESSAGE));
    assert_int_equal(((struct kept *)milter_data(ctx, MILTER_MESSAGE))->destroyed, 0);
    expect(ctx, MILTER_CONNECTION, milter_client(ctx)->name);
}

static void
on_close(milter_ctx *ctx)
{
    expect(ctx, MILTER_MESSAGE, NULL);
    expect(ctx, MILTER_CONNECTION, milter_client(ctx)->name);
}

static void
say_connect(struct bare_dialogue *d, const char *name)
{
    char data[64];
    int length = snprintf(data, sizeof(data), "%s%c4..192.0.2.7%c", name, '\0', '\0');

    assert_string_equal(bare_dialogue_say(d, 'C', data, (size_t)length), "c");
}

static void
scopes(void **unused)
{
    static const struct milter_plugin first = {
        .name = "first",
        .needs = MILTER_NEEDS_ENVELOPE | MILTER_NEEDS_CLIENT,
        .on_connect = on_connect,
        .on_mail = on_mail,
        .on_rcpt = on_rcpt,
        .on_end = on_end,
        .on_close = on_close,
    };
    struct milter_plugin second = first;
    struct bare_chain bare;
    struct bare_dialogue d, other;

    (void)unused;
    count = 0;
    second.name = "second";
    bare_chain_init(&bare);
    bare_chain_add(&bare, &first);
    bare_chain_add(&bare, &second);
    bare_dialogue_open(&d, &bare.chain);
    bare_dialogue_open(&other, &bare.chain);
    assert_string_equal(bare_dialogue_negotiate(&d, 6, 0x1fffff), "O");
    assert_string_equal(bare_dialogue_negotiate(&other, 6, 0x1fffff), "O");
    say_connect(&d, "client");

    /* Two messages: one comes to its end, one is aborted. */
    bare_dialogue_say_words(&d, 'M', "<a@x>", NULL);
    bare_dialogue_say_words(&d, 'R', "<one@x>", NULL);
    assert_int_equal(destroyed_of("<a@x> of first"), 0);

    /* Another connection in between has its own. */
    say_connect(&other, "neighbour");
    bare_dialogue_say_words(&other, 'M', "<n@x>", NULL);
    assert_string_equal(bare_dialogue_say_words(&d, 'R', "<two@x>", NULL), "c");

    assert_string_equal(bare_dialogue_say(&d, 'E', "", 0), "c");
    assert_int_equal(destroyed_of("<a@x> of first"), 1);
    assert_int_equal(destroyed_of("<a@x> of second"), 1);
    bare_dialogue_say_words(&d, 'M', "<b@x>", NULL);
    bare_dialogue_say_words(&d, 'R', "<again@x>", NULL);
    bare_dialogue_say(&d, 'A', "", 0);
    assert_int_equal(destroyed_of("<b@x> of first"), 1);
    assert_int_equal(destroyed_of("the second of first"), 1);
    assert_int_equal(destroyed_of("client of first"), 0);

    /* The next client on the connection. */
    bare_dialogue_say(&d, 'K', "", 0);
    assert_int_equal(destroyed_of("client of first"), 1);
    assert_int_equal(destroyed_of("client of second"), 1);
    say_connect(&d, "next");
    bare_dialogue_close(&d);
    assert_int_equal(destroyed_of("next of second"), 1);

    assert_int_equal(destroyed_of("<n@x> of first"), 0);
    bare_dialogue_close(&other);
    assert_int_equal(destroyed_of("<n@x> of first"), 1);
    assert_int_equal(destroyed_of("neighbour of first"), 1);
    assert_int_equal(destroyed_of("the worker of first"), 0);
    bare_chain_fini(&bare);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(kept[i].destroyed, 1);
}

/* ---- memory ---------------------------------------------------------------------------- */

static const char *before_mail; /* lives as long as the connection */

static enum milter_verdict
allocates_at_helo(milter_ctx *ctx, const char *name)
{
    before_mail = milter_strdup(ctx, name);
    assert_non_null(before_mail);
    return MILTER_CONTINUE;
}

static enum milter_verdict
allocates_at_mail(milter_ctx *ctx, const char *sender, const char *const *args)
{
    (void)args;
    assert_string_equal(before_mail, "helo");
    /* Zeroed, whatever was there before, and the host's to free. */
    for (size_t size = 1; size <= 100000; size *= 10) {
        char *room = milter_alloc(ctx, size);

        assert_non_null(room);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(room[i], 0);
        memset(room, 'x', size);
    }
    assert_int_equal(milter_set_data(ctx, MILTER_MESSAGE, milter_printf(ctx, "[%s]", sender), NULL),
                     MILTER_OK);
    return MILTER_CONTINUE;
}

static enum milter_verdict
finds_at_eom(milter_ctx *ctx)
{
    assert_string_equal(milter_data(ctx, MILTER_MESSAGE), "[<a@x>]");
    return MILTER_CONTINUE;
}

static void
memory(void **unused)
{
    static const struct milter_plugin plugin = {
        .name = "allocates",
        .on_helo = allocates_at_helo,
        .on_mail = allocates_at_mail,
        .on_eom = finds_at_eom,
    };
    struct bare_chain bare;
    struct bare_dialogue d;

    (void)unused;
    bare_chain_init(&bare);
    bare_chain_add(&bare, &plugin);
    bare_dialogue_open(&d, &bare.chain);
    bare_dialogue_negotiate(&d, 6, 0x1fffff);
    assert_string_equal(bare_dialogue_say_words(&d, 'H', "helo", NULL), "c");
    for (int i = 0; i < 3; i++) {
        assert_string_equal(bare_dialogue_say_words(&d, 'M', "<a@x>", NULL), "c");
        assert_string_equal(bare_dialogue_say(&d, 'E', "", 0), "c");
    }
    bare_dialogue_close(&d);
    bare_chain_fini(&bare);
}

/* ---- the number of a connection ---------------------------------------------------------- */

static char ids[4][64];
static size_t connections;

static enum milter_verdict
notes_id(milter_ctx *ctx, const struct milter_client *client)
{
    (void)client;
    snprintf(ids[connections++], sizeof(ids[0]), "%s", milter_session_id(ctx));
    return MILTER_CONTINUE;
}

static enum milter_verdict
same_id(milter_ctx *ctx, const char *sender, const char *const *args)
{
    (void)sender;
    (void)args;
    assert_string_equal(milter_session_id(ctx), ids[connections - 1]);
    return MILTER_CONTINUE;
}

static void
session_id(void **unused)
{
    static const struct milter_plugin plugin = {
        .name = "notes", .on_connect = notes_id, .on_mail = same_id};
    struct bare_chain bare;
    struct bare_dialogue d;

    (void)unused;
    bare_chain_init(&bare);
    bare_chain_add(&bare, &plugin);
    for (int i = 0; i < 2; i++) {
        bare_dialogue_open(&d, &bare.chain);
        bare_dialogue_negotiate(&d, 6, 0x1fffff);
        for (int client = 0; client < 2; client++) {
            say_connect(&d, "client");
            bare_dialogue_say_words(&d, 'M', "<a@x>", NULL);
            bare_dialogue_say_words(&d, 'A', NULL);
            bare_dialogue_say_words(&d, 'M', "<b@x>", NULL);
            bare_dialogue_say(&d, 'K', "", 0);
        }
        bare_dialogue_close(&d);
    }
    assert_int_equal(connections, 4);
    for (size_t i = 0; i < connections; i++) {
        assert_true(ids[i][0] != '\0');
        assert_int_equal(strspn(ids[i], "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(ids[i]));
        for (size_t other = 0; other < i; other++)
            assert_string_not_equal(ids[i], ids[other]);
    }
    bare_chain_fini(&bare);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scopes),
        cmocka_unit_test(memory),
        cmocka_unit_test(session_id),
    };
    const struct log_settings quiet = {.target = LOG_TO_STDERR, .level = MILTER_LOG_ERROR};

    log_open(&quiet);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
