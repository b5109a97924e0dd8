/*
 * chain - the plugins of one chain, and walking them for one event of one
 * connection. Knows no packets: session hands it events and turns its outcomes
 * into replies.
 *
 * A chain is made by loader once in each worker and does not change. A chain_run
 * is one connection's passage through it, with a context for each plugin.
 */
#ifndef DAEMON_CHAIN_CHAIN_H
#define DAEMON_CHAIN_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <milterd/plugin.h>

#include "base/memory.h"
#include "chain/condition.h"
#include "chain/macros.h"
#include "chain/message.h"
#include "chain/reply.h"
#include "config/config.h"

/* A pointer of a plugin that the host destroys when its scope ends. */
struct chain_data {
    void *data;
    void (*destroy)(void *data);
};

/* One plugin at its place in a chain. */
struct chain_link {
    struct chain *chain;
    const char *name;            /* of the place, as in milter.conf */
    int layer;                   /* position in the chain, see message.h */
    struct milter_plugin plugin; /* its table; what an older plugin lacks is zero */
    const struct config_link *config;
    enum config_on_failure on_failure;
    struct condition *condition; /* NULL: it sees every message */
    bool observes;               /* mode = "observe": nothing of it takes effect */
    struct option_values *options;
    bool options_good;     /* they have been read without an error */
    bool loaded;           /* on_load has succeeded */
    struct errors *errors; /* while on_load runs: where configuration errors go */
    struct arena arena;    /* memory that lives as long as the worker */
    struct chain_data data;
};

struct chain {
    const char *name;
    struct chain_link *links;
    size_t count;

    /* Which links have a callback for an event, in order. */
    uint16_t *callers[MILTER_EVENTS];
    uint16_t caller_count[MILTER_EVENTS];

    /* What follows from the plugins' tables, for the negotiation. Events as bits. */
    uint32_t wanted;             /* some callback, or the host itself, wants it */
    uint32_t decides;            /* some callback may decide there: a reply is due */
    uint32_t actions;            /* enum milter_action */
    uint32_t needs;              /* enum milter_need, those implied by actions included */
    bool removes_forged;         /* Authentication-Results fields that claim to be ours */
    char *macros[MILTER_EVENTS]; /* names asked for beyond the usual ones, or NULL */

    struct message_limits limits;
    const char *authserv_id; /* NULL: what the mail server calls itself */
};

struct chain_run;

/* One plugin on one connection: what the plugin knows as its context. run is NULL
   while on_load and on_unload run. */
struct milter_ctx {
    struct chain_run *run;
    struct chain_link *link;
    uint32_t quiet_message;        /* events it is not called for until the message ends */
    uint32_t quiet_connection;     /* the same until the connection ends */
    enum condition_answer applies; /* whether it sees this message */
    bool judged_late;              /* its condition has been, with all recipients known */
    bool saw_message, saw_connection;
    bool in_error;   /* on_error is running: it is not told of its own errors */
    bool body_begun; /* in this callback milter_replace_body() has been called */
    bool incomplete; /* an edit of this callback could not be kept whole: it has failed */
    struct chain_data connection, message;
};

/* One event, as it arrived. Strings are borrowed until the outcome. */
struct chain_event {
    enum milter_event event;
    const char *text;        /* helo name, address, unknown command, header name */
    const char *value;       /* header value */
    const char *const *args; /* ESMTP arguments */
    const void *data;        /* body */
    size_t length;
    milter_header *header; /* the header field where headers are kept, else NULL */
    bool rejected;         /* rcpt: the mail server has refused it already */
};

/* What the chain says. */
struct chain_outcome {
    enum milter_verdict verdict; /* continue, skip (body: nobody wants more), accept, reject,
                                    tempfail, discard, reply */
    const struct chain_link *by; /* NULL: nobody's, or the host's own */
    enum milter_event event;
    struct reply reply; /* for MILTER_REPLY */
};

/* What the session does for a plugin in the middle of an event. */
struct chain_host {
    /* Tells the mail server at once that work goes on. 0 or an enum milter_error. */
    int (*progress)(void *arg);
};

struct chain_run {
    struct chain *chain;
    const struct chain_host *host;
    void *host_arg;

    /* Facts of the connection. The session fills them in. */
    unsigned version;             /* of the protocol in use */
    uint32_t offered;             /* actions that the mail server can do, enum milter_action */
    bool exact_values;            /* header values travel with their leading space */
    bool rejected_rcpts;          /* recipients that it has refused come too */
    const char *listener;         /* by which the mail server came */
    struct milter_client *client; /* NULL before connect */
    char *helo;                   /* NULL before helo */
    size_t helo_room;
    const char *id; /* made when first asked for */
    struct macros macros;

    struct arena arena;         /* lives as long as the connection */
    struct arena message_arena; /* lives as long as the message */
    struct arena scratch;       /* lives until the next event outside a message, or header */
    struct message *message;    /* NULL between messages */

    /* The event that is being walked. */
    const struct chain_event *event; /* NULL outside */
    struct milter_ctx *reply_by;     /* who made reply */
    struct reply reply;
    const char *spaced; /* header value with a space before it, made when first asked for */

    struct milter_ctx contexts[]; /* one for each link */
};

struct chain_run *chain_run_new(struct chain *chain, const struct chain_host *host, void *arg);

/* on_close, connection data, memory. An open message is aborted first. */
void chain_run_free(struct chain_run *run);

/* The connection of one client ends and another may follow: on_close for all, and
   everything known of the old client is forgotten. */
void chain_connection_end(struct chain_run *run);

/* Opens a message where none is. -1: no memory. */
int chain_message_begin(struct chain_run *run);

/* on_abort (for an abort) and on_end for each plugin that saw the message; message memory and
   macros go. No-op outside a message. */
void chain_message_end(struct chain_run *run, enum milter_end end,
                       const struct chain_outcome *outcome);

/* Asks the plugins in turn. */
struct chain_outcome chain_walk(struct chain_run *run, const struct chain_event *event);

/* Whether anything may have to be sent at the end of the open message (or, outside one, of
   any): what plugins asked for, or forged fields that may still come. */
bool chain_has_edits(const struct chain_run *run);

/* Tells every plugin of the connection that it broke, with the reason. */
void chain_connection_broken(struct chain_run *run, const char *reason);

/* A failure of a plugin: one log line with its name, the event and the queue id. */
void chain_fail(struct milter_ctx *ctx, const char *format, ...) MILTER_PRINTF(2, 3);

/* The host refused a request of a plugin: log line and on_error. Returns `error`. */
int chain_refuse(struct milter_ctx *ctx, int error, const char *format, ...) MILTER_PRINTF(3, 4);

/* The arena for what lives as long as the present event at least. */
struct arena *chain_arena(struct chain_run *run);

/* The queue id for log lines: "NOQUEUE" where unknown. */
const char *chain_queue_id(const struct chain_run *run);

/* Letters, digits and -; unique across workers and restarts. */
const char *chain_session_id(struct chain_run *run);

#endif
