/*
 * object - one plugin's shared object into its table.
 */
#ifndef DAEMON_CHAIN_OBJECT_H
#define DAEMON_CHAIN_OBJECT_H

#include <milterd/plugin.h>

#include "config/config.h"

/* The table in link->path. NULL where it is refused; the reason, with the link's place, is in
   errors. */
const struct milter_plugin *object_open(const struct config_link *link, struct errors *errors);

#endif
