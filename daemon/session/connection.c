/*
 * All connections of a worker read into one buffer and write from one, since
 * only one is served at a time; what is left of either (half a packet, a reply
 * that the socket did not take) is kept by the connection itself until the next
 * time. So an idle connection has no buffer, and a round trip is one read and
 * one write however many packets it holds.
 *
 * A connection lives until the mail server quits or goes, or is at fault: then
 * one line says why, and nobody else is touched.
 */
#include "session/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "session/linux_tcp.h"
#include "session/session.h"
#include "wire/frame.h"
#include "wire/protocol.h"

enum {
    BUFFER_MIN = 128 * 1024,
    REPLIES_MAX = 64 * 1024, /* then they are written, though there are more packets to serve */
};

struct connection {
    struct connection *next, **link; /* in the host's list */
    struct connection_host *host;
    struct session *session;
    struct session_peer peer;
    struct event event; /* waits to read, or to write while there is unsent */
    int fd;
    bool tcp, bursting;
    uint8_t *partial; /* the beginning of a packet; NULL: none */
    size_t partial_length, partial_room;
    uint8_t *unsent; /* NULL: none */
    size_t unsent_length, unsent_at;
};

int
connection_host_init(struct connection_host *host, struct event_base *base)
{
    *host = (struct connection_host){.base = base, .buffer_size = BUFFER_MIN};
    host->buffer = malloc(host->buffer_size);
    return host->buffer != NULL ? 0 : -1;
}

void
connection_host_fini(struct connection_host *host)
{
    free(host->buffer);
    encode_free(&host->out);
    host->buffer = NULL;
}

/* ---- who it is, for the log ------------------------------------------------ */

static const char *
peer_name(const struct connection *connection, char *text, size_t size)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[INET6_ADDRSTRLEN];

    snprintf(text, size, "a unix socket");
    if (getpeername(connection->fd, (struct sockaddr *)&address, &length) < 0)
        return text;
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
        snprintf(text, size, "%s port %u", inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host)),
                 ntohs(in->sin_port));
    } else if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;
        snprintf(text, size, "%s port %u", inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host)),
                 ntohs(in6->sin6_port));
    }
    return text;
}

/* What a stranger on the port speaks instead, where its first bytes tell. */
static const char *
guess(const uint8_t *data, size_t length)
{
    static const struct {
        const char *begin;
        const char *what;
    } known[] = {
        {"GET ", "an HTTP request"},
        {"POST", "an HTTP request"},
        {"HEAD", "an HTTP request"},
        {"OPTI", "an HTTP request"},
        {"EHLO", "SMTP"},
        {"HELO", "SMTP"},
        {"\x16\x03", "a TLS hello"},
        {"SSH-", "SSH"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t n = strlen(known[i].begin);
        if (length >= n && memcmp(data, known[i].begin, n) == 0)
            return known[i].what;
    }
    return "no milter packet";
}

/* ---- ends ------------------------------------------------------------------- */

static void
connection_close(struct connection *connection, const char *reason)
{
    struct connection_host *host = connection->host;
    char peer[80];

    if (reason != NULL)
        log_warning("connection from %s closed: %s", peer_name(connection, peer, sizeof(peer)),
                    reason);
    event_del(&connection->event);
    session_free(connection->session, reason);
    close(connection->fd);
    *connection->link = connection->next;
    if (connection->next != NULL)
        connection->next->link = connection->link;
    free(connection->partial);
    free(connection->unsent);
    free(connection);
    host->count--;
    if (host->closed != NULL)
        host->closed(host->closed_arg);
}

/* ---- writing ---------------------------------------------------------------- */

static void on_event(evutil_socket_t fd, short what, void *arg);

static int
wait_for(struct connection *connection, short what)
{
    event_del(&connection->event);
    event_assign(&connection->event, connection->host->base, connection->fd, what | EV_PERSIST,
                 on_event, connection);
    return event_add(&connection->event, NULL);
}

/* Bytes taken by the socket; -1 where it is broken. */
static ssize_t
write_some(int fd, const uint8_t *data, size_t length)
{
    size_t sent = 0;

    while (sent < length) {
        ssize_t n = send(fd, data + sent, length - sent, MSG_NOSIGNAL);
        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR)
            return -1;
    }
    return (ssize_t)sent;
}

/* Keeps what the socket did not take, behind what it did not take before. */
static int
keep_unsent(struct connection *connection, const uint8_t *data, size_t length)
{
    size_t had = connection->unsent != NULL ? connection->unsent_length : 0;
    uint8_t *unsent = realloc(connection->unsent, had + length);

    if (unsent == NULL)
        return -1;
    memcpy(unsent + had, data, length);
    connection->unsent = unsent;
    connection->unsent_length = had + length;
    if (had > 0)
        return 0;
    connection->unsent_at = 0;
    return wait_for(connection, EV_WRITE);
}

