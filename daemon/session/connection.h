/*
 * connection - one mail server's connection on a worker's loop: a descriptor
 * into packets, replies into one write. What the packets mean is session's.
 */
#ifndef DAEMON_SESSION_CONNECTION_H
#define DAEMON_SESSION_CONNECTION_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chain/chain.h"
#include "wire/encode.h"

struct connection;

/* What the connections of one worker share. The worker owns it. */
struct connection_host {
    struct event_base *base;
    unsigned count;            /* open connections */
    void (*closed)(void *arg); /* called after each close: there may be room again */
    void *closed_arg;
    bool refuse; /* new messages are answered 421 */

    struct connection *list; /* private to connection.c from here on */
    uint8_t *buffer;         /* what is being read */
    size_t buffer_size;
    struct encode out; /* what is being written */
};

/* 0, or -1 when there is no memory. base stays the worker's. */
int connection_host_init(struct connection_host *host, struct event_base *base);
void connection_host_fini(struct connection_host *host);

/* Takes over a connected, non-blocking descriptor; closes it where it fails (-1).
   listener: the name of where it came in, borrowed. */
int connection_open(struct connection_host *host, int fd, struct chain *chain,
                    const char *listener);

/* The worker stops: connections that have not negotiated are closed, all others are served
   until the mail server quits, as it would defer the rest of an SMTP session otherwise. */
void connection_drain(struct connection_host *host);

/* The time for that is over: from now on MAIL is answered 421 4.3.2, after which the
   mail server ends the session by itself. */
void connection_refuse_messages(struct connection_host *host);

/* Closes everything now; open messages are deferred by the mail server. */
void connection_close_all(struct connection_host *host);

#endif
