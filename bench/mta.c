/*
 * The buffer is Postfix's: 4,096 bytes on a unix socket, four times the largest segment
 * on TCP, written whenever it is full and when a flush ends. As in Postfix the socket
 * keeps Nagle's algorithm, so a filter that is slow to acknowledge pays for it here too.
 */
#include "mta.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_UNIX = 4096 };

static const struct script_flush offer = {.length = sizeof(script_offer), .reply = true};

uint64_t
mta_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int
mta_address(struct mta_address *address, const char *text)
{
    if (strncmp(text, "unix:", 5) == 0) {
        struct sockaddr_un *un = (struct sockaddr_un *)&address->address;
        size_t length = strlen(text + 5);

        *un = (struct sockaddr_un){.sun_family = AF_UNIX};
        if (length == 0 || length >= sizeof(un->sun_path))
            return -1;
        memcpy(un->sun_path, text + 5, length);
        address->length = sizeof(*un);
        return 0;
    }
    if (strncmp(text, "inet:", 5) == 0) {
        struct sockaddr_in *in = (struct sockaddr_in *)&address->address;

        *in = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(text + 5)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        address->length = sizeof(*in);
        return in->sin_port != 0 ? 0 : -1;
    }
    return -1;
}

int
mta_open(struct mta *mta, struct mta_run *run, unsigned messages)
{
    int family = run->address.address.ss_family;
    int fd = socket(family, SOCK_STREAM, 0);
    int segment;
    socklen_t size = sizeof(segment);

    if (fd < 0)
        return -1;
    /* A full backlog makes us wait, as it does Postfix. */
    if (connect(fd, (struct sockaddr *)&run->address.address, run->address.length) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    run->write_max = BUFFER_UNIX;
    if (family == AF_INET && getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, &size) == 0)
        run->write_max = 4 * (size_t)segment;
    mta->run = run;
    mta->fd = fd;
    mta->negotiated = mta->waiting = false;
    mta->messages_left = messages;
    mta->at = mta->sent = mta->have = 0;
    mta->stop = MTA_STOP_NOWHERE;
    return 0;
}

static enum mta_status
fail(struct mta *mta, int error)
{
    close(mta->fd);
    mta->fd = -1;
    errno = error;
    return MTA_FAILED;
}

/* Which flush follows the present one. */
static size_t
following(struct mta *mta, const struct script_flush *flush)
{
    const struct script *script = &mta->run->script;

    if (!flush->ends_message)
        return mta->at + 1;
    mta->messages_left--;
    mta->run->message_done(mta->run->arg);
    return mta->messages_left > 0 ? script->next : script->farewell;
}

static const struct script_flush *
present(const struct mta *mta)
{
    return mta->negotiated ? &mta->run->script.flushes[mta->at] : &offer;
}

static bool
stopped(const struct mta *mta)
{
    const struct script *script = &mta->run->script;

    if (!mta->negotiated || mta->sent > 0)
        return false;
    switch (mta->stop) {
    case MTA_STOP_NOWHERE:
        break;
    case MTA_STOP_GREETED:
        return mta->at == script->first;
    case MTA_STOP_BETWEEN:
        return mta->at == script->next || mta->at == script->farewell;
    }
    return false;
}

enum mta_status
mta_go_on(struct mta *mta)
{
    const struct script *script = &mta->run->script;
    const struct script_flush *flush = present(mta);
    const uint8_t *bytes = mta->negotiated ? script->bytes + flush->offset : script_offer;

    if (stopped(mta))
        return MTA_STOPPED;
    while (mta->sent < flush->length) {
        size_t length = flush->length - mta->sent;
        if (length > mta->run->write_max)
            length = mta->run->write_max;
        ssize_t n = send(mta->fd, bytes + mta->sent, length, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return MTA_WAITS_TO_WRITE;
        if (n < 0 && errno != EINTR)
            return fail(mta, errno);
        if (n > 0)
            mta->sent += (size_t)n;
    }
    mta->sent = 0;
    if (flush->reply) {
        mta->asked = mta_now();
        mta->waiting = true;
        return MTA_WAITS_TO_READ;
    }
    if (mta->at + 1 == script->count) {
        close(mta->fd);
        mta->fd = -1;
        return MTA_ENDED;
    }
    mta->at = following(mta, flush);
    return MTA_MAY_GO_ON;
}

/* The answer to the offer; the first one decides what is played. */
static int
negotiated(struct mta *mta, const uint8_t *packet, size_t length)
{
    struct mta_run *run = mta->run;
    uint32_t protocol;

    if (packet[4] != 'O' || length < 17)
        return -1;
    protocol = (uint32_t)packet[13] << 24 | (uint32_t)packet[14] << 16 | (uint32_t)packet[15] << 8 |
               (uint32_t)packet[16];
    if (run->script.count == 0) {
        run->protocol = protocol;
        script_make(&run->script, &run->message, protocol);
    }
    mta->negotiated = true;
    return protocol == run->protocol ? 0 : -1;
}

/* The packets that have come. 1: the reply is complete, 0: it is not, -1: it is wrong. */
static int
packets(struct mta *mta)
{
    static const char edits[] = "himq+2-be";
    size_t at = 0;

    while (mta->have - at >= 5) {
        const uint8_t *packet = mta->reply + at;
        size_t length = 4 + ((size_t)packet[0] << 24 | (size_t)packet[1] << 16 |
                             (size_t)packet[2] << 8 | (size_t)packet[3]);

        if (length > sizeof(mta->reply) - at)
            return -1;
        if (length > mta->have - at)
            break;
        at += length;
        if (!mta->negotiated) {
            if (negotiated(mta, packet, length) < 0 || at != mta->have)
                return -1;
            return 1;
        }
        if (strchr(edits, packet[4]) != NULL && present(mta)->ends_message)
            continue;
        /* Nobody refuses these messages, and nothing comes unasked. */
        return packet[4] == 'c' && at == mta->have ? 1 : -1;
    }
    memmove(mta->reply, mta->reply + at, mta->have - at);
    mta->have -= at;
    return 0;
}

enum mta_status
mta_read(struct mta *mta)
{
    const bool opening = !mta->negotiated;
    ssize_t n = recv(mta->fd, mta->reply + mta->have, sizeof(mta->reply) - mta->have, 0);

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return MTA_WAITS_TO_READ;
    if (n <= 0)
        return fail(mta, n < 0 ? errno : ECONNRESET);
    mta->have += (size_t)n;
    if (!mta->waiting)
        return fail(mta, EPROTO);
    switch (packets(mta)) {
    case -1:
        return fail(mta, EPROTO);
    case 0:
        return MTA_WAITS_TO_READ;
    }
    mta->have = 0;
    mta->waiting = false;
    mta->run->replied(mta->run->arg, mta_now() - mta->asked);
    mta->at = opening ? 0 : following(mta, present(mta));
    return mta_go_on(mta);
}
