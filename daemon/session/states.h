/*
 * states - which command is legal when, and what each command is: the event it
 * stands for, the negotiation bits that concern it, the state it leads to. The
 * two tables in states.c are the whole of it.
 */
#ifndef DAEMON_SESSION_STATES_H
#define DAEMON_SESSION_STATES_H

#include <stdbool.h>
#include <stdint.h>
#include <milterd/plugin.h>

enum session_state {
    STATE_NEW,        /* nothing before the negotiation */
    STATE_NEGOTIATED, /* no client yet, or the next one after quit-with-new-connection */
    STATE_IDLE,       /* a client, no message: HELO may come again, or MAIL */
    STATE_MAIL,
    STATE_RCPT,
    STATE_DATA,
    STATE_HEADER,
    STATE_EOH,
    STATE_BODY,
    STATES,
};

/* One command of the mail server that is an event for plugins. */
struct states_command {
    char letter;
    const char *name;
    enum milter_event event;
    enum session_state next;
    uint32_t left_out; /* PROTOCOL_NO_: negotiated away */
    uint32_t no_reply; /* PROTOCOL_NR_: no reply is due; 0: always due */
};

/* The row of a command byte; NULL for what is no event (O D A Q K) or unknown. */
const struct states_command *states_command(char letter);

/* The row of an event. */
const struct states_command *states_event(enum milter_event event);

/* Whether an event is legal in a state, where the negotiated protocol bits say
   which events are left out on the way there. */
bool states_legal(enum session_state state, const struct states_command *command,
                  uint32_t protocol);

/* "idle", for the log. */
const char *states_name(enum session_state state);

#endif