/* Writes the host's buffer; what the socket does not take waits, and nothing is
   read meanwhile. -1 also where a reply did not fit into memory: what would follow it
   must not be sent. */
static int
flush(struct connection *connection)
{
    struct encode *out = &connection->host->out;
    const size_t length = out->length;
    ssize_t sent = 0;
    int result = 0;

    if (out->failed)
        return -1;
    if (length == 0)
        return 0;
    if (connection->unsent == NULL)
        sent = write_some(connection->fd, out->data, length);
    if (sent < 0)
        result = -1;
    else if ((size_t)sent < length)
        result = keep_unsent(connection, out->data + sent, length - (size_t)sent);
    encode_reset(out);
    return result;
}

static int
send_now(void *arg, char command)
{
    struct connection *connection = arg;

    /* In the middle of an event: the replies to earlier ones go first. */
    encode_simple(&connection->host->out, command);
    return flush(connection) == 0 ? MILTER_OK : MILTER_ERR_MEMORY;
}

/* ---- reading ---------------------------------------------------------------- */

/* Room for the largest packet that may come. */
static int
ensure_buffer(struct connection_host *host, size_t data_limit)
{
    size_t size = data_limit + FRAME_HEADER + 1;

    if (size <= host->buffer_size)
        return 0;
    uint8_t *buffer = realloc(host->buffer, size);
    if (buffer == NULL)
        return -1;
    host->buffer = buffer;
    host->buffer_size = size;
    return 0;
}

/* Half a packet is kept for the next time, behind what is there of it already. */
static int
keep_partial(struct connection *connection, const uint8_t *data, size_t length)
{
    size_t need = connection->partial_length + length;

    if (length == 0)
        return 0;
    if (need > connection->partial_room) {
        size_t room = need > 2 * connection->partial_room ? need : 2 * connection->partial_room;
        uint8_t *partial = realloc(connection->partial, room);
        if (partial == NULL)
            return -1;
        connection->partial = partial;
        connection->partial_room = room;
    }
    memcpy(connection->partial + connection->partial_length, data, length);
    connection->partial_length = need;
    return 0;
}

/* What was kept goes to the beginning of the host's buffer. */
static void
take_partial(struct connection *connection)
{
    if (connection->partial == NULL)
        return;
    memcpy(connection->host->buffer, connection->partial, connection->partial_length);
    free(connection->partial);
    connection->partial = NULL;
    connection->partial_length = connection->partial_room = 0;
}

/* Whether the packet that was begun is still not whole with n bytes more, which are in the
   buffer behind the room for the others. */
static bool
still_partial(const struct connection *connection, size_t n)
{
    struct connection_host *host = connection->host;
    size_t have = connection->partial_length;
    struct frame frame;

    if (have == 0)
        return false;
    memcpy(host->buffer, connection->partial, have < FRAME_HEADER ? have : FRAME_HEADER);
    return frame_next(host->buffer, have + n, session_data_limit(connection->session), &frame) ==
           FRAME_MORE;
}

/* Serves the packets in the buffer. False: the connection has been closed. */
static bool
serve(struct connection *connection, size_t length)
{
    struct connection_host *host = connection->host;
    const uint8_t *at = host->buffer, *end = at + length;
    struct frame frame;

    for (;;) {
        size_t limit = session_data_limit(connection->session);
        enum frame_status status = frame_next(at, (size_t)(end - at), limit, &frame);
        if (status == FRAME_MORE)
            break;
        if (status == FRAME_BAD) {
            char reason[100];
            if (session_negotiated(connection->session))
                snprintf(reason, sizeof(reason), "a packet of length zero or over %zu bytes",
                         limit);
            else
                snprintf(reason, sizeof(reason), "%s instead of a negotiation",
                         guess(at, (size_t)(end - at)));
            flush(connection);
            connection_close(connection, reason);
            return false;
        }
        at += frame.size;
        enum session_status next = session_packet(connection->session, &frame, &host->out);
        while (next == SESSION_FLUSH) {
            if (flush(connection) < 0) {
                connection_close(connection, "write failed");
                return false;
            }
            if (connection->unsent != NULL) {
                connection->bursting = true;
                break;
            }
            next = session_continue(connection->session, &host->out);
        }
        if (next == SESSION_CLOSE || host->out.failed) {
            const char *reason = session_fault(connection->session);
            if (host->out.failed)
                reason = "no memory for a reply";
            flush(connection);
            connection_close(connection, reason);
            return false;
        }
        /* What the mail server does not read yet is not to pile up here: what it has sent
           behind it waits. */
        if (host->out.length > REPLIES_MAX && flush(connection) < 0) {
            connection_close(connection, "write failed");
            return false;
        }
        if (connection->unsent != NULL)
            break;
    }
    if (keep_partial(connection, at, (size_t)(end - at)) < 0) {
        connection_close(connection, "no memory");
        return false;
    }
    return true;
}

