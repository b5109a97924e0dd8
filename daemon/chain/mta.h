/*
 * mta - how a mail server puts new header fields in their places, told from the
 * macros that it has sent.
 */
#ifndef DAEMON_CHAIN_MTA_H
#define DAEMON_CHAIN_MTA_H

#include <stdbool.h>
#include <stdint.h>

#include "chain/macros.h"

struct mta {
    const char *name;
    uint32_t hidden;        /* places that nobody sees between its own Received and the first
                               received field, which count in insert positions */
    bool counts_deleted;    /* a deleted field keeps its place there */
    const char *const *own; /* names of fields that it writes itself where the message has none.
                               NULL: an added field goes to the end. Else it goes before the
                               first of that name */
};

/* Never NULL: who cannot be told is taken to do as Postfix does. */
const struct mta *mta_of(const struct macros *macros);

/* Whether it writes such a field itself where the message has none. */
bool mta_writes(const struct mta *mta, const char *name);

#endif
