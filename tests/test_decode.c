/*
 * test_decode - every packet, whole and cut at every byte, and what is malformed.
 *
 * Data is copied to the byte before it is decoded, so that AddressSanitizer sees
 * a read behind it. What a cut packet may be is drawn, a character a length:
 * '+' where so many bytes are a packet in their own right, '-' where they are not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/decode.h"
#include "wire/protocol.h"

#define BYTES(text) text, sizeof(text) - 1

static int
any_negotiate(const uint8_t *data, size_t n)
{
    struct decode_negotiate out;

    return decode_negotiate(data, n, &out);
}

static int
any_macros(const uint8_t *data, size_t n)
{
    struct decode_macros out;
    const char *text;

    if (decode_macros(data, n, &out) < 0)
        return -1;
    while (out.rest.left > 0) { /* promised to be whole pairs */
        assert_int_equal(decode_string(&out.rest, &text), 0);
        assert_int_equal(decode_string(&out.rest, &text), 0);
    }
    return 0;
}

static int
any_connect(const uint8_t *data, size_t n)
{
    struct decode_connect out;

    return decode_connect(data, n, &out);
}

static int
any_word(const uint8_t *data, size_t n)
{
    const char *text;
    int result = decode_word(data, n, &text);

    if (result == 0 && text)
        assert_int_equal(strlen(text) + 1, n);
    return result;
}

static int
any_arguments(const uint8_t *data, size_t n)
{
    struct decode in = {data, n};
    const char *text;
    size_t count;

    if (decode_arguments(data, n, &count) < 0)
        return -1;
    assert_true(count > 0);
    while (count--)
        assert_int_equal(decode_string(&in, &text), 0);
    assert_int_equal(in.left, 0);
    return 0;
}

static int
any_header(const uint8_t *data, size_t n)
{
    const char *name, *value;

    return decode_header(data, n, &name, &value);
}

#define REPLY(name, letter)                               \
    static int name(const uint8_t *data, size_t n)        \
    {                                                     \
        struct decode_edit out;                           \
        return decode_reply((char)letter, data, n, &out); \
    }
REPLY(any_continue, REPLY_CONTINUE)
REPLY(any_accept, REPLY_ACCEPT)
REPLY(any_reject, REPLY_REJECT)
REPLY(any_tempfail, REPLY_TEMPFAIL)
REPLY(any_discard, REPLY_DISCARD)
REPLY(any_skip, REPLY_SKIP)
REPLY(any_progress, REPLY_PROGRESS)
REPLY(any_conn_fail, REPLY_CONN_FAIL)
REPLY(any_shutdown, REPLY_SHUTDOWN)
REPLY(any_code, REPLY_CODE)
REPLY(any_quarantine, REPLY_QUARANTINE)
REPLY(any_add_rcpt, REPLY_ADD_RCPT)
REPLY(any_delete_rcpt, REPLY_DELETE_RCPT)
REPLY(any_add_rcpt_args, REPLY_ADD_RCPT_ARGS)
REPLY(any_change_sender, REPLY_CHANGE_SENDER)
REPLY(any_add_header, REPLY_ADD_HEADER)
REPLY(any_insert_header, REPLY_INSERT_HEADER)
REPLY(any_change_header, REPLY_CHANGE_HEADER)
REPLY(any_replace_body, REPLY_REPLACE_BODY)
REPLY(any_unheard_of, 'Z')
REPLY(any_negotiate_reply, REPLY_NEGOTIATE)

/* On a copy of exactly n bytes; NULL for none. */
static int
on_copy(int (*decode)(const uint8_t *, size_t), const char *data, size_t n)
{
    uint8_t *copy = n ? malloc(n) : NULL;
    int result;

    if (n)
        memcpy(copy, data, n);
    result = decode(copy, n);
    free(copy);
    return result;
}

