/*
 * test_states - every command in every state: against a table written from
 * libmilter's rule, against the order of SMTP with every set of events left out, and
 * through a session, where a command out of order aborts the message and is tried
 * once more as after HELO.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "bare_chain.h"
#include "session/states.h"
#include "wire/protocol.h"

static const char events[] = "CHMRTLNBEU";

/* What libmilter lets through in each state, nothing left out; and the commands that
   lead there. */
static const struct {
    enum session_state state;
    const char *name, *legal, *way;
} table[] = {
    {STATE_NEW, "new", "", ""},
    {STATE_NEGOTIATED, "negotiated", "CU", "O"},
    {STATE_IDLE, "idle", "HMU", "OC"},
    {STATE_MAIL, "mail", "RU", "OCHM"},
    {STATE_RCPT, "rcpt", "RTLNBEU", "OCHMR"},
    {STATE_DATA, "data", "LN", "OCHMRT"},
    {STATE_HEADER, "header", "LN", "OCHMRTL"},
    {STATE_EOH, "eoh", "BE", "OCHMRTLN"},
    {STATE_BODY, "body", "BE", "OCHMRTLNB"},
};

enum { ROWS = sizeof table / sizeof table[0] };

static void
legal_pairs(void **unused)
{
    (void)unused;
    assert_int_equal(ROWS, STATES);
    for (size_t i = 0; i < ROWS; i++) {
        assert_string_equal(states_name(table[i].state), table[i].name);
        for (const char *letter = events; *letter != '\0'; letter++) {
            bool expected = strchr(table[i].legal, *letter) != NULL;

            if (states_legal(table[i].state, states_command(*letter), 0) != expected)
                fail_msg("%c in state %s: should be %s", *letter, table[i].name,
                         expected ? "legal" : "out of order");
        }
    }
}

static void
letters(void **unused)
{
    (void)unused;
    for (int c = 0; c < 256; c++) {
        const struct states_command *command = states_command((char)c);
        bool is_event = c != 0 && strchr(events, c) != NULL;

        if ((command != NULL) != is_event)
            fail_msg("byte 0x%02x is %s event", c, is_event ? "an" : "no");
        if (command == NULL)
            continue;
        assert_int_equal(command->letter, c);
        assert_ptr_equal(states_event(command->event), command);
        assert_int_equal(command->event, strchr(events, c) - events);
    }
}

/* ---- events left out --------------------------------------------------------------- */

static const struct {
    char letter;
    uint32_t no, no_reply;
} bits[] = {
    {'C', 0x01, 0x1000},  {'H', 0x02, 0x2000},   {'M', 0x04, 0x4000},
    {'R', 0x08, 0x8000},  {'B', 0x10, 0x80000},  {'L', 0x20, 0x80},
    {'N', 0x40, 0x40000}, {'U', 0x100, 0x20000}, {'T', 0x200, 0x10000},
};

enum { BITS = sizeof bits / sizeof bits[0] };

static void
bits_of_commands(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < BITS; i++) {
        const struct states_command *command = states_command(bits[i].letter);

        if (command->left_out != bits[i].no || command->no_reply != bits[i].no_reply)
            fail_msg("%c: bits 0x%x and 0x%x", bits[i].letter, (unsigned)command->left_out,
                     (unsigned)command->no_reply);
    }
    assert_int_equal(states_command('E')->left_out, 0);
    assert_int_equal(states_command('E')->no_reply, 0);
}

static bool
left_out(char letter, uint32_t protocol)
{
    for (size_t i = 0; i < BITS; i++)
        if (bits[i].letter == letter)
            return (protocol & bits[i].no) != 0;
    return false;
}

/*
 * The order as SMTP has it, with libmilter's liberties: HELO, DATA (older protocols),
 * header fields and a body need not come; straight after the recipients the end of the
 * header need not either. `last` is what came last, 'O' for nothing yet.
 */
static bool
follows(char last, char letter, uint32_t protocol)
{
    static const char order[] = "OCHMRTLNBE";
    const char *at = strchr(order, last);
    bool from_envelope = at <= strchr(order, 'R');

    if (letter == 'U')
        return from_envelope;
    if (letter == last && strchr("HRLB", last) != NULL)
        return true;
    for (at++; *at != '\0'; at++) {
        if (*at == letter)
            return true;
        bool absent = strchr("HTLB", *at) != NULL || (*at == 'N' && from_envelope);
        if (!absent && !left_out(*at, protocol))
            return false;
    }
    return false;
}

