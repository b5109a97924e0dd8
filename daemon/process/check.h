/*
 * check - milterd -t and -T: would this configuration work?
 */
#ifndef DAEMON_PROCESS_CHECK_H
#define DAEMON_PROCESS_CHECK_H

#include <stdbool.h>

#include "config/config.h"
#include "config/errors.h"

/*
 * Loads every plugin, in a child and as the workers' user, and prints what would be
 * served on standard output; with `settings` also every setting in effect. Binds no
 * socket. The exit status; all reasons in errors where it is not 0.
 */
int check_run(const struct config *config, bool settings, struct errors *errors);

#endif
