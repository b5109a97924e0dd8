/*
 * A running milterd as the machine and the administrator see it: workers that die,
 * signals, stops, sockets of others, limits, users. What is said over a connection
 * is others' to test: here it is enough that a negotiation is answered.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "running.h"

/* One chain on the unix socket, and what else the test wants. */
static void
configure_socket(struct running *running, const char *more)
{
    running_configure(running,
                      "listeners = ( { socket = \"unix:%s\"; mode = \"0666\"; } );\n"
                      "chains = { only = ( \"hello\" ); };\n%s",
                      running->socket, more);
}

static void
start_on_socket(struct running *running, const char *more)
{
    configure_socket(running, more);
    running_start(running);
}

static void
assert_served(const struct running *running)
{
    int fd = running_connect_socket(running);

    if (!running_negotiate(fd, NULL))
        fail_msg("no answer; the log:\n%s", running_log(running));
    close(fd);
}

/* Negotiated, which a worker that stops waits for. */
static int
open_connection(const struct running *running)
{
    int fd = running_connect_socket(running);

    assert_true(running_negotiate(fd, NULL));
    return fd;
}

static void
assert_open(int fd)
{
    struct pollfd silent = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&silent, 1, 50), 0);
}

static void
assert_closed(int fd)
{
    char byte;

    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);
}

/* Not counting overlaps. */
static unsigned
times_in_log(const struct running *running, const char *words)
{
    const char *at = running_log(running);
    unsigned count = 0;

    for (; (at = strstr(at, words)) != NULL; at += strlen(words))
        count++;
    return count;
}

/* ---- start and stop ------------------------------------------------------------ */

static void
term_ends_everything(void **state)
{
    struct running *running = *state;
    pid_t first, second;

    start_on_socket(running, "");
    first = running_worker(running, 1, 1);
    second = running_worker(running, 2, 1);
    assert_served(running);
    running_stop(running);
    assert_int_equal(kill(first, 0), -1);
    assert_int_equal(kill(second, 0), -1);
    assert_int_equal(access(running->socket, F_OK), -1);
    assert_null(strstr(running_log(running), "warning:"));
    running_wait_for(running, ": stopping\n");
    running_wait_for(running, ": stopped\n");
}

static void
interrupt_ends_everything(void **state)
{
    struct running *running = *state;

    start_on_socket(running, "");
    assert_int_equal(kill(running->master, SIGINT), 0);
    assert_int_equal(running_end(running), 0);
}

static void
stop_waits_for_connections(void **state)
{
    struct running *running = *state;
    int fd;

    start_on_socket(running, "drain_timeout = \"1h\"; workers = { processes = 1; };");
    fd = open_connection(running);
    assert_int_equal(kill(running->master, SIGTERM), 0);
    running_wait_for(running, ": stopping\n");
    assert_int_equal(running_connect_socket(running), -1); /* nobody new */
    running_wait_for(running, ": draining, 1 open\n");
    assert_open(fd);
    close(fd);
    assert_int_equal(running_end(running), 0);
}

static void
stop_gives_up_after_drain_timeout(void **state)
{
    struct running *running = *state;
    int fd;

    start_on_socket(running, "drain_timeout = \"100ms\";");
    fd = open_connection(running);
    running_stop(running);
    assert_closed(fd);
    running_wait_for(running, "closing 1 connections that have not finished");
    assert_null(strstr(running_log(running), "killing"));
}

static void
second_term_kills(void **state)
{
    struct running *running = *state;
    int fd;

    start_on_socket(running, "drain_timeout = \"1h\"; workers = { processes = 1; };");
    fd = open_connection(running);
    assert_int_equal(kill(running->master, SIGTERM), 0);
    running_wait_for(running, ": stopping\n");
    assert_int_equal(kill(running->master, SIGTERM), 0);
    assert_int_equal(running_end(running), 0);
    running_wait_for(running, "told to stop a second time: killing 1 worker\n");
    running_wait_for(running, "killed by SIGKILL");
    close(fd);
}

/* A worker that does not even notice the signal. */
static void
stuck_worker_is_killed_in_the_end(void **state)
{
    struct running *running = *state;

    start_on_socket(running, "drain_timeout = \"0s\"; workers = { processes = 1; };");
    assert_int_equal(kill(running_worker(running, 1, 1), SIGSTOP), 0);
    running_stop(running);
    running_wait_for(running, "drain_timeout is over: killing 1 worker\n");
}

/* ---- deaths --------------------------------------------------------------------- */

