/*
 * Lines of key=value pairs after the queue id. What a chain did not ask the mail
 * server for (a chain that only looks at the end of message sees no MAIL) is
 * taken from the macros, which come all the same, or left out. A line for each
 * message is put together piece by piece: printf would cost more than the chain.
 */
#include "session/summary.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "chain/envelope.h"
#include "chain/verdict.h"

enum { LINE_MAX_BYTES = 2000, RCPTS_SHOWN = 20, TEXT_SHOWN = 300 };

struct line {
    char text[LINE_MAX_BYTES];
    size_t length;
};

/* As much of it as there is room for. */
static void
add_bytes(struct line *line, const char *text, size_t length)
{
    size_t room = sizeof(line->text) - line->length;

    if (length > room)
        length = room;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void
add(struct line *line, const char *text)
{
    add_bytes(line, text, strlen(text));
}

static void
add_pair(struct line *line, const char *key, const char *value)
{
    add(line, key);
    add(line, value);
}

static void
add_number(struct line *line, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add_bytes(line, digits + at, sizeof(digits) - at);
}

static void
write_out(struct line *line)
{
    log_text(MILTER_LOG_INFO, line->text, line->length);
}

/* The address in "name [192.0.2.9]", the macro _ of both mail servers. */
static void
add_client(struct line *line, struct chain_run *run)
{
    const char *text;

    if (run->client != NULL && run->client->address[0] != '\0') {
        add_pair(line, " client=", run->client->address);
    } else if (run->client != NULL) {
        add_pair(line, " client=", run->client->name);
    } else if ((text = macros_find_at(&run->macros, MILTER_EVENT_CONNECT, "_")) != NULL &&
               (text = strrchr(text, '[')) != NULL) {
        add(line, " client=");
        add_bytes(line, text + 1, strcspn(text + 1, "]"));
    } else if ((text = macros_find(&run->macros, "{client_addr}")) != NULL) {
        add_pair(line, " client=", text);
    }
}

static void
add_envelope(struct line *line, struct chain_run *run)
{
    const struct message *message = run->message;
    const char *address = message->sender;
    size_t shown = 0, more = 0;

    if (address != NULL) {
        add_pair(line, " from=", address);
    } else if ((address = macros_find_at(&run->macros, MILTER_EVENT_MAIL, "{mail_addr}")) != NULL) {
        add_pair(line, " from=<", address);
        add(line, ">");
    }

    for (const milter_rcpt *rcpt = message->rcpts; rcpt != NULL; rcpt = rcpt->next) {
        if (rcpt->layer != LAYER_RECEIVED || rcpt->refused)
            continue;
        if (shown < RCPTS_SHOWN && line->length < LINE_MAX_BYTES / 2)
            add_pair(line, shown++ == 0 ? " to=" : ",", rcpt->address);
        else
            more++;
    }
    if (more > 0) {
        add(line, " and ");
        add_number(line, more);
        add(line, " more");
    }
}

static void
add_outcome(struct line *line, const struct chain_outcome *outcome)
{
    if (outcome == NULL)
        return;
    if (outcome->by != NULL) {
        add_pair(line, " plugin=", outcome->by->name);
        add_pair(line, " event=", verdict_event_name(outcome->event));
    }
    if (outcome->reply.text != NULL) {
        add(line, " reply=\"");
        add_bytes(line, outcome->reply.text, strnlen(outcome->reply.text, TEXT_SHOWN));
        add(line, "\"");
    }
}

/* Since the message began: milliseconds with a tenth. */
static void
add_time(struct line *line, const struct timespec *begun)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t passed =
        (int64_t)(now.tv_sec - begun->tv_sec) * 1000000000 + (now.tv_nsec - begun->tv_nsec);
    uint64_t tenths = (uint64_t)(passed + 50000) / 100000;
    add(line, " time=");
    add_number(line, tenths / 10);
    add(line, ".");
    add_number(line, tenths % 10);
    add(line, "ms");
}

void
summary_message(struct chain_run *run, const char *what, const struct chain_outcome *outcome,
                size_t edits)
{
    struct line line;

    if (!log_wants(MILTER_LOG_INFO))
        return;
    line.length = 0;
    add_pair(&line, chain_queue_id(run), ":");
    add_envelope(&line, run);
    add_client(&line, run);
    add_pair(&line, " chain=", run->chain->name);
    add_pair(&line, " verdict=", what);
    add_outcome(&line, outcome);
    add(&line, " edits=");
    add_number(&line, edits);
    add_time(&line, &run->message->begun);
    write_out(&line);
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
        [MILTER_EVENT_CONNECT] = " name=",
        [MILTER_EVENT_HELO] = " helo=",
        [MILTER_EVENT_RCPT] = " rcpt=",
        [MILTER_EVENT_UNKNOWN] = " command=",
    };
    struct line line;

    if (!log_wants(MILTER_LOG_INFO))
        return;
    line.length = 0;
    add_pair(&line, chain_queue_id(run), ":");
    add_client(&line, run);
    if (text != NULL && keys[outcome->event] != NULL) {
        add(&line, keys[outcome->event]);
        add_bytes(&line, text, strnlen(text, TEXT_SHOWN));
    }
    add_pair(&line, " chain=", run->chain->name);
    add_pair(&line, " verdict=", refusal(outcome));
    add_outcome(&line, outcome);
    write_out(&line);
}
