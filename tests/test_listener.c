/*
 * listener: what is replaced, what is refused and with which words, the rights of
 * a unix socket, and that nothing of somebody else's is removed. All in a folder of
 * the test's own; TCP ports are those that the system gives.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/listener.h"

enum { NOBODY = 65534 };

/* A folder, a path in it and the configuration of a listener there. */
struct place {
    char folder[64];
    char path[96];
    struct config_listener config;
    struct listener listener;
    struct errors errors;
};

static int
set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    strcpy(place->folder, "/tmp/milterd-listener-XXXXXX");
    if (!mkdtemp(place->folder))
        return -1;
    snprintf(place->path, sizeof place->path, "%s/socket", place->folder);
    place->config = (struct config_listener){
        .socket = "the socket",
        .kind = SOCKET_UNIX,
        .path = place->path,
        .place = {"milter.conf", 12},
    };
    place->listener.fd = -1;
    *state = place;
    return 0;
}

static int
tear_down(void **state)
{
    struct place *place = *state;

    listener_remove(&place->listener);
    errors_free(&place->errors);
    if (unlink(place->path) < 0)
        rmdir(place->path); /* one test makes it a folder */
    if (rmdir(place->folder) < 0)
        return -1; /* a test has left something */
    free(place);
    return 0;
}

static void
open_well(struct place *place)
{
    if (listener_open(&place->listener, &place->config, &place->errors) < 0)
        fail_msg("refused: %s", place->errors.lines[0]);
    assert_int_equal(place->errors.count, 0);
}

/* Refused with one line, which has the place and these words. */
static void
open_badly(struct place *place, const char *words)
{
    assert_int_equal(listener_open(&place->listener, &place->config, &place->errors), -1);
    assert_int_equal(place->listener.fd, -1);
    assert_int_equal(place->errors.count, 1);
    assert_int_equal(strncmp(place->errors.lines[0], "milter.conf:12: listener the socket: ", 36),
                     0);
    if (!strstr(place->errors.lines[0], words))
        fail_msg("no \"%s\" in: %s", words, place->errors.lines[0]);
}

static struct sockaddr_un
unix_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return address;
}

