/*
 * test_verdict - the whole matrix of verdict, event and observed, printed and held
 * against the table that <milterd/plugin.h> promises; what on_failure turns a failure
 * into; and the same through a session: what each verdict says to the mail server and
 * whether the next plugin is still asked.
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
#include "chain/verdict.h"
#include "wire/protocol.h"

enum { INVALID_BELOW = -1, INVALID_ABOVE = 10, INVALID_FAR = 99 };

/* One letter an event, connect to unknown: n next, q quiet, d done, ! decides, - fails. */
static const struct {
    int verdict;
    const char *name, *effects;
} rows[] = {
    {MILTER_CONTINUE, "continue", "nnnnnnnnnn"}, {MILTER_SKIP, "skip", "qqqqqqqqqq"},
    {MILTER_DONE, "done", "ddddddddd-"},         {MILTER_ACCEPT, "accept", "!!!!!!!!!-"},
    {MILTER_REJECT, "reject", "!!!!!!!!!!"},     {MILTER_TEMPFAIL, "tempfail", "!!!!!!!!!!"},
    {MILTER_DISCARD, "discard", "--!!!!!!!-"},   {MILTER_REPLY, "reply", "!!!!!!!!!!"},
    {MILTER_SUSPEND, "suspend", "----------"},   {MILTER_FAILURE, "failure", "----------"},
    {INVALID_BELOW, "invalid", "----------"},    {INVALID_ABOVE, "invalid", "----------"},
    {INVALID_FAR, "invalid", "----------"},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static const char *const event_names[MILTER_EVENTS] = {
    "connect", "helo", "mail", "rcpt", "data", "header", "eoh", "body", "eom", "unknown",
};

static const struct {
    char letter;
    const char *word;
} effects[] = {
    [VERDICT_NEXT] = {'n', "next"},   [VERDICT_QUIET] = {'q', "quiet"},
    [VERDICT_DONE] = {'d', "done"},   [VERDICT_DECIDES] = {'!', "decides"},
    [VERDICT_FAILS] = {'-', "FAILS"},
};

static void
print_matrix(bool observed)
{
    print_message("\n%-9s", observed ? "observed" : "");
    for (int event = 0; event < MILTER_EVENTS; event++)
        print_message(" %-8s", event_names[event]);
    print_message("\n");
    for (size_t i = 0; i < ROWS; i++) {
        print_message("%-9s", rows[i].name);
        for (int event = 0; event < MILTER_EVENTS; event++)
            print_message(" %-8s",
                          effects[verdict_effect((enum milter_event)event,
                                                 (enum milter_verdict)rows[i].verdict, observed)]
                              .word);
        print_message("\n");
    }
}

static void
matrix(void **unused)
{
    (void)unused;
    for (int observed = 0; observed < 2; observed++) {
        print_matrix(observed);
        for (size_t i = 0; i < ROWS; i++) {
            for (int event = 0; event < MILTER_EVENTS; event++) {
                char expected = rows[i].effects[event];
                enum verdict_effect is = verdict_effect(
                    (enum milter_event)event, (enum milter_verdict)rows[i].verdict, observed);

                if (observed && expected == '!')
                    expected = '-';
                if (effects[is].letter != expected)
                    fail_msg("%s at %s%s: %s", rows[i].name, event_names[event],
                             observed ? ", observed" : "", effects[is].word);
            }
        }
    }
}

static void
names(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ROWS; i++)
        assert_string_equal(verdict_name((enum milter_verdict)rows[i].verdict), rows[i].name);
    for (int event = 0; event < MILTER_EVENTS; event++)
        assert_string_equal(verdict_event_name((enum milter_event)event), event_names[event]);
    assert_string_equal(verdict_event_name(MILTER_EVENTS), "none");
}

static void
on_failure(void **unused)
{
    (void)unused;
    assert_int_equal(verdict_on_failure(ON_FAILURE_TEMPFAIL), MILTER_TEMPFAIL);
    assert_int_equal(verdict_on_failure(ON_FAILURE_REJECT), MILTER_REJECT);
    assert_int_equal(verdict_on_failure(ON_FAILURE_CONTINUE), MILTER_CONTINUE);
}

/* ---- through a session ----------------------------------------------------------------- */

/* The first plugin of the chain gives `given` at `at`; the second counts how often it is
   asked there. */
static enum milter_event at;
static int given;
static unsigned second_asked;

static enum milter_verdict
play(milter_ctx *ctx, enum milter_event event)
{
    if (strcmp(milter_name(ctx), "second") == 0) {
        second_asked += event == at;
        return MILTER_CONTINUE;
    }
    if (event != at)
        return MILTER_CONTINUE;
    if (given == MILTER_REPLY)
        return milter_reply(ctx, 550, "5.7.1", "no");
    return (enum milter_verdict)given;
}

static enum milter_verdict
on_connect(milter_ctx *ctx, const struct milter_client *client)
{
    (void)client;
    return play(ctx, MILTER_EVENT_CONNECT);
}