static void
dead_worker_is_replaced(void **state)
{
    struct running *running = *state;
    char words[128];
    pid_t victim;

    start_on_socket(running, "");
    victim = running_worker(running, 2, 1);
    assert_int_equal(kill(victim, SIGKILL), 0);
    assert_served(running);
    assert_true(running_worker(running, 2, 2) != victim);
    assert_served(running);
    snprintf(words, sizeof words,
             "warning: worker 2 (pid %ld) killed by SIGKILL (by hand, or by the "
             "kernel for want of memory); starting another at once\n",
             (long)victim);
    running_wait_for(running, words);
    running_stop(running);
}

/* With one worker, whoever connects meanwhile waits in the backlog. */
static void
only_worker_is_replaced(void **state)
{
    struct running *running = *state;

    start_on_socket(running, "workers = { processes = 1; };");
    assert_int_equal(kill(running_worker(running, 1, 1), SIGKILL), 0);
    assert_served(running);
    running_stop(running);
}

static void
deaths_in_a_row_are_slowed_down(void **state)
{
    struct running *running = *state;

    start_on_socket(running, "workers = { processes = 1; };");
    for (unsigned i = 1; i <= 3; i++)
        assert_int_equal(kill(running_worker(running, 1, i), SIGKILL), 0);
    assert_served(running);
    assert_int_equal(times_in_log(running, "; starting another at once\n"), 1);
    assert_int_equal(times_in_log(running, "; starting another in 200 ms\n"), 1);
    assert_int_equal(times_in_log(running, "; starting another in 400 ms\n"), 1);
    running_stop(running);
}

/* A new worker that cannot load the plugins says why, and the old ones go on. */
static void
plugin_that_went_away_is_named(void **state)
{
    struct running *running = *state;
    char plugin[128], moved[128];

    start_on_socket(running, "");
    running_worker(running, 2, 1);
    snprintf(plugin, sizeof plugin, "%s/hello.so", running->plugins);
    snprintf(moved, sizeof moved, "%s/moved", running->plugins);
    assert_int_equal(rename(plugin, moved), 0);
    assert_int_equal(kill(running_worker(running, 1, 1), SIGKILL), 0);
    running_wait_for(running, "exited with status 78");
    assert_non_null(strstr(running_log(running), "error: worker 1: "));
    assert_non_null(strstr(running_log(running), plugin));
    assert_served(running);
    assert_int_equal(rename(moved, plugin), 0);
    running_worker(running, 1, 2);
    running_stop(running);
}

/* A chain of `unruly`, which is built for tests alone. */
static void
configure_unruly(struct running *running, const char *does)
{
    running_configure(running,
                      "listeners = ( { socket = \"unix:%s\"; mode = \"0666\"; } );\n"
                      "chains = { only = ( { plugin = \"unruly\"; does = \"%s\";\n"
                      " if_there = \"%s/trigger\"; } ); };\n",
                      running->socket, does, running->folder);
}

static void
pull_trigger(const struct running *running, bool there)
{
    char path[128];

    snprintf(path, sizeof path, "%s/trigger", running->folder);
    if (there)
        fclose(fopen(path, "w"));
    else
        unlink(path);
}

static void
plugin_that_ends_the_first_worker_ends_the_start(void **state)
{
    static const struct {
        const char *does, *words;
    } cases[] = {
        {"crash", "worker 1 (pid "},
        {"crash", ") killed by SIGABRT"},
        {"exit", ") exited with status 3\n"},
        {"fail", "it fails because it is told to"},
    };
    struct running *running = *state;

    pull_trigger(running, true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        configure_unruly(running, cases[i].does);
        assert_int_equal(running_call(running, "-f", "-c", running->config, NULL), EX_CONFIG);
        if (!strstr(running->errors, cases[i].words))
            fail_msg("no \"%s\" in: %s", cases[i].words, running->errors);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(access(running->socket, F_OK), -1);
    }
}

static void
plugin_that_ends_later_workers_is_survived(void **state)
{
    struct running *running = *state;

    configure_unruly(running, "crash");
    running_start(running);
    running_worker(running, 2, 1);
    pull_trigger(running, true);
    assert_int_equal(kill(running_worker(running, 1, 1), SIGKILL), 0);
    running_wait_for(running, "killed by SIGABRT");
    running_wait_for(running, "; starting another in 200 ms\n");
    assert_served(running);
    pull_trigger(running, false);
    running_worker(running, 1, 2);
    running_stop(running);
}

/* Nothing can be waiting for a worker that has not been ready. */
static void
stop_does_not_wait_for_loading(void **state)
{
    struct running *running = *state;

    pull_trigger(running, true);
    configure_unruly(running, "hang");
    running_begin(running);
    running_wait_for(running, "hanging");
    assert_int_equal(kill(running->master, SIGTERM), 0);
    assert_int_equal(running_end(running), EX_TEMPFAIL);
    running_wait_for(running, "stopped by a signal before a worker was ready\n");
    assert_int_equal(access(running->socket, F_OK), -1);
}

