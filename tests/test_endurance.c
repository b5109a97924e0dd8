/*
 * A hundred thousand messages through one worker's chain: random verdicts and edits
 * by three plugins, aborts at every stage, broken connections, new clients on old
 * connections. Nothing may be left over: each plugin is told once how each message
 * ended that it saw, every piece of its data is destroyed, and the memory of the
 * process stands still. Under AddressSanitizer the leak check does the last part.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bare_chain.h"
#include "base/log.h"

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

enum { MESSAGES = 100000, WARM = 20000, PLUGINS = 3 };

/* What one plugin has seen and been told. */
static struct {
    long begun, ended, connections, closed, made, destroyed;
    bool in_message, in_connection;
} tally[PLUGINS];

static uint32_t seed = 1;

static uint32_t
pick(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % n;
}

static int
number(milter_ctx *ctx)
{
    return milter_name(ctx)[0] - 'a';
}

static void
destroyed(void *data)
{
    tally[*(int *)data].destroyed++;
    free(data);
}

static void
make_data(milter_ctx *ctx, enum milter_scope scope)
{
    int *data = malloc(sizeof(*data));

    assert_non_null(data);
    *data = number(ctx);
    assert_int_equal(milter_set_data(ctx, scope, data, destroyed), 0);
    tally[*data].made++;
}

static void
saw(milter_ctx *ctx, bool message)
{
    int n = number(ctx);

    if (!tally[n].in_connection) {
        tally[n].in_connection = true;
        tally[n].connections++;
        make_data(ctx, MILTER_CONNECTION);
    }
    if (message && !tally[n].in_message) {
        tally[n].in_message = true;
        tally[n].begun++;
        make_data(ctx, MILTER_MESSAGE);
    }
}

/* Mostly on it goes. */
static enum milter_verdict
any_verdict(milter_ctx *ctx, bool eom)
{
    if (pick(eom ? 4 : 40) != 0)
        return MILTER_CONTINUE;
    if (pick(4) == 0)
        return milter_replyf(ctx, pick(2) != 0 ? 550 : 451, NULL, "no, %u%%\nreally", pick(100));
    return (enum milter_verdict)pick(MILTER_FAILURE + 3);
}

static void
any_edit(milter_ctx *ctx)
{
    static const char text[] = "one line of a new body\r\n";
    milter_header *h = milter_header_next(ctx, NULL);

    for (uint32_t i = pick(4); h != NULL && i > 0; i--)
        h = milter_header_next(ctx, h);
    switch (pick(10)) {
    case 0:
        milter_add_header(ctx, "X-Added", "value\nfolded");
        break;
    case 1:
        milter_insert_header(ctx, pick(5), "X-Inserted", milter_printf(ctx, "%u", pick(9)));
        break;
    case 2:
        if (h != NULL)
            milter_header_replace(ctx, h, "replaced");
        break;
    case 3:
        if (h != NULL)
            milter_header_delete(ctx, h);
        break;
    case 4:
        milter_add_rcpt(ctx, "<more@example.org>", pick(2) != 0 ? "NOTIFY=NEVER" : NULL);
        break;
    case 5:
        milter_delete_rcpt(ctx, "<b@example.org>");
        break;
    case 6:
        milter_change_sender(ctx, "<new@example.org>", NULL);
        break;
    case 7:
        for (uint32_t i = pick(200); i > 0; i--)
            milter_replace_body(ctx, text, sizeof(text) - 1);
        break;
    case 8:
        milter_quarantine(ctx, "to be looked at");
        break;
    case 9:
        milter_change_header(ctx, "Subject", 1, "changed");
        break;
    }
}

static enum milter_verdict
on_connect(milter_ctx *ctx, const struct milter_client *client)
{
    assert_non_null(client);
    saw(ctx, false);
    return pick(100) == 0 ? any_verdict(ctx, true) : MILTER_CONTINUE;
}

static enum milter_verdict
on_mail(milter_ctx *ctx, const char *sender, const char *const *args)
{
    assert_string_equal(sender, "<a@example.org>");
    assert_null(args[0]);
    saw(ctx, true);
    if (pick(8) == 0)
        any_edit(ctx);
    return any_verdict(ctx, false);
}

static enum milter_verdict
on_rcpt(milter_ctx *ctx, const char *rcpt, const char *const *args)
{
    (void)args;
    saw(ctx, true);
    assert_non_null(milter_printf(ctx, "%s again", rcpt));
    return any_verdict(ctx, false);
}

static enum milter_verdict
on_header(milter_ctx *ctx, const char *name, const char *value)
{
    assert_true(name[0] != '\0' && value != NULL);
    saw(ctx, true);
    if (pick(20) == 0)
        any_edit(ctx);
    return any_verdict(ctx, false);
}

static enum milter_verdict
on_body(milter_ctx *ctx, const void *chunk, size_t length)
{
    assert_true(chunk != NULL && length > 0);
    saw(ctx, true);
    return any_verdict(ctx, false);
}

static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    saw(ctx, true);
    for (uint32_t i = pick(4); i > 0; i--)
        any_edit(ctx);
    return any_verdict(ctx, true);
}

static void
on_end(milter_ctx *ctx, const struct milter_outcome *outcome)
{
    int n = number(ctx);

    assert_non_null(outcome);
    assert_true(tally[n].in_message);
    tally[n].in_message = false;
    tally[n].ended++;
}