static enum milter_verdict
on_helo(milter_ctx *ctx, const char *name)
{
    (void)name;
    return play(ctx, MILTER_EVENT_HELO);
}

static enum milter_verdict
on_mail(milter_ctx *ctx, const char *sender, const char *const *args)
{
    (void)sender;
    (void)args;
    return play(ctx, MILTER_EVENT_MAIL);
}

static enum milter_verdict
on_rcpt(milter_ctx *ctx, const char *rcpt, const char *const *args)
{
    (void)rcpt;
    (void)args;
    return play(ctx, MILTER_EVENT_RCPT);
}

static enum milter_verdict
on_data(milter_ctx *ctx)
{
    return play(ctx, MILTER_EVENT_DATA);
}

static enum milter_verdict
on_header(milter_ctx *ctx, const char *name, const char *value)
{
    (void)name;
    (void)value;
    return play(ctx, MILTER_EVENT_HEADER);
}

static enum milter_verdict
on_eoh(milter_ctx *ctx)
{
    return play(ctx, MILTER_EVENT_EOH);
}

static enum milter_verdict
on_body(milter_ctx *ctx, const void *chunk, size_t length)
{
    (void)chunk;
    (void)length;
    return play(ctx, MILTER_EVENT_BODY);
}

static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    return play(ctx, MILTER_EVENT_EOM);
}

static enum milter_verdict
on_unknown(milter_ctx *ctx, const char *command)
{
    (void)command;
    return play(ctx, MILTER_EVENT_UNKNOWN);
}

#define ALL_CALLBACKS                                                                     \
    .on_connect = on_connect, .on_helo = on_helo, .on_mail = on_mail, .on_rcpt = on_rcpt, \
    .on_data = on_data, .on_header = on_header, .on_eoh = on_eoh, .on_body = on_body,     \
    .on_eom = on_eom, .on_unknown = on_unknown

static const struct milter_plugin first = {.name = "first", ALL_CALLBACKS};
static const struct milter_plugin second = {.name = "second", ALL_CALLBACKS};

static const char *
say(struct bare_dialogue *dialogue, char letter)
{
    switch (letter) {
    case 'C':
        return bare_dialogue_say(dialogue, 'C', "localhost\0004\0\031127.0.0.1", 23);
    case 'H':
        return bare_dialogue_say_words(dialogue, 'H', "client", NULL);
    case 'M':
        return bare_dialogue_say_words(dialogue, 'M', "<a@example.org>", NULL);
    case 'R':
        return bare_dialogue_say_words(dialogue, 'R', "<b@example.org>", NULL);
    case 'L':
        return bare_dialogue_say_words(dialogue, 'L', "Subject", "test", NULL);
    case 'B':
        return bare_dialogue_say(dialogue, 'B', "text\r\n", 6);
    case 'U':
        return bare_dialogue_say_words(dialogue, 'U', "XFOO", NULL);
    }
    return bare_dialogue_say(dialogue, letter, "", 0);
}

/* What leads to each event, the event itself last. */
static const char *const ways[MILTER_EVENTS] = {
    "C", "CH", "CHM", "CHMR", "CHMRT", "CHMRTL", "CHMRTLN", "CHMRTLNB", "CHMRTLNBE", "CU",
};

/* The reply to the event, where a reply is due. */
static char
reply_at(enum milter_event event, int verdict, enum config_on_failure instead)
{
    struct bare_chain bare;
    struct bare_dialogue dialogue;
    const char *is = "";

    at = event;
    given = verdict;
    second_asked = 0;
    bare_chain_init(&bare);
    bare_chain_add(&bare, &first)->on_failure = instead;
    bare_chain_add(&bare, &second);
    bare_dialogue_open(&dialogue, &bare.chain);
    assert_string_equal(bare_dialogue_negotiate(&dialogue, 6, 0x1fffff), "O");
    for (const char *letter = ways[event]; *letter != '\0'; letter++) {
        if (letter[1] != '\0')
            assert_string_equal(say(&dialogue, *letter), "c");
        else
            is = say(&dialogue, *letter);
    }
    assert_int_equal(strlen(is), 1);
    char letter = is[0];
    bare_dialogue_close(&dialogue);
    bare_chain_fini(&bare);
    return letter;
}

