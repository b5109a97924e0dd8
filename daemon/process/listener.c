/*
 * listener - sockets that mail servers connect to.
 *
 * Decides when a path that exists may be replaced, with which rights a unix socket
 * comes into being, and what an administrator is told when it does not. Does not know
 * who accepts. A listener is the caller's storage; the configuration that it points to
 * must outlive it.
 *
 * The folder of a unix socket may belong to somebody else (Postfix's queue), so nothing
 * here follows a symbolic link in its last part, and the mode comes from the umask
 * at bind(), not from a chmod() after it.
 */
#define _GNU_SOURCE
#include "process/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "process/identity.h"

enum {
    BACKLOG = 1024, /* what the system allows may be less: net.core.somaxconn */
    REASON = 512,
};

static int fail(char reason[REASON], const char *format, ...) MILTER_PRINTF(2, 3);

static int
fail(char reason[REASON], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, REASON, format, arguments);
    va_end(arguments);
    return -1;
}

/* ENOENT at a socket's path is about its folder. */
static int
fail_at_path(const char *path, const char *doing, int error, char reason[REASON])
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) : 0;

    if (error == ENOENT)
        return fail(reason, "the folder %.*s does not exist: create it", folder, path);
    if (error == EACCES || error == EPERM || error == EROFS)
        return fail(reason, "cannot %s: %s: milterd (user id %ld) needs to write in %.*s", doing,
                    strerror(error), (long)geteuid(), folder, path);
    return fail(reason, "cannot %s: %s", doing, strerror(error));
}

/* Whether somebody listens on a socket that exists: 1, 0, or -1 with the reason. */
static int
is_alive(const struct sockaddr_un *address, char reason[REASON])
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0)
        return fail(reason, "cannot make a socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
        error = errno;
    close(fd);
    switch (error) {
    case ECONNREFUSED: /* nobody holds it */
    case ENOENT:       /* gone since we looked */
        return 0;
    case 0:
    case EAGAIN:     /* its backlog is full */
    case EPROTOTYPE: /* it is of another type, a syslog's say */
        return 1;
    }
    return fail(reason, "cannot tell whether the socket there is in use: %s", strerror(error));
}

/* Makes way for a new socket. */
static int
clear_path(const struct sockaddr_un *address, char reason[REASON])
{
    const char *path = address->sun_path;
    struct stat there;
    int alive;

    if (lstat(path, &there) < 0)
        return errno == ENOENT ? 0 : fail_at_path(path, "look at it", errno, reason);
    if (!S_ISSOCK(there.st_mode))
        return fail(reason, "the path exists and is no socket: remove it or choose another");
    alive = is_alive(address, reason);
    if (alive < 0)
        return -1;
    if (alive)
        return fail(reason,
                    "another process is listening on it: stop that one (fuser %s shows "
                    "it) or choose another path",
                    path);
    if (unlink(path) < 0 && errno != ENOENT)
        return fail_at_path(path, "remove the stale socket", errno, reason);
    log_info("removed a stale socket at %s", path);
    return 0;
}

static int
bind_with_mode(int fd, const struct sockaddr_un *address, const struct config_listener *config)
{
    mode_t before = 0;
    int result;

    if (config->has_mode)
        before = umask(~config->mode & 0777);
    result = bind(fd, (const struct sockaddr *)address, sizeof *address);
    if (config->has_mode)
        umask(before);
    return result;
}

static int
set_owner(const struct config_listener *config, char reason[REASON])
{
    uid_t owner = (uid_t)-1;
    gid_t group = (gid_t)-1, unused;

    if (config->owner && identity_user(config->owner, &owner, &unused, reason, REASON) < 0)
        return -1;
    if (config->group && identity_group(config->group, &group, reason, REASON) < 0)
        return -1;
    if (!config->owner && !config->group)
        return 0;
    if (lchown(config->path, owner, group) < 0)
        return fail(reason, "cannot give the socket to owner \"%s\", group \"%s\": %s",
                    config->owner ? config->owner : "", config->group ? config->group : "",
                    strerror(errno));
    return 0;
}

