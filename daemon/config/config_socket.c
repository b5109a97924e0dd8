/*
 * config_socket - the name of a listening socket into its parts.
 *
 * Takes what Sendmail writes (inet:8891@127.0.0.1) and what Postfix writes
 * (inet:127.0.0.1:8891). Hosts are addresses: a name that DNS answers for would
 * make the daemon's start depend on it, and may mean several sockets. Opens
 * nothing. What is parsed belongs to the listener.
 */
#include "config/config_parts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/address.h"
#include "base/memory.h"

enum { PORT_DIGITS = 5 };

typedef int parse_rest(struct config_listener *listener, const char *rest, char *reason,
                       size_t size);

static parse_rest parse_path, parse_inet;

static const struct scheme {
    const char *prefix;
    enum config_socket kind;
    parse_rest *parse;
} schemes[] = {
    {"inet:", SOCKET_INET, parse_inet},
    {"inet6:", SOCKET_INET6, parse_inet},
    {"unix:", SOCKET_UNIX, parse_path},
    {"local:", SOCKET_UNIX, parse_path},
};

/* What differs between the two families. */
static const struct {
    enum milter_family family;
    const char *localhost, *any, *other;
} families[] = {
    [SOCKET_INET] = {MILTER_FAMILY_INET, "127.0.0.1", "0.0.0.0", "an IPv6 address: use inet6:"},
    [SOCKET_INET6] = {MILTER_FAMILY_INET6, "::1", "::", "an IPv4 address: use inet:"},
};

static int
parse_path(struct config_listener *listener, const char *rest, char *reason, size_t size)
{
    struct sockaddr_un address;

    if (rest[0] != '/')
        snprintf(reason, size, "the path must be absolute, begin with /");
    else if (rest[strlen(rest) - 1] == '/')
        snprintf(reason, size, "the path must name a file, not a directory");
    else if (strlen(rest) >= sizeof(address.sun_path))
        snprintf(reason, size, "the path must be shorter than %zu bytes, not %zu",
                 sizeof(address.sun_path), strlen(rest));
    else {
        listener->path = xstrdup(rest);
        return 0;
    }
    return -1;
}

static int
parse_port(uint16_t *port, const char *text, char *reason, size_t size)
{
    size_t length = strlen(text);
    unsigned long value = strtoul(text, NULL, 10);

    if (length == 0 || strspn(text, "0123456789") != length || length > PORT_DIGITS || value < 1 ||
        value > UINT16_MAX) {
        snprintf(reason, size, "the port must be 1 to 65535, not \"%.40s\"", text);
        return -1;
    }
    *port = (uint16_t)value;
    return 0;
}

static int
parse_host(struct config_listener *listener, const char *host, char *reason, size_t size)
{
    char text[ADDRESS_TEXT];
    struct milter_net address;

    if (strcmp(host, "localhost") == 0)
        host = families[listener->kind].localhost;
    if (strcmp(host, "*") == 0 || strcmp(host, families[listener->kind].any) == 0) {
        listener->host = xstrdup("*");
        return 0;
    }
    if (address_parse(&address, host) != 0) {
        snprintf(reason, size, "the host must be an address, * or localhost, not \"%.100s\"", host);
        return -1;
    }
    if (address.family != families[listener->kind].family) {
        snprintf(reason, size, "%.100s is %s", host, families[listener->kind].other);
        return -1;
    }
    address_format(&address, text);
    listener->host = xstrdup(text);
    return 0;
}

/* PORT@HOST, HOST:PORT with the last colon, [HOST]:PORT, or PORT alone. */
static int
parse_inet(struct config_listener *listener, const char *rest, char *reason, size_t size)
{
    char *copy = xstrdup(rest), *host = copy, *port, *at = strchr(copy, '@'),
         *colon = strrchr(copy, ':');
    static char any[] = "*";
    size_t length;
    int result;

    if (at != NULL) {
        port = copy;
        host = at + 1;
        *at = '\0';
    } else if (colon != NULL) {
        port = colon + 1;
        *colon = '\0';
    } else {
        port = copy;
        host = any;
    }
    length = strlen(host);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        host++;
    }
    result = parse_port(&listener->port, port, reason, size);
    if (result == 0)
        result = parse_host(listener, host, reason, size);
    free(copy);
    return result;
}

int
config_socket_parse(struct config_listener *listener, const char *text, char *reason, size_t size)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t length = strlen(schemes[i].prefix);

        if (strncmp(text, schemes[i].prefix, length) != 0)
            continue;
        listener->kind = schemes[i].kind;
        return schemes[i].parse(listener, text + length, reason, size);
    }
    snprintf(reason, size, "it must begin with inet:, inet6:, unix: or local:%s",
             text[0] == '/' ? ", such as unix:/run/milterd/milterd.sock" : "");
    return -1;
}
