/*
 * generation - one configuration in effect: its listeners and its workers. There
 * is one now; a reload is a second that starts while the first still serves.
 */
#ifndef DAEMON_PROCESS_GENERATION_H
#define DAEMON_PROCESS_GENERATION_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "process/listener.h"
#include "process/privileges.h"
#include "process/spawn.h"

/* Pipes of the master's. Children close what is not theirs. */
struct generation_pipes {
    int alive;      /* for the workers: at its end the master is gone */
    int alive_ours; /* held open by the master alone */
    int start;      /* where the master itself reports its start; -1: nobody waits */
};

enum generation_state {
    GENERATION_STARTING, /* the first worker tries whether the plugins can be loaded */
    GENERATION_SERVING,
    GENERATION_FAILED, /* the first worker could not; the reasons are in errors */
    GENERATION_DRAINING,
};

/* One place for a worker, whoever is in it now. */
struct generation_worker {
    unsigned number;
    struct spawn spawn;
    bool ready;
    bool hung;       /* killed for not being ready in time */
    int64_t started; /* when the one that runs did */
    int64_t due;     /* when to start one, where none runs; NEVER for not yet */
    int64_t delay;   /* before the next start after a death */
};

struct generation {
    enum generation_state state;
    struct config *config; /* borrowed */
    const struct generation_pipes *pipes;
    struct privileges privileges;
    struct listener *listeners;        /* config->listener_count */
    struct generation_worker *workers; /* config->processes */
    struct errors errors;              /* where it has failed */
    int status;                        /* exit status to go with them */
};

/* Finds the workers' user and opens the listeners. NULL, everything closed again, and
   all reasons in errors. */
struct generation *generation_new(struct config *config, const struct generation_pipes *pipes,
                                  struct errors *errors);

/* Starts and restarts what is due and hears what starting workers report. */
void generation_step(struct generation *generation, int64_t now);

/* When step has something to do next although nothing happens: in milliseconds, -1 never. */
int generation_wait(const struct generation *generation, int64_t now);

/* The pipes to wait for, into room for config->processes; how many there are. */
unsigned generation_poll(const struct generation *generation, struct pollfd *fds);

/* A child has ended. Whether it was one of this generation. */
bool generation_ended(struct generation *generation, pid_t pid, int status, int64_t now);

/* Takes the listeners away and asks the workers to finish. */
void generation_drain(struct generation *generation);

/* To all workers; those that are not ready have nothing to finish and get KILL for TERM. */
void generation_signal(struct generation *generation, int signal_number);

/* How many workers there are as processes. */
unsigned generation_alive(const struct generation *generation);

/* No worker may be alive. */
void generation_free(struct generation *generation);

#endif
