/*
 * A packet is first held against the order (states.c): out of order it aborts
 * an open message and is tried once more as after HELO, or else is ignored, as
 * libmilter does. Then it becomes an event, the chain is walked, and the
 * outcome becomes a reply where one is due.
 *
 * An outcome that cannot be sent yet is held: an accept while edits wait, or
 * anything decided where the mail server expects no reply. While it is held the
 * plugins are asked no more, and it answers as soon as it can.
 *
 * What the connection is on the wire is in struct session_wire, plain numbers
 * apart from anything of the plugins.
 */
#include "session/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "chain/envelope.h"
#include "session/burst.h"
#include "session/events.h"
#include "session/negotiate.h"
#include "session/states.h"
#include "session/summary.h"
#include "wire/decode.h"
#include "wire/protocol.h"

struct session_wire {
    struct negotiated agreed;
    enum session_state state;
};

/* What is needed while a message is open; in its arena. */
struct session_message {
    bool holds; /* held answers for this message */
    struct chain_outcome held;
    struct burst burst; /* at its end, and what is said after it */
    struct chain_outcome final;
};

struct session {
    struct session_wire wire;
    bool at_fault; /* fault_text says of what */
    const struct session_peer *peer;
    struct chain_run *run;
    struct session_message *message;
    const struct chain_outcome *settlement; /* verdict at connect or helo: answers for the whole
                                         connection; in its arena */
};

/* One session is at fault at a time, and is closed at once. */
static char fault_text[160];

static int
progress(void *arg)
{
    const struct session *session = arg;

    return session->peer->send_now(session->peer->arg, REPLY_PROGRESS);
}

static const struct chain_host host = {.progress = progress};

struct session *
session_new(struct chain *chain, const char *listener, const struct session_peer *peer)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session == NULL)
        return NULL;
    session->peer = peer;
    session->run = chain_run_new(chain, &host, session);
    if (session->run == NULL) {
        free(session);
        return NULL;
    }
    session->run->listener = listener;
    return session;
}

size_t
session_data_limit(const struct session *session)
{
    return negotiate_data_limit(&session->wire.agreed);
}

bool
session_negotiated(const struct session *session)
{
    return session->wire.state != STATE_NEW;
}

bool
session_in_message(const struct session *session)
{
    return session->message != NULL;
}

const char *
session_fault(const struct session *session)
{
    return session->at_fault ? fault_text : NULL;
}

static enum session_status MILTER_PRINTF(2, 3)
    fault(struct session *session, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fault_text, sizeof(fault_text), format, arguments);
    va_end(arguments);
    session->at_fault = true;
    return SESSION_CLOSE;
}

/* ---- ends ------------------------------------------------------------------- */

static enum milter_end
end_of(const struct session *session, const struct chain_outcome *outcome)
{
    switch (outcome->verdict) {
    case MILTER_REJECT:
        return MILTER_END_REJECTED;
    case MILTER_TEMPFAIL:
        return MILTER_END_TEMPFAILED;
    case MILTER_DISCARD:
        return MILTER_END_DISCARDED;
    case MILTER_REPLY:
        return outcome->reply.wire[0] == '4' ? MILTER_END_TEMPFAILED : MILTER_END_REJECTED;
    case MILTER_CONTINUE:
    case MILTER_SKIP:
    case MILTER_DONE:
    case MILTER_ACCEPT:
    case MILTER_SUSPEND:
    case MILTER_FAILURE:
        break;
    }
    return session->run->message->quarantines != NULL ? MILTER_END_QUARANTINED
                                                      : MILTER_END_ACCEPTED;
}

static const char *const end_names[] = {
    [MILTER_END_ACCEPTED] = "accept",        [MILTER_END_REJECTED] = "reject",
    [MILTER_END_TEMPFAILED] = "tempfail",    [MILTER_END_DISCARDED] = "discard",
    [MILTER_END_QUARANTINED] = "quarantine", [MILTER_END_ABORTED] = "abort",
};

