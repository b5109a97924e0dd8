/*
 * floor - the least that a filter can cost: one process, one epoll loop, one read and one
 * write for each round trip, packets looked at no further than length and command letter.
 *
 *     floor [-p BITS] [-a] unix:PATH|inet:PORT
 *
 * BITS are its answer to the negotiation: what is left out and what gets no reply. With -a
 * it adds a header field at the end of each message. Serves until it is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { EVENTS = 256, BACKLOG = 4096, BUFFER = 256 * 1024, REPLIES = 64 * 1024 };

struct client {
    int fd;
    uint32_t skip;   /* bytes of the present packet that are still to come */
    unsigned have;   /* of its head */
    uint8_t head[5]; /* length and command */
};

static uint32_t protocol;
static bool adds, tcp;
static int epoll, listening;
static uint8_t buffer[BUFFER], replies[REPLIES];

/* What needs no reply, by command letter: the bit of the negotiation; 1 where none is due. */
static const uint32_t no_reply[256] = {
    ['D'] = 1,       ['A'] = 1,       ['Q'] = 1,       ['C'] = 0x1000,
    ['H'] = 0x2000,  ['M'] = 0x4000,  ['R'] = 0x8000,  ['L'] = 0x80,
    ['T'] = 0x10000, ['U'] = 0x20000, ['N'] = 0x40000, ['B'] = 0x80000,
};

static void
die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void
put_u32(uint8_t *at, uint32_t value)
{
    value = htonl(value);
    memcpy(at, &value, sizeof(value));
}

/* Where the reply to a command ends. */
static uint8_t *
reply(uint8_t *out, uint8_t command)
{
    static const uint8_t go_on[] = {0, 0, 0, 1, 'c'};
    static const uint8_t header[] = "\0\0\0\x15hX-Filtered\0by bench";

    if (command == 'O') {
        put_u32(out, 13);
        out[4] = 'O';
        put_u32(out + 5, 6);
        put_u32(out + 9, adds ? 1 : 0);
        put_u32(out + 13, protocol);
        return out + 17;
    }
    if (no_reply[command] == 1 || (no_reply[command] & protocol) != 0)
        return out;
    if (command == 'E' && adds) {
        memcpy(out, header, sizeof(header));
        out += sizeof(header);
    }
    memcpy(out, go_on, sizeof(go_on));
    return out + sizeof(go_on);
}

/* Replies to what is in the buffer. False: QUIT is in it. */
static bool
parse(struct client *client, size_t length, uint8_t **out)
{
    const uint8_t *at = buffer, *end = buffer + length;

    while (at < end) {
        if (client->skip > 0) {
            size_t left = (size_t)(end - at);
            uint32_t n = left < client->skip ? (uint32_t)left : client->skip;
            client->skip -= n;
            at += n;
        } else {
            uint32_t size;
            client->head[client->have++] = *at++;
            if (client->have < sizeof(client->head))
                continue;
            memcpy(&size, client->head, sizeof(size));
            client->skip = ntohl(size) - 1;
            client->have = 0;
        }
        /* A packet is answered when all of it is here. */
        if (client->skip == 0 && client->have == 0) {
            if (client->head[4] == 'Q')
                return false;
            *out = reply(*out, client->head[4]);
        }
    }
    return true;
}

static void
serve(struct client *client)
{
    static const int on = 1;
    uint8_t *out = replies;
    ssize_t n = recv(client->fd, buffer, sizeof(buffer), 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || !parse(client, (size_t)n, &out)) {
        close(client->fd);
        free(client);
        return;
    }
    if (out > replies)
        send(client->fd, replies, (size_t)(out - replies), MSG_NOSIGNAL);
    else if (tcp)
        setsockopt(client->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static void
take(void)
{
    static const int on = 1;
    struct client *client = calloc(1, sizeof(*client));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

    if (client == NULL)
        die("no memory");
    client->fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client->fd < 0) {
        free(client);
        return;
    }
    if (tcp)
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event);
}

static void
listen_at(const char *where)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const int on = 1;

    tcp = strncmp(where, "inet:", 5) == 0;
    if (!tcp && (strncmp(where, "unix:", 5) != 0 || strlen(where) - 5 >= sizeof(un.sun_path))) {
        fputs("usage: floor [-p BITS] [-a] unix:PATH|inet:PORT\n", stderr);
        exit(64);
    }
    listening = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listening < 0)
        die("socket");
    if (tcp) {
        in.sin_port = htons((uint16_t)atoi(where + 5));
        setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(listening, (struct sockaddr *)&in, sizeof(in)) < 0)
            die(where);
    } else {
        memcpy(un.sun_path, where + 5, strlen(where + 5));
        unlink(un.sun_path);
        if (bind(listening, (struct sockaddr *)&un, sizeof(un)) < 0)
            die(where);
    }
    if (listen(listening, BACKLOG) < 0)
        die("listen");
}

int
main(int argc, char **argv)
{
    struct epoll_event events[EVENTS], door = {.events = EPOLLIN};
    struct rlimit files;
    int letter;

    while ((letter = getopt(argc, argv, "p:a")) != -1) {
        if (letter == 'p')
            protocol = (uint32_t)strtoul(optarg, NULL, 0);
        else
            adds = letter == 'a';
    }
    listen_at(optind < argc ? argv[optind] : "");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &door) < 0)
        die("epoll");
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                take();
            else
                serve(events[i].data.ptr);
        }
    }
}
