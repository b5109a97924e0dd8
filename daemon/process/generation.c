/*
 * generation - the listeners and workers of one configuration.
 *
 * Decides when a worker is started: the first alone, to see whether the plugins can be
 * loaded; then the rest; and again after a death, at once at first, then more and more
 * slowly, but always. Does not know signals nor why it is drained: those are the
 * master's. Times are clock_now()'s, given by the caller.
 */
#include "process/generation.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "process/obituary.h"
#include "process/worker.h"

enum {
    READY_WITHIN_MS = 30000,
    DELAY_FIRST_MS = 200,
    DELAY_MAX_MS = 30000,
    SETTLED_MS = 60000, /* a worker that has lived so long has not died of its start */
};

static const int64_t NEVER = INT64_MAX;
static const struct config_place nowhere;

/* What the child of a generation needs to know. */
struct start {
    struct generation *generation;
    struct generation_worker *worker;
};

static void
name_worker(const struct generation_worker *worker, char into[32])
{
    snprintf(into, 32, "worker %u", worker->number);
}

/* In the child. Another worker's pipe would tell its plugins about the others. */
static int
run_worker(void *arg, int report)
{
    const struct start *start = arg;
    struct generation *generation = start->generation;
    const struct worker_job job = {
        .number = start->worker->number,
        .config = generation->config,
        .listeners = generation->listeners,
        .privileges = &generation->privileges,
        .alive = generation->pipes->alive,
    };

    close(generation->pipes->alive_ours);
    if (generation->pipes->start >= 0)
        close(generation->pipes->start);
    for (unsigned i = 0; i < generation->config->processes; i++)
        report_close(&generation->workers[i].spawn.report);
    return worker_run(&job, report);
}

/* When to try again, and longer the next time. */
static void
postpone(struct generation_worker *worker, int64_t now)
{
    worker->due = now + worker->delay;
    worker->delay = worker->delay == 0 ? DELAY_FIRST_MS : worker->delay * 2;
    if (worker->delay > DELAY_MAX_MS)
        worker->delay = DELAY_MAX_MS;
}

static void
start_worker(struct generation *generation, struct generation_worker *worker, int64_t now)
{
    struct start start = {generation, worker};

    if (spawn_start(&worker->spawn, run_worker, &start) == 0) {
        worker->started = now;
        worker->due = NEVER;
        worker->ready = false;
        worker->hung = false;
        return;
    }
    if (generation->state == GENERATION_STARTING) {
        errors_add(&generation->errors, nowhere, "cannot start a worker: %s", strerror(errno));
        generation->state = GENERATION_FAILED;
        generation->status = EX_OSERR;
        return;
    }
    if (worker->delay == 0)
        worker->delay = DELAY_FIRST_MS;
    log_error("cannot start worker %u: %s; trying again in %lld ms", worker->number,
              strerror(errno), (long long)worker->delay);
    postpone(worker, now);
}

/* The first that is ready lets the others begin. */
static void
worker_is_ready(struct generation *generation, struct generation_worker *worker, int64_t now)
{
    worker->ready = true;
    if (generation->state != GENERATION_STARTING)
        return;
    generation->state = GENERATION_SERVING;
    for (unsigned i = 0; i < generation->config->processes; i++) {
        if (&generation->workers[i] != worker)
            generation->workers[i].due = now;
    }
}

/* What one that is started again complains about goes to the log, as nobody waits for it. */
static void
hear(struct generation *generation, struct generation_worker *worker, int64_t now)
{
    struct errors complaints = {0};

    if (worker->spawn.report.fd < 0)
        return;
    if (generation->state == GENERATION_STARTING) {
        if (report_read(&worker->spawn.report, &generation->errors) == REPORT_READY)
            worker_is_ready(generation, worker, now);
        return;
    }
    if (report_read(&worker->spawn.report, &complaints) == REPORT_READY)
        worker_is_ready(generation, worker, now);
    for (size_t i = 0; i < complaints.count; i++)
        log_error("worker %u: %s", worker->number, complaints.lines[i]);
    errors_free(&complaints);
}

static int
find_privileges(struct generation *generation, struct errors *errors)
{
    const struct config *config = generation->config;
    const struct option_value *user = options_find(config->top, "user");
    char reason[256];

    if (privileges_find(&generation->privileges, config->user, config->group, reason,
                        sizeof reason) == 0)
        return 0;
    errors_add(errors, user->place, "%s", reason);
    return -1;
}

struct generation *
generation_new(struct config *config, const struct generation_pipes *pipes, struct errors *errors)
{
    struct generation *generation = xcalloc(1, sizeof *generation);
    size_t before = errors->count;

    generation->config = config;
    generation->pipes = pipes;
    generation->status = EX_CONFIG;
    generation->listeners = xcalloc(config->listener_count, sizeof *generation->listeners);
    generation->workers = xcalloc(config->processes, sizeof *generation->workers);
    for (unsigned i = 0; i < config->processes; i++) {
        generation->workers[i] = (struct generation_worker){
            .number = i + 1, .spawn.report.fd = -1, .due = i == 0 ? 0 : NEVER};
    }
    find_privileges(generation, errors);
    for (size_t i = 0; i < config->listener_count; i++)
        listener_open(&generation->listeners[i], &config->listeners[i], errors);
    if (errors->count > before) {
        generation_free(generation);
        return NULL;
    }
    return generation;
}

