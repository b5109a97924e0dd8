/*
 * authres - Authentication-Results (RFC 8601) for all plugins of a chain: one
 * field written by the host, and forged ones taken out.
 */
#ifndef DAEMON_CHAIN_AUTHRES_H
#define DAEMON_CHAIN_AUTHRES_H

#include "chain/chain.h"

/* Whether a received field claims to come from us. */
bool authres_forged(const struct chain_run *run, const char *name, const char *value);

/* One result of a plugin. 0 or an enum milter_error. */
int authres_add(struct milter_ctx *ctx, const char *method, const char *result,
                const char *properties, const char *reason);

/* Writes what has been reported into a new field, if anything. -1: no memory. */
int authres_write(struct chain_run *run);

#endif
