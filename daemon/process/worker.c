/*
 * worker - drops privileges, loads the plugins, says "ready" and serves.
 *
 * Decides the order of that, and how a worker ends: on TERM, or when the master has
 * gone, it accepts no more and lets the connections finish; after drain_timeout it takes
 * no new messages, and a little later closes what is left. Does not know the other
 * workers. Everything here lives as long as the process, and is given back in reverse
 * order so that leaks show.
 */
#define _GNU_SOURCE
#include "process/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "chain/loader.h"
#include "process/acceptor.h"
#include "process/report.h"
#include "session/connection.h"

enum { REFUSING_MS = 2000 }; /* for mail servers to be told 421; the master kills later */

struct worker {
    const struct worker_job *job;
    struct chain_set *chains;
    struct event_base *base;
    struct connection_host host;
    bool has_host;
    struct acceptor *acceptor;
    struct event *on_term, *on_reopen, *on_master_gone, *on_deadline;
    bool draining;
};

static const struct config_place nowhere;

/* The master decides about INT and HUP, which a terminal sends to all of us. USR1 stays
   blocked until there is a loop that can reopen the log. */
static void
set_signals(void)
{
    sigset_t blocked;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a spool file that may not grow is an error, not our end */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* What libevent has to say would go to standard error otherwise. */
static void
on_libevent_line(int severity, const char *text)
{
    if (severity == EVENT_LOG_ERR)
        log_error("libevent: %s", text);
    else
        log_warning("libevent: %s", text);
}

static void
set_deadline(struct worker *worker, int64_t milliseconds)
{
    const struct timeval deadline = {.tv_sec = milliseconds / 1000,
                                     .tv_usec = milliseconds % 1000 * 1000};

    event_add(worker->on_deadline, &deadline);
}

static void
drain(struct worker *worker)
{
    if (worker->draining)
        return;
    worker->draining = true;
    acceptor_stop(worker->acceptor);
    event_del(worker->on_master_gone);
    set_deadline(worker, worker->job->config->drain_timeout);
    connection_drain(&worker->host);
    log_debug("draining, %u open", worker->host.count);
    if (worker->host.count == 0)
        event_base_loopbreak(worker->base);
}

static void
on_term(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number;
    (void)what;
    drain(arg);
}

static void
on_master_gone(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    log_warning("the master has gone: finishing what is open, accepting no more");
    drain(arg);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;

    (void)fd;
    (void)what;
    if (!worker->host.refuse) {
        connection_refuse_messages(&worker->host);
        set_deadline(worker, REFUSING_MS);
        return;
    }
    log_warning("closing %u connections that have not finished", worker->host.count);
    connection_close_all(&worker->host);
    event_base_loopbreak(worker->base);
}

static void
on_reopen(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number;
    (void)what;
    (void)arg;
    log_reopen();
    log_debug("the log is open anew");
}

static void
on_closed(void *arg)
{
    struct worker *worker = arg;

    if (!worker->draining)
        acceptor_room(worker->acceptor);
    else if (worker->host.count == 0)
        event_base_loopbreak(worker->base);
}

static int
become_user(const struct worker_job *job, struct errors *errors)
{
    const struct option_value *user = options_find(job->config->top, "user");
    char reason[256];

    if (privileges_drop(job->privileges, reason, sizeof reason) == 0)
        return 0;
    errors_add(errors, user->place, "%s", reason);
    return -1;
}

static int
open_doors(struct worker *worker)
{
    const struct config *config = worker->job->config;

    worker->acceptor = acceptor_new(&worker->host, worker->job->listeners, config->listener_count,
                                    config->connections);
    if (!worker->acceptor)
        return -1;
    for (size_t i = 0; i < config->listener_count; i++) {
        struct chain *chain = loader_chain(worker->chains, config->listeners[i].chain->name);

        ALWAYS(chain != NULL); /* the loader has loaded all chains of this configuration */
        if (acceptor_serve(worker->acceptor, i, chain) < 0)
            return -1;
    }
    return 0;
}

/* The loop and what stands on it. */
static int
open_loop(struct worker *worker)
{
    event_set_log_callback(on_libevent_line);
    worker->base = event_base_new();
    if (!worker->base || connection_host_init(&worker->host, worker->base) < 0)
        return -1;
    worker->has_host = true;
    worker->host.closed = on_closed;
    worker->host.closed_arg = worker;

    worker->on_term = evsignal_new(worker->base, SIGTERM, on_term, worker);
    worker->on_reopen = evsignal_new(worker->base, SIGUSR1, on_reopen, worker);
    worker->on_master_gone =
        event_new(worker->base, worker->job->alive, EV_READ, on_master_gone, worker);
    worker->on_deadline = evtimer_new(worker->base, on_deadline, worker);
    if (!worker->on_term || !worker->on_reopen || !worker->on_master_gone || !worker->on_deadline)
        return -1;
    if (event_add(worker->on_term, NULL) < 0 || event_add(worker->on_reopen, NULL) < 0 ||
        event_add(worker->on_master_gone, NULL) < 0)
        return -1;
    return open_doors(worker);
}

static void
free_event(struct event *event)
{
    if (event)
        event_free(event);
}

static void
close_loop(struct worker *worker)
{
    acceptor_free(worker->acceptor);
    if (worker->has_host)
        connection_host_fini(&worker->host);
    free_event(worker->on_deadline);
    free_event(worker->on_master_gone);
    free_event(worker->on_reopen);
    free_event(worker->on_term);
}

static void
serve(struct worker *worker, int report)
{
    sigset_t reopen;

    sigemptyset(&reopen);
    sigaddset(&reopen, SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &reopen, NULL);
    report_say_ready(report);
    log_debug("ready");
    event_base_dispatch(worker->base);
    log_debug("ends");
}

int
worker_run(const struct worker_job *job, int report)
{
    struct worker worker = {.job = job};
    struct errors errors = {0};
    char role[32];
    int status = EX_CONFIG;

    set_signals();
    snprintf(role, sizeof role, "worker %u", job->number);
    log_role(role);

    if (become_user(job, &errors) < 0)
        goto done;
    worker.chains = loader_load(job->config, &errors);
    if (!worker.chains)
        goto done;
    if (open_loop(&worker) < 0) {
        status = EX_OSERR;
        errors_add(&errors, nowhere, "cannot prepare the event loop: %s", strerror(errno));
        goto done;
    }
    serve(&worker, report);
    status = 0;

done:
    if (errors.count > 0)
        report_say_errors(report, &errors);
    errors_free(&errors);
    close_loop(&worker);
    if (worker.chains)
        loader_unload(worker.chains);
    if (worker.base)
        event_base_free(worker.base);
    return status;
}
