/*
 * macros - the mail server's macros by the event they came with. A look-up goes
 * from the latest event to the first, as libmilter's does. Knows nothing of
 * packets: it is given pairs of strings, name NUL value NUL.
 */
#ifndef DAEMON_CHAIN_MACROS_H
#define DAEMON_CHAIN_MACROS_H

#include <stddef.h>
#include <stdint.h>
#include <milterd/plugin.h>

#include "base/memory.h"

struct macros_slot {
    char *pairs; /* in an arena of the owner */
    uint32_t length, capacity;
};

/* All zero is empty. Memory is the owner's: connect and helo last as long as the
   connection, the others as long as the message. */
struct macros {
    struct macros_slot connect, helo;
    struct macros_slot *message; /* by event; NULL between messages */
};

/* What is known at an event; NULL for nothing. */
const struct macros_slot *macros_slot(const struct macros *macros, enum milter_event event);

/* Replaces what is known for an event. 0, or -1 when there is no memory. */
int macros_set(struct macros *macros, struct arena *arena, enum milter_event event,
               const void *pairs, size_t length);

/* Whether that is what is known for an event. */
bool macros_are(const struct macros *macros, enum milter_event event, const void *pairs,
                size_t length);

/* "i", "{mail_addr}" or "mail_addr"; NULL where undefined. */
const char *macros_find(const struct macros *macros, const char *name);

/* The same at one event only. */
const char *macros_find_at(const struct macros *macros, enum milter_event event, const char *name);

/* Walks all, the latest event first; *at is 0 at first. 1, or 0 after the last. */
int macros_next(const struct macros *macros, size_t *at, const char **name, const char **value);

/* Forgets the macros of a message; its arena is about to go. */
void macros_end_message(struct macros *macros);

#endif
