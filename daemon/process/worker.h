/*
 * worker - a process that loads the plugins and serves mail servers.
 */
#ifndef DAEMON_PROCESS_WORKER_H
#define DAEMON_PROCESS_WORKER_H

#include "config/config.h"
#include "process/listener.h"
#include "process/privileges.h"

/* What a worker gets from the master, all of it borrowed. */
struct worker_job {
    unsigned number;
    const struct config *config;
    struct listener *listeners; /* one for each of config->listeners */
    const struct privileges *privileges;
    int alive; /* a pipe of the master's: at its end the master is gone */
};

/*
 * The whole life of a worker, in a process of its own. Says on `report` that it is
 * ready, or why not. Signals come blocked; it unblocks what it handles. Returns the
 * exit status: 0 after a stop in good order, 78 where plugins cannot be loaded.
 */
int worker_run(const struct worker_job *job, int report);

#endif
