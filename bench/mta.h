/*
 * mta - one connection of a mail server that plays a script: never more than one
 * command outstanding where a reply is due, as much as fits into Postfix's buffer in
 * each write.
 */
#ifndef BENCH_MTA_H
#define BENCH_MTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "script.h"

/* Where the filter listens. */
struct mta_address {
    struct sockaddr_storage address;
    socklen_t length;
};

/* "unix:/path" or "inet:PORT" on the loopback. -1: neither. */
int mta_address(struct mta_address *address, const char *text);

enum mta_status {
    MTA_WAITS_TO_READ,
    MTA_WAITS_TO_WRITE,
    MTA_MAY_GO_ON, /* a flush that needs no reply has been written */
    MTA_STOPPED,   /* where `stop` says */
    MTA_ENDED,     /* QUIT is written; the descriptor is closed */
    MTA_FAILED,    /* errno says why; EPROTO: a reply was not what it should be */
};

/* Where a connection is held. */
enum mta_stop {
    MTA_STOP_NOWHERE,
    MTA_STOP_GREETED, /* before the first message */
    MTA_STOP_BETWEEN, /* after a message */
};

/* What all connections of a run share. */
struct mta_run {
    struct mta_address address;
    struct script_message message;
    struct script script; /* made when the first filter has answered the offer */
    uint32_t protocol;    /* of that answer */
    size_t write_max;     /* Postfix's buffer */
    void (*message_done)(void *arg);
    void (*replied)(void *arg, uint64_t nanoseconds);
    void *arg;
};

struct mta {
    struct mta_run *run;
    int fd;
    bool negotiated, waiting;
    unsigned messages_left;
    size_t at;   /* which flush */
    size_t sent; /* of it */
    enum mta_stop stop;
    uint64_t asked;
    uint8_t reply[4096]; /* what has come of it */
    size_t have;
};

uint64_t mta_now(void);

/* Connects; the rest is mta_go_on()'s. 0, or -1 with errno. */
int mta_open(struct mta *mta, struct mta_run *run, unsigned messages);

/* Writes what may be written now. */
enum mta_status mta_go_on(struct mta *mta);

/* Reads a reply, and goes on where it is complete. */
enum mta_status mta_read(struct mta *mta);

#endif