/* The workers finish, nobody new gets in, and a new milterd can start at once. */
static void
workers_outlive_the_master(void **state)
{
    struct running *running = *state;
    pid_t worker;
    int fd;

    start_on_socket(running, "workers = { processes = 1; };");
    worker = running_worker(running, 1, 1);
    fd = open_connection(running);
    assert_int_equal(kill(running->master, SIGKILL), 0);
    assert_int_equal(waitpid(running->master, NULL, 0), running->master);
    running_wait_for(running, "the master has gone");
    assert_int_equal(kill(worker, 0), 0);
    assert_int_equal(running_connect_socket(running), -1);
    assert_int_equal(errno, ECONNREFUSED);

    start_on_socket(running, "");
    running_wait_for(running, "removed a stale socket");
    assert_served(running);
    close(fd);
    running_wait_for_end_of(worker);
    running_stop(running);
}

/* ---- sockets -------------------------------------------------------------------- */

static void
assert_refused(struct running *running, const char *words)
{
    assert_int_equal(running_call(running, "-f", "-c", running->config, NULL), EX_CONFIG);
    if (!strstr(running->errors, words) || !strstr(running->errors, "milter.conf:"))
        fail_msg("no \"%s\" with a place in: %s", words, running->errors);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left */
}

static void
live_socket_is_refused(void **state)
{
    struct running *running = *state;
    int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(address.sun_path, running->socket);
    assert_int_equal(bind(other, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(other, 5), 0);
    configure_socket(running, "");
    assert_refused(running, "another process is listening on it");
    assert_int_equal(access(running->socket, F_OK), 0);
    close(other);
    running_start(running);
    running_wait_for(running, "removed a stale socket");
    assert_served(running);
    running_stop(running);
}

static void
file_that_is_no_socket_is_refused(void **state)
{
    struct running *running = *state;
    FILE *file = fopen(running->socket, "w");

    fclose(file);
    configure_socket(running, "");
    assert_refused(running, "is no socket");
    assert_int_equal(access(running->socket, F_OK), 0);
}

/* All reasons at once, and what could be opened is taken away again. */
static void
one_bad_listener_takes_back_the_others(void **state)
{
    struct running *running = *state;

    running_configure(running,
                      "listeners = ( { socket = \"unix:%s\"; },\n"
                      " { socket = \"unix:%s/one/socket\"; },\n"
                      " { socket = \"unix:%s/two/socket\"; } );\n"
                      "chains = { only = ( \"hello\" ); };\n",
                      running->socket, running->folder, running->folder);
    assert_refused(running, "/one does not exist");
    assert_non_null(strstr(running->errors, "/two does not exist"));
    assert_int_equal(access(running->socket, F_OK), -1);
}

static void
plugin_that_fails_takes_back_the_listeners(void **state)
{
    struct running *running = *state;

    running_configure(running,
                      "listeners = ( { socket = \"unix:%s\"; } );\n"
                      "chains = { only = ( \"hello\", \"no-such-plugin\", \"nor-this\" ); };\n",
                      running->socket);
    assert_refused(running, "no-such-plugin");
    assert_non_null(strstr(running->errors, "nor-this"));
    assert_int_equal(access(running->socket, F_OK), -1);
}

static void
listeners_have_their_own_chains(void **state)
{
    struct running *running = *state;
    char by_socket[17], by_port[17];
    int one, two;

    running_configure(running,
                      "listeners = ( { socket = \"unix:%s\"; chain = \"full\"; },\n"
                      " { socket = \"inet:%u@127.0.0.1\"; chain = \"empty\"; } );\n"
                      "chains = { full = ( \"hello\" ); empty = ( ); };\n",
                      running->socket, running->port);
    running_start(running);
    one = running_connect_socket(running);
    two = running_connect_port(running);
    assert_true(running_negotiate(one, by_socket));
    assert_true(running_negotiate(two, by_port));
    assert_int_equal(by_socket[12], 1); /* hello adds a header */
    assert_int_equal(by_port[12], 0);
    close(one);
    close(two);
    running_stop(running);
}

static void
connections_beyond_the_limit_wait(void **state)
{
    struct running *running = *state;
    struct pollfd second = {.events = POLLIN};
    int first;

    start_on_socket(running, "workers = { processes = 1; connections = 1; };");
    first = open_connection(running);
    second.fd = running_connect_socket(running);
    assert_true(second.fd >= 0); /* in the backlog */
    assert_int_equal(write(second.fd, "\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff", 17), 17);
    assert_open(second.fd);
    close(first);
    assert_int_equal(poll(&second, 1, 30000), 1);
    close(second.fd);
    running_stop(running);
}

/* Clock ticks of processor time. */
static long
time_used_by(pid_t pid)
{
    char path[64], text[1024] = "";
    unsigned long user = 0, system = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_int_equal(sscanf(strrchr(text, ')'),
                            ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                            &system),
                     2);
    return (long)(user + system);
}

/* More connections than descriptors: one line, those there are go on, then the others. The
   worker must not spin meanwhile. */
static void
out_of_descriptors_is_a_pause(void **state)
{
    enum { CLIENTS = 60 };
    struct running *running = *state;
    int fds[CLIENTS];
    long used;

    running->descriptors = 48;
    start_on_socket(running, "workers = { processes = 1; connections = 1000; };");
    running_wait_for(running, "warning: workers.connections = 1000 needs ");
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = running_connect_socket(running);
        assert_true(fds[i] >= 0);
    }
    running_wait_for(running, "error: worker 1: cannot accept connections for now: Too many open");
    assert_true(running_negotiate(fds[0], NULL));
    used = time_used_by(running_worker(running, 1, 1));
    poll(NULL, 0, 500);
    used = time_used_by(running_worker(running, 1, 1)) - used;
    assert_in_range(used, 0, sysconf(_SC_CLK_TCK) / 10);
    for (int i = 0; i < CLIENTS / 2; i++)
        close(fds[i]);
    for (int i = CLIENTS / 2; i < CLIENTS; i++) {
        assert_true(running_negotiate(fds[i], NULL));
        close(fds[i]);
    }
    assert_int_equal(times_in_log(running, "cannot accept"), 1);
    running_stop(running);
}

