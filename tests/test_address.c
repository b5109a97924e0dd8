/* test_address - what is an address or a network, what is none, and what contains what. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/address.h"

/* `as` NULL: refused. */
static const struct {
    const char *text, *as;
} addresses[] = {
    {"192.0.2.9", "192.0.2.9"},
    {"0.0.0.0", "0.0.0.0"},
    {"255.255.255.255", "255.255.255.255"},
    {"2001:db8::7", "2001:db8::7"},
    {"2001:DB8:0:0:0:0:0:7", "2001:db8::7"},
    {"IPv6:2001:DB8:0:0:0:0:0:7", "2001:db8::7"},
    {"ipv6:0:0:0:0:0:0:0:1", "::1"},
    {"IPv6:::1", "::1"},
    {"::", "::"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {"::ffff:192.0.2.9", "192.0.2.9"},
    {"::FFFF:c000:209", "192.0.2.9"},
    {"IPv6:::ffff:192.0.2.9", "192.0.2.9"},
    {"::192.0.2.9", "::192.0.2.9"}, /* compatible, not mapped */
    {"", NULL},
    {" ", NULL},
    {" 192.0.2.9", NULL},
    {"192.0.2.9 ", NULL},
    {"192.0.2.9\n", NULL},
    {"192.0.2", NULL},
    {"192.0.2.9.1", NULL},
    {"192.0.2.", NULL},
    {"192.0.2.256", NULL},
    {"192.0.2.09", NULL},
    {"0xc0.0.2.9", NULL},
    {"3221225993", NULL},
    {"-1.0.2.9", NULL},
    {"192.0.2.9/32", NULL},
    {"[192.0.2.9]", NULL},
    {"[2001:db8::7]", NULL},
    {"2001:db8::7%eth0", NULL},
    {"fe80::1%1", NULL},
    {"2001:db8::7::", NULL},
    {"2001:db8:::7", NULL},
    {"1:2:3:4:5:6:7", NULL},
    {"1:2:3:4:5:6:7:8:9", NULL},
    {"12345::", NULL},
    {"g::", NULL},
    {" ::1", NULL},
    {"::1 ", NULL},
    {"IPv6:", NULL},
    {"IPv6: ::1", NULL},
    {"IPv6:192.0.2.9", NULL},
    {"IPv6:IPv6:::1", NULL},
    {"IPv4:192.0.2.9", NULL},
    {"localhost", NULL},
};

static void
parses_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct milter_net address;
        char text[ADDRESS_TEXT];
        int result;

        memset(&address, 0x55, sizeof address);
        result = address_parse(&address, addresses[i].text);
        if (result != (addresses[i].as ? 0 : -1))
            fail_msg("\"%s\": %d", addresses[i].text, result);
        if (result < 0) {
            assert_int_equal(address.bits, 0x55); /* not touched */
            continue;
        }
        address_format(&address, text);
        assert_string_equal(text, addresses[i].as);
        assert_int_equal(address.bits, strchr(text, ':') ? 128 : 32);
        assert_int_equal(address.family,
                         strchr(text, ':') ? MILTER_FAMILY_INET6 : MILTER_FAMILY_INET);
    }
    assert_int_equal(address_parse(&(struct milter_net){0}, NULL), -1);
}

/* The rest of an IPv4 address is zero, so that addresses can be compared as bytes. */
static void
ipv4_leaves_no_rest(void **state)
{
    static const uint8_t bytes[16] = {192, 0, 2, 9};
    struct milter_net plain, mapped;

    (void)state;
    assert_int_equal(address_parse(&plain, "192.0.2.9"), 0);
    assert_int_equal(address_parse(&mapped, "::ffff:192.0.2.9"), 0);
    assert_memory_equal(plain.address, bytes, 16);
    assert_memory_equal(mapped.address, bytes, 16);
}

static const struct {
    const char *text, *as; /* as NULL: refused */
    int bits;
} nets[] = {
    {"192.0.2.9", "192.0.2.9", 32},
    {"192.0.2.9/32", "192.0.2.9", 32},
    {"192.0.2.0/24", "192.0.2.0", 24},
    {"192.0.2.128/25", "192.0.2.128", 25},
    {"128.0.0.0/1", "128.0.0.0", 1},
    {"0.0.0.0/0", "0.0.0.0", 0},
    {"2001:db8::/32", "2001:db8::", 32},
    {"2001:db8::/29", "2001:db8::", 29},
    {"IPv6:2001:db8::/32", "2001:db8::", 32},
    {"2001:db8::7/128", "2001:db8::7", 128},
    {"::/0", "::", 0},
    {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     128},
    {"::ffff:192.0.2.0/120", "192.0.2.0", 24},
    {"::ffff:0.0.0.0/96", "0.0.0.0", 0},
    {"::ffff:0.0.0.0/95", NULL, 0},
    {"192.0.2.9/24", NULL, 0},
    {"192.0.2.128/24", NULL, 0},
    {"192.0.2.1/31", NULL, 0},
    {"128.0.0.0/0", NULL, 0},
    {"2001:db8::1/127", NULL, 0},
    {"2001:db8::/28", NULL, 0},
    {"192.0.2.0/33", NULL, 0},
    {"2001:db8::/129", NULL, 0},
    {"192.0.2.0/4294967320", NULL, 0},
    {"192.0.2.0/", NULL, 0},
    {"192.0.2.0/ 24", NULL, 0},
    {"192.0.2.0/24 ", NULL, 0},
    {"192.0.2.0 /24", NULL, 0},
    {"192.0.2.0/+24", NULL, 0},
    {"192.0.2.0/-1", NULL, 0},
    {"192.0.2.0/024", NULL, 0},
    {"0.0.0.0/00", NULL, 0},
    {"192.0.2.0/24/24", NULL, 0},
    {"192.0.2.0/255.255.255.0", NULL, 0},
    {"192.0.2/24", NULL, 0},
    {"/24", NULL, 0},
    {"", NULL, 0},
    {"fe80::%eth0/64", NULL, 0},
    {"00000000000000000000000000000000000000000000000000000000000000/0", NULL, 0},
};

