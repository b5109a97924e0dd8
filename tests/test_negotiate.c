/*
 * test_negotiate - the answer to an offer, byte by byte: for what plugins want, for
 * every protocol version, for offers that lack something; and for random chains and
 * offers that nothing is ever answered that was not offered.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "bare_chain.h"
#include "session/negotiate.h"
#include "wire/frame.h"
#include "wire/protocol.h"

#define AT(event) (1U << MILTER_EVENT_##event)

enum {
    EVERY_ACTION = 0x1ff,
    EVERY_PROTOCOL = 0x1fffff,
    LARGE = 0x30000000,
};

/* A chain as far as the negotiation looks at it. */
struct wants {
    uint32_t wanted, decides, actions, needs;
    bool has_body;
    const char *connect_macros, *helo_macros, *mail_macros, *rcpt_macros, *data_macros, *eoh_macros,
        *eom_macros;
};

static void
make_chain(struct bare_chain *bare, const struct wants *wants)
{
    static const struct milter_plugin plugin = {.name = "wanting"};

    bare_chain_init(bare);
    bare_chain_add(bare, &plugin)->plugin.actions = wants->actions;
    bare->chain.wanted = wants->wanted;
    bare->chain.decides = wants->decides;
    bare->chain.actions = wants->actions;
    bare->chain.needs = wants->needs;
    bare->chain.caller_count[MILTER_EVENT_BODY] = wants->has_body;
    bare->chain.macros[MILTER_EVENT_CONNECT] = (char *)wants->connect_macros;
    bare->chain.macros[MILTER_EVENT_HELO] = (char *)wants->helo_macros;
    bare->chain.macros[MILTER_EVENT_MAIL] = (char *)wants->mail_macros;
    bare->chain.macros[MILTER_EVENT_RCPT] = (char *)wants->rcpt_macros;
    bare->chain.macros[MILTER_EVENT_DATA] = (char *)wants->data_macros;
    bare->chain.macros[MILTER_EVENT_EOH] = (char *)wants->eoh_macros;
    bare->chain.macros[MILTER_EVENT_EOM] = (char *)wants->eom_macros;
}

static int
answer(const struct wants *wants, uint32_t version, uint32_t actions, uint32_t protocol,
       struct negotiated *agreed, struct encode *out)
{
    const struct decode_negotiate offer = {
        .version = version, .actions = actions, .protocol = protocol};
    struct bare_chain bare;

    make_chain(&bare, wants);
    int result = negotiate(&bare.chain, &offer, agreed, out);
    bare_chain_fini(&bare);
    return result;
}

/* ---- bytes --------------------------------------------------------------------------- */

#define BYTES(text) (text), sizeof(text) - 1