/* ---- other signals --------------------------------------------------------------- */

static void
hangup_changes_nothing(void **state)
{
    struct running *running = *state;
    pid_t worker;

    start_on_socket(running, "");
    worker = running_worker(running, 1, 1);
    assert_int_equal(kill(running->master, SIGHUP), 0);
    assert_int_equal(kill(worker, SIGHUP), 0);
    running_wait_for(running, "warning: reload is not available in this version");
    assert_served(running);
    assert_int_equal(kill(worker, 0), 0);
    running_stop(running);
}

/* Who says that milterd is ready. */
static pid_t
master_in_log(const struct running *running)
{
    const char *at;

    running_wait_for(running, " ready: ");
    at = strstr(running_log(running), "]: milterd ");
    assert_non_null(at);
    while (at[-1] >= '0' && at[-1] <= '9')
        at--;
    return (pid_t)atol(at);
}

/* Once the daemon has left the terminal, its log is the file that milter.conf names. */
static void
start_in_background(struct running *running)
{
    char more[256];

    snprintf(more, sizeof more, "log = { target = \"file\"; file = \"%s\"; level = \"debug\"; };",
             running->log);
    configure_socket(running, more);
    assert_int_equal(running_call(running, "-c", running->config, NULL), 0);
    assert_string_equal(running->errors, "");
    assert_served(running);
    running->master = master_in_log(running);
}

static void
background_is_left_when_it_serves(void **state)
{
    struct running *running = *state;

    start_in_background(running);
    assert_true(running->master != getpid());
    assert_int_equal(getsid(running->master), running->master);
    running_stop(running);
    assert_int_equal(access(running->socket, F_OK), -1);
}

static void
background_tells_why_it_does_not(void **state)
{
    struct running *running = *state;

    running_configure(running,
                      "listeners = ( { socket = \"unix:%s\"; } );\n"
                      "chains = { only = ( \"no-such-plugin\", \"nor-this\" ); };\n"
                      "log = { target = \"file\"; file = \"%s\"; };\n",
                      running->socket, running->log);
    assert_int_equal(running_call(running, "-c", running->config, NULL), EX_CONFIG);
    assert_non_null(strstr(running->errors, "no-such-plugin"));
    assert_non_null(strstr(running->errors, "nor-this"));
    running_wait_for(running, "error: ");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(access(running->socket, F_OK), -1);
}