void
generation_step(struct generation *generation, int64_t now)
{
    for (unsigned i = 0; i < generation->config->processes; i++) {
        struct generation_worker *worker = &generation->workers[i];

        hear(generation, worker, now);
        if (worker->spawn.pid > 0 && !worker->ready && !worker->hung &&
            now >= worker->started + READY_WITHIN_MS) {
            worker->hung = true;
            kill(worker->spawn.pid, SIGKILL);
        }
        if (worker->spawn.pid == 0 && now >= worker->due)
            start_worker(generation, worker, now);
    }
}

int
generation_wait(const struct generation *generation, int64_t now)
{
    int64_t next = NEVER;

    for (unsigned i = 0; i < generation->config->processes; i++) {
        const struct generation_worker *worker = &generation->workers[i];
        int64_t mine = NEVER;

        if (worker->spawn.pid == 0)
            mine = worker->due;
        else if (!worker->ready && !worker->hung)
            mine = worker->started + READY_WITHIN_MS;
        if (mine < next)
            next = mine;
    }
    if (next == NEVER)
        return -1;
    return next > now ? (int)(next - now) : 0;
}

unsigned
generation_poll(const struct generation *generation, struct pollfd *fds)
{
    unsigned count = 0;

    for (unsigned i = 0; i < generation->config->processes; i++) {
        int fd = generation->workers[i].spawn.report.fd;

        if (fd >= 0)
            fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    return count;
}

/* Nothing can be served: who starts milterd is told why. */
static void
first_has_failed(struct generation *generation, const char *obituary, int status)
{
    if (generation->errors.count == 0)
        errors_add(&generation->errors, nowhere, "%s", obituary);
    else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        generation->status = WEXITSTATUS(status);
    generation->state = GENERATION_FAILED;
}

static void
replace(struct generation_worker *worker, const char *obituary, int64_t now)
{
    if (now - worker->started >= SETTLED_MS)
        worker->delay = 0;
    if (worker->delay == 0)
        log_warning("%s; starting another at once", obituary);
    else
        log_warning("%s; starting another in %lld ms", obituary, (long long)worker->delay);
    postpone(worker, now);
}

bool
generation_ended(struct generation *generation, pid_t pid, int status, int64_t now)
{
    struct generation_worker *worker = NULL;
    char obituary[OBITUARY_TEXT], who[32];

    for (unsigned i = 0; i < generation->config->processes && !worker; i++) {
        if (generation->workers[i].spawn.pid == pid)
            worker = &generation->workers[i];
    }
    if (!worker)
        return false;
    name_worker(worker, who);
    if (worker->hung)
        snprintf(obituary, sizeof obituary, "%s (pid %ld) hung while loading plugins", who,
                 (long)pid);
    else
        obituary_write(who, pid, status, obituary);
    hear(generation, worker, now);
    report_close(&worker->spawn.report);
    worker->spawn.pid = 0;

    switch (generation->state) {
    case GENERATION_STARTING:
        first_has_failed(generation, obituary, status);
        break;
    case GENERATION_SERVING:
        replace(worker, obituary, now);
        break;
    case GENERATION_FAILED:
    case GENERATION_DRAINING:
        if (worker->ready && status != 0)
            log_warning("%s", obituary);
        break;
    }
    return true;
}

void
generation_drain(struct generation *generation)
{
    generation->state = GENERATION_DRAINING;
    for (size_t i = 0; i < generation->config->listener_count; i++)
        listener_remove(&generation->listeners[i]);
    for (unsigned i = 0; i < generation->config->processes; i++)
        generation->workers[i].due = NEVER;
    generation_signal(generation, SIGTERM);
}

void
generation_signal(struct generation *generation, int signal_number)
{
    for (unsigned i = 0; i < generation->config->processes; i++) {
        const struct generation_worker *worker = &generation->workers[i];

        if (worker->spawn.pid > 0)
            kill(worker->spawn.pid,
                 signal_number == SIGTERM && !worker->ready ? SIGKILL : signal_number);
    }
}

unsigned
generation_alive(const struct generation *generation)
{
    unsigned count = 0;

    for (unsigned i = 0; i < generation->config->processes; i++)
        count += generation->workers[i].spawn.pid > 0;
    return count;
}

void
generation_free(struct generation *generation)
{
    if (!generation)
        return;
    for (size_t i = 0; i < generation->config->listener_count; i++)
        listener_remove(&generation->listeners[i]);
    errors_free(&generation->errors);
    free(generation->listeners);
    free(generation->workers);
    free(generation);
}