static const struct {
    const char *name;
    struct wants wants;
    uint32_t version, actions, protocol; /* the offer */
    const char *bytes;
    size_t length;
} cases[] = {
    {"nothing is wanted",
     {0},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\0\0\0\3\x7f")},
    {"every event, all decide",
     {.wanted = 0x3ff, .decides = 0x3ff, .has_body = true},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\0\0\0\4\0")},
    {"every event, none decides",
     {.wanted = 0x3ff, .has_body = true},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\0\0\x0f\xf4\x80")},
    {"every action",
     {.wanted = AT(EOM), .decides = AT(EOM), .actions = 0xff},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\xff\0\0\3\x7f")},
    {"sender and recipients, headers for the host alone",
     {.wanted = AT(MAIL) | AT(RCPT) | AT(HEADER) | AT(EOH) | AT(EOM),
      .decides = AT(MAIL) | AT(RCPT),
      .actions = 0x11,
      .needs = MILTER_NEEDS_HEADERS},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\x11\0\4\3\x93")},
    {"rejected recipients and exact values",
     {.wanted = 0x3ff,
      .decides = 0x3ff,
      .has_body = true,
      .needs = MILTER_NEEDS_REJECTED_RCPTS | MILTER_NEEDS_EXACT_VALUES},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\0\0\x10\x0c\0")},
    {"a body that is kept is not skipped",
     {.wanted = 0x3ff, .decides = 0x3ff, .has_body = true, .needs = MILTER_NEEDS_BODY},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\0\0\0\0\0")},
    {"large chunks are not offered",
     {.wanted = 0x3ff, .decides = 0x3ff, .needs = MILTER_NEEDS_LARGE_CHUNKS},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\0\0\0\0\0")},
    {"large chunks, the larger of two",
     {.wanted = 0x3ff, .decides = 0x3ff, .needs = MILTER_NEEDS_LARGE_CHUNKS},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL | LARGE,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\0\x20\0\0\0")},
    {"large chunks, the smaller alone",
     {.wanted = 0x3ff, .decides = 0x3ff, .needs = MILTER_NEEDS_LARGE_CHUNKS},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL | PROTOCOL_DATA_256K,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\0\x10\0\0\0")},
    {"macros at one stage, the usual ones with them",
     {.wanted = 0x3ff, .decides = 0x3ff, .rcpt_macros = "{nrcpts} x"},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x44O\0\0\0\6\0\0\1\0\0\0\0\0"
           "\0\0\0\3i {rcpt_mailer} {rcpt_host} {rcpt_addr} {nrcpts} x\0")},
    {"macros at three stages, in the order of their numbers",
     {.wanted = 0x3ff,
      .decides = 0x3ff,
      .connect_macros = "{client_ptr}",
      .eoh_macros = "a",
      .eom_macros = "b"},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x6dO\0\0\0\6\0\0\1\0\0\0\0\0"
           "\0\0\0\0j _ {daemon_name} {daemon_addr} {if_name} {if_addr} v {client_ptr}\0"
           "\0\0\0\5i {msg_id} b\0"
           "\0\0\0\6i a\0")},
    {"macros at three other stages",
     {.wanted = 0x3ff,
      .decides = 0x3ff,
      .helo_macros = "h",
      .mail_macros = "m",
      .data_macros = "d"},
     6,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\xbeO\0\0\0\6\0\0\1\0\0\0\0\0"
           "\0\0\0\1{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer} h\0"
           "\0\0\0\2i {auth_type} {auth_authen} {auth_ssf} {auth_author} {mail_mailer} {mail_host} "
           "{mail_addr} m\0"
           "\0\0\0\4i d\0")},
    {"macros, but the lists are not offered",
     {.wanted = 0x3ff, .decides = 0x3ff, .rcpt_macros = "x"},
     6,
     0xff,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\0\0\0\0\0")},
    {"macros, but an old version",
     {.wanted = 0x3ff, .decides = 0x3ff, .rcpt_macros = "x"},
     4,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\4\0\0\0\0\0\0\0\0")},
    {"version 2 of Postfix",
     {.wanted = AT(MAIL) | AT(HEADER) | AT(EOH), .actions = 0x71},
     2,
     EVERY_ACTION,
     0x7f,
     BYTES("\0\0\0\x0dO\0\0\0\2\0\0\0\x71\0\0\0\x1b")},
    {"version 3 of Postfix",
     {.wanted = AT(MAIL) | AT(HEADER) | AT(EOH), .actions = 0x71},
     3,
     EVERY_ACTION,
     0x17f,
     BYTES("\0\0\0\x0dO\0\0\0\3\0\0\0\x71\0\0\1\x1b")},
    {"version 4 of Postfix",
     {.wanted = AT(MAIL) | AT(HEADER) | AT(EOH), .actions = 0x71},
     4,
     EVERY_ACTION,
     0x37f,
     BYTES("\0\0\0\x0dO\0\0\0\4\0\0\0\x71\0\0\3\x1b")},
    {"a later version",
     {.wanted = 0x3ff, .decides = 0x3ff},
     7,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\0\0\0\0\0")},
    {"a much later version",
     {.wanted = 0x3ff, .decides = 0x3ff},
     100,
     EVERY_ACTION,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\6\0\0\0\0\0\0\0\0")},
    {"no actions offered: those of version 1",
     {.wanted = 0x3ff, .decides = 0x3ff, .actions = 0xff},
     2,
     0,
     EVERY_PROTOCOL,
     BYTES("\0\0\0\x0dO\0\0\0\2\0\0\0\x0f\0\0\0\0")},
    {"no protocol offered: that of version 1",
     {0},
     2,
     EVERY_ACTION,
     0,
     BYTES("\0\0\0\x0dO\0\0\0\2\0\0\0\0\0\0\0\x3f")},
};

static void
bytes(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct encode out = {0};
        struct negotiated agreed;

        if (answer(&cases[i].wants, cases[i].version, cases[i].actions, cases[i].protocol, &agreed,
                   &out) != 0)
            fail_msg("%s: no answer", cases[i].name);
        if (out.length != cases[i].length || memcmp(out.data, cases[i].bytes, out.length) != 0) {
            for (size_t k = 0; k < out.length; k++)
                print_error("%02x%s", out.data[k], k + 1 < out.length ? " " : "\n");
            fail_msg("%s: other bytes (%zu, expected %zu)", cases[i].name, out.length,
                     cases[i].length);
        }
        encode_free(&out);
    }
}

static void
versions(void **unused)
{
    static const struct {
        uint32_t offered;
        int answered; /* -1: refused */
    } rows[] = {{0, -1}, {1, -1}, {2, 2}, {3, 3},   {4, 4},
                {5, 5},  {6, 6},  {7, 6}, {100, 6}, {0xffffffff, 6}};
    const struct wants wants = {.wanted = 0x3ff, .decides = 0x3ff};

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct encode out = {0};
        struct negotiated agreed = {0};
        int result = answer(&wants, rows[i].offered, EVERY_ACTION, EVERY_PROTOCOL, &agreed, &out);

        if (result != (rows[i].answered < 0 ? -1 : 0))
            fail_msg("version %u: result %d", (unsigned)rows[i].offered, result);
        if (result < 0)
            assert_int_equal(out.length, 0);
        else
            assert_int_equal(agreed.version, rows[i].answered);
        encode_free(&out);
    }
}

static void
data_limit(void **unused)
{
    static const struct {
        uint32_t protocol;
        size_t limit;
    } rows[] = {
        {0, 65535},
        {EVERY_PROTOCOL, 65535},
        {PROTOCOL_DATA_256K, 262143},
        {PROTOCOL_DATA_1M, 1048575},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct negotiated agreed = {.protocol = rows[i].protocol};

        assert_int_equal(negotiate_data_limit(&agreed), rows[i].limit);
    }
}

/* More macro names than fit: what is asked for ends with a whole name. */
static void
too_many_macros(void **unused)
{
    char names[8000] = "";
    struct wants wants = {.wanted = 0x3ff, .decides = 0x3ff, .eom_macros = names};
    struct encode out = {0};
    struct negotiated agreed;

    (void)unused;
    for (int i = 0; i < 700; i++)
        sprintf(names + strlen(names), "%s{m%04d}", i > 0 ? " " : "", i);
    assert_int_equal(answer(&wants, 6, EVERY_ACTION, EVERY_PROTOCOL, &agreed, &out), 0);
    assert_false(out.failed);
    const char *list = (const char *)out.data + FRAME_HEADER + 16;
    assert_int_equal(strlen(list), out.length - FRAME_HEADER - 16 - 1);
    assert_true(strlen(list) > 3000);
    assert_int_equal(list[strlen(list) - 1], '}');
    assert_memory_equal(list, "i {msg_id} {m0000} {m0001}", 26);
    encode_free(&out);
}

/* ---- random offers -------------------------------------------------------------------- */

static uint32_t seed;

static uint32_t
random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

/* Some bits, few or many of them. */
static uint32_t
some_of(uint32_t all)
{
    switch (random_bits() >> 16 & 3) {
    case 0:
        return all & random_bits();
    case 1:
        return all & random_bits() & random_bits() & random_bits();
    case 2:
        return all & (random_bits() | random_bits() | random_bits());
    }
    return random_bits() & 1 ? all : 0;
}

static void
nothing_unoffered(void **unused)
{
    (void)unused;
    seed = 20220521;
    for (int round = 0; round < 200000; round++) {
        struct wants wants = {
            .wanted = some_of(0x3ff), .actions = some_of(0xff), .needs = some_of(0xff)};
        uint32_t version = random_bits() % 9, actions = some_of(0xffffffff),
                 protocol = some_of(0xffffffff);
        uint32_t may_do = actions != 0 ? actions : 0xf;
        uint32_t may_ask = protocol != 0 ? protocol : 0x3f;
        struct encode out = {0};
        struct decode_negotiate is;
        struct negotiated agreed = {0};

        wants.decides = wants.wanted & some_of(0x3ff);
        wants.has_body = wants.wanted & AT(BODY);
        if (random_bits() & 1)
            wants.rcpt_macros = "x";
        int result = answer(&wants, version, actions, protocol, &agreed, &out);
        assert_int_equal(result, version < 2 ? -1 : 0);
        if (result == 0) {
            assert_int_equal(out.data[4], 'O');
            assert_int_equal(
                decode_negotiate(out.data + FRAME_HEADER, out.length - FRAME_HEADER, &is), 0);
            if (is.version > version || is.version > 6 || (is.actions & ~may_do) != 0 ||
                (is.protocol & ~may_ask) != 0)
                fail_msg("offer %u 0x%x 0x%x is answered %u 0x%x 0x%x", (unsigned)version,
                         (unsigned)actions, (unsigned)protocol, (unsigned)is.version,
                         (unsigned)is.actions, (unsigned)is.protocol);
            /* Nor what no plugin declares; and the lists go with their bit. */
            assert_int_equal(is.actions & ~(wants.actions | 0x100), 0);
            assert_int_equal((is.actions & 0x100) != 0, is.rest.left > 0);
            assert_true(is.rest.left == 0 || wants.rcpt_macros != NULL);
            /* What is wanted is not left out. */
            for (int event = 0; event < MILTER_EVENTS; event++)
                assert_true((wants.wanted >> event & 1) == 0 || event == MILTER_EVENT_EOM ||
                            (is.protocol & (uint32_t[]){0x1, 0x2, 0x4, 0x8, 0x200, 0x20, 0x40, 0x10,
                                                        0, 0x100}[event]) == 0);
            assert_int_equal(agreed.version, is.version);
            assert_int_equal(agreed.actions, is.actions);
            assert_int_equal(agreed.protocol, is.protocol);
        }
        encode_free(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes),
        cmocka_unit_test(versions),
        cmocka_unit_test(data_limit),
        cmocka_unit_test(too_many_macros),
        cmocka_unit_test(nothing_unoffered),
    };
    const struct log_settings quiet = {.target = LOG_TO_STDERR, .level = MILTER_LOG_ERROR};

    /* What random offers lack is no news here. */
    log_open(&quiet);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