static void
events_left_out(void **unused)
{
    static const char last[] = "?OHMRTLNB"; /* in the order of the states */

    (void)unused;
    for (unsigned set = 0; set < 1U << BITS; set++) {
        uint32_t protocol = 0;

        for (size_t i = 0; i < BITS; i++)
            if (set & 1U << i)
                protocol |= bits[i].no;
        for (int state = STATE_NEGOTIATED; state < STATES; state++) {
            for (const char *letter = events; *letter != '\0'; letter++) {
                bool expected = follows(last[state], *letter, protocol);
                bool is = states_legal((enum session_state)state, states_command(*letter),
                                       protocol | PROTOCOL_SKIP | PROTOCOL_NR_MAIL);

                if (is != expected)
                    fail_msg("%c in state %s with protocol 0x%x: should be %s", *letter,
                             states_name((enum session_state)state), (unsigned)protocol,
                             expected ? "legal" : "out of order");
            }
        }
        for (const char *letter = events; *letter != '\0'; letter++)
            assert_false(states_legal(STATE_NEW, states_command(*letter), protocol));
    }
}

/* ---- through a session --------------------------------------------------------------- */

/* What the plugin has seen: letters of events, 'a' for an abort, '.' for an end, '/' for
   the end of the connection. */
static char seen[64];

static void
see(char letter)
{
    size_t n = strlen(seen);

    if (n + 1 < sizeof(seen))
        seen[n] = letter;
}