/* Well-formed packets. `cut`: for each shorter length whether it is well-formed too. */
static const struct {
    const char *name;
    int (*decode)(const uint8_t *, size_t);
    const char *data;
    size_t length;
    const char *cut;
} whole[] = {
    {"negotiate", any_negotiate, BYTES("\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"), "------------"},
    {"negotiate, one macro list", any_negotiate,
     BYTES("\0\0\0\6\0\0\0\1\0\0\0\0"
           "\0\0\0\2i\0"),
     "------------++++++"}, /* the rest is not looked at */
    {"macros, none", any_macros, BYTES("M"), "-"},
    {"macros, one", any_macros, BYTES("Di\0X1\0"), "-+----"},
    {"macros, two", any_macros, BYTES("Cj\0mx\0_\0h\0"), "-+----+---"},
    {"macros, empty value", any_macros, BYTES("Ri\0\0"), "-+--"},
    {"connect, IPv4", any_connect,
     BYTES("host\0004\0\x19"
           "1.2.3.4\0"),
     "----------------"},
    {"connect, IPv6", any_connect, BYTES("h\0006\0\x19::1\0"), "---------"},
    {"connect, unix", any_connect, BYTES("h\0L\0\0/s\0"), "--------"},
    {"connect, empty address", any_connect, BYTES("h\0004\0\0\0"), "------"},
    {"connect, empty name", any_connect, BYTES("\0U"), "--"},
    {"connect, unknown", any_connect, BYTES("host\0U"), "------"},
    {"connect, unknown and more", any_connect, BYTES("host\0Ujunk"), "------++++"},
    {"word", any_word, BYTES("mail\0"), "+++++"}, /* libmilter's missing NUL */
    {"word, empty", any_word, BYTES("\0"), "+"},
    {"arguments, none", any_arguments, BYTES("<a@b>\0"), "------"},
    {"arguments, two", any_arguments, BYTES("<a>\0S=1\0B\0"), "----+---+-"},
    {"arguments, empty ones", any_arguments, BYTES("\0\0\0"), "-++"},
    {"header", any_header, BYTES("To\0 x\0"), "------"},
    {"header, empty value", any_header, BYTES("To\0\0"), "----"},
    {"header, folded", any_header, BYTES("To\0x\n\ty\0"), "--------"},
    {"continue", any_continue, "", 0, ""},
    {"accept", any_accept, "", 0, ""},
    {"reject", any_reject, "", 0, ""},
    {"tempfail", any_tempfail, "", 0, ""},
    {"discard", any_discard, "", 0, ""},
    {"skip", any_skip, "", 0, ""},
    {"progress", any_progress, "", 0, ""},
    {"connection failure", any_conn_fail, "", 0, ""},
    {"shutdown", any_shutdown, "", 0, ""},
    {"reply", any_code, BYTES("550 5.7.1 no\0"), "-------------"},
    {"reply of two lines", any_code, BYTES("550-a\r\n550 b\0"), "-------------"},
    {"quarantine", any_quarantine, BYTES("why\0"), "----"},
    {"add recipient", any_add_rcpt, BYTES("<a@b>\0"), "------"},
    {"delete recipient", any_delete_rcpt, BYTES("<a@b>\0"), "------"},
    {"add recipient with arguments", any_add_rcpt_args, BYTES("<a>\0N=1\0"), "----+---"},
    {"change sender", any_change_sender, BYTES("<a>\0"), "----"},
    {"change sender, arguments", any_change_sender, BYTES("<a>\0R=1\0"), "----+---"},
    {"add header", any_add_header, BYTES("X\0 y\0"), "-----"},
    {"insert header", any_insert_header, BYTES("\0\0\0\1X\0y\0"), "--------"},
    {"change header", any_change_header, BYTES("\0\0\0\2X\0y\0"), "--------"},
    {"delete header", any_change_header, BYTES("\0\0\0\2X\0\0"), "-------"},
    {"replace body", any_replace_body, BYTES("a\0\r\n"), "++++"},
    {"replace body, empty", any_replace_body, "", 0, ""},
};