static void
on_close(milter_ctx *ctx)
{
    int n = number(ctx);

    assert_true(tally[n].in_connection);
    assert_false(tally[n].in_message);
    tally[n].in_connection = false;
    tally[n].closed++;
}

static const struct milter_plugin table = {
    MILTER_PLUGIN_HEAD,
    .name = "a",
    .version = "1",
    .actions = 0xff,
    .needs = MILTER_NEEDS_HEADERS | MILTER_NEEDS_BODY | MILTER_NEEDS_ENVELOPE,
    .on_connect = on_connect,
    .on_mail = on_mail,
    .on_rcpt = on_rcpt,
    .on_header = on_header,
    .on_body = on_body,
    .on_eom = on_eom,
    .on_end = on_end,
    .on_close = on_close,
};

/* ---- the mail server ---------------------------------------------------------------- */

/* One message, or its beginning. False: the session is over. */
static bool
play_message(struct bare_dialogue *d)
{
    static const struct {
        char command;
        const char *words[2];
    } steps[] = {
        {'M', {"<a@example.org>", NULL}}, {'R', {"<b@example.org>", NULL}},
        {'R', {"<c@example.org>", NULL}}, {'T', {NULL, NULL}},
        {'L', {"Subject", "hello"}},      {'L', {"From", "me"}},
        {'L', {"Subject", "again"}},      {'N', {NULL, NULL}},
        {'B', {"some text", NULL}},       {'E', {NULL, NULL}},
    };
    const size_t count = sizeof(steps) / sizeof(steps[0]);
    size_t stop = pick(5) == 0 ? pick((uint32_t)count) : count;

    bare_dialogue_say_words(d, 'D', "Mi", "4XyZ1", NULL);
    for (size_t i = 0; i < stop; i++) {
        const char *letters;
        if (steps[i].command == 'B')
            letters = bare_dialogue_say(d, 'B', steps[i].words[0], strlen(steps[i].words[0]));
        else if (steps[i].words[0] == NULL)
            letters = bare_dialogue_say(d, steps[i].command, "", 0);
        else
            letters = bare_dialogue_say_words(d, steps[i].command, steps[i].words[0],
                                              steps[i].words[1], NULL);
        if (strcmp(letters, "close") == 0)
            return false;
        if (strpbrk(letters, "ard") != NULL && steps[i].command != 'R')
            break;
    }
    return strcmp(bare_dialogue_say(d, 'A', "", 0), "close") != 0;
}

/* Some messages on one connection; how many. */
static long
play_connection(struct chain *chain)
{
    struct bare_dialogue d;
    long messages = 0;

    bare_dialogue_open(&d, chain);
    bare_dialogue_negotiate(&d, 6, 0x1fffff);
    bool alive = true;
    for (uint32_t clients = 1 + pick(2); alive && clients > 0; clients--) {
        static const char client[] = "host\0004\0\031127.0.0.1";
        bare_dialogue_say(&d, 'C', client, sizeof(client));
        for (uint32_t i = pick(6); alive && i > 0; i--) {
            alive = play_message(&d);
            messages++;
        }
        if (alive && clients > 1)
            bare_dialogue_say(&d, 'K', "", 0);
    }
    /* Half of them break off in the middle of a message. */
    if (alive && pick(2) == 0)
        bare_dialogue_say_words(&d, 'M', "<a@example.org>", NULL);
    bare_dialogue_close(&d);
    return messages;
}

static long
resident(void)
{
    long pages = 0, ignored;
    FILE *statm = fopen("/proc/self/statm", "r");

    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%ld %ld", &ignored, &pages), 2);
    fclose(statm);
    return pages * sysconf(_SC_PAGESIZE);
}

static void
nothing_is_left_over(void **state)
{
    struct bare_chain bare;
    struct milter_plugin plugin = table;
    static const char *const names[PLUGINS] = {"a", "b", "c"};
    const struct log_settings quiet = {.target = LOG_TO_STDERR, .level = MILTER_LOG_ERROR};
    long messages = 0, warm_resident = 0;
    size_t warm_heap = 0;

    (void)state;
    log_open(&quiet);
    bare_chain_init(&bare);
    for (int i = 0; i < PLUGINS; i++) {
        plugin.name = names[i];
        bare_chain_add(&bare, &plugin)->on_failure = (enum config_on_failure)i;
    }
    while (messages < MESSAGES) {
        messages += play_connection(&bare.chain);
        if (warm_resident == 0 && messages > WARM) {
            warm_resident = resident();
            warm_heap = mallinfo2().uordblks;
        }
    }
    for (int i = 0; i < PLUGINS; i++) {
        print_message("plugin %d: %ld messages, %ld connections, %ld pieces of data\n", i,
                      tally[i].begun, tally[i].connections, tally[i].made);
        assert_true(tally[i].begun > MESSAGES / 4);
        assert_int_equal(tally[i].begun, tally[i].ended);
        assert_int_equal(tally[i].connections, tally[i].closed);
        assert_int_equal(tally[i].made, tally[i].destroyed);
    }
    print_message("resident %ld KiB after %d messages, %ld KiB after %ld\n", warm_resident / 1024,
                  WARM, resident() / 1024, messages);
    if (!SANITIZED) {
        assert_true(resident() - warm_resident < 256 * 1024);
        assert_true(mallinfo2().uordblks < warm_heap + 64 * 1024);
    }
    bare_chain_fini(&bare);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