static enum milter_verdict
on_connect(milter_ctx *ctx, const struct milter_client *client)
{
    (void)ctx;
    (void)client;
    see('C');
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_helo(milter_ctx *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    see('H');
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_mail(milter_ctx *ctx, const char *sender, const char *const *args)
{
    (void)ctx;
    (void)sender;
    (void)args;
    see('M');
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_rcpt(milter_ctx *ctx, const char *rcpt, const char *const *args)
{
    (void)ctx;
    (void)rcpt;
    (void)args;
    see('R');
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_data(milter_ctx *ctx)
{
    (void)ctx;
    see('T');
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_header(milter_ctx *ctx, const char *name, const char *value)
{
    (void)ctx;
    (void)name;
    (void)value;
    see('L');
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_eoh(milter_ctx *ctx)
{
    (void)ctx;
    see('N');
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_body(milter_ctx *ctx, const void *chunk, size_t length)
{
    (void)ctx;
    (void)chunk;
    (void)length;
    see('B');
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    (void)ctx;
    see('E');
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_unknown(milter_ctx *ctx, const char *command)
{
    (void)ctx;
    (void)command;
    see('U');
    return MILTER_CONTINUE;
}

static void
on_abort(milter_ctx *ctx)
{
    (void)ctx;
    see('a');
}

static void
on_end(milter_ctx *ctx, const struct milter_outcome *outcome)
{
    (void)ctx;
    (void)outcome;
    see('.');
}

static void
on_close(milter_ctx *ctx)
{
    (void)ctx;
    see('/');
}

static const struct milter_plugin recorder = {
    .name = "recorder",
    .on_connect = on_connect,
    .on_helo = on_helo,
    .on_mail = on_mail,
    .on_rcpt = on_rcpt,
    .on_data = on_data,
    .on_header = on_header,
    .on_eoh = on_eoh,
    .on_body = on_body,
    .on_eom = on_eom,
    .on_unknown = on_unknown,
    .on_abort = on_abort,
    .on_end = on_end,
    .on_close = on_close,
};

static const char *
say(struct bare_dialogue *dialogue, char letter)
{
    switch (letter) {
    case 'O':
        return bare_dialogue_negotiate(dialogue, 6, PROTOCOL_SKIP);
    case 'C':
        return bare_dialogue_say(dialogue, 'C', "localhost\0004\0\031127.0.0.1", 23);
    case 'H':
        return bare_dialogue_say_words(dialogue, 'H', "client", NULL);
    case 'M':
        return bare_dialogue_say_words(dialogue, 'M', "<a@example.org>", "SIZE=1", NULL);
    case 'R':
        return bare_dialogue_say_words(dialogue, 'R', "<b@example.org>", NULL);
    case 'L':
        return bare_dialogue_say_words(dialogue, 'L', "Subject", "test", NULL);
    case 'B':
        return bare_dialogue_say(dialogue, 'B', "text\r\n", 6);
    case 'U':
        return bare_dialogue_say_words(dialogue, 'U', "XFOO", NULL);
    case 'D':
        return bare_dialogue_say(dialogue, 'D', "Mi\0queue", 9);
    }
    return bare_dialogue_say(dialogue, letter, "", 0);
}

/* The dialogue up to a state. */
static void
lead_to(struct bare_dialogue *dialogue, struct chain *chain, const char *way)
{
    bare_dialogue_open(dialogue, chain);
    for (; *way != '\0'; way++)
        assert_string_equal(say(dialogue, *way), *way == 'O' ? "O" : "c");
    memset(seen, 0, sizeof(seen));
}

static void
commands_in_states(void **unused)
{
    struct bare_chain bare;
    struct bare_dialogue dialogue;

    (void)unused;
    bare_chain_init(&bare);
    bare_chain_add(&bare, &recorder);
    for (size_t i = 0; i < ROWS; i++) {
        bool in_message = table[i].state >= STATE_MAIL;

        for (const char *letter = events; *letter != '\0'; letter++) {
            char expected[8] = "", *at = expected;
            const char *reply = "c";
            bool legal = strchr(table[i].legal, *letter) != NULL;

            lead_to(&dialogue, &bare.chain, table[i].way);
            const char *is = say(&dialogue, *letter);
            if (table[i].state == STATE_NEW) {
                reply = "close";
            } else {
                if (!legal && in_message)
                    at = stpcpy(at, "a.");
                if (legal || strchr("HMU", *letter) != NULL)
                    *at++ = *letter;
                else
                    reply = "";
                if (legal && *letter == 'E')
                    strcpy(at, ".");
            }
            if (strcmp(is, reply) != 0 || strcmp(seen, expected) != 0)
                fail_msg("%c in state %s: replies \"%s\" and events \"%s\", not \"%s\" and \"%s\"",
                         *letter, table[i].name, is, seen, reply, expected);
            bare_dialogue_close(&dialogue);
        }
    }
    bare_chain_fini(&bare);
}

/* Commands that are no events, in every state but the first: replies, and what the plugin
   sees; then what follows. */
static void
others_in_states(void **unused)
{
    static const struct {
        const char *name, *commands, *reply, *in_message, *outside;
    } cases[] = {
        {"macros", "D", "", "", ""},
        {"abort", "A", "", "a.", ""},
        {"two aborts", "AA", "", "a.", ""},
        {"abort and mail", "AM", "c", "a.M", "M"},
        {"a second negotiation", "O", "", "", ""},
        {"quit", "Q", "close", "", ""},
        {"next client", "K", "", "a./", "/"},
        {"next client and connect", "KC", "c", "a./C", "/C"},
        {"next client and mail", "KCM", "c", "a./CM", "/CM"},
        {"unknown byte", "Z", "close", "", ""},
    };
    struct bare_chain bare;
    struct bare_dialogue dialogue;

    (void)unused;
    bare_chain_init(&bare);
    bare_chain_add(&bare, &recorder);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
            const char *is = "", *events_of = cases[k].outside, *reply = cases[k].reply;

            if (table[i].state >= STATE_MAIL)
                events_of = cases[k].in_message;
            /* Before connect the plugin has seen no connection that could end. */
            if (table[i].state == STATE_NEGOTIATED && events_of[0] == '/')
                events_of++;
            lead_to(&dialogue, &bare.chain, table[i].way);
            for (const char *letter = cases[k].commands; *letter != '\0'; letter++)
                is = say(&dialogue, *letter);
            if (table[i].state == STATE_NEW) {
                reply = cases[k].commands[0] == 'O' ? "O" : "close";
                events_of = "";
                is = cases[k].commands[1] != '\0' ? reply : is;
            }
            if (strcmp(is, reply) != 0 || strcmp(seen, events_of) != 0)
                fail_msg("%s in state %s: replies \"%s\" and events \"%s\", not \"%s\" and \"%s\"",
                         cases[k].name, table[i].name, is, seen, reply, events_of);
            bare_dialogue_close(&dialogue);
        }
    }
    bare_chain_fini(&bare);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters),
        cmocka_unit_test(legal_pairs),
        cmocka_unit_test(bits_of_commands),
        cmocka_unit_test(events_left_out),
        cmocka_unit_test(commands_in_states),
        cmocka_unit_test(others_in_states),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
