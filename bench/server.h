/*
 * server - the processes of the filter that is measured: the one that was started and
 * all that it has forked.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SERVER_PROCESSES = 64 };

struct server {
    pid_t pids[SERVER_PROCESSES];
    size_t count;
};

/* Finds a process and its descendants. -1: there is none, or there are too many. */
int server_find(struct server *server, pid_t pid);

/* CPU time of all of them so far, user and system, in nanoseconds. */
uint64_t server_cpu(const struct server *server);

/* Memory that is theirs alone and backed by no file, in bytes. */
uint64_t server_memory(const struct server *server);

/* Binds all their threads and ourselves to one CPU, or to all that we may use for -1. */
int server_pin(const struct server *server, int cpu);

/* Open descriptors of each; written to counts. */
void server_descriptors(const struct server *server, unsigned counts[SERVER_PROCESSES]);

#endif
