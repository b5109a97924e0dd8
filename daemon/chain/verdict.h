/*
 * verdict - which verdict may be given at which event, and what a plugin's
 * failure turns into. The table here is the whole of it.
 */
#ifndef DAEMON_CHAIN_VERDICT_H
#define DAEMON_CHAIN_VERDICT_H

#include <stdbool.h>
#include <milterd/plugin.h>

#include "config/config.h"

/* What the chain does with a verdict. */
enum verdict_effect {
    VERDICT_NEXT,    /* the next plugin is asked */
    VERDICT_QUIET,   /* skip: so, and no more of this event in this message */
    VERDICT_DONE,    /* so, and nothing more in this message or connection */
    VERDICT_DECIDES, /* the chain ends here */
    VERDICT_FAILS,   /* this event cannot carry it, or it is no verdict at all */
};

/* observed: the plugin's table marks the callback as one that only continues. */
enum verdict_effect verdict_effect(enum milter_event event, enum milter_verdict verdict,
                                   bool observed);

/* What answers in the place of a plugin that failed. */
enum milter_verdict verdict_on_failure(enum config_on_failure on_failure);

/* "reject", "continue"; "12" would be no verdict: then "invalid". */
const char *verdict_name(enum milter_verdict verdict);

/* "rcpt", "eom". */
const char *verdict_event_name(enum milter_event event);

#endif