static void
whole_and_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        if (strlen(whole[i].cut) != whole[i].length)
            fail_msg("%s: %zu bytes, but %zu drawn", whole[i].name, whole[i].length,
                     strlen(whole[i].cut));
        if (on_copy(whole[i].decode, whole[i].data, whole[i].length) != 0)
            fail_msg("%s: refused", whole[i].name);
        for (size_t n = 0; n < whole[i].length; n++) {
            int wanted = whole[i].cut[n] == '+' ? 0 : -1;

            if (on_copy(whole[i].decode, whole[i].data, n) != wanted)
                fail_msg("%s: its first %zu bytes should be %s", whole[i].name, n,
                         wanted < 0 ? "refused" : "taken");
        }
    }
}

static const struct {
    const char *name;
    int (*decode)(const uint8_t *, size_t);
    const char *data;
    size_t length;
} malformed[] = {
    {"macros: name without value", any_macros, BYTES("Di\0")},
    {"macros: three strings", any_macros, BYTES("Di\0x\0j\0")},
    {"macros: no last NUL", any_macros, BYTES("Di\0x")},
    {"macros: a lone NUL", any_macros, BYTES("D\0")},
    {"connect: no NUL", any_connect, BYTES("host")},
    {"connect: no family", any_connect, BYTES("host\0")},
    {"connect: family 5", any_connect, BYTES("h\0005\0\0a\0")},
    {"connect: family NUL", any_connect, BYTES("h\0\0\0\0a\0")},
    {"connect: family u", any_connect, BYTES("h\0u")},
    {"connect: 4 and nothing", any_connect, BYTES("h\0004")},
    {"connect: half a port", any_connect, BYTES("h\0004\0")},
    {"connect: no address", any_connect, BYTES("h\0004\0\0")},
    {"connect: address without NUL", any_connect, BYTES("h\0004\0\0a")},
    {"connect: a NUL left over", any_connect, BYTES("h\0004\0\0a\0\0")},
    {"connect: text left over", any_connect, BYTES("h\0L\0\0a\0b\0")},
    {"word: two words", any_word, BYTES("a\0b\0")},
    {"word: two NULs", any_word, BYTES("a\0\0")},
    {"word: NUL inside, none behind", any_word, BYTES("a\0b")},
    {"arguments: no NUL", any_arguments, BYTES("<a>")},
    {"arguments: last without NUL", any_arguments, BYTES("<a>\0b")},
    {"header: one string", any_header, BYTES("X\0")},
    {"header: three strings", any_header, BYTES("X\0y\0z\0")},
    {"header: a NUL left over", any_header, BYTES("X\0y\0\0")},
    {"header: no name", any_header, BYTES("\0y\0")},
    {"header: two NULs", any_header, BYTES("\0\0")},
    {"continue with data", any_continue, BYTES("\0")},
    {"accept with data", any_accept, BYTES("\0")},
    {"reject with data", any_reject, BYTES("x")},
    {"tempfail with data", any_tempfail, BYTES("x\0")},
    {"discard with data", any_discard, BYTES("\0")},
    {"skip with data", any_skip, BYTES("\0")},
    {"progress with data", any_progress, BYTES("\0")},
    {"connection failure with data", any_conn_fail, BYTES("\0")},
    {"shutdown with data", any_shutdown, BYTES("\0")},
    {"reply of two strings", any_code, BYTES("550 a\0b\0")},
    {"quarantine with two NULs", any_quarantine, BYTES("a\0\0")},
    {"add recipient with arguments unasked", any_add_rcpt, BYTES("<a>\0N=1\0")},
    {"delete recipient with arguments", any_delete_rcpt, BYTES("<a>\0N=1\0")},
    {"add recipient, three strings", any_add_rcpt_args, BYTES("<a>\0b\0c\0")},
    {"change sender, three strings", any_change_sender, BYTES("<a>\0b\0c\0")},
    {"change sender, a NUL left over", any_change_sender, BYTES("<a>\0b\0\0")},
    {"add header, no name", any_add_header, BYTES("\0y\0")},
    {"add header, three strings", any_add_header, BYTES("X\0y\0z\0")},
    {"insert header, no name", any_insert_header, BYTES("\0\0\0\0\0y\0")},
    {"change header, a NUL left over", any_change_header, BYTES("\0\0\0\1X\0y\0\0")},
    {"no such reply", any_unheard_of, "", 0},
    {"negotiation is no edit", any_negotiate_reply, BYTES("\0\0\0\6\0\0\0\0\0\0\0\0")},
};

