/*
 * acceptor - connections from the listening sockets that all workers share.
 *
 * Decides how many are taken at a time, and that none are taken while this worker has as
 * many as it may or the system has no descriptors left: they then wait in the backlog,
 * where another worker finds them. Does not know what a connection says. Lives as
 * long as the worker's loop; the listeners and the host are the worker's.
 */
#include "process/acceptor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "process/clock.h"
#include "process/linux_accept.h"

enum {
    BATCH_MAX = 8,
    CONNECTIONS_A_BATCH = 16,
    PAUSE_MS = 200,
    QUIET_MS = 60000, /* between two lines about the same shortage */
};

/* One listener and where its connections go. */
struct door {
    struct acceptor *acceptor;
    struct listener *listener;
    struct chain *chain;
    struct event *readable; /* NULL until it is served */
};

struct acceptor {
    struct connection_host *host;
    struct door *doors;
    size_t count;
    unsigned limit;
    struct event *pause_over;
    bool open;   /* the doors are on the loop */
    bool paused; /* by a shortage */
    bool stopped;
    int64_t quiet_until;
};

/* Puts the doors on the loop or takes them off, whichever is right now. */
static void
update(struct acceptor *acceptor)
{
    bool open = !acceptor->stopped && !acceptor->paused && acceptor->host->count < acceptor->limit;

    if (open == acceptor->open)
        return;
    acceptor->open = open;
    for (size_t i = 0; i < acceptor->count; i++) {
        struct event *readable = acceptor->doors[i].readable;

        if (readable && open)
            event_add(readable, NULL);
        else if (readable)
            event_del(readable);
    }
}

static void
on_pause_over(evutil_socket_t fd, short what, void *arg)
{
    struct acceptor *acceptor = arg;

    (void)fd;
    (void)what;
    acceptor->paused = false;
    update(acceptor);
}

/* Without it the loop would spin: the connection stays in the backlog. */
static void
pause_for(struct acceptor *acceptor, int error)
{
    const struct timeval pause = {.tv_usec = PAUSE_MS * 1000};
    int64_t now = clock_now();

    if (now >= acceptor->quiet_until) {
        log_error("cannot accept connections for now: %s (%u are open here)", strerror(error),
                  acceptor->host->count);
        acceptor->quiet_until = now + QUIET_MS;
    }
    acceptor->paused = true;
    update(acceptor);
    event_add(acceptor->pause_over, &pause);
}

/* Whether there may be another. */
static bool
accept_one(struct acceptor *acceptor, const struct door *door)
{
    int fd = linux_accept(door->listener->fd);
    int on = 1;

    if (fd < 0) {
        /* Another worker was faster, or the client has gone; all else is a shortage. */
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && errno != EPROTO)
            pause_for(acceptor, errno);
        return false;
    }
    if (door->listener->config->kind != SOCKET_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection_open(acceptor->host, fd, door->chain, door->listener->config->name);
    update(acceptor);
    return acceptor->open;
}

/*
 * An idle worker takes one and lets the others have the next: should a plugin block, the
 * rest of a burst is not stuck behind it. A busy worker comes here more seldom and
 * takes a few.
 */
static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    const struct door *door = arg;
    struct acceptor *acceptor = door->acceptor;
    unsigned batch = 1 + acceptor->host->count / CONNECTIONS_A_BATCH;

    (void)fd;
    (void)what;
    if (batch > BATCH_MAX)
        batch = BATCH_MAX;
    while (batch-- > 0 && acceptor->open && accept_one(acceptor, door))
        ;
}

struct acceptor *
acceptor_new(struct connection_host *host, struct listener *listeners, size_t count, unsigned limit)
{
    struct acceptor *acceptor = calloc(1, sizeof *acceptor);

    if (!acceptor)
        return NULL;
    acceptor->host = host;
    acceptor->count = count;
    acceptor->limit = limit;
    acceptor->open = true;
    acceptor->doors = calloc(count, sizeof *acceptor->doors);
    acceptor->pause_over = evtimer_new(host->base, on_pause_over, acceptor);
    if (!acceptor->doors || !acceptor->pause_over) {
        acceptor_free(acceptor);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        acceptor->doors[i] = (struct door){.acceptor = acceptor, .listener = &listeners[i]};
    return acceptor;
}

int
acceptor_serve(struct acceptor *acceptor, size_t listener, struct chain *chain)
{
    struct door *door = &acceptor->doors[listener];

    door->chain = chain;
    door->readable = event_new(acceptor->host->base, door->listener->fd, EV_READ | EV_PERSIST,
                               on_readable, door);
    return door->readable ? event_add(door->readable, NULL) : -1;
}

void
acceptor_room(struct acceptor *acceptor)
{
    update(acceptor);
}

void
acceptor_stop(struct acceptor *acceptor)
{
    acceptor->stopped = true;
    update(acceptor);
    event_del(acceptor->pause_over);
    for (size_t i = 0; i < acceptor->count; i++)
        listener_close(acceptor->doors[i].listener);
}

void
acceptor_free(struct acceptor *acceptor)
{
    if (!acceptor)
        return;
    for (size_t i = 0; acceptor->doors && i < acceptor->count; i++) {
        if (acceptor->doors[i].readable)
            event_free(acceptor->doors[i].readable);
    }
    if (acceptor->pause_over)
        event_free(acceptor->pause_over);
    free(acceptor->doors);
    free(acceptor);
}