static void
serve_and_write(struct connection *connection, size_t length)
{
    bool replies;

    encode_reset(&connection->host->out);
    if (!serve(connection, length))
        return;
    replies = connection->host->out.length > 0;
    if (flush(connection) < 0) {
        connection_close(connection, "write failed");
        return;
    }
    if (connection->tcp && !replies)
        linux_tcp_acknowledge(connection->fd);
}

static void
on_readable(struct connection *connection)
{
    struct connection_host *host = connection->host;
    size_t have = connection->partial_length;

    if (ensure_buffer(host, session_data_limit(connection->session)) < 0) {
        connection_close(connection, "no memory");
        return;
    }
    ssize_t n = recv(connection->fd, host->buffer + have, host->buffer_size - have, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        const char *reason = NULL;
        if (n < 0)
            reason = strerror(errno);
        else if (session_in_message(connection->session))
            reason = "the mail server went away in the middle of a message";
        else if (have > 0)
            reason = "the mail server went away in the middle of a packet";
        connection_close(connection, reason);
        return;
    }
    if (still_partial(connection, (size_t)n)) {
        if (keep_partial(connection, host->buffer + have, (size_t)n) < 0)
            connection_close(connection, "no memory");
        return;
    }
    take_partial(connection);
    serve_and_write(connection, have + (size_t)n);
}

/* The socket takes more: what was left, then the rest of the burst, then packets that
   have been read meanwhile. */
static void
on_writable(struct connection *connection)
{
    struct connection_host *host = connection->host;
    ssize_t n = write_some(connection->fd, connection->unsent + connection->unsent_at,
                           connection->unsent_length - connection->unsent_at);

    if (n < 0) {
        connection_close(connection, "write failed");
        return;
    }
    connection->unsent_at += (size_t)n;
    if (connection->unsent_at < connection->unsent_length)
        return;
    free(connection->unsent);
    connection->unsent = NULL;

    encode_reset(&host->out);
    while (connection->bursting && connection->unsent == NULL) {
        connection->bursting = session_continue(connection->session, &host->out) == SESSION_FLUSH;
        if (flush(connection) < 0) {
            connection_close(connection, "write failed");
            return;
        }
    }
    if (connection->unsent != NULL)
        return;
    if (wait_for(connection, EV_READ) < 0) {
        connection_close(connection, "no memory");
        return;
    }
    size_t have = connection->partial_length;
    take_partial(connection);
    if (have > 0)
        serve_and_write(connection, have);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    if (what & EV_WRITE)
        on_writable(arg);
    else
        on_readable(arg);
}

/* ---- the host ---------------------------------------------------------------- */

int
connection_open(struct connection_host *host, int fd, struct chain *chain, const char *listener)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);

    if (connection == NULL)
        goto fail;
    connection->host = host;
    connection->fd = fd;
    connection->tcp =
        getsockname(fd, (struct sockaddr *)&address, &length) == 0 && address.ss_family != AF_UNIX;
    connection->peer =
        (struct session_peer){.send_now = send_now, .arg = connection, .refuse = &host->refuse};
    connection->session = session_new(chain, listener, &connection->peer);
    if (connection->session == NULL)
        goto fail;
    event_assign(&connection->event, host->base, fd, EV_READ | EV_PERSIST, on_event, connection);
    if (event_add(&connection->event, NULL) < 0)
        goto fail;

    connection->next = host->list;
    connection->link = &host->list;
    if (host->list != NULL)
        host->list->link = &connection->next;
    host->list = connection;
    host->count++;
    return 0;

fail:
    log_error("no memory for a connection");
    if (connection != NULL)
        session_free(connection->session, NULL);
    free(connection);
    close(fd);
    return -1;
}

void
connection_drain(struct connection_host *host)
{
    for (struct connection *at = host->list, *next; at != NULL; at = next) {
        next = at->next;
        if (!session_negotiated(at->session))
            connection_close(at, NULL);
    }
}

void
connection_refuse_messages(struct connection_host *host)
{
    host->refuse = true;
}

void
connection_close_all(struct connection_host *host)
{
    while (host->list != NULL)
        connection_close(host->list, NULL);
}