static void
replies(void **unused)
{
    static const struct {
        enum config_on_failure on_failure;
        const char *name;
        char letter;
    } failures[] = {
        {ON_FAILURE_TEMPFAIL, "tempfail", 't'},
        {ON_FAILURE_REJECT, "reject", 'r'},
        {ON_FAILURE_CONTINUE, "continue", 'c'},
    };

    (void)unused;
    for (size_t f = 0; f < sizeof failures / sizeof failures[0]; f++) {
        for (size_t i = 0; i < ROWS; i++) {
            for (int event = 0; event < MILTER_EVENTS; event++) {
                static const char deciding[] = {
                    [MILTER_ACCEPT] = 'a',  [MILTER_REJECT] = 'r', [MILTER_TEMPFAIL] = 't',
                    [MILTER_DISCARD] = 'd', [MILTER_REPLY] = 'y',
                };
                char effect = rows[i].effects[event], expected = 'c';

                if (effect == '!')
                    expected = deciding[rows[i].verdict];
                else if (effect == '-')
                    expected = failures[f].letter;
                bool goes_on = expected == 'c';
                char is =
                    reply_at((enum milter_event)event, rows[i].verdict, failures[f].on_failure);
                if (is != expected || second_asked != goes_on)
                    fail_msg("%s (%d) at %s, on_failure %s: reply %c, the second plugin was "
                             "asked %u times; expected %c",
                             rows[i].name, rows[i].verdict, event_names[event], failures[f].name,
                             is, second_asked, expected);
            }
        }
    }
}

/* A chain of the first plugin alone, which observes some events. */
static void
open_alone(struct bare_chain *bare, struct bare_dialogue *dialogue, uint32_t observes)
{
    struct milter_plugin plugin = first;

    plugin.observes = observes;
    bare_chain_init(bare);
    bare_chain_add(bare, &plugin);
    bare_dialogue_open(dialogue, &bare->chain);
    assert_string_equal(bare_dialogue_negotiate(dialogue, 6, 0x1fffff), "O");
}

/* One plugin alone, which gives a verdict at an event and continues elsewhere: the replies
   to each of the commands, "-" for none. */
static void
alone(void **unused)
{
    static const struct {
        const char *name;
        enum milter_event at;
        int given;
        uint32_t observes;
        const char *commands, *replies;
    } cases[] = {
        {"done at connect is an early accept", MILTER_EVENT_CONNECT, MILTER_DONE, 0, "C", "a"},
        {"done at rcpt is an early accept", MILTER_EVENT_RCPT, MILTER_DONE, 0, "CHMR", "ccca"},
        {"skip of the body", MILTER_EVENT_BODY, MILTER_SKIP, 0, "CHMRTLNBE", "cccccccsc"},
        {"skip of headers", MILTER_EVENT_HEADER, MILTER_SKIP, 0, "CHMRTLLNBE", "cccccccccc"},
        {"a rejected recipient is one recipient", MILTER_EVENT_RCPT, MILTER_REJECT, 0, "CHMRRR",
         "cccrrr"},
        {"a deferred recipient is one recipient", MILTER_EVENT_RCPT, MILTER_TEMPFAIL, 0, "CHMRR",
         "ccctt"},
        {"a discard at rcpt ends the message", MILTER_EVENT_RCPT, MILTER_DISCARD, 0, "CHMRM",
         "cccdc"},
        {"an accept at helo holds for the connection", MILTER_EVENT_HELO, MILTER_ACCEPT, 0, "CHMRE",
         "caaaa"},
        {"a reject at connect holds for the connection", MILTER_EVENT_CONNECT, MILTER_REJECT, 0,
         "CHMU", "rrrr"},
        {"no accept for an unknown command", MILTER_EVENT_CONNECT, MILTER_ACCEPT, 0, "CUM", "aca"},
        {"no accept for it after done either", MILTER_EVENT_CONNECT, MILTER_DONE,
         MILTER_OBSERVES(CONNECT), "CUM", "-ca"},
        {"an observer cannot decide", MILTER_EVENT_MAIL, MILTER_REJECT, MILTER_OBSERVES(MAIL),
         "CHMR", "cc-t"},
        {"what is held decides at the end at the latest", MILTER_EVENT_HEADER, MILTER_ACCEPT,
         MILTER_OBSERVES(HEADER) | MILTER_OBSERVES(EOH) | MILTER_OBSERVES(BODY), "CHMRTLNBE",
         "ccccc---t"},
        {"an unknown command does not let out what is held", MILTER_EVENT_MAIL, MILTER_FAILURE,
         MILTER_OBSERVES(MAIL) | MILTER_OBSERVES(RCPT), "CHMURUTE", "cc-c-ct-"},
    };
    struct bare_chain bare;
    struct bare_dialogue dialogue;

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char is[32] = "";

        at = cases[i].at;
        given = cases[i].given;
        open_alone(&bare, &dialogue, cases[i].observes);
        for (const char *letter = cases[i].commands; *letter != '\0'; letter++) {
            const char *reply = say(&dialogue, *letter);

            strcat(is, reply[0] != '\0' ? reply : "-");
        }
        if (strcmp(is, cases[i].replies) != 0)
            fail_msg("%s: %s gives %s, not %s", cases[i].name, cases[i].commands, is,
                     cases[i].replies);
        bare_dialogue_close(&dialogue);
        bare_chain_fini(&bare);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrix),  cmocka_unit_test(names), cmocka_unit_test(on_failure),
        cmocka_unit_test(replies), cmocka_unit_test(alone),
    };
    const struct log_settings quiet = {.target = LOG_TO_STDERR, .level = MILTER_LOG_ERROR};

    /* The refusals of all those verdicts are no news here. */
    log_open(&quiet);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