static void
end_message(struct session *session, enum milter_end end, const struct chain_outcome *outcome,
            size_t edits)
{
    if (session->run->message == NULL)
        return;
    summary_message(session->run, end_names[end], outcome, edits);
    chain_message_end(session->run, end, outcome);
    session->message = NULL;
    if (session->wire.state > STATE_IDLE)
        session->wire.state = STATE_IDLE;
}

static void
abort_message(struct session *session)
{
    const struct session_message *message = session->message;

    end_message(session, MILTER_END_ABORTED,
                message != NULL && message->holds ? &message->held : NULL, 0);
    if (session->wire.state > STATE_IDLE)
        session->wire.state = STATE_IDLE;
}

void
session_free(struct session *session, const char *reason)
{
    if (session == NULL)
        return;
    if (reason != NULL)
        chain_connection_broken(session->run, reason);
    abort_message(session);
    chain_run_free(session->run);
    free(session);
}

/* ---- replies ---------------------------------------------------------------- */

/* The packet of each verdict; those that are not there continue. */
static const char letters[] = {
    [MILTER_CONTINUE] = REPLY_CONTINUE, [MILTER_SKIP] = REPLY_SKIP,
    [MILTER_DONE] = REPLY_CONTINUE,     [MILTER_ACCEPT] = REPLY_ACCEPT,
    [MILTER_REJECT] = REPLY_REJECT,     [MILTER_TEMPFAIL] = REPLY_TEMPFAIL,
    [MILTER_DISCARD] = REPLY_DISCARD,   [MILTER_REPLY] = REPLY_CODE,
};

static void
answer(const struct chain_outcome *outcome, struct encode *out)
{
    if (outcome->verdict == MILTER_REPLY)
        encode_text(out, REPLY_CODE, outcome->reply.wire);
    else
        encode_simple(out, letters[outcome->verdict]);
}

static void
go_on(const struct states_command *command, const struct session *session, struct encode *out)
{
    if ((session->wire.agreed.protocol & command->no_reply) == 0)
        encode_simple(out, REPLY_CONTINUE);
}

/* Edits already sent are not applied by either mail server when a failure follows. */
static enum session_status
give_up_burst(struct session *session, struct encode *out)
{
    const struct chain_outcome failed = {.verdict = MILTER_TEMPFAIL, .event = MILTER_EVENT_EOM};

    log_error("%s: the new body cannot be read back (%s); the message is deferred",
              chain_queue_id(session->run), strerror(errno));
    answer(&failed, out);
    end_message(session, MILTER_END_TEMPFAILED, &failed, 0);
    return SESSION_MORE;
}

enum session_status
session_continue(struct session *session, struct encode *out)
{
    switch (burst_encode(&session->message->burst, session->run, out)) {
    case BURST_FLUSH:
        return SESSION_FLUSH;
    case BURST_FAILED:
        return give_up_burst(session, out);
    case BURST_DONE:
        break;
    }
    const struct chain_outcome *final = &session->message->final;
    answer(final, out);
    end_message(session, end_of(session, final), final, session->message->burst.edits.count);
    return SESSION_MORE;
}

static enum session_status
finish_message(struct session *session, const struct chain_outcome *outcome, struct encode *out)
{
    struct session_message *message = session->message;
    bool passes = outcome->verdict == MILTER_CONTINUE || outcome->verdict == MILTER_ACCEPT;

    message->final = *outcome;
    if (passes && burst_begin(&message->burst, session->run) < 0) {
        log_error("%s: no memory for the edits; the message is deferred",
                  chain_queue_id(session->run));
        message->final =
            (struct chain_outcome){.verdict = MILTER_TEMPFAIL, .event = MILTER_EVENT_EOM};
    }
    return session_continue(session, out);
}

/* ---- outcomes --------------------------------------------------------------- */

/* A copy that outlives the event; a tempfail where there is no memory for it. */
static const struct chain_outcome *
keep_outcome(struct arena *arena, const struct chain_outcome *outcome)
{
    static const struct chain_outcome no_memory = {.verdict = MILTER_TEMPFAIL};
    struct chain_outcome *kept = arena_alloc(arena, sizeof(*kept));

    if (kept == NULL)
        return &no_memory;
    *kept = *outcome;
    if (outcome->reply.wire != NULL) {
        kept->reply.wire = arena_strdup(arena, outcome->reply.wire);
        kept->reply.text = arena_strdup(arena, outcome->reply.text);
        if (kept->reply.wire == NULL || kept->reply.text == NULL)
            return &no_memory;
    }
    return kept;
}

