/*
 * Lines of key=value pairs after the queue id. What a chain did not ask the mail
 * server for (a chain that only looks at the end of message sees no MAIL) is
 * taken from the macros, which come all the same, or left out.
 */
#include "session/summary.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "chain/envelope.h"
#include "chain/verdict.h"

enum { LINE_MAX_BYTES = 2000, RCPTS_SHOWN = 20 };

struct line {
    char text[LINE_MAX_BYTES];
    size_t length;
};

static void MILTER_PRINTF(2, 3) add(struct line *line, const char *format, ...)
{
    va_list arguments;
    size_t room = sizeof(line->text) - line->length;

    va_start(arguments, format);
    int n = vsnprintf(line->text + line->length, room, format, arguments);
    va_end(arguments);
    if (n > 0)
        line->length += (size_t)n < room ? (size_t)n : room - 1;
}

/* The address in "name [192.0.2.9]", the macro _ of both mail servers. */
static void
add_client(struct line *line, struct chain_run *run)
{
    const char *text = macros_find(&run->macros, "{client_addr}");

    if (run->client != NULL && run->client->address[0] != '\0') {
        add(line, " client=%s", run->client->address);
    } else if (run->client != NULL) {
        add(line, " client=%s", run->client->name);
    } else if (text != NULL) {
        add(line, " client=%s", text);
    } else if ((text = macros_find(&run->macros, "_")) != NULL) {
        const char *open = strrchr(text, '[');
        if (open != NULL)
            add(line, " client=%.*s", (int)strcspn(open + 1, "]"), open + 1);
    }
}

static void
add_envelope(struct line *line, struct chain_run *run)
{
    const struct message *message = run->message;
    const char *address = message->sender;
    size_t shown = 0, more = 0;

    if (address != NULL)
        add(line, " from=%s", address);
    else if ((address = macros_find(&run->macros, "{mail_addr}")) != NULL)
        add(line, " from=<%s>", address);

    for (const milter_rcpt *rcpt = message->rcpts; rcpt != NULL; rcpt = rcpt->next) {
        if (rcpt->layer != LAYER_RECEIVED || rcpt->refused)
            continue;
        if (shown < RCPTS_SHOWN && line->length < LINE_MAX_BYTES / 2)
            add(line, "%s%s", shown++ == 0 ? " to=" : ",", rcpt->address);
        else
            more++;
    }
    if (more > 0)
        add(line, " and %zu more", more);
}

static void
add_outcome(struct line *line, const struct chain_outcome *outcome)
{
    if (outcome == NULL)
        return;
    if (outcome->by != NULL)
        add(line, " plugin=%s event=%s", outcome->by->name, verdict_event_name(outcome->event));
    if (outcome->reply.text != NULL)
        add(line, " reply=\"%.300s\"", outcome->reply.text);
}

void
summary_message(struct chain_run *run, const char *what, const struct chain_outcome *outcome,
                size_t edits)
{
    struct line line = {.length = 0};
    struct timespec now;

    if (!log_wants(MILTER_LOG_INFO))
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double ms = (double)(now.tv_sec - run->message->begun.tv_sec) * 1e3 +
                (double)(now.tv_nsec - run->message->begun.tv_nsec) / 1e6;
    add_envelope(&line, run);
    add_client(&line, run);
    add(&line, " chain=%s verdict=%s", run->chain->name, what);
    add_outcome(&line, outcome);
    add(&line, " edits=%zu time=%.1fms", edits, ms);
    log_info("%s:%s", chain_queue_id(run), line.text);
}

/* A reply is what its code says, as in the line of a message. */
static const char *
refusal(const struct chain_outcome *outcome)
{
    if (outcome->verdict == MILTER_REPLY)
        return verdict_name(outcome->reply.text[0] == '4' ? MILTER_TEMPFAIL : MILTER_REJECT);
    return verdict_name(outcome->verdict);
}

void
summary_verdict(struct chain_run *run, const struct chain_outcome *outcome, const char *text)
{
    static const char *const keys[MILTER_EVENTS] = {
        [MILTER_EVENT_CONNECT] = "name",
        [MILTER_EVENT_HELO] = "helo",
        [MILTER_EVENT_RCPT] = "rcpt",
        [MILTER_EVENT_UNKNOWN] = "command",
    };
    struct line line = {.length = 0};

    if (!log_wants(MILTER_LOG_INFO))
        return;
    add_client(&line, run);
    if (text != NULL && keys[outcome->event] != NULL)
        add(&line, " %s=%.300s", keys[outcome->event], text);
    add(&line, " chain=%s verdict=%s", run->chain->name, refusal(outcome));
    add_outcome(&line, outcome);
    log_info("%s:%s", chain_queue_id(run), line.text);
}
