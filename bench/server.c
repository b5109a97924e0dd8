/*
 * CPU time comes from the processes' own CPU clocks, which the kernel keeps to the
 * nanosecond: times(2) and /proc/PID/stat count in ticks of 10 ms. Memory comes from
 * smaps_rollup, which walks the page tables; the counters in status lag behind.
 */
#define _GNU_SOURCE
#include "server.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int
add_children(struct server *server, pid_t pid)
{
    char path[64];
    int child, status = 0;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return -1;
    while (status == 0 && fscanf(file, "%d", &child) == 1) {
        if (server->count == SERVER_PROCESSES) {
            status = -1;
        } else {
            server->pids[server->count++] = child;
            status = add_children(server, child);
        }
    }
    fclose(file);
    return status;
}

int
server_find(struct server *server, pid_t pid)
{
    *server = (struct server){.pids = {pid}, .count = 1};
    return add_children(server, pid);
}

uint64_t
server_cpu(const struct server *server)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < server->count; i++) {
        struct timespec used;
        clockid_t clock;
        if (clock_getcpuclockid(server->pids[i], &clock) == 0 && clock_gettime(clock, &used) == 0)
            sum += (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
    }
    return sum;
}

uint64_t
server_memory(const struct server *server)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < server->count; i++) {
        char path[64], line[256];
        unsigned long long kilobytes;

        snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)server->pids[i]);
        FILE *file = fopen(path, "r");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL)
            if (sscanf(line, "Anonymous: %llu kB", &kilobytes) == 1)
                sum += kilobytes * 1024;
        if (file != NULL)
            fclose(file);
    }
    return sum;
}

static unsigned
each_entry(const char *path, void (*call)(int number, const void *arg), const void *arg)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    unsigned count = 0;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        if (call != NULL)
            call(atoi(entry->d_name), arg);
    }
    if (directory != NULL)
        closedir(directory);
    return count;
}

static void
pin_thread(int thread, const void *set)
{
    sched_setaffinity(thread, sizeof(cpu_set_t), set);
}

int
server_pin(const struct server *server, int cpu)
{
    cpu_set_t set;

    if (cpu < 0 && sched_getaffinity(0, sizeof(set), &set) < 0)
        return -1;
    if (cpu >= 0) {
        CPU_ZERO(&set);
        CPU_SET((size_t)cpu, &set);
    }
    for (size_t i = 0; i < server->count; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/task", (int)server->pids[i]);
        each_entry(path, pin_thread, &set);
    }
    return sched_setaffinity(0, sizeof(set), &set);
}

void
server_descriptors(const struct server *server, unsigned counts[SERVER_PROCESSES])
{
    for (size_t i = 0; i < server->count; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/fd", (int)server->pids[i]);
        counts[i] = each_entry(path, NULL, NULL);
    }
}
