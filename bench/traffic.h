/*
 * traffic - many connections of a mail server, driven by one epoll loop: sessions of so
 * many messages, each followed by a new one as long as there is to be traffic.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta.h"
#include "samples.h"

struct traffic {
    struct mta_run run;
    unsigned connections; /* at a time */
    unsigned messages;    /* for each connection */
    uint64_t limit;       /* of messages in all, a multiple of `messages`; 0: none */
    bool settles;         /* what needs no reply is read before more is sent */
    bool ending;          /* no new messages */

    uint64_t done; /* messages */
    struct samples replies;

    struct mta *mtas; /* private from here on */
    struct mta **later, **now;
    size_t later_count;
    unsigned open, stopped;
    uint64_t begun;
    int epoll;
};

/* run.address, run.message and the numbers above are the caller's. Opens the connections,
   to be held where stop says. 0, or -1 after saying why. */
int traffic_begin(struct traffic *traffic, enum mta_stop stop);

/* Plays until that time of mta_now(), or until nothing is left that moves. -1: a connection
   has failed, which is said. */
int traffic_play(struct traffic *traffic, uint64_t until);

/* Lets all connections that are held go on to the next stop. */
int traffic_resume(struct traffic *traffic, enum mta_stop stop);

/* Every connection finishes its message and says goodbye. */
int traffic_end(struct traffic *traffic);

#endif
