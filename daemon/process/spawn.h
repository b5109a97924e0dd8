/*
 * spawn - a forked child and what it reports about its start.
 */
#ifndef DAEMON_PROCESS_SPAWN_H
#define DAEMON_PROCESS_SPAWN_H

#include <sys/types.h>

#include "process/report.h"

struct spawn {
    pid_t pid; /* 0: there is none */
    struct report report;
};

/* What a child does: `report` is the writing end of its pipe. Returns its exit status. */
typedef int spawn_run(void *arg, int report);

/*
 * Forks a child that calls run(arg, report) and exits. Signals have their default
 * meaning there, and those that are blocked here stay blocked, so that the child
 * can say what they mean to it before one arrives. 0, or -1 with errno.
 */
int spawn_start(struct spawn *spawn, spawn_run *run, void *arg);

/*
 * Waits until a child has reported, `limit` milliseconds at most (-1: however long).
 * 0 when it is ready. Otherwise the child is gone, its reasons or a sentence about
 * `who` are in errors, and the exit status to use is the answer.
 */
int spawn_await(struct spawn *spawn, const char *who, int limit, struct errors *errors);

/* Waits for the end of a child; its status in the manner of waitpid(). */
int spawn_reap(struct spawn *spawn);

#endif
