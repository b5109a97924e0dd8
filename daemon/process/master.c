/*
 * master - waits for signals, children and deadlines, and acts on them.
 *
 * Decides what a signal means and how a stop goes: listeners away, workers asked to
 * finish, killed when they take too long. Does not know how workers are started again
 * (generation) nor what they do. Signals are blocked but while it waits, so handlers
 * only raise flags and nothing is interrupted. The state lives as long as master_run().
 */
#define _GNU_SOURCE
#include "process/master.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "process/clock.h"
#include "process/generation.h"
#include "process/report.h"

enum {
    STOP_GRACE_MS = 5000,    /* after drain_timeout, for workers to notice it */
    OTHER_DESCRIPTORS = 128, /* of a worker: log, libraries, plugins' files */
};

static const struct config_place nowhere;

struct master {
    struct config *config;
    struct generation_pipes pipes;
    struct generation *generation;
    struct pollfd *fds; /* room for generation_poll() */
    bool announced;
    bool stopping;
    int64_t kill_at; /* when a stop has taken long enough */
    sigset_t while_waiting;
};

static void on_stop(struct master *master);
static void on_reload(struct master *master);
static void on_reopen(struct master *master);
static void on_child(struct master *master);

static const struct {
    int number;
    void (*act)(struct master *master);
} signals[] = {
    {SIGTERM, on_stop},   {SIGINT, on_stop},   {SIGHUP, on_reload},
    {SIGUSR1, on_reopen}, {SIGCHLD, on_child},
};

enum { SIGNALS = sizeof signals / sizeof *signals };

static volatile sig_atomic_t raised[NSIG];

static void
raise_flag(int number)
{
    raised[number]++;
}

static void
catch_signals(struct master *master)
{
    struct sigaction action = {.sa_handler = raise_flag};
    sigset_t caught;

    sigemptyset(&caught);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&caught, signals[i].number);
    sigprocmask(SIG_BLOCK, &caught, NULL);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i].number, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&master->while_waiting);
}

/* A log file that is made as root could not be opened anew by the workers after a
   rotation. Its folder may be the workers' own, so only a file that root has just made
   there is given away, never what a link points to. */
static void
give_log_to_workers(const struct master *master)
{
    const struct config *config = master->config;
    const struct privileges *workers = &master->generation->privileges;
    struct stat file;
    int fd;

    if (config->log.target != LOG_TO_FILE || !workers->change)
        return;
    fd = open(config->log.path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_nlink == 1 && file.st_uid == 0 &&
        fchown(fd, workers->user, workers->group) < 0)
        log_warning("cannot give %s to the workers: %s", config->log.path, strerror(errno));
    close(fd);
}

/* The workers inherit it: each connection, and a file for each one's body over body_memory. Not more than is needed: some libraries still use select(). */
static void
raise_descriptor_limit(const struct config *config)
{
    rlim_t wanted = 2 * (rlim_t)config->connections + OTHER_DESCRIPTORS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
        return;
    if (limit.rlim_max < wanted) {
        log_warning("workers.connections = %u needs %lu descriptors, and the limit is %lu: "
                    "raise it (LimitNOFILE= of systemd, ulimit -n) or lower the other",
                    config->connections, (unsigned long)wanted, (unsigned long)limit.rlim_max);
        wanted = limit.rlim_max;
    }
    limit.rlim_cur = wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* The one line that says what is served. */
static void
announce(struct master *master)
{
    const struct config *config = master->config;
    char *listeners = NULL;
    size_t size;
    FILE *out = open_memstream(&listeners, &size);

    master->announced = true;
    if (master->pipes.start >= 0)
        report_say_ready(master->pipes.start);
    master->pipes.start = -1;
    for (size_t i = 0; out && i < config->listener_count; i++)
        fprintf(out, "%s%s for chain %s", i == 0 ? "" : ", ", config->listeners[i].socket,
                config->listeners[i].chain->name);
    if (out)
        fclose(out);
    log_info("milterd " PACKAGE_VERSION " ready: %u %s, listening on %s", config->processes,
             config->processes == 1 ? "worker" : "workers", listeners ? listeners : "?");
    free(listeners);
    if (geteuid() == 0 && master->generation->privileges.user == 0)
        log_warning("the workers run as root, with every plugin: set `user` in %s", config->file);
}

static void
kill_workers(struct master *master, const char *why)
{
    log_warning("%s: killing %u %s", why, generation_alive(master->generation),
                generation_alive(master->generation) == 1 ? "worker" : "workers");
    generation_signal(master->generation, SIGKILL);
    master->kill_at = INT64_MAX;
}

static void
on_stop(struct master *master)
{
    if (master->stopping) {
        kill_workers(master, "told to stop a second time");
        return;
    }
    log_info("stopping");
    master->stopping = true;
    master->kill_at = clock_now() + master->config->drain_timeout + STOP_GRACE_MS;
    generation_drain(master->generation);
}

static void
on_reload(struct master *master)
{
    (void)master;
    log_warning("reload is not available in this version, restart milterd");
}

static void
on_reopen(struct master *master)
{
    log_reopen();
    give_log_to_workers(master);
    generation_signal(master->generation, SIGUSR1);
}

static void
on_child(struct master *master)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        generation_ended(master->generation, pid, status, clock_now());
}

