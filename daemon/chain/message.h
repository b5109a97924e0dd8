/*
 * message - the envelope, headers and body of one message, as received and as
 * each plugin of the chain has edited it.
 *
 * Plugins have layers: the first of a chain is layer 0, the next 1. An edit is
 * a version with the layer of who made it; a plugin of layer n sees, of each
 * thing, the version of the highest layer up to its own. So each plugin sees
 * what it would see as a second filter behind the first, whichever of them
 * edits first in time, and what is sent at the end is the view of the layer
 * above all. Dropping the edits of one plugin is taking its layer out.
 *
 * Everything but bodies lives in the message's arena.
 */
#ifndef DAEMON_CHAIN_MESSAGE_H
#define DAEMON_CHAIN_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <milterd/plugin.h>

#include "base/memory.h"
#include "chain/spool.h"
#include "chain/version.h"

struct milter_header {
    milter_header *next, *previous; /* in the order of the edited message */
    int layer;                      /* who added it; LAYER_RECEIVED, LAYER_NOBODY */
    bool above;                     /* added above the mail server's own Received */
    bool at_end;                    /* fields that arrive later go before it */
    bool inserted;                  /* added at a position, not at the end */
    unsigned position;              /* that position, where the headers are not kept */
    unsigned ordinal;               /* among those of its name, see edits.c */
    const char *name;
    const char *raw;          /* everything after the colon, as received or added */
    struct version *versions; /* highest layer first */
};

/* What a plugin asked for by position, or by name and index, before the header was complete. */
struct header_request {
    struct header_request *next;
    int layer;
    bool inserts;    /* a new field at a position; else a change */
    unsigned number; /* the position or index */
    const char *name;
    const char *raw; /* NULL: delete */
};

struct milter_rcpt {
    milter_rcpt *next;
    int layer;                /* who added it; LAYER_RECEIVED, LAYER_NOBODY */
    bool refused;             /* by a verdict at RCPT: gone from every view */
    const char *address;      /* with its <> */
    const char *wire;         /* as the plugin or the mail server wrote it */
    const char *args;         /* added: ESMTP arguments as one string, or NULL */
    const char *const *list;  /* the arguments one by one */
    struct version *versions; /* deletions; not deleted: a later plugin wants it there */
};

/* What a plugin reported of an authentication method, see authres.h. */
struct auth_result {
    struct auth_result *next;
    int layer;
    const char *text; /* "spf=pass smtp.mailfrom=example.org" */
};

/* A body that a plugin wrote. */
struct message_body {
    struct message_body *below;
    int layer;
    struct spool spool;
};

struct message_limits {
    size_t rcpt_count;                 /* 0: none */
    size_t header_count, header_bytes; /* 0: none */
    size_t body_memory;
    uint64_t body_size; /* 0: none */
    bool tempfail;      /* a message over the limits is deferred; else it is cut for plugins */
    const char *directory;
};

struct message {
    struct arena *arena;
    const struct message_limits *limits;
    bool keeps_headers, keeps_body;

    const char *sender; /* with its <>; NULL while unknown */
    const char *const *sender_args;
    struct version *senders;

    milter_rcpt *rcpts, *last_rcpt;
    milter_rcpt *last_received; /* NULL once that one is refused */
    size_t rcpt_count;

    milter_header *headers, *last_header;
    size_t header_count, header_bytes;
    bool headers_cut, headers_complete;
    struct header_request *waiting; /* until then, in the order of the chain */

    struct spool body;
    struct message_body *bodies;

    struct auth_result *auth_results; /* in the order of the chain */
    struct version *quarantines;      /* text: the reason */
    uint64_t received;                /* bytes of header and body that have come, kept or not */
    size_t edits;                     /* how many plugins asked for, dropped ones included */
    struct timespec begun;
};

/* A new message in an arena, NULL when there is no memory. */
struct message *message_new(struct arena *arena, const struct message_limits *limits);

/* Gives back what is not in the arena. */
void message_free(struct message *message);

/* The version of exactly that layer, made where there is none: version_make() for what is in the
   message. NULL: no memory. */
struct version *message_edit(struct message *message, struct version **versions, int layer);

/* Whether anything of what plugins asked for is to be sent. */
bool message_edited(const struct message *message);

/* Takes out all that one layer did. What it added stays in the lists, as nobody's: plugins
   may hold handles of it until the message ends. */
void message_drop_layer(struct message *message, int layer);

/* The body that a layer sees. */
const struct spool *message_body(const struct message *message, int layer);

/* The body of exactly that layer, made (empty) where there is none; NULL: no memory. */
struct spool *message_body_edit(struct message *message, int layer);

int message_quarantine(struct message *message, int layer, const char *reason);

#endif
