/*
 * connection - one mail server's connection on a worker's loop: a descriptor
 * into packets, replies into one write. What the packets mean is session's.
 */
#ifndef DAEMON_SESSION_CONNECTION_H
#define DAEMON_SESSION_CONNECTION_H

#include <event2/event.h>
#include <stdbool.h>

#include "chain/chain.h"

/* What the connections of one worker share. The worker owns it. */
struct connection_host {
    struct event_base *base;
    unsigned count;            /* open connections */
    void (*closed)(void *arg); /* called after each close: there may be room again */
    void *closed_arg;
    struct connection *list; /* private to connection.c */
    void *buffers;           /* private to connection.c */
};

int connection_host_init(struct connection_host *host, struct event_base *base);
void connection_host_fini(struct connection_host *host);

/* Takes over a connected, non-blocking descriptor; closes it on failure. */
int connection_open(struct connection_host *host, int fd, struct chain *chain);

/* The worker stops: closes what is between sessions or idle now; calls closed() for
   each. Connections in the middle of a message finish it first. */
void connection_drain(struct connection_host *host);

/* Closes everything now, as if the mail servers had gone. */
void connection_close_all(struct connection_host *host);

#endif
