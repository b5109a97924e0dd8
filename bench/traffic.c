/*
 * Between a flush that needs no reply and the next one Postfix changes from one process
 * to another and hears from the SMTP client. So such a connection goes on only in the
 * next round of the loop, and the CPU is offered to the filter before: otherwise both
 * flushes would arrive as one where client and filter share a CPU.
 */
#include "traffic.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { EVENTS = 256 };

/* ---- what connections report ------------------------------------------------- */

static void
message_done(void *arg)
{
    struct traffic *traffic = arg;

    traffic->done++;
}

static void
replied(void *arg, uint64_t nanoseconds)
{
    struct traffic *traffic = arg;

    samples_add(&traffic->replies, nanoseconds);
}

/* ---- one connection ----------------------------------------------------------- */

static int
open_one(struct traffic *traffic, struct mta *mta, enum mta_stop stop)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = mta};

    if (mta_open(mta, &traffic->run, traffic->messages) < 0) {
        fprintf(stderr, "load: cannot connect: %s\n", strerror(errno));
        return -1;
    }
    mta->stop = stop;
    if (epoll_ctl(traffic->epoll, EPOLL_CTL_ADD, mta->fd, &event) < 0) {
        fprintf(stderr, "load: epoll: %s\n", strerror(errno));
        return -1;
    }
    traffic->open++;
    traffic->begun += traffic->messages;
    return 0;
}

/* Everything has been read from the socket's buffer: there is nothing left unsent. */
static void
settle(const struct mta *mta)
{
    int unread = 0;

    while (ioctl(mta->fd, SIOCOUTQ, &unread) == 0 && unread > 0)
        usleep(50);
}

static void
watch(struct traffic *traffic, struct mta *mta, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = mta};

    epoll_ctl(traffic->epoll, EPOLL_CTL_MOD, mta->fd, &event);
}

static int
follow(struct traffic *traffic, struct mta *mta, enum mta_status status)
{
    switch (status) {
    case MTA_WAITS_TO_READ:
        return 0;
    case MTA_WAITS_TO_WRITE:
        watch(traffic, mta, EPOLLOUT);
        return 0;
    case MTA_MAY_GO_ON:
        if (traffic->settles)
            settle(mta);
        traffic->later[traffic->later_count++] = mta;
        return 0;
    case MTA_STOPPED:
        traffic->stopped++;
        return 0;
    case MTA_ENDED:
        traffic->open--;
        if (traffic->ending || (traffic->limit > 0 && traffic->begun >= traffic->limit))
            return 0;
        if (open_one(traffic, mta, MTA_STOP_NOWHERE) < 0)
            return -1;
        return follow(traffic, mta, mta_go_on(mta));
    case MTA_FAILED:
        break;
    }
    fprintf(stderr, "load: a connection has failed after %llu messages: %s\n",
            (unsigned long long)traffic->done, strerror(errno));
    return -1;
}

/* ---- all of them ---------------------------------------------------------------- */

int
traffic_begin(struct traffic *traffic, enum mta_stop stop)
{
    traffic->run.message_done = message_done;
    traffic->run.replied = replied;
    traffic->run.arg = traffic;
    traffic->mtas = calloc(traffic->connections, sizeof(*traffic->mtas));
    traffic->later = calloc(traffic->connections, sizeof(*traffic->later));
    traffic->now = calloc(traffic->connections, sizeof(*traffic->now));
    traffic->epoll = epoll_create1(0);
    if (traffic->mtas == NULL || traffic->later == NULL || traffic->now == NULL ||
        traffic->epoll < 0) {
        fputs("load: no memory\n", stderr);
        return -1;
    }
    for (unsigned i = 0; i < traffic->connections; i++) {
        struct mta *mta = &traffic->mtas[i];
        if (open_one(traffic, mta, stop) < 0 || follow(traffic, mta, mta_go_on(mta)) < 0)
            return -1;
    }
    return 0;
}

static int
on_event(struct traffic *traffic, const struct epoll_event *event)
{
    struct mta *mta = event->data.ptr;

    if (event->events & EPOLLOUT) {
        watch(traffic, mta, EPOLLIN);
        return follow(traffic, mta, mta_go_on(mta));
    }
    return follow(traffic, mta, mta_read(mta));
}

static int
go_on_later(struct traffic *traffic)
{
    struct mta **now = traffic->later;
    size_t count = traffic->later_count;

    traffic->later = traffic->now;
    traffic->later_count = 0;
    traffic->now = now;
    sched_yield();
    for (size_t i = 0; i < count; i++)
        if (follow(traffic, now[i], mta_go_on(now[i])) < 0)
            return -1;
    return 0;
}

int
traffic_play(struct traffic *traffic, uint64_t until)
{
    struct epoll_event events[EVENTS];

    while (traffic->open > traffic->stopped) {
        uint64_t now = mta_now();
        if (now >= until)
            break;
        int wait = traffic->later_count > 0 ? 0 : (int)((until - now) / 1000000 + 1);
        int n = epoll_wait(traffic->epoll, events, EVENTS, wait);

        for (int i = 0; i < n; i++)
            if (on_event(traffic, &events[i]) < 0)
                return -1;
        if (traffic->later_count > 0 && go_on_later(traffic) < 0)
            return -1;
    }
    return 0;
}

int
traffic_resume(struct traffic *traffic, enum mta_stop stop)
{
    traffic->stopped = 0;
    for (unsigned i = 0; i < traffic->connections; i++) {
        struct mta *mta = &traffic->mtas[i];
        mta->stop = stop;
        if (follow(traffic, mta, mta_go_on(mta)) < 0)
            return -1;
    }
    return 0;
}

int
traffic_end(struct traffic *traffic)
{
    traffic->ending = true;
    for (unsigned i = 0; i < traffic->connections; i++)
        if (traffic->mtas[i].messages_left > 1)
            traffic->mtas[i].messages_left = 1;
    if (traffic->stopped > 0 && traffic_resume(traffic, MTA_STOP_NOWHERE) < 0)
        return -1;
    if (traffic_play(traffic, UINT64_MAX / 2) < 0)
        return -1;
    close(traffic->epoll);
    free(traffic->mtas);
    free(traffic->later);
    free(traffic->now);
    script_free(&traffic->run.script);
    return 0;
}
