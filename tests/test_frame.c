/*
 * test_frame - lengths at and over every limit, and streams cut at every byte.
 * Buffers are copied to the byte, so that AddressSanitizer sees a read too far.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

/* frame_next on exactly n bytes. What frame->data points to is gone afterwards. */
static enum frame_status
next_of(const uint8_t *bytes, size_t n, size_t limit, struct frame *frame)
{
    uint8_t *copy = n ? malloc(n) : NULL;
    enum frame_status status;

    if (n)
        memcpy(copy, bytes, n);
    status = frame_next(copy, n, limit, frame);
    if (status == FRAME_READY) {
        assert_ptr_equal(frame->data, copy + FRAME_HEADER);
        frame->data = NULL;
    }
    free(copy);
    return status;
}

static const struct {
    const char *name;
    const uint8_t *bytes;
    size_t have, limit;
    enum frame_status status;
    size_t size; /* with READY and MORE */
} cases[] = {
    {"nothing", NULL, 0, 10, FRAME_MORE, 0},
    {"one byte of length", BYTES("\0"), 10, FRAME_MORE, 0},
    {"three bytes of length", BYTES("\xff\xff\xff"), 10, FRAME_MORE, 0},
    {"length alone", BYTES("\0\0\0\1"), 10, FRAME_MORE, 5},
    {"command alone", BYTES("\0\0\0\1N"), 10, FRAME_READY, 5},
    {"command alone, limit zero", BYTES("\0\0\0\1N"), 0, FRAME_READY, 5},
    {"one byte of data, limit zero", BYTES("\0\0\0\2Nx"), 0, FRAME_BAD, 0},
    {"data missing", BYTES("\0\0\0\4Bxy"), 10, FRAME_MORE, 8},
    {"data complete", BYTES("\0\0\0\4Bxyz"), 10, FRAME_READY, 8},
    {"another behind it", BYTES("\0\0\0\1N\0\0\0\1E"), 10, FRAME_READY, 5},
    {"zero length", BYTES("\0\0\0\0"), 10, FRAME_BAD, 0},
    {"zero length and more", BYTES("\0\0\0\0\0\0\0\0"), 10, FRAME_BAD, 0},
    {"longest length", BYTES("\xff\xff\xff\xff"), 10, FRAME_BAD, 0},
    {"longest length, largest limit", BYTES("\xff\xff\xff\xff"), FRAME_DATA_1M, FRAME_BAD, 0},
    {"at the limit", BYTES("\0\0\0\x0b"), 10, FRAME_MORE, 15},
    {"one over the limit", BYTES("\0\0\0\x0c"), 10, FRAME_BAD, 0},
    {"default: at", BYTES("\0\1\0\0"), FRAME_DATA_DEFAULT, FRAME_MORE, 65540},
    {"default: one over", BYTES("\0\1\0\1"), FRAME_DATA_DEFAULT, FRAME_BAD, 0},
    {"256K: at", BYTES("\0\4\0\0"), FRAME_DATA_256K, FRAME_MORE, 262148},
    {"256K: one over", BYTES("\0\4\0\1"), FRAME_DATA_256K, FRAME_BAD, 0},
    {"1M: at", BYTES("\0\x10\0\0"), FRAME_DATA_1M, FRAME_MORE, 1048580},
    {"1M: one over", BYTES("\0\x10\0\1"), FRAME_DATA_1M, FRAME_BAD, 0},
    {"HTTP", BYTES("GET / HTTP/1.1\r\n"), FRAME_DATA_1M, FRAME_BAD, 0},
    {"TLS hello", BYTES("\x16\x03\x01\x02\x00\x01"), FRAME_DATA_1M, FRAME_BAD, 0},
    {"SMTP", BYTES("EHLO x\r\n"), FRAME_DATA_1M, FRAME_BAD, 0},
};