/* Until a signal, a report or a deadline. Signals come in here and nowhere else. */
static void
wait_for_something(struct master *master)
{
    unsigned count = generation_poll(master->generation, master->fds);
    int64_t now = clock_now();
    int wait = generation_wait(master->generation, now);
    struct timespec limit;

    if (master->stopping && master->kill_at != INT64_MAX) {
        int64_t left = master->kill_at > now ? master->kill_at - now : 0;

        if (wait < 0 || left < wait)
            wait = left > 60000 ? 60000 : (int)left;
    }
    limit = (struct timespec){.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000L};
    ppoll(master->fds, count, wait < 0 ? NULL : &limit, &master->while_waiting);
}

static void
act_on_signals(struct master *master)
{
    for (size_t i = 0; i < SIGNALS; i++) {
        int times = raised[signals[i].number];

        raised[signals[i].number] = 0;
        while (times-- > 0)
            signals[i].act(master);
    }
}

static bool
is_over(const struct master *master)
{
    return (master->stopping || master->generation->state == GENERATION_FAILED) &&
           generation_alive(master->generation) == 0;
}

static void
watch(struct master *master)
{
    generation_step(master->generation, clock_now());
    while (!is_over(master)) {
        wait_for_something(master);
        act_on_signals(master);
        if (master->stopping && clock_now() >= master->kill_at)
            kill_workers(master, "drain_timeout is over");
        generation_step(master->generation, clock_now());
        if (master->generation->state == GENERATION_SERVING && !master->announced)
            announce(master);
    }
}

/* Why the start has failed, if it has. */
static int
conclude(const struct master *master, struct errors *errors)
{
    const struct generation *generation = master->generation;

    if (master->announced) {
        log_info("stopped");
        return 0;
    }
    for (size_t i = 0; i < generation->errors.count; i++)
        errors_add(errors, nowhere, "%s", generation->errors.lines[i]);
    if (generation->errors.count > 0)
        return generation->status;
    errors_add(errors, nowhere, "stopped by a signal before a worker was ready");
    return EX_TEMPFAIL;
}

int
master_run(struct config *config, int start, struct errors *errors)
{
    struct master master = {.config = config, .kill_at = INT64_MAX};
    int alive[2];
    int status = EX_CONFIG;

    if (pipe2(alive, O_CLOEXEC) < 0) {
        errors_add(errors, nowhere, "cannot make a pipe: %s", strerror(errno));
        return EX_OSERR;
    }
    master.pipes = (struct generation_pipes){alive[0], alive[1], start};
    master.fds = xcalloc(config->processes, sizeof *master.fds);
    catch_signals(&master);
    raise_descriptor_limit(config);
    master.generation = generation_new(config, &master.pipes, errors);
    if (master.generation) {
        give_log_to_workers(&master);
        watch(&master);
        status = conclude(&master, errors);
    }
    generation_free(master.generation);
    free(master.fds);
    close(alive[0]);
    close(alive[1]);
    return status;
}
