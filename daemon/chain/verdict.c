/*
 * One row for each verdict: its name, what it does, and the events that can
 * carry it. At an unknown command accept makes Postfix's smtpd panic and
 * discard loses the next message; at connect and helo neither mail server
 * knows discard.
 */
#include "chain/verdict.h"

#include <stddef.h>

#define AT(event) (1U << MILTER_EVENT_##event)

enum {
    ALL = (1U << MILTER_EVENTS) - 1,
    COMMANDS_OF_SESSION = AT(CONNECT) | AT(HELO),
    NOT_UNKNOWN = ALL & ~AT(UNKNOWN),
    IN_MESSAGE = NOT_UNKNOWN & ~COMMANDS_OF_SESSION,
};

static const struct {
    const char *name;
    enum verdict_effect effect;
    unsigned events;
} verdicts[] = {
    [MILTER_CONTINUE] = {"continue", VERDICT_NEXT, ALL},
    [MILTER_SKIP] = {"skip", VERDICT_QUIET, ALL},
    [MILTER_DONE] = {"done", VERDICT_DONE, NOT_UNKNOWN},
    [MILTER_ACCEPT] = {"accept", VERDICT_DECIDES, NOT_UNKNOWN},
    [MILTER_REJECT] = {"reject", VERDICT_DECIDES, ALL},
    [MILTER_TEMPFAIL] = {"tempfail", VERDICT_DECIDES, ALL},
    [MILTER_DISCARD] = {"discard", VERDICT_DECIDES, IN_MESSAGE},
    [MILTER_REPLY] = {"reply", VERDICT_DECIDES, ALL},
    [MILTER_SUSPEND] = {"suspend", VERDICT_FAILS, 0},
    [MILTER_FAILURE] = {"failure", VERDICT_FAILS, 0},
};

static const char *const events[MILTER_EVENTS] = {
    [MILTER_EVENT_CONNECT] = "connect", [MILTER_EVENT_HELO] = "helo",
    [MILTER_EVENT_MAIL] = "mail",       [MILTER_EVENT_RCPT] = "rcpt",
    [MILTER_EVENT_DATA] = "data",       [MILTER_EVENT_HEADER] = "header",
    [MILTER_EVENT_EOH] = "eoh",         [MILTER_EVENT_BODY] = "body",
    [MILTER_EVENT_EOM] = "eom",         [MILTER_EVENT_UNKNOWN] = "unknown",
};

static bool
known(enum milter_verdict verdict)
{
    return (unsigned)verdict < sizeof(verdicts) / sizeof(verdicts[0]);
}

enum verdict_effect
verdict_effect(enum milter_event event, enum milter_verdict verdict, bool observed)
{
    if (!known(verdict) || (verdicts[verdict].events & 1U << event) == 0)
        return VERDICT_FAILS;
    if (observed && verdicts[verdict].effect == VERDICT_DECIDES)
        return VERDICT_FAILS;
    return verdicts[verdict].effect;
}

enum milter_verdict
verdict_on_failure(enum config_on_failure on_failure)
{
    switch (on_failure) {
    case ON_FAILURE_CONTINUE:
        return MILTER_CONTINUE;
    case ON_FAILURE_REJECT:
        return MILTER_REJECT;
    case ON_FAILURE_TEMPFAIL:
        break;
    }
    return MILTER_TEMPFAIL;
}

const char *
verdict_name(enum milter_verdict verdict)
{
    return known(verdict) ? verdicts[verdict].name : "invalid";
}

const char *
verdict_event_name(enum milter_event event)
{
    return (unsigned)event < MILTER_EVENTS ? events[event] : "none";
}