static void
refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        if (on_copy(malformed[i].decode, malformed[i].data, malformed[i].length) != -1)
            fail_msg("%s: taken", malformed[i].name);
    }
}

/* Any other byte is no reply; those that are, are in the table above. */
static void
reply_letters(void **state)
{
    static const char with_no_data[] = "cartdspf4b";
    struct decode_edit out;

    (void)state;
    for (int letter = 0; letter < 256; letter++) {
        int wanted = letter && strchr(with_no_data, letter) ? 0 : -1;

        if (decode_reply((char)letter, NULL, 0, &out) != wanted)
            fail_msg("reply 0x%02x without data", (unsigned)letter);
    }
}

#define DATA(text) (const uint8_t *)(text), sizeof(text) - 1

static void
numbers(void **state)
{
    struct decode in = {DATA("\x01\x02\x03\x04\xff\xfe\xfd\xfc\x80\x01z")};
    uint32_t u32;
    uint16_t u16;
    char byte;

    (void)state;
    assert_int_equal(decode_u32(&in, &u32), 0);
    assert_int_equal(u32, 0x01020304);
    assert_int_equal(decode_u32(&in, &u32), 0);
    assert_int_equal(u32, 0xfffefdfc);
    assert_int_equal(decode_u16(&in, &u16), 0);
    assert_int_equal(u16, 0x8001);
    assert_int_equal(decode_u16(&in, &u16), -1);
    assert_int_equal(decode_u32(&in, &u32), -1);
    assert_int_equal(in.left, 1); /* a failure takes nothing */
    assert_int_equal(decode_byte(&in, &byte), 0);
    assert_int_equal(byte, 'z');
    assert_int_equal(decode_byte(&in, &byte), -1);
}

static void
strings(void **state)
{
    struct decode in = {DATA("a\0\0bc")};
    const char *text = NULL;

    (void)state;
    assert_int_equal(decode_string(&in, &text), 0);
    assert_string_equal(text, "a");
    assert_int_equal(decode_string(&in, &text), 0);
    assert_string_equal(text, "");
    assert_int_equal(decode_string(&in, &text), -1);
    assert_int_equal(in.left, 2);
    in.left = 0;
    assert_int_equal(decode_string(&in, &text), -1);
    in.at = NULL;
    assert_int_equal(decode_string(&in, &text), -1);
}