static void
lengths(void **state)
{
    struct frame frame;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum frame_status status = next_of(cases[i].bytes, cases[i].have, cases[i].limit, &frame);

        if (status != cases[i].status)
            fail_msg("%s: status %d, not %d", cases[i].name, (int)status, (int)cases[i].status);
        if (status != FRAME_BAD && frame.size != cases[i].size)
            fail_msg("%s: size %zu, not %zu", cases[i].name, frame.size, cases[i].size);
    }
}

/* The whole of a packet with as much data as the limit allows. */
static void
full_packets(void **state)
{
    static const size_t limits[] = {FRAME_DATA_DEFAULT, FRAME_DATA_256K, FRAME_DATA_1M};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t length = limits[i] + 1, size = limits[i] + FRAME_HEADER;
        uint8_t *packet = calloc(1, size);
        struct frame frame;

        packet[0] = (uint8_t)(length >> 24);
        packet[1] = (uint8_t)(length >> 16);
        packet[2] = (uint8_t)(length >> 8);
        packet[3] = (uint8_t)length;
        packet[4] = 'B';
        assert_int_equal(frame_next(packet, size - 1, limits[i], &frame), FRAME_MORE);
        assert_int_equal(frame.size, size);
        assert_int_equal(frame_next(packet, size, limits[i], &frame), FRAME_READY);
        assert_int_equal(frame.length, limits[i]);
        assert_int_equal(frame.command, 'B');
        assert_int_equal(frame_next(packet, size, limits[i] - 1, &frame), FRAME_BAD);
        free(packet);
    }
}

static const uint8_t stream[] = "\0\0\0\1N"
                                "\0\0\0\6Hhost\0"
                                "\0\0\0\1T"
                                "\0\0\0\5B\0\0\0\0"
                                "\0\0\0\1Q";
enum { STREAM = sizeof stream - 1 };
static const char stream_commands[] = "NHTBQ";

static void
contents(void **state)
{
    struct frame frame;
    size_t at = 0;

    (void)state;
    assert_int_equal(frame_next(stream, STREAM, 10, &frame), FRAME_READY);
    assert_int_equal(frame.length, 0);
    at += frame.size;
    assert_int_equal(frame_next(stream + at, STREAM - at, 10, &frame), FRAME_READY);
    assert_int_equal(frame.command, 'H');
    assert_int_equal(frame.length, 5);
    assert_memory_equal(frame.data, "host", 5);
}

/* Arrives in two parts, cut at each byte: the same packets, none early, none late. */
static void
split_at_each_byte(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= STREAM; cut++) {
        size_t at = 0, seen = 0;
        size_t have = cut;

        for (;;) {
            struct frame frame;
            enum frame_status status = next_of(stream + at, have - at, 10, &frame);

            assert_int_not_equal(status, FRAME_BAD);
            if (status == FRAME_READY) {
                assert_int_equal(frame.command, stream_commands[seen]);
                at += frame.size;
                seen++;
            } else if (have < STREAM) {
                if (frame.size)
                    assert_true(at + frame.size > have);
                have = STREAM;
            } else {
                break;
            }
        }
        assert_int_equal(at, STREAM);
        assert_int_equal(seen, strlen(stream_commands));
    }
}

/* Byte by byte: a packet is ready with its last byte and not before. */
static void
one_byte_at_a_time(void **state)
{
    size_t at = 0, seen = 0;
    struct frame frame;

    (void)state;
    for (size_t have = 1; have <= STREAM; have++) {
        if (next_of(stream + at, have - at, 10, &frame) != FRAME_READY)
            continue;
        assert_int_equal(at + frame.size, have);
        assert_int_equal(frame.command, stream_commands[seen++]);
        at = have;
    }
    assert_int_equal(seen, strlen(stream_commands));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths),
        cmocka_unit_test(full_packets),
        cmocka_unit_test(contents),
        cmocka_unit_test(split_at_each_byte),
        cmocka_unit_test(one_byte_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
