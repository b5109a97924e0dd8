/*
 * spawn, report and obituary: what a child says about its start arrives whole, and
 * however it ends, the parent has words for it.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "process/obituary.h"
#include "process/report.h"
#include "process/spawn.h"

enum { LINES = 3000 };

static const struct config_place nowhere;

static int
be_ready(void *arg, int report)
{
    (void)arg;
    report_say_ready(report);
    pause();
    return 0;
}

/* More than a pipe holds: the parent has to read while the child writes. */
static int
complain(void *arg, int report)
{
    const struct config_place place = {"milter.conf", 7};
    struct errors errors = {0};

    for (int i = 0; i < LINES; i++)
        errors_add(&errors, place, "%d is wrong with %s, and this line is rather long", i,
                   (const char *)arg);
    report_say_errors(report, &errors);
    errors_free(&errors);
    return EX_CONFIG;
}

static int
exit_silently(void *arg, int report)
{
    (void)report;
    return *(int *)arg;
}

static int
die_by_signal(void *arg, int report)
{
    const struct rlimit no_core = {0, 0};

    (void)report;
    setrlimit(RLIMIT_CORE, &no_core);
    raise(*(int *)arg);
    return 0;
}

static int
hang(void *arg, int report)
{
    (void)arg;
    (void)report;
    while (pause() < 0)
        ;
    return 0;
}

static void
ready_child(void **state)
{
    struct spawn child;
    struct errors errors = {0};
    int status;

    (void)state;
    assert_int_equal(spawn_start(&child, be_ready, NULL), 0);
    assert_int_equal(spawn_await(&child, "it", 10000, &errors), 0);
    assert_int_equal(errors.count, 0);
    assert_true(child.pid > 0);
    assert_int_equal(kill(child.pid, SIGTERM), 0);
    status = spawn_reap(&child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_int_equal(child.pid, 0);
}

static void
all_complaints_arrive(void **state)
{
    char subject[] = "something", line[128];
    struct spawn child;
    struct errors errors = {0};

    (void)state;
    assert_int_equal(spawn_start(&child, complain, subject), 0);
    assert_int_equal(spawn_await(&child, "it", 10000, &errors), EX_CONFIG);
    assert_int_equal(errors.count, LINES);
    for (int i = 0; i < LINES; i++) {
        snprintf(line, sizeof line,
                 "milter.conf:7: %d is wrong with something, and this line is rather long", i);
        assert_string_equal(errors.lines[i], line);
    }
    assert_int_equal(child.pid, 0);
    errors_free(&errors);
}

/* What is said of a child that ends without a report. */
static void
assert_obituary(spawn_run *run, int arg, const char *words)
{
    struct spawn child;
    struct errors errors = {0};
    char line[OBITUARY_TEXT];
    long pid;

    assert_int_equal(spawn_start(&child, run, &arg), 0);
    pid = child.pid;
    assert_int_equal(spawn_await(&child, "it", 10000, &errors), EX_CONFIG);
    assert_int_equal(errors.count, 1);
    snprintf(line, sizeof line, "it (pid %ld) %s", pid, words);
    assert_string_equal(errors.lines[0], line);
    errors_free(&errors);
}

static void
silent_child_has_an_obituary(void **state)
{
    (void)state;
    assert_obituary(exit_silently, 3, "exited with status 3");
    assert_obituary(exit_silently, 0, "exited with status 0");
    assert_obituary(die_by_signal, SIGTERM, "killed by SIGTERM");
    assert_obituary(die_by_signal, SIGKILL,
                    "killed by SIGKILL (by hand, or by the kernel for want of memory)");
}

static void
hanging_child_is_killed(void **state)
{
    struct spawn child;
    struct errors errors = {0};

    (void)state;
    assert_int_equal(spawn_start(&child, hang, NULL), 0);
    assert_int_equal(spawn_await(&child, "it", 50, &errors), EX_CONFIG);
    assert_int_equal(child.pid, 0);
    assert_int_equal(errors.count, 1);
    assert_non_null(strstr(errors.lines[0], " hung while loading plugins"));
    errors_free(&errors);
}

/* A plugin may start a process that keeps the pipe open. Here it ends with its parent. */
static int
complain_and_leave_a_child(void *arg, int report)
{
    char subject[] = "something";
    pid_t parent = getpid();

    (void)arg;
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent)
            pause();
        _exit(0);
    }
    return complain(subject, report);
}

static void
report_ends_before_the_pipe_does(void **state)
{
    struct spawn child;
    struct errors errors = {0};

    (void)state;
    assert_int_equal(spawn_start(&child, complain_and_leave_a_child, NULL), 0);
    assert_int_equal(spawn_await(&child, "it", 10000, &errors), EX_CONFIG);
    assert_int_equal(errors.count, LINES);
    errors_free(&errors);
}

/* Handlers and ignored signals are not the child's; what was blocked still is. */
static int
tell_signals(void *arg, int report)
{
    struct errors errors = {0};
    struct sigaction action;
    sigset_t blocked;

    (void)arg;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    sigaction(SIGHUP, NULL, &action);
    if (action.sa_handler != SIG_DFL)
        errors_add(&errors, nowhere, "HUP is still ignored");
    sigaction(SIGUSR1, NULL, &action);
    if (action.sa_handler != SIG_DFL)
        errors_add(&errors, nowhere, "USR1 still has a handler");
    if (!sigismember(&blocked, SIGUSR1) || sigismember(&blocked, SIGHUP))
        errors_add(&errors, nowhere, "the signal mask is another");
    report_say_errors(report, &errors);
    errors_free(&errors);
    return EX_CONFIG;
}

static void
handler(int number)
{
    (void)number;
}

static void
signals_begin_anew(void **state)
{
    struct spawn child;
    struct errors errors = {0};
    sigset_t usr1, before;

    (void)state;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, &before);
    signal(SIGUSR1, handler);
    signal(SIGHUP, SIG_IGN);
    assert_int_equal(spawn_start(&child, tell_signals, NULL), 0);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(spawn_await(&child, "it", 10000, &errors), EX_CONFIG);
    if (errors.count > 0)
        fail_msg("%s", errors.lines[0]);
}

static void
obituaries(void **state)
{
    static const struct {
        const char *name;
        int status; /* as Linux has it: signal, 0x80 for a core, exit status << 8 */
        const char *text;
    } cases[] = {
        {"exit", 3 << 8, "worker 2 (pid 123) exited with status 3"},
        {"configuration", 78 << 8,
         "worker 2 (pid 123) exited with status 78 (configuration or plugins)"},
        {"core", SIGSEGV | 0x80, "worker 2 (pid 123) killed by SIGSEGV (core dumped)"},
        {"no core", SIGSEGV, "worker 2 (pid 123) killed by SIGSEGV"},
        {"abort", SIGABRT, "worker 2 (pid 123) killed by SIGABRT"},
        {"unnamed", 40, "worker 2 (pid 123) killed by signal 40"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[OBITUARY_TEXT];

        print_message("%s\n", cases[i].name);
        assert_string_equal(obituary_write("worker 2", 123, cases[i].status, text), cases[i].text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_child),
        cmocka_unit_test(all_complaints_arrive),
        cmocka_unit_test(silent_child_has_an_obituary),
        cmocka_unit_test(hanging_child_is_killed),
        cmocka_unit_test(report_ends_before_the_pipe_does),
        cmocka_unit_test(signals_begin_anew),
        cmocka_unit_test(obituaries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
