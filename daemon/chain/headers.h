/*
 * headers - the header fields of a message, in order, by the layer that looks.
 * Raw values are everything after the colon, leading space included. Functions
 * that edit return 0 or an enum milter_error.
 */
#ifndef DAEMON_CHAIN_HEADERS_H
#define DAEMON_CHAIN_HEADERS_H

#include "chain/message.h"

/* One field as received, copied; value with or without its leading space (then one is
   put before it). NULL: it or one before it is past headers_limit (message->headers_cut) or
   no memory (errno ENOMEM). */
milter_header *headers_received(struct message *message, const char *name, const char *value,
                                bool exact);

/* Whether a layer sees the field, and its raw value (NULL: deleted, or not yet there). */
const char *headers_raw(const milter_header *h, int layer);

milter_header *headers_next(const struct message *message, int layer, const milter_header *h);
milter_header *headers_find(const struct message *message, int layer, const char *name,
                            const milter_header *after);

/* A new field: before h, after h, at the end, at a position as in milter_insert_header().
   A position is that in the whole header: until it is complete the request waits.
   MILTER_ERR_VALUE for an h that is nobody's. */
int headers_before(struct message *message, int layer, milter_header *h, const char *name,
                   const char *raw);
int headers_after(struct message *message, int layer, milter_header *h, const char *name,
                  const char *raw);
int headers_append(struct message *message, int layer, const char *name, const char *raw);
int headers_insert(struct message *message, int layer, unsigned position, const char *name,
                   const char *raw);

int headers_replace(struct message *message, int layer, milter_header *h, const char *raw);
int headers_delete(struct message *message, int layer, milter_header *h);

/* The index'th field of that name, from 1, as milter_change_header(); waits likewise. raw is
   NULL to delete it. */
int headers_change(struct message *message, int layer, const char *name, unsigned index,
                   const char *raw);

/* No more fields come. Does what has waited for that. 0, or -1 when there is no memory. */
int headers_complete(struct message *message);

/* Printable ASCII without colon, 1 to 900 bytes. */
bool headers_good_name(const char *name);

/* A value of a plugin as a raw one, in the arena: CRLF becomes LF, a LF that is not followed
   by white space gets a tab; unless it is exact, a space is put before it. 0, or an
   enum milter_error for a CR alone or no memory. */
int headers_clean_value(struct arena *arena, const char *value, bool exact, const char **raw);

#endif