/* It is not listened on yet, so nobody gets in before it has its owner. */
static int
open_unix(struct listener *listener, char reason[REASON])
{
    const struct config_listener *config = listener->config;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat made;

    if (strlen(config->path) >= sizeof address.sun_path)
        return fail(reason, "the path is longer than the %zu bytes that a socket's may have",
                    sizeof address.sun_path - 1);
    strcpy(address.sun_path, config->path);
    if (clear_path(&address, reason) < 0)
        return -1;
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0)
        return fail(reason, "cannot make a socket: %s", strerror(errno));
    if (bind_with_mode(listener->fd, &address, config) < 0)
        return fail_at_path(config->path, "make the socket there", errno, reason);
    if (lstat(config->path, &made) == 0 && S_ISSOCK(made.st_mode)) {
        listener->device = made.st_dev;
        listener->inode = made.st_ino;
    }
    return set_owner(config, reason);
}

static int
fail_to_bind(const struct config_listener *config, int error, char reason[REASON])
{
    if (error == EADDRINUSE)
        return fail(reason,
                    "another process is listening on port %u: stop that one (ss -ltnp "
                    "shows it) or choose another port",
                    config->port);
    if (error == EACCES)
        return fail(reason,
                    "only root may listen on port %u: start milterd as root or choose a "
                    "port above 1023",
                    config->port);
    if (error == EADDRNOTAVAIL)
        return fail(reason,
                    "this machine has no address %s: choose one that `ip address` shows, "
                    "or * for all",
                    config->host);
    if (error == EAFNOSUPPORT)
        return fail(reason, "this machine has no %s",
                    config->kind == SOCKET_INET6 ? "IPv6" : "IPv4");
    return fail(reason, "cannot listen there: %s", strerror(error));
}

static int
open_inet(struct listener *listener, char reason[REASON])
{
    const struct config_listener *config = listener->config;
    const struct addrinfo wanted = {
        .ai_family = config->kind == SOCKET_INET6 ? AF_INET6 : AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    bool all = strcmp(config->host, "*") == 0;
    struct addrinfo *address;
    char port[8];
    int error, on = 1;

    snprintf(port, sizeof port, "%u", config->port);
    error = getaddrinfo(all ? NULL : config->host, port, &wanted, &address);
    if (error != 0)
        return fail(reason, "no address of this kind for host \"%s\": %s", config->host,
                    error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    listener->fd =
        socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    error = listener->fd < 0 ? errno : 0;
    if (error == 0) {
        /* Without it a restart would wait for connections of the old milterd to be forgotten. */
        setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        /* So that inet and inet6 may have the same port, whatever the system's default is. */
        if (address->ai_family == AF_INET6)
            setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        if (bind(listener->fd, address->ai_addr, address->ai_addrlen) < 0)
            error = errno;
    }
    freeaddrinfo(address);
    return error == 0 ? 0 : fail_to_bind(config, error, reason);
}

int
listener_open(struct listener *listener, const struct config_listener *config,
              struct errors *errors)
{
    bool unix_socket = config->kind == SOCKET_UNIX;
    char reason[REASON];

    *listener = (struct listener){.config = config, .fd = -1};
    if ((unix_socket ? open_unix(listener, reason) : open_inet(listener, reason)) < 0)
        goto fail;
    if (listen(listener->fd, BACKLOG) < 0) {
        /* Two may bind a TCP port with SO_REUSEADDR; the second to listen is told here. */
        fail_to_bind(config, errno, reason);
        goto fail;
    }
    return 0;

fail:
    errors_add(errors, config->place, "listener %s: %s", config->socket, reason);
    listener_remove(listener);
    return -1;
}

void
listener_close(struct listener *listener)
{
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}

void
listener_remove(struct listener *listener)
{
    struct stat there;

    listener_close(listener);
    if (listener->inode != 0 && lstat(listener->config->path, &there) == 0 &&
        there.st_dev == listener->device && there.st_ino == listener->inode)
        unlink(listener->config->path);
    listener->inode = 0;
}