/* Connect and helo: a verdict holds for the rest of the connection. */
static void
conclude_session_event(struct session *session, const struct chain_outcome *outcome,
                       const struct chain_event *event)
{
    if (outcome->verdict == MILTER_CONTINUE)
        return;
    session->settlement = keep_outcome(&session->run->arena, outcome);
    summary_verdict(session->run, outcome, event->text);
}

static void
hold(struct session *session, const struct chain_outcome *outcome)
{
    if (session->message->holds)
        return;
    session->message->holds = true;
    session->message->held = *outcome;
}

/* What the host itself decides when it cannot go on; an accept is no longer safe then. */
static void
hold_tempfail(struct session *session, enum milter_event event)
{
    if (session->message->holds && session->message->held.verdict == MILTER_ACCEPT)
        session->message->holds = false;
    hold(session, &(struct chain_outcome){.verdict = MILTER_TEMPFAIL, .event = event});
}

static enum session_status
conclude(struct session *session, const struct states_command *command,
         const struct chain_outcome *outcome, const struct chain_event *event, struct encode *out)
{
    const enum milter_event number = command->event;
    const enum milter_verdict verdict = outcome->verdict;
    const bool due = (session->wire.agreed.protocol & command->no_reply) == 0;
    const bool refuses =
        verdict == MILTER_REJECT || verdict == MILTER_TEMPFAIL || verdict == MILTER_REPLY;

    if (number == MILTER_EVENT_EOM)
        return finish_message(session, outcome, out);

    if (number == MILTER_EVENT_CONNECT || number == MILTER_EVENT_HELO) {
        conclude_session_event(session, outcome, event);
    } else if (number == MILTER_EVENT_UNKNOWN) {
        if (refuses)
            summary_verdict(session->run, outcome, event->text);
    } else if (number == MILTER_EVENT_RCPT && refuses && due) {
        if (!event->rejected)
            envelope_refuse_last(session->run->message);
        summary_verdict(session->run, outcome, event->text);
    } else if (refuses || verdict == MILTER_DISCARD || verdict == MILTER_ACCEPT) {
        bool edited =
            verdict == MILTER_ACCEPT && (session->message->holds || chain_has_edits(session->run));
        if (!due || edited) {
            hold(session, outcome);
            go_on(command, session, out);
            return SESSION_MORE;
        }
        answer(outcome, out);
        end_message(session, end_of(session, outcome), outcome, 0);
        return SESSION_MORE;
    } else if (verdict == MILTER_SKIP) {
        bool known = session->wire.agreed.protocol & PROTOCOL_SKIP;
        if (due)
            encode_simple(out, known ? REPLY_SKIP : REPLY_CONTINUE);
        return SESSION_MORE;
    }
    if (due)
        answer(outcome, out);
    return SESSION_MORE;
}

/* The plugins are asked no more: what is held answers where it may. */
static enum session_status
conclude_held(struct session *session, const struct states_command *command,
              const struct chain_event *event, struct encode *out)
{
    struct chain_outcome outcome = session->message->held;

    if (command->event == MILTER_EVENT_UNKNOWN) {
        go_on(command, session, out);
        return SESSION_MORE;
    }
    return conclude(session, command, &outcome, event, out);
}

/* ---- events ------------------------------------------------------------------- */

/* Whether an event may come now; an open message that it breaks into is aborted. */
static bool
in_order(struct session *session, const struct states_command *command)
{
    const uint32_t protocol = session->wire.agreed.protocol;

    if (states_legal(session->wire.state, command, protocol))
        return true;

    const bool legal = states_legal(STATE_IDLE, command, protocol);
    log_debug("%s out of order in state %s", command->name, states_name(session->wire.state));
    /* Its own macros have come just before it and do not end with the message. */
    struct macros_slot fresh = {0};
    if (legal && command->event >= MILTER_EVENT_MAIL && session->run->message != NULL) {
        const struct macros_slot *slot = macros_slot(&session->run->macros, command->event);
        if (slot != NULL && slot->length > 0 && (fresh.pairs = malloc(slot->length)) != NULL) {
            memcpy(fresh.pairs, slot->pairs, slot->length);
            fresh.length = slot->length;
        }
    }
    abort_message(session);
    if (fresh.pairs != NULL)
        macros_set(&session->run->macros, &session->run->message_arena, command->event, fresh.pairs,
                   fresh.length);
    free(fresh.pairs);
    return legal;
}

