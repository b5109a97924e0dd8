/*
 * listener - a listening socket: made from milter.conf, taken away when milterd
 * stops. The master's; workers inherit the descriptor.
 */
#ifndef DAEMON_PROCESS_LISTENER_H
#define DAEMON_PROCESS_LISTENER_H

#include <sys/types.h>

#include "config/config.h"
#include "config/errors.h"

struct listener {
    const struct config_listener *config; /* borrowed */
    int fd;                               /* -1: closed */
    dev_t device;                         /* unix: of the file that we made */
    ino_t inode;
};

/*
 * Binds and listens. A stale unix socket is replaced; one that is in use and a file
 * that is no socket are refused. 0, or -1 with the reason, the listener's place and
 * what to do in errors; the listener is then closed.
 */
int listener_open(struct listener *listener, const struct config_listener *config,
                  struct errors *errors);

/* Closes the descriptor alone: for a worker that accepts no more. */
void listener_close(struct listener *listener);

/* Closes it and removes its file, if that is still the one we made. */
void listener_remove(struct listener *listener);

#endif