/* A descriptor bound to the path, of another program so to say. */
static int
bind_path(const char *path, int type)
{
    struct sockaddr_un address = unix_address(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int
connect_path(const char *path)
{
    struct sockaddr_un address = unix_address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static void
make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
}

static unsigned
mode_of(const char *path)
{
    struct stat info;

    assert_int_equal(lstat(path, &info), 0);
    return info.st_mode & 07777;
}

static void
unix_is_served(void **state)
{
    struct place *place = *state;
    int client;

    open_well(place);
    assert_true(fcntl(place->listener.fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(place->listener.fd, F_GETFD) & FD_CLOEXEC);
    client = connect_path(place->path);
    assert_true(client >= 0);
    close(client);
}

static void
unix_has_its_mode_whatever_the_umask(void **state)
{
    static const struct {
        unsigned umask, mode;
    } cases[] = {{0, 0600}, {022, 0660}, {077, 0666}, {0777, 0777}};
    struct place *place = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mode_t before = umask(cases[i].umask);

        place->config.has_mode = true;
        place->config.mode = cases[i].mode;
        open_well(place);
        assert_int_equal(umask(before), cases[i].umask);
        assert_int_equal(mode_of(place->path), cases[i].mode);
        listener_remove(&place->listener);
    }
}

static void
unix_without_mode_goes_by_the_umask(void **state)
{
    struct place *place = *state;
    mode_t before = umask(027);

    open_well(place);
    umask(before);
    assert_int_equal(mode_of(place->path), 0750);
}

static void
unix_gets_its_owner(void **state)
{
    struct place *place = *state;
    struct stat info;

    if (geteuid() != 0)
        skip();
    place->config.owner = "65534";
    place->config.group = "65533";
    open_well(place);
    assert_int_equal(stat(place->path, &info), 0);
    assert_int_equal(info.st_uid, 65534);
    assert_int_equal(info.st_gid, 65533);
}

static void
unix_owner_must_exist(void **state)
{
    struct place *place = *state;

    place->config.owner = "no such user";
    open_badly(place, "unknown user \"no such user\"");
    assert_int_equal(access(place->path, F_OK), -1);
}

static void
stale_socket_is_replaced(void **state)
{
    struct place *place = *state;
    int client;

    close(bind_path(place->path, SOCK_STREAM));
    open_well(place);
    client = connect_path(place->path);
    assert_true(client >= 0);
    close(client);
}

static void
live_socket_is_refused(void **state)
{
    struct place *place = *state;
    int other = bind_path(place->path, SOCK_STREAM), client;

    assert_int_equal(listen(other, 8), 0);
    open_badly(place, "another process is listening on it");
    client = connect_path(place->path);
    assert_true(client >= 0);
    close(client);
    close(other);
}

static void
live_socket_with_a_full_backlog_is_refused(void **state)
{
    struct place *place = *state;
    int other = bind_path(place->path, SOCK_STREAM), clients[8];
    size_t count = 0;

    assert_int_equal(listen(other, 0), 0);
    while (count < 8 && (clients[count] = connect_path(place->path)) >= 0)
        count++;
    assert_true(count < 8);
    assert_int_equal(errno, EAGAIN);
    open_badly(place, "another process is listening on it");
    while (count > 0)
        close(clients[--count]);
    close(other);
}

static void
datagram_socket_in_use_is_refused(void **state)
{
    struct place *place = *state;
    int other = bind_path(place->path, SOCK_DGRAM);

    open_badly(place, "another process is listening on it");
    assert_int_equal(access(place->path, F_OK), 0);
    close(other);
}

static void
file_is_refused_and_stays(void **state)
{
    struct place *place = *state;

    make_file(place->path);
    open_badly(place, "is no socket");
    assert_int_equal(access(place->path, F_OK), 0);
}

static void
folder_is_refused(void **state)
{
    struct place *place = *state;

    assert_int_equal(mkdir(place->path, 0700), 0);
    open_badly(place, "is no socket");
}

/* Also one that leads nowhere: the socket must not come into being at its end. */
static void
link_is_refused(void **state)
{
    struct place *place = *state;
    char target[128];

    snprintf(target, sizeof target, "%s/elsewhere", place->folder);
    assert_int_equal(symlink(target, place->path), 0);
    open_badly(place, "is no socket");
    assert_int_equal(access(target, F_OK), -1);
}

static void
missing_folder_is_named(void **state)
{
    struct place *place = *state;
    char path[128], words[128];

    snprintf(path, sizeof path, "%s/missing/socket", place->folder);
    snprintf(words, sizeof words, "the folder %s/missing does not exist: create it", place->folder);
    place->config.path = path;
    open_badly(place, words);
}

static void
long_path_is_refused(void **state)
{
    struct place *place = *state;
    char path[256];

    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    place->config.path = path;
    open_badly(place, "longer than the 107 bytes");
}

static void
removed_with_its_file(void **state)
{
    struct place *place = *state;

    open_well(place);
    listener_remove(&place->listener);
    assert_int_equal(place->listener.fd, -1);
    assert_int_equal(access(place->path, F_OK), -1);
}

static void
closed_without_its_file(void **state)
{
    struct place *place = *state;

    open_well(place);
    listener_close(&place->listener);
    assert_int_equal(access(place->path, F_OK), 0);
    assert_int_equal(connect_path(place->path), -1);
    assert_int_equal(errno, ECONNREFUSED);
}

/* A milterd that was started meanwhile has its own socket there. */
static void
file_of_a_successor_stays(void **state)
{
    struct place *place = *state;
    char moved[128];
    int other;

    open_well(place);
    snprintf(moved, sizeof moved, "%s/moved", place->folder);
    assert_int_equal(rename(place->path, moved), 0);
    other = bind_path(place->path, SOCK_STREAM);
    listener_remove(&place->listener);
    assert_int_equal(access(place->path, F_OK), 0);
    unlink(moved);
    close(other);
}

static void
use_inet(struct place *place, enum config_socket kind, char *host, uint16_t port)
{
    place->config.kind = kind;
    place->config.path = NULL;
    place->config.host = host;
    place->config.port = port;
}

static uint16_t
port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

static char loopback[] = "127.0.0.1", all[] = "*", elsewhere[] = "192.0.2.1",
            unknown_host[] = "no host";

static void
inet_is_served(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct place *place = *state;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    use_inet(place, SOCKET_INET, loopback, 0);
    open_well(place);
    assert_true(fcntl(place->listener.fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(place->listener.fd, F_GETFD) & FD_CLOEXEC);
    address.sin_port = htons(port_of(place->listener.fd));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    close(client);
}

static void
inet_port_in_use_is_refused(void **state)
{
    struct place *place = *state;
    struct listener other;
    char words[64];

    use_inet(place, SOCKET_INET, loopback, 0);
    open_well(place);
    other = place->listener;
    place->config.port = port_of(other.fd);
    snprintf(words, sizeof words, "another process is listening on port %u", place->config.port);
    open_badly(place, words);
    listener_remove(&other);
}

static void
inet_address_of_another_machine_is_refused(void **state)
{
    struct place *place = *state;

    use_inet(place, SOCKET_INET, elsewhere, 0);
    open_badly(place, "this machine has no address 192.0.2.1");
}

static void
inet_host_must_be_one(void **state)
{
    struct place *place = *state;

    use_inet(place, SOCKET_INET, unknown_host, 0);
    open_badly(place, "no address of this kind for host \"no host\"");
}

/* As milter.conf may have both for all addresses. */
static void
inet6_has_a_port_beside_inet(void **state)
{
    struct place *place = *state;
    struct listener six = {.fd = -1};
    struct config_listener six_config;
    struct errors errors = {0};
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (probe < 0)
        skip();
    close(probe);
    use_inet(place, SOCKET_INET, all, 0);
    open_well(place);
    six_config = place->config;
    six_config.kind = SOCKET_INET6;
    six_config.port = port_of(place->listener.fd);
    if (listener_open(&six, &six_config, &errors) < 0)
        fail_msg("refused: %s", errors.lines[0]);
    assert_int_equal(port_of(six.fd), six_config.port);
    listener_remove(&six);
}

/* Whether the listener is refused with these words to somebody who is not root. Asserts
   must not be used in a child: it would go on with the tests. */
static bool
refused_to_nobody(struct place *place, const char *words)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        bool good;

        if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
            _exit(2);
        good = listener_open(&place->listener, &place->config, &place->errors) < 0 &&
               strstr(place->errors.lines[0], words);
        if (!good)
            print_error("no \"%s\" in: %s\n", words,
                        place->errors.count > 0 ? place->errors.lines[0] : "(it was opened)");
        _exit(good ? 0 : 1);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status == 0;
}

static void
folder_without_permission_is_named(void **state)
{
    struct place *place = *state;
    char words[128];

    assert_int_equal(chmod(place->folder, 0555), 0);
    snprintf(words, sizeof words, "needs to write in %s", place->folder);
    assert_true(refused_to_nobody(place, words));
    assert_int_equal(chmod(place->folder, 0700), 0);
}

static void
owner_is_roots_to_give(void **state)
{
    struct place *place = *state;

    assert_int_equal(chmod(place->folder, 0777), 0);
    place->config.owner = "0";
    assert_true(refused_to_nobody(place, "cannot give the socket to owner \"0\""));
    assert_int_equal(access(place->path, F_OK), -1);
}

static void
low_port_is_roots(void **state)
{
    struct place *place = *state;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
    int first = 0;

    if (!file)
        skip();
    if (fscanf(file, "%d", &first) != 1)
        first = 0;
    fclose(file);
    if (first <= 7) /* containers often let anybody have all of them */
        skip();
    use_inet(place, SOCKET_INET, loopback, 7);
    assert_true(refused_to_nobody(place, "only root may listen on port 7"));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(unix_is_served),
        CASE(unix_has_its_mode_whatever_the_umask),
        CASE(unix_without_mode_goes_by_the_umask),
        CASE(unix_gets_its_owner),
        CASE(unix_owner_must_exist),
        CASE(stale_socket_is_replaced),
        CASE(live_socket_is_refused),
        CASE(live_socket_with_a_full_backlog_is_refused),
        CASE(datagram_socket_in_use_is_refused),
        CASE(file_is_refused_and_stays),
        CASE(folder_is_refused),
        CASE(link_is_refused),
        CASE(missing_folder_is_named),
        CASE(long_path_is_refused),
        CASE(removed_with_its_file),
        CASE(closed_without_its_file),
        CASE(file_of_a_successor_stays),
        CASE(inet_is_served),
        CASE(inet_port_in_use_is_refused),
        CASE(inet_address_of_another_machine_is_refused),
        CASE(inet_host_must_be_one),
        CASE(inet6_has_a_port_beside_inet),
        CASE(folder_without_permission_is_named),
        CASE(owner_is_roots_to_give),
        CASE(low_port_is_roots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