static void
refuse_message(struct session *session)
{
    struct chain_outcome outcome = {.verdict = MILTER_REPLY, .event = MILTER_EVENT_MAIL};
    char why[100];

    if (reply_make(&outcome.reply, &session->run->message_arena, 421, "4.3.2",
                   "Service is restarting, please try again", why, sizeof(why)) < 0)
        outcome.verdict = MILTER_TEMPFAIL;
    hold(session, &outcome);
}

/* Opens a message where none is. -1: no memory. */
static int
begin_message(struct session *session)
{
    if (session->message != NULL)
        return 0;
    if (chain_message_begin(session->run) < 0)
        return -1;
    session->message = arena_alloc(&session->run->message_arena, sizeof(*session->message));
    if (session->message == NULL) {
        chain_message_end(session->run, MILTER_END_ABORTED, NULL);
        return -1;
    }
    if (session->peer->refuse != NULL && *session->peer->refuse)
        refuse_message(session);
    return 0;
}

static enum session_status
session_event(struct session *session, const struct states_command *command,
              const struct frame *frame, struct encode *out)
{
    struct chain_run *run = session->run;
    struct chain_event event = {.event = command->event};
    bool in_message = command->event >= MILTER_EVENT_MAIL && command->event <= MILTER_EVENT_EOM;

    if (!in_order(session, command))
        return SESSION_MORE;
    /* One that macros alone had opened. */
    if (command->event == MILTER_EVENT_MAIL && session->message != NULL)
        abort_message(session);
    if (in_message && begin_message(session) < 0)
        return fault(session, "no memory for a message");
    switch (events_make(run, frame, &event)) {
    case EVENTS_READY:
        break;
    case EVENTS_MALFORMED:
        return fault(session, "malformed %s packet (%zu bytes)", command->name, frame->length);
    case EVENTS_NO_ROOM:
        log_error("%s: the %s cannot be kept (%s); the message is deferred", chain_queue_id(run),
                  command->name, strerror(errno));
        if (session->message == NULL)
            return fault(session, "no memory");
        hold_tempfail(session, command->event);
        break;
    }
    if (command->event != MILTER_EVENT_UNKNOWN)
        session->wire.state = command->next;
    if (session->settlement != NULL) {
        /* The mail server was told already what becomes of this client. An accept is no
           answer to an unknown command, see verdict.c. */
        if (command->event == MILTER_EVENT_UNKNOWN && session->settlement->verdict == MILTER_ACCEPT)
            go_on(command, session, out);
        else if ((session->wire.agreed.protocol & command->no_reply) == 0)
            answer(session->settlement, out);
        if (command->event == MILTER_EVENT_EOM)
            abort_message(session);
        return SESSION_MORE;
    }
    if (session->message != NULL && session->message->holds)
        return conclude_held(session, command, &event, out);
    struct chain_outcome outcome = chain_walk(run, &event);
    return conclude(session, command, &outcome, &event, out);
}

/* End of message; libmilter's protocol allows a last body chunk in it. */
static enum session_status
session_eom(struct session *session, const struct states_command *command,
            const struct frame *frame, struct encode *out)
{
    if (frame->length > 0) {
        const size_t before = out->length;

        if (session_event(session, states_event(MILTER_EVENT_BODY), frame, out) == SESSION_CLOSE)
            return SESSION_CLOSE;
        /* What was decided upon the chunk is the answer to the whole. */
        if (session->message == NULL)
            return SESSION_MORE;
        out->length = out->open = before;
    }
    const struct frame end = {.command = COMMAND_EOM, .data = frame->data};
    return session_event(session, command, &end, out);
}

/* ---- packets that are no events ------------------------------------------------ */

