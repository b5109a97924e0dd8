/*
 * probe - what its files share, and how the plugins that are made of them differ: a
 * plugin's table is constant, so that is chosen when they are compiled.
 */
#ifndef TESTS_PLUGINS_PROBE_H
#define TESTS_PLUGINS_PROBE_H

#include <milterd/plugin.h>

#define AT(event) (1U << MILTER_EVENT_##event)

enum {
    ALL_EVENTS = (1U << MILTER_EVENTS) - 1,
    ALL_ACTIONS = 0xff,
    ALL_BUT_EOM = ALL_EVENTS & ~AT(EOM),
};

#if defined(PROBE_MIN)
#define NAME "probe_min"
enum { EVENTS = AT(EOM), ACTIONS = MILTER_ADDS_HEADERS, NEEDS = 0, OBSERVES = 0 };
#elif defined(PROBE_LIGHT)
#define NAME "probe_light"
enum { EVENTS = ALL_EVENTS, ACTIONS = MILTER_ADDS_HEADERS, NEEDS = 0, OBSERVES = 0 };
#elif defined(PROBE_OBSERVE)
#define NAME "probe_observe"
enum { EVENTS = ALL_EVENTS, ACTIONS = MILTER_ADDS_HEADERS, NEEDS = 0, OBSERVES = ALL_BUT_EOM };
#elif defined(PROBE_EXACT)
#define NAME "probe_exact"
enum {
    EVENTS = AT(HEADER) | AT(EOM),
    ACTIONS = MILTER_ADDS_HEADERS | MILTER_CHANGES_HEADERS,
    NEEDS = MILTER_NEEDS_EXACT_VALUES,
    OBSERVES = 0,
};
#elif defined(PROBE_AUTH)
#define NAME "probe_auth"
enum {
    EVENTS = AT(HEADER) | AT(EOM),
    ACTIONS = 0,
    NEEDS = MILTER_NEEDS_AUTH_RESULTS,
    OBSERVES = 0,
};
#elif defined(PROBE_REJECTED)
#define NAME "probe_rejected"
enum {
    EVENTS = AT(MAIL) | AT(RCPT) | AT(EOM),
    ACTIONS = MILTER_ADDS_RCPTS,
    NEEDS = MILTER_NEEDS_REJECTED_RCPTS,
    OBSERVES = 0,
};
#elif defined(PROBE_LARGE)
#define NAME "probe_large"
enum {
    EVENTS = AT(BODY) | AT(EOM),
    ACTIONS = MILTER_REPLACES_BODY,
    NEEDS = MILTER_NEEDS_BODY | MILTER_NEEDS_LARGE_CHUNKS,
    OBSERVES = 0,
};
#elif defined(PROBE_MACROS)
#define NAME "probe_macros"
enum { EVENTS = AT(MAIL) | AT(EOM), ACTIONS = 0, NEEDS = 0, OBSERVES = 0 };
#else
#define NAME "probe"
enum {
    EVENTS = ALL_EVENTS,
    ACTIONS = ALL_ACTIONS,
    NEEDS = MILTER_NEEDS_HEADERS | MILTER_NEEDS_BODY,
    OBSERVES = 0,
};
/* Strings up to a NULL as one text, each with a space before it. */
const char *probe_requests_joined(milter_ctx *ctx, const char *const *list);

#endif

/* The script of this place in the chain, from the option of that name. 0, or -1 with
   what is wrong reported. */
int probe_script_load(milter_ctx *ctx);

/* Carries out the rules for an event that is about that (NULL: nothing). */
enum milter_verdict probe_script_act(milter_ctx *ctx, enum milter_event event, const char *about);

/* "mail". */
const char *probe_script_event_name(enum milter_event event);

/* Whether there is a request of that name. */
bool probe_requests_has(const char *name);

/* Asks the host for it; a refusal is logged. */
void probe_requests_run(milter_ctx *ctx, const char *name, const char *arguments);

/* The first word of *text, copied; *text moves behind it and the space. NULL: there is none. */
char *probe_requests_word(milter_ctx *ctx, const char **text);

/* Strings up to a NULL as one text, each with a space before it. */
const char *probe_requests_joined(milter_ctx *ctx, const char *const *list);

#endif
