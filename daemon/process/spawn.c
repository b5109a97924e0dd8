/*
 * spawn - fork, and the first words of the child.
 *
 * Decides what a child inherits: everything but the handlers of signals. Does not know
 * when and how often a child is started, nor what it does. A struct spawn is the
 * caller's; its pid is 0 before the start and after the end.
 */
#define _GNU_SOURCE
#include "process/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "process/clock.h"
#include "process/obituary.h"

/* Also those that somebody has set to be ignored before milterd was started. */
static void
default_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    for (int number = 1; number < NSIG; number++)
        sigaction(number, &action, NULL); /* refused for a few; those are default already */
}

int
spawn_start(struct spawn *spawn, spawn_run *run, void *arg)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fflush(NULL); /* what is buffered would be written twice */
    pid = fork();
    if (pid < 0) {
        int error = errno;

        close(ends[0]);
        close(ends[1]);
        errno = error;
        return -1;
    }
    if (pid == 0) {
        close(ends[0]);
        default_signals();
        exit(run(arg, ends[1]));
    }
    close(ends[1]);
    *spawn = (struct spawn){.pid = pid, .report = {.fd = ends[0]}};
    return 0;
}

/* REPORT_MORE where the time is over before the child has said anything. */
static enum report_state
wait_for_report(struct spawn *spawn, int limit, struct errors *errors)
{
    int64_t until = clock_now() + limit;
    struct pollfd fd = {.fd = spawn->report.fd, .events = POLLIN};
    enum report_state state = REPORT_MORE;

    while (state == REPORT_MORE) {
        int64_t left = limit < 0 ? -1 : until - clock_now();
        int n;

        if (limit >= 0 && left <= 0)
            return REPORT_MORE;
        n = poll(&fd, 1, (int)left);
        if (n < 0 && errno != EINTR)
            return REPORT_SILENT;
        if (n > 0)
            state = report_read(&spawn->report, errors);
    }
    return state;
}

int
spawn_await(struct spawn *spawn, const char *who, int limit, struct errors *errors)
{
    static const struct config_place nowhere;
    enum report_state state = wait_for_report(spawn, limit, errors);
    char text[OBITUARY_TEXT];
    pid_t pid = spawn->pid;
    int status;

    if (state == REPORT_READY)
        return 0;
    if (state == REPORT_MORE)
        kill(pid, SIGKILL);
    status = spawn_reap(spawn);
    if (state == REPORT_ERRORS && WIFEXITED(status) && WEXITSTATUS(status) != 0)
        return WEXITSTATUS(status);
    if (state == REPORT_MORE)
        errors_add(errors, nowhere, "%s (pid %ld) hung while loading plugins", who, (long)pid);
    else
        errors_add(errors, nowhere, "%s", obituary_write(who, pid, status, text));
    return EX_CONFIG;
}

int
spawn_reap(struct spawn *spawn)
{
    int status = 0;

    while (waitpid(spawn->pid, &status, 0) < 0 && errno == EINTR)
        ;
    report_close(&spawn->report);
    spawn->pid = 0;
    return status;
}
