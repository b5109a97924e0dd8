/*
 * address - IPv4 and IPv6 addresses and networks as text and as bytes. A
 * struct milter_net with all its bits is one address. IPv4-mapped IPv6
 * addresses are IPv4 here.
 */
#ifndef DAEMON_BASE_ADDRESS_H
#define DAEMON_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <milterd/plugin.h>

enum { ADDRESS_TEXT = 46 }; /* room for any address as text, with its NUL */

/* "192.0.2.9", "2001:db8::7", "IPv6:2001:DB8:0:0:0:0:0:7" (as Sendmail writes).
   0, or -1 for what is no address. */
int address_parse(struct milter_net *address, const char *text);

/* The usual short form, "2001:db8::7"; "" for another family. A network's bits are left out. */
void address_format(const struct milter_net *address, char text[ADDRESS_TEXT]);

/* "192.0.2.0/24" or an address. -1 also where bits are set beyond the prefix.
   "::ffff:192.0.2.0/120" is 192.0.2.0/24. */
int address_parse_net(struct milter_net *net, const char *text);

/* Never across families: ::/0 contains no IPv4 address. */
bool address_in_net(const struct milter_net *address, const struct milter_net *net);

#endif
