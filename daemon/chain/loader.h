/*
 * loader - shared objects into chains: finds the file, refuses what is no
 * plugin, of another ABI or not to be trusted, reads its options and calls
 * on_load. Only workers (and the child of a configuration test) come here: no
 * plugin code ever runs in the master.
 */
#ifndef DAEMON_CHAIN_LOADER_H
#define DAEMON_CHAIN_LOADER_H

#include "chain/chain.h"
#include "config/config.h"

/* All chains of a configuration, ready to serve. NULL where anything is wrong; every
   reason is in errors. */
struct chain_set *loader_load(const struct config *config, struct errors *errors);

/* The chain of that name; NULL where there is none. */
struct chain *loader_chain(struct chain_set *set, const char *name);

/* Each plugin's file, version and options as read, for -t and -T. */
void loader_print(const struct chain_set *set, bool settings, FILE *out);

/* on_unload of every plugin; frees. No dlclose: a new build comes with a new process. */
void loader_unload(struct chain_set *set);

#endif
