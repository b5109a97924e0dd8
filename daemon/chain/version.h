/*
 * version - the edited states of one thing of a message (a header field, the
 * sender, a recipient), by the layer of who edited it; see message.h.
 */
#ifndef DAEMON_CHAIN_VERSION_H
#define DAEMON_CHAIN_VERSION_H

#include <stdbool.h>

#include "base/memory.h"

/* What is of LAYER_NOBODY nobody sees: what a plugin added whose edits were dropped. */
enum { LAYER_RECEIVED = -1, LAYER_ALL = 0x7ffffffe, LAYER_NOBODY = 0x7fffffff };

/* One edited state of a thing. */
struct version {
    struct version *below; /* of a lower layer, NULL: what was received or added */
    int layer;
    bool deleted;
    const char *text;        /* header: everything after the colon; sender: with its <>;
                                quarantine: the reason */
    const char *wire;        /* sender: as the plugin wrote it */
    const char *args;        /* sender: ESMTP arguments as one string, or NULL */
    const char *const *list; /* sender: the same, one by one */
};

/* The newest version up to a layer, NULL: as received or added. */
const struct version *version_at(const struct version *versions, int layer);

/* The version of exactly that layer, emptied, or made where there is none. NULL: no memory. */
struct version *version_make(struct arena *arena, struct version **versions, int layer);

/* Takes the version of exactly that layer out, if there is one. */
void version_drop(struct version **versions, int layer);

#endif