static enum session_status
session_negotiate(struct session *session, const struct frame *frame, struct encode *out)
{
    struct decode_negotiate offer;

    if (session->wire.state != STATE_NEW) {
        log_debug("a second negotiation is ignored");
        return SESSION_MORE;
    }
    if (decode_negotiate(frame->data, frame->length, &offer) < 0)
        return fault(session, "malformed negotiation (%zu bytes)", frame->length);
    if (negotiate(session->run->chain, &offer, &session->wire.agreed, out) < 0)
        return fault(session, "protocol version %u is not supported, only 2 to 6",
                     (unsigned)offer.version);
    session->run->version = session->wire.agreed.version;
    session->run->offered = session->wire.agreed.actions;
    session->run->exact_values = session->wire.agreed.protocol & PROTOCOL_LEADING_SPACE;
    session->run->rejected_rcpts = session->wire.agreed.protocol & PROTOCOL_REJECTED_RCPTS;
    session->wire.state = STATE_NEGOTIATED;
    return SESSION_MORE;
}

/* Postfix sends the same before every header: what is known already needs no look. */
static bool
known_macros(const struct session *session, const struct frame *frame)
{
    const struct states_command *command =
        frame->length > 0 ? states_command((char)frame->data[0]) : NULL;

    return command != NULL && command->event == MILTER_EVENT_HEADER &&
           macros_are(&session->run->macros, command->event, frame->data + 1, frame->length - 1);
}

static enum session_status
session_macros(struct session *session, const struct frame *frame)
{
    struct chain_run *run = session->run;
    struct decode_macros macros;

    if (known_macros(session, frame))
        return SESSION_MORE;
    if (decode_macros(frame->data, frame->length, &macros) < 0)
        return fault(session, "malformed macro packet (%zu bytes)", frame->length);
    const struct states_command *command = states_command(macros.command);
    if (command == NULL)
        return SESSION_MORE;
    bool of_message = command->event >= MILTER_EVENT_MAIL;
    if (macros_set(&run->macros, of_message ? &run->message_arena : &run->arena, command->event,
                   macros.rest.at, macros.rest.left) < 0)
        return fault(session, "no memory for macros");

    /* A chain that sees no RCPT learns here for whom the message is, for its log line. */
    const uint32_t protocol = session->wire.agreed.protocol;
    if (command->event == MILTER_EVENT_RCPT && protocol & PROTOCOL_NO_RCPT &&
        (session->message != NULL || protocol & PROTOCOL_NO_MAIL)) {
        const char *const none[] = {NULL};
        const char *address = macros_find_at(&run->macros, MILTER_EVENT_RCPT, "{rcpt_addr}");
        if (address != NULL &&
            (begin_message(session) < 0 || envelope_rcpt(run->message, address, none) < 0))
            return fault(session, "no memory for a recipient");
    }
    return SESSION_MORE;
}

/* The mail server goes on with another client on the same connection. */
static enum session_status
session_next_client(struct session *session)
{
    abort_message(session);
    chain_connection_end(session->run);
    session->settlement = NULL;
    session->wire.state = STATE_NEGOTIATED;
    return SESSION_MORE;
}

enum session_status
session_packet(struct session *session, const struct frame *frame, struct encode *out)
{
    if (session->wire.state == STATE_NEW && frame->command != COMMAND_NEGOTIATE)
        return fault(session, "packet 0x%02x before the negotiation",
                     (unsigned char)frame->command);

    switch (frame->command) {
    case COMMAND_NEGOTIATE:
        return session_negotiate(session, frame, out);
    case COMMAND_MACROS:
        return session_macros(session, frame);
    case COMMAND_ABORT:
        abort_message(session);
        return SESSION_MORE;
    case COMMAND_QUIT:
        return SESSION_CLOSE;
    case COMMAND_QUIT_NEW:
        return session_next_client(session);
    }
    const struct states_command *command = states_command(frame->command);
    if (command == NULL)
        return fault(session, "unknown command 0x%02x", (unsigned char)frame->command);
    if (command->event == MILTER_EVENT_EOM)
        return session_eom(session, command, frame, out);
    return session_event(session, command, frame, out);
}