static void
parses_networks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        struct milter_net net;
        char text[ADDRESS_TEXT];
        int result;

        memset(&net, 0xaa, sizeof net);
        result = address_parse_net(&net, nets[i].text);
        if (result != (nets[i].as ? 0 : -1))
            fail_msg("\"%s\": %d", nets[i].text, result);
        if (result < 0) {
            assert_int_equal(net.bits, 0xaa);
            continue;
        }
        address_format(&net, text);
        assert_string_equal(text, nets[i].as);
        assert_int_equal(net.bits, nets[i].bits);
    }
    assert_int_equal(address_parse_net(&(struct milter_net){0}, NULL), -1);
}

static const struct {
    const char *address, *net;
    bool in;
} members[] = {
    {"192.0.2.9", "192.0.2.9", true},
    {"192.0.2.8", "192.0.2.9", false},
    {"192.0.2.0", "192.0.2.0/24", true},
    {"192.0.2.255", "192.0.2.0/24", true},
    {"192.0.3.0", "192.0.2.0/24", false},
    {"192.0.1.255", "192.0.2.0/24", false},
    {"192.0.2.127", "192.0.2.0/25", true},
    {"192.0.2.128", "192.0.2.0/25", false},
    {"192.0.2.3", "192.0.2.2/31", true},
    {"192.0.2.4", "192.0.2.2/31", false},
    {"127.255.255.255", "0.0.0.0/1", true},
    {"128.0.0.0", "0.0.0.0/1", false},
    {"203.0.113.1", "0.0.0.0/0", true},
    {"::ffff:192.0.2.9", "192.0.2.0/24", true},
    {"192.0.2.9", "::ffff:192.0.2.0/120", true},
    {"IPv6:::ffff:192.0.2.9", "192.0.2.0/24", true},
    {"192.0.2.9", "::/0", false},
    {"::ffff:192.0.2.9", "::/0", false},
    {"2001:db8::7", "0.0.0.0/0", false},
    {"2001:db8::7", "::/0", true},
    {"2001:db8::7", "2001:db8::/32", true},
    {"2001:db9::7", "2001:db8::/32", false},
    {"2001:dbf:ffff::", "2001:db8::/29", true},
    {"2001:dc0::", "2001:db8::/29", false},
    {"2001:db8::7", "2001:db8::6/127", true},
    {"2001:db8::8", "2001:db8::6/127", false},
    {"2001:db8::7", "2001:db8::7", true},
    {"2001:db8::8", "2001:db8::7", false},
    {"192.0.2.0/24", "192.0.0.0/16", true}, /* a network within another */
    {"192.0.0.0/16", "192.0.2.0/24", false},
    {"192.0.0.0/16", "192.0.0.0/24", false},
};

static void
membership(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        struct milter_net address, net;

        assert_int_equal(address_parse_net(&address, members[i].address), 0);
        assert_int_equal(address_parse_net(&net, members[i].net), 0);
        if (address_in_net(&address, &net) != members[i].in)
            fail_msg("%s in %s", members[i].address, members[i].net);
    }
}

/* Structures that no parse function made. */
static void
strange_structures(void **state)
{
    struct milter_net none = {0}, address, net;
    char text[ADDRESS_TEXT] = "x";

    (void)state;
    address_format(&none, text);
    assert_string_equal(text, "");
    assert_int_equal(address_parse(&address, "192.0.2.9"), 0);
    assert_int_equal(address_parse(&net, "192.0.2.9"), 0);
    assert_false(address_in_net(&address, &none));
    assert_false(address_in_net(&none, &address));
    address.bits = net.bits = 255;
    assert_false(address_in_net(&address, &net));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_addresses),   cmocka_unit_test(ipv4_leaves_no_rest),
        cmocka_unit_test(parses_networks),    cmocka_unit_test(membership),
        cmocka_unit_test(strange_structures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
