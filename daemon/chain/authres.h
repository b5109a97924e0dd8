/*
 * authres - Authentication-Results (RFC 8601) for all plugins of a chain: one
 * field written by the host, and forged ones taken out.
 */
#ifndef DAEMON_CHAIN_AUTHRES_H
#define DAEMON_CHAIN_AUTHRES_H

#include "chain/chain.h"

/* Takes a received field out of every view where it claims to come from us. -1: no memory. */
int authres_check_received(struct chain_run *run, milter_header *h);

/* One result of a plugin. 0 or an enum milter_error. */
int authres_add(struct milter_ctx *ctx, const char *method, const char *result,
                const char *properties, const char *reason);

/* Writes what has been reported into a new field, if anything. -1: no memory. */
int authres_write(struct chain_run *run);

#endif
