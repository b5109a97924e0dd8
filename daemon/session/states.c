/*
 * The order of events, as libmilter has it: a row for each command and a set of
 * legal commands for each state. Where an event was negotiated away, what may
 * follow it may come at once.
 */
#include "session/states.h"

#include <stddef.h>

#include "wire/protocol.h"

static const struct states_command commands[MILTER_EVENTS] = {
    [MILTER_EVENT_CONNECT] = {COMMAND_CONNECT, "connect", MILTER_EVENT_CONNECT, STATE_IDLE,
                              PROTOCOL_NO_CONNECT, PROTOCOL_NR_CONNECT},
    [MILTER_EVENT_HELO] = {COMMAND_HELO, "helo", MILTER_EVENT_HELO, STATE_IDLE, PROTOCOL_NO_HELO,
                           PROTOCOL_NR_HELO},
    [MILTER_EVENT_MAIL] = {COMMAND_MAIL, "mail", MILTER_EVENT_MAIL, STATE_MAIL, PROTOCOL_NO_MAIL,
                           PROTOCOL_NR_MAIL},
    [MILTER_EVENT_RCPT] = {COMMAND_RCPT, "rcpt", MILTER_EVENT_RCPT, STATE_RCPT, PROTOCOL_NO_RCPT,
                           PROTOCOL_NR_RCPT},
    [MILTER_EVENT_DATA] = {COMMAND_DATA, "data", MILTER_EVENT_DATA, STATE_DATA, PROTOCOL_NO_DATA,
                           PROTOCOL_NR_DATA},
    [MILTER_EVENT_HEADER] = {COMMAND_HEADER, "header", MILTER_EVENT_HEADER, STATE_HEADER,
                             PROTOCOL_NO_HEADERS, PROTOCOL_NR_HEADER},
    [MILTER_EVENT_EOH] = {COMMAND_EOH, "end of headers", MILTER_EVENT_EOH, STATE_EOH,
                          PROTOCOL_NO_EOH, PROTOCOL_NR_EOH},
    [MILTER_EVENT_BODY] = {COMMAND_BODY, "body", MILTER_EVENT_BODY, STATE_BODY, PROTOCOL_NO_BODY,
                           PROTOCOL_NR_BODY},
    [MILTER_EVENT_EOM] = {COMMAND_EOM, "end of message", MILTER_EVENT_EOM, STATE_IDLE, 0, 0},
    [MILTER_EVENT_UNKNOWN] = {COMMAND_UNKNOWN, "unknown command", MILTER_EVENT_UNKNOWN, STATE_IDLE,
                              PROTOCOL_NO_UNKNOWN, PROTOCOL_NR_UNKNOWN},
};

#define AT(event) (1U << MILTER_EVENT_##event)

static const struct {
    const char *name;
    unsigned legal;
} states[STATES] = {
    [STATE_NEW] = {"new", 0},
    [STATE_NEGOTIATED] = {"negotiated", AT(CONNECT) | AT(UNKNOWN)},
    [STATE_IDLE] = {"idle", AT(HELO) | AT(MAIL) | AT(UNKNOWN)},
    [STATE_MAIL] = {"mail", AT(RCPT) | AT(UNKNOWN)},
    [STATE_RCPT] = {"rcpt",
                    AT(RCPT) | AT(DATA) | AT(HEADER) | AT(EOH) | AT(BODY) | AT(EOM) | AT(UNKNOWN)},
    [STATE_DATA] = {"data", AT(HEADER) | AT(EOH)},
    [STATE_HEADER] = {"header", AT(HEADER) | AT(EOH)},
    [STATE_EOH] = {"eoh", AT(BODY) | AT(EOM)},
    [STATE_BODY] = {"body", AT(BODY) | AT(EOM)},
};

const struct states_command *
states_command(char letter)
{
    enum { FIRST = 'A', LAST = 'Z' };
    static const struct states_command *const by_letter[LAST - FIRST + 1] = {
        [COMMAND_CONNECT - FIRST] = &commands[MILTER_EVENT_CONNECT],
        [COMMAND_HELO - FIRST] = &commands[MILTER_EVENT_HELO],
        [COMMAND_MAIL - FIRST] = &commands[MILTER_EVENT_MAIL],
        [COMMAND_RCPT - FIRST] = &commands[MILTER_EVENT_RCPT],
        [COMMAND_DATA - FIRST] = &commands[MILTER_EVENT_DATA],
        [COMMAND_HEADER - FIRST] = &commands[MILTER_EVENT_HEADER],
        [COMMAND_EOH - FIRST] = &commands[MILTER_EVENT_EOH],
        [COMMAND_BODY - FIRST] = &commands[MILTER_EVENT_BODY],
        [COMMAND_EOM - FIRST] = &commands[MILTER_EVENT_EOM],
        [COMMAND_UNKNOWN - FIRST] = &commands[MILTER_EVENT_UNKNOWN],
    };

    return letter >= FIRST && letter <= LAST ? by_letter[letter - FIRST] : NULL;
}

const struct states_command *
states_event(enum milter_event event)
{
    return &commands[event];
}

bool
states_legal(enum session_state state, const struct states_command *command, uint32_t protocol)
{
    if (states[state].legal & 1U << command->event)
        return true;
    /* By way of an event that the mail server was asked to leave out. An unknown command
       leads nowhere. */
    for (size_t i = 0; i < MILTER_EVENTS; i++)
        if (i != MILTER_EVENT_UNKNOWN && (states[state].legal & 1U << i) != 0 &&
            (commands[i].left_out & protocol) != 0 && commands[i].next > state &&
            states_legal(commands[i].next, command, protocol))
            return true;
    return false;
}

const char *
states_name(enum session_state state)
{
    return states[state].name;
}