static void
command_values(void **state)
{
    struct decode_negotiate negotiate;
    struct decode_macros macros;
    struct decode_connect connect;
    const char *text, *value;
    uint32_t stage;
    size_t count;

    (void)state;
    assert_int_equal(
        decode_negotiate(DATA("\0\0\0\6\0\0\1\xff\0\x1f\xff\xff\0\0\0\5i j\0"), &negotiate), 0);
    assert_int_equal(negotiate.version, 6);
    assert_int_equal(negotiate.actions, 0x1ff);
    assert_int_equal(negotiate.protocol, 0x1fffff);
    assert_int_equal(negotiate.rest.left, 8);
    assert_int_equal(decode_u32(&negotiate.rest, &stage), 0);
    assert_int_equal(stage, STAGE_EOM);
    assert_int_equal(decode_string(&negotiate.rest, &text), 0);
    assert_string_equal(text, "i j");

    assert_int_equal(decode_macros(DATA("Ci\0X\0{v}\0\0"), &macros), 0);
    assert_int_equal(macros.command, COMMAND_CONNECT);
    assert_int_equal(decode_string(&macros.rest, &text), 0);
    assert_string_equal(text, "i");
    assert_int_equal(decode_string(&macros.rest, &text), 0);
    assert_string_equal(text, "X");

    assert_int_equal(decode_connect(DATA("mx.example\0004\x80\x19"
                                         "192.0.2.9\0"),
                                    &connect),
                     0);
    assert_string_equal(connect.name, "mx.example");
    assert_int_equal(connect.family, '4');
    assert_int_equal(connect.port, 0x8019);
    assert_string_equal(connect.address, "192.0.2.9");
    assert_int_equal(decode_connect(DATA("h\0U\0\x19"
                                         "x\0"),
                                    &connect),
                     0);
    assert_int_equal(connect.family, 'U');
    assert_int_equal(connect.port, 0);
    assert_string_equal(connect.address, "");

    assert_int_equal(decode_word(DATA("helo.example\0"), &text), 0);
    assert_string_equal(text, "helo.example");
    assert_int_equal(decode_word(DATA("helo.example"), &text), 0);
    assert_null(text);
    assert_int_equal(decode_word(NULL, 0, &text), 0);
    assert_null(text);

    assert_int_equal(decode_arguments(DATA("<a@b>\0"), &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(decode_arguments(DATA("<a@b>\0SIZE=1\0BODY=8BITMIME\0"), &count), 0);
    assert_int_equal(count, 3);

    assert_int_equal(decode_header(DATA("Subject\0 a\n\tb\0"), &text, &value), 0);
    assert_string_equal(text, "Subject");
    assert_string_equal(value, " a\n\tb");
}

static const struct {
    char command;
    const char *data;
    size_t length;
    uint32_t index;
    const char *first, *second;
} edits[] = {
    {'c', "", 0, 0, NULL, NULL},
    {'y', BYTES("451 4.7.1 later\0"), 0, "451 4.7.1 later", NULL},
    {'q', BYTES("spam\0"), 0, "spam", NULL},
    {'+', BYTES("<a@b>\0"), 0, "<a@b>", NULL},
    {'-', BYTES("<a@b>\0"), 0, "<a@b>", NULL},
    {'2', BYTES("<a@b>\0NOTIFY=NEVER\0"), 0, "<a@b>", "NOTIFY=NEVER"},
    {'2', BYTES("<a@b>\0"), 0, "<a@b>", NULL},
    {'e', BYTES("<>\0"), 0, "<>", NULL},
    {'e', BYTES("<>\0RET=HDRS\0"), 0, "<>", "RET=HDRS"},
    {'h', BYTES("X\0y\0"), 0, "X", "y"},
    {'i', BYTES("\0\0\1\0X\0y\0"), 256, "X", "y"},
    {'m', BYTES("\xff\0\0\2X\0\0"), 0xff000002, "X", ""},
    {'b', BYTES("body\0"), 0, NULL, NULL},
};

static void
same_text(char command, const char *is, const char *wanted)
{
    if (!is != !wanted || (is && strcmp(is, wanted) != 0))
        fail_msg("reply %c: %s, not %s", command, is ? is : "NULL", wanted ? wanted : "NULL");
}

static void
reply_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        struct decode_edit out;

        memset(&out, 0x55, sizeof out);
        assert_int_equal(
            decode_reply(edits[i].command, (const uint8_t *)edits[i].data, edits[i].length, &out),
            0);
        assert_int_equal(out.index, edits[i].index);
        same_text(edits[i].command, out.name, edits[i].first);
        same_text(edits[i].command, out.value, edits[i].second);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_and_cut), cmocka_unit_test(refused),
        cmocka_unit_test(reply_letters), cmocka_unit_test(numbers),
        cmocka_unit_test(strings),       cmocka_unit_test(command_values),
        cmocka_unit_test(reply_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
