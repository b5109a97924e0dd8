/*
 * address - text to addresses and networks, and whether one lies in the other.
 *
 * Decides what counts as an address: exactly what inet_pton takes (four decimal
 * numbers without leading zeros, no zone ids, nothing before or behind), and an
 * "IPv6:" before an IPv6 one. An IPv4-mapped address becomes IPv4, so that one
 * rule covers a client however the mail server's socket was bound; ::/0 therefore
 * does not contain it. Knows no host names. Results are written on success only.
 */
#include "base/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { INET_BITS = 32, INET6_BITS = 128, MAPPED_BITS = 96 };

static const uint8_t mapped[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};

static unsigned
bits_of(enum milter_family family)
{
    return family == MILTER_FAMILY_INET    ? INET_BITS
           : family == MILTER_FAMILY_INET6 ? INET6_BITS
                                           : 0;
}

/* As written, a mapped address still IPv6. */
static int
parse_plain(struct milter_net *address, const char *text)
{
    struct milter_net result = {.family = MILTER_FAMILY_INET6};

    if (strncasecmp(text, "IPv6:", 5) == 0)
        text += 5;
    else if (inet_pton(AF_INET, text, result.address) == 1)
        result.family = MILTER_FAMILY_INET;
    if (result.family == MILTER_FAMILY_INET6 && inet_pton(AF_INET6, text, result.address) != 1)
        return -1;
    result.bits = (uint8_t)bits_of(result.family);
    *address = result;
    return 0;
}

static void
unmap(struct milter_net *net)
{
    if (net->family != MILTER_FAMILY_INET6 || net->bits < MAPPED_BITS ||
        memcmp(net->address, mapped, sizeof mapped) != 0)
        return;
    net->family = MILTER_FAMILY_INET;
    net->bits = (uint8_t)(net->bits - MAPPED_BITS);
    memmove(net->address, net->address + sizeof mapped, 4);
    memset(net->address + 4, 0, sizeof net->address - 4);
}

/* Decimal, no sign, no leading zero, at most `most`; -1 otherwise. */
static int
parse_bits(const char *text, unsigned most)
{
    unsigned value = 0;

    if (!isdigit((unsigned char)text[0]) || (text[0] == '0' && text[1]))
        return -1;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text))
            return -1;
        value = value * 10 + (unsigned)(*text - '0');
        if (value > most)
            return -1;
    }
    return (int)value;
}

static bool
bits_beyond(const struct milter_net *net)
{
    for (unsigned bit = net->bits; bit < bits_of(net->family); bit++) {
        if (net->address[bit / 8] & (0x80U >> bit % 8))
            return true;
    }
    return false;
}

int
address_parse(struct milter_net *address, const char *text)
{
    if (!text || parse_plain(address, text) < 0)
        return -1;
    unmap(address);
    return 0;
}

void
address_format(const struct milter_net *address, char text[ADDRESS_TEXT])
{
    int family = address->family == MILTER_FAMILY_INET ? AF_INET : AF_INET6;

    if (bits_of(address->family) == 0 || !inet_ntop(family, address->address, text, ADDRESS_TEXT))
        text[0] = '\0';
}

int
address_parse_net(struct milter_net *net, const char *text)
{
    const char *slash = text ? strchr(text, '/') : NULL;
    char before[ADDRESS_TEXT + 5]; /* "IPv6:" */
    struct milter_net result;
    int bits;

    if (!slash)
        return address_parse(net, text);
    if ((size_t)(slash - text) >= sizeof before)
        return -1;
    memcpy(before, text, (size_t)(slash - text));
    before[slash - text] = '\0';
    if (parse_plain(&result, before) < 0)
        return -1;
    bits = parse_bits(slash + 1, bits_of(result.family));
    if (bits < 0)
        return -1;
    result.bits = (uint8_t)bits;
    if (bits_beyond(&result))
        return -1;
    unmap(&result);
    *net = result;
    return 0;
}

bool
address_in_net(const struct milter_net *address, const struct milter_net *net)
{
    unsigned whole = net->bits / 8, odd = net->bits % 8;

    if (address->family != net->family || net->bits > bits_of(net->family) ||
        address->bits < net->bits)
        return false;
    if (memcmp(address->address, net->address, whole) != 0)
        return false;
    return odd == 0 || ((address->address[whole] ^ net->address[whole]) >> (8 - odd)) == 0;
}
