/*
 * background - milterd as a daemon: the process that was called ends when the
 * start is over, with its outcome.
 */
#ifndef DAEMON_PROCESS_BACKGROUND_H
#define DAEMON_PROCESS_BACKGROUND_H

#include "config/errors.h"
#include "process/spawn.h"

/* Opens /dev/null where descriptor 0, 1 or 2 is closed: otherwise a socket or a file
   of ours would get that number and whatever is printed. */
void background_fill_descriptors(void);

/* Runs run(arg, report) in a process of a session of its own with nothing to read from or
   write to. Waits for its report; the exit status is the answer. */
int background_run(spawn_run *run, void *arg, struct errors *errors);

#endif
