/*
 * running - starts milterd, watches its log, speaks its protocol for a moment.
 *
 * Decides how long anything may take. Knows the log's lines "worker N: ready" and
 * "milterd VERSION ready". Orphans come to this process (it is their subreaper), so
 * waiting for all children proves that nothing is left.
 */
#define _GNU_SOURCE
#include "running.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LIMIT_MS = 30000, /* for anything; a machine under load is slow */
    TICK_MS = 10,
    NOBODY = 65534,
    ARGUMENTS = 8,
};

static int64_t
now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void
tick(void)
{
    poll(NULL, 0, TICK_MS);
}

/* ---- files -------------------------------------------------------------------- */

static void
copy_file(const char *from, const char *to)
{
    char piece[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    ssize_t n;

    if (in < 0)
        fail_msg("%s: %s", from, strerror(errno));
    assert_true(out >= 0);
    while ((n = read(in, piece, sizeof piece)) > 0)
        assert_int_equal(write(out, piece, (size_t)n), n);
    close(in);
    close(out);
}

/* Workers of another user have to be able to read them, wherever the build is. */
static void
copy_plugins(const struct running *running, const char *from)
{
    DIR *directory = opendir(from);
    const struct dirent *entry;

    while (directory && (entry = readdir(directory)) != NULL) {
        size_t length = strlen(entry->d_name);
        char source[1024], target[512];

        if (length < 3 || strcmp(entry->d_name + length - 3, ".so") != 0)
            continue;
        snprintf(source, sizeof source, "%s/%s", from, entry->d_name);
        snprintf(target, sizeof target, "%s/%s", running->plugins, entry->d_name);
        copy_file(source, target);
    }
    if (directory)
        closedir(directory);
}

static void
remove_folder(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    char name[512];

    while (directory && (entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR)
            remove_folder(name);
        else
            unlink(name);
    }
    if (directory)
        closedir(directory);
    rmdir(path);
}

static void
read_file(const char *path, char *into, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, into, size - 1);

    into[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* ---- the place ---------------------------------------------------------------- */

static uint16_t
free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

int
running_set_up(void **state)
{
    struct running *running = calloc(1, sizeof *running);
    const char *plugins = getenv("PLUGIN_DIR"), *unruly = getenv("TEST_PLUGINS");

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    strcpy(running->folder, "/tmp/milterd-run-XXXXXX");
    if (!mkdtemp(running->folder) || chmod(running->folder, 0755) < 0) {
        free(running);
        return -1;
    }
    snprintf(running->config, sizeof running->config, "%s/milter.conf", running->folder);
    snprintf(running->log, sizeof running->log, "%s/log", running->folder);
    snprintf(running->socket, sizeof running->socket, "%s/socket", running->folder);
    snprintf(running->plugins, sizeof running->plugins, "%s/plugins", running->folder);
    running->port = free_port();
    assert_int_equal(mkdir(running->plugins, 0755), 0);
    copy_plugins(running, plugins ? plugins : "plugins");
    copy_plugins(running, unruly ? unruly : "tests/plugins");
    *state = running;
    return 0;
}

/* Ends our children, which are all that milterd may have left. How many there were. */
static int
end_children(void)
{
    char path[64], pids[4096];
    int64_t until = now() + LIMIT_MS;
    int count = 0;
    pid_t pid;

    snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
    while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && now() < until) {
        char *rest = pids;

        count += pid > 0;
        read_file(path, pids, sizeof pids);
        for (char *word; (word = strsep(&rest, " ")) != NULL;) {
            if (atol(word) > 1)
                kill((pid_t)atol(word), SIGKILL);
        }
        tick();
    }
    return count;
}

int
running_tear_down(void **state)
{
    struct running *running = *state;
    int left = end_children();

    if (left > 0)
        print_error("%d processes were left; milterd's log:\n%s", left, running_log(running));
    remove_folder(running->folder);
    free(running);
    return left > 0 ? -1 : 0;
}

void
running_configure(struct running *running, const char *format, ...)
{
    FILE *file = fopen(running->config, "w");
    char *text;
    va_list arguments;

    assert_non_null(file);
    va_start(arguments, format);
    assert_true(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    fprintf(file, "plugin_dir = \"%s\";\n", running->plugins);
    if (geteuid() == 0 && !running->ordinary && !strstr(text, "user ="))
        fprintf(file, "user = \"nobody\";\n");
    if (!strstr(text, "workers ="))
        fprintf(file, "workers = { processes = 2; };\n");
    if (!strstr(text, "log ="))
        fprintf(file, "log = { level = \"debug\"; };\n");
    fprintf(file, "%s\n", text);
    free(text);
    assert_int_equal(fclose(file), 0);
}

/* ---- processes ---------------------------------------------------------------- */

/* In the child. The program is opened first: an ordinary user may not get to where it is. */
static void
execute(const struct running *running, char **arguments)
{
    const char *program = getenv("MILTERD");
    int fd = open(program ? program : "./milterd", O_RDONLY | O_CLOEXEC);
    struct rlimit limit = {running->descriptors, running->descriptors};

    if (running->descriptors > 0)
        setrlimit(RLIMIT_NOFILE, &limit);
    if (running->ordinary && geteuid() == 0 &&
        (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
        _exit(126);
    for (int standard = 0; running->closed && standard < 3; standard++)
        close(standard);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* should the test be killed */
    fexecve(fd, arguments, environ);
    fprintf(stderr, "%s: %s\n", program ? program : "./milterd", strerror(errno));
    _exit(127);
}

static pid_t
start(const struct running *running, char **arguments, const char *output, const char *errors)
{
    pid_t pid;

    if (running->ordinary && geteuid() == 0)
        assert_int_equal(chown(running->folder, NOBODY, NOBODY), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
        dup2(open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644), STDOUT_FILENO);
        dup2(open(errors, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644), STDERR_FILENO);
        execute(running, arguments);
    }
    return pid;
}

static int
wait_for_exit(const struct running *running, pid_t pid)
{
    int64_t until = now() + LIMIT_MS;
    int status;
    pid_t gone;

    while ((gone = waitpid(pid, &status, WNOHANG)) == 0 && now() < until)
        tick();
    if (gone != pid)
        fail_msg("milterd does not end; its log:\n%s", running_log(running));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
running_call(struct running *running, ...)
{
    char program[] = "milterd", output[64], errors[64];
    char *arguments[ARGUMENTS] = {program};
    va_list given;
    int status;

    va_start(given, running);
    for (size_t i = 1; i + 1 < ARGUMENTS && (arguments[i] = va_arg(given, char *)) != NULL; i++)
        ;
    va_end(given);
    snprintf(output, sizeof output, "%s/output", running->folder);
    snprintf(errors, sizeof errors, "%s/errors", running->folder);
    unlink(output);
    unlink(errors);
    status = wait_for_exit(running, start(running, arguments, output, errors));
    read_file(output, running->output, sizeof running->output);
    read_file(errors, running->errors, sizeof running->errors);
    return status;
}

void
running_begin(struct running *running)
{
    char program[] = "milterd", foreground[] = "-f", config[] = "-c";
    char *arguments[] = {program, foreground, config, running->config, NULL};

    unlink(running->log);
    running->master = start(running, arguments, running->log, running->log);
}

void
running_start(struct running *running)
{
    int status;

    running_begin(running);
    for (int64_t until = now() + LIMIT_MS; now() < until; tick()) {
        if (strstr(running_log(running), " ready: "))
            return;
        if (waitpid(running->master, &status, WNOHANG) != 0)
            break;
    }
    fail_msg("milterd is not ready; its log:\n%s", running_log(running));
}

int
running_end(struct running *running)
{
    int64_t until = now() + LIMIT_MS;
    int status = wait_for_exit(running, running->master);

    running->master = 0;
    while (waitpid(-1, NULL, WNOHANG) >= 0) { /* workers are ours when the master is gone */
        if (now() >= until)
            fail_msg("a worker is left; the log:\n%s", running_log(running));
        tick();
    }
    return status;
}

void
running_stop(struct running *running)
{
    assert_int_equal(kill(running->master, SIGTERM), 0);
    assert_int_equal(running_end(running), 0);
}

const char *
running_log(const struct running *running)
{
    static char text[1 << 18];

    read_file(running->log, text, sizeof text);
    return text;
}

void
running_wait_for(const struct running *running, const char *in_log)
{
    int64_t until = now() + LIMIT_MS;

    while (!strstr(running_log(running), in_log)) {
        if (now() >= until)
            fail_msg("no \"%s\" in the log:\n%s", in_log, running_log(running));
        tick();
    }
}

pid_t
running_worker(const struct running *running, unsigned number, unsigned times)
{
    int64_t until = now() + LIMIT_MS;
    char words[64];

    snprintf(words, sizeof words, "]: debug: worker %u: ready\n", number);
    for (; now() < until; tick()) {
        const char *at = running_log(running);
        unsigned seen = 0;

        for (; (at = strstr(at, words)) != NULL; at++) {
            const char *digits = at;

            if (++seen < times)
                continue;
            while (digits[-1] >= '0' && digits[-1] <= '9')
                digits--;
            return (pid_t)atol(digits);
        }
    }
    fail_msg("worker %u is not ready; the log:\n%s", number, running_log(running));
    return 0;
}

void
running_wait_for_end_of(pid_t pid)
{
    int64_t until = now() + LIMIT_MS;

    while (kill(pid, 0) == 0) {
        waitpid(pid, NULL, WNOHANG); /* where it has become ours */
        if (now() >= until)
            fail_msg("process %ld does not end", (long)pid);
        tick();
    }
}

/* ---- the mail server's side --------------------------------------------------- */

static int
connect_to(const struct sockaddr *address, socklen_t size)
{
    const struct timeval limit = {.tv_sec = LIMIT_MS / 1000};
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, address, size) < 0) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int
running_connect_socket(const struct running *running)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(address.sun_path, running->socket);
    return connect_to((const struct sockaddr *)&address, sizeof address);
}

int
running_connect_port(const struct running *running)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(running->port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect_to((const struct sockaddr *)&address, sizeof address);
}

bool
running_negotiate(int fd, char answer[17])
{
    /* version 6, actions 0x1ff, protocol 0x1fffff */
    static const char offer[] = "\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff";
    char packet[17] = "";
    size_t have = 0;
    ssize_t n = 0;

    if (fd < 0 || write(fd, offer, sizeof packet) != sizeof packet)
        return false;
    while (have < sizeof packet && (n = read(fd, packet + have, sizeof packet - have)) > 0)
        have += (size_t)n;
    if (answer)
        memcpy(answer, packet, sizeof packet);
    return have == sizeof packet && packet[4] == 'O';
}
