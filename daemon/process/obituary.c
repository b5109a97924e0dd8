/*
 * obituary - a wait status into a sentence.
 *
 * Decides the words, and what a reader is told about the usual causes. Does not know
 * whether the death was expected: that is for the one who writes it to the log.
 */
#include "process/obituary.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <sysexits.h>

static const struct {
    int number;
    const char *name;
    const char *hint; /* what is behind it most of the time */
} signals[] = {
    {SIGABRT, "SIGABRT", ""},
    {SIGALRM, "SIGALRM", ""},
    {SIGBUS, "SIGBUS", ""},
    {SIGFPE, "SIGFPE", ""},
    {SIGHUP, "SIGHUP", ""},
    {SIGILL, "SIGILL", ""},
    {SIGINT, "SIGINT", ""},
    {SIGKILL, "SIGKILL", " (by hand, or by the kernel for want of memory)"},
    {SIGPIPE, "SIGPIPE", ""},
    {SIGQUIT, "SIGQUIT", ""},
    {SIGSEGV, "SIGSEGV", ""},
    {SIGSYS, "SIGSYS", " (a system call that is forbidden here)"},
    {SIGTERM, "SIGTERM", ""},
    {SIGTRAP, "SIGTRAP", ""},
    {SIGUSR1, "SIGUSR1", ""},
    {SIGUSR2, "SIGUSR2", ""},
    {SIGXCPU, "SIGXCPU", " (limit of processor time)"},
    {SIGXFSZ, "SIGXFSZ", " (limit of file size)"},
};

static const struct {
    int status;
    const char *hint;
} statuses[] = {
    {EX_OSERR, " (the system refused something)"},
    {EX_CONFIG, " (configuration or plugins)"},
};

static void
write_signal(const char *who, long pid, int status, char into[OBITUARY_TEXT])
{
    const char *core = WCOREDUMP(status) ? " (core dumped)" : "";

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (signals[i].number == WTERMSIG(status)) {
            snprintf(into, OBITUARY_TEXT, "%s (pid %ld) killed by %s%s%s", who, pid,
                     signals[i].name, core, signals[i].hint);
            return;
        }
    }
    snprintf(into, OBITUARY_TEXT, "%s (pid %ld) killed by signal %d%s", who, pid, WTERMSIG(status),
             core);
}

static void
write_exit(const char *who, long pid, int status, char into[OBITUARY_TEXT])
{
    const char *hint = "";

    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (statuses[i].status == WEXITSTATUS(status))
            hint = statuses[i].hint;
    }
    snprintf(into, OBITUARY_TEXT, "%s (pid %ld) exited with status %d%s", who, pid,
             WEXITSTATUS(status), hint);
}

const char *
obituary_write(const char *who, pid_t pid, int status, char into[OBITUARY_TEXT])
{
    if (WIFSIGNALED(status))
        write_signal(who, pid, status, into);
    else
        write_exit(who, pid, status, into);
    return into;
}