/* Master and workers alike write to the new file, whoever they are. */
static void
usr1_reopens_the_log_everywhere(void **state)
{
    struct running *running = *state;
    char moved[128];
    pid_t worker;

    start_in_background(running);
    worker = running_worker(running, 1, 1);
    if (geteuid() == 0 && !running->ordinary) {
        struct stat info;

        assert_int_equal(stat(running->log, &info), 0);
        assert_int_not_equal(info.st_uid, 0); /* the workers' */
    }
    snprintf(moved, sizeof moved, "%s.1", running->log);
    assert_int_equal(rename(running->log, moved), 0);
    assert_int_equal(kill(running->master, SIGUSR1), 0);
    running_wait_for(running, ": worker 1: the log is open anew\n");
    assert_int_equal(kill(worker, SIGTERM), 0);
    running_worker(running, 1, 1); /* the next of that number, in the new file */
    running_wait_for(running, "worker 1: ends");
    running_wait_for(running, "exited with status 0; starting another");
    running_stop(running);
}

/* Descriptors 0 to 2 are taken before anything else is opened. */
static void
closed_standard_descriptors_do_no_harm(void **state)
{
    struct running *running = *state;
    char link[64], target[128];
    ssize_t n;

    running->closed = true;
    start_in_background(running);
    for (int fd = 0; fd < 3; fd++) {
        snprintf(link, sizeof link, "/proc/%ld/fd/%d", (long)running_worker(running, 1, 1), fd);
        n = readlink(link, target, sizeof target - 1);
        assert_true(n > 0);
        target[n] = '\0';
        assert_string_equal(target, "/dev/null");
    }
    running_stop(running);
}

/* ---- users ---------------------------------------------------------------------- */

static void
workers_are_the_user(void **state)
{
    struct running *running = *state;
    char path[64], text[4096] = "";
    int fd;

    if (geteuid() != 0)
        skip();
    start_on_socket(running, "");
    snprintf(path, sizeof path, "/proc/%ld/status", (long)running_worker(running, 1, 1));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    assert_non_null(strstr(text, "Uid:\t65534\t65534\t65534\t65534\n"));
    assert_non_null(strstr(text, "Gid:\t65534\t65534\t65534\t65534\n"));
    assert_non_null(strstr(text, "NoNewPrivs:\t1\n"));
    assert_null(strstr(running_log(running), "run as root"));
    running_stop(running);
}

static void
root_workers_are_warned_of(void **state)
{
    struct running *running = *state;

    if (geteuid() != 0)
        skip();
    start_on_socket(running, "user = \"root\";");
    running_wait_for(running, "warning: the workers run as root");
    running_stop(running);
}

static void
unknown_user_is_refused(void **state)
{
    struct running *running = *state;

    configure_socket(running, "user = \"no-such-user\";");
    assert_refused(running, "no-such-user");
    assert_int_equal(access(running->socket, F_OK), -1);
}

static void
ordinary_user_serves(void **state)
{
    struct running *running = *state;

    running->ordinary = true;
    start_on_socket(running, "");
    assert_served(running);
    assert_null(strstr(running_log(running), "warning:"));
    running_stop(running);
    assert_int_equal(access(running->socket, F_OK), -1);
}

static void
ordinary_user_cannot_be_another(void **state)
{
    struct running *running = *state;

    running->ordinary = true;
    configure_socket(running, "user = \"root\";");
    assert_refused(running, "only root can become \"root\"");
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, running_set_up, running_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(term_ends_everything),
        CASE(interrupt_ends_everything),
        CASE(stop_waits_for_connections),
        CASE(stop_gives_up_after_drain_timeout),
        CASE(second_term_kills),
        CASE(stuck_worker_is_killed_in_the_end),
        CASE(dead_worker_is_replaced),
        CASE(only_worker_is_replaced),
        CASE(deaths_in_a_row_are_slowed_down),
        CASE(plugin_that_went_away_is_named),
        CASE(plugin_that_ends_the_first_worker_ends_the_start),
        CASE(plugin_that_ends_later_workers_is_survived),
        CASE(stop_does_not_wait_for_loading),
        CASE(workers_outlive_the_master),
        CASE(live_socket_is_refused),
        CASE(file_that_is_no_socket_is_refused),
        CASE(one_bad_listener_takes_back_the_others),
        CASE(plugin_that_fails_takes_back_the_listeners),
        CASE(listeners_have_their_own_chains),
        CASE(connections_beyond_the_limit_wait),
        CASE(out_of_descriptors_is_a_pause),
        CASE(hangup_changes_nothing),
        CASE(background_is_left_when_it_serves),
        CASE(background_tells_why_it_does_not),
        CASE(usr1_reopens_the_log_everywhere),
        CASE(closed_standard_descriptors_do_no_harm),
        CASE(workers_are_the_user),
        CASE(root_workers_are_warned_of),
        CASE(unknown_user_is_refused),
        CASE(ordinary_user_serves),
        CASE(ordinary_user_cannot_be_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
