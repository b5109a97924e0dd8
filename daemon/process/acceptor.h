/*
 * acceptor - the listening sockets on a worker's loop, and when they are left alone.
 */
#ifndef DAEMON_PROCESS_ACCEPTOR_H
#define DAEMON_PROCESS_ACCEPTOR_H

#include <event2/event.h>
#include <stddef.h>

#include "process/listener.h"
#include "session/connection.h"

struct acceptor;

/* Of `count` listeners, for at most `limit` connections at a time. Borrows everything.
   NULL when there is no memory. */
struct acceptor *acceptor_new(struct connection_host *host, struct listener *listeners,
                              size_t count, unsigned limit);

/* From now on a listener's connections go to that chain. 0 or -1. */
int acceptor_serve(struct acceptor *acceptor, size_t listener, struct chain *chain);

/* To be called whenever a connection was closed. */
void acceptor_room(struct acceptor *acceptor);

/* Accepts no more and closes the listening descriptors: whoever comes next goes to
   another process, or to nobody. */
void acceptor_stop(struct acceptor *acceptor);

void acceptor_free(struct acceptor *acceptor);

#endif
