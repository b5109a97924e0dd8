/*
 * master - the process that watches: listeners, workers, signals. No plugin's code
 * ever runs in it.
 */
#ifndef DAEMON_PROCESS_MASTER_H
#define DAEMON_PROCESS_MASTER_H

#include "config/config.h"
#include "config/errors.h"

/*
 * Serves until it is told to stop. `start`: where to say that the first worker is
 * ready, -1 where nobody waits for that. Returns the exit status; where the start has
 * failed the reasons are in errors, and nothing is left behind.
 */
int master_run(struct config *config, int start, struct errors *errors);

#endif
