/*
 * test_encode - every packet of both directions as bytes and back again through
 * frame and decode, whole and cut at every byte; limits and failures.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/frame.h"
#include "wire/protocol.h"

/* An allocation that cannot be is refused there too, and does not end the test. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* ---- one writer and one reader for each packet ---- */

static void
write_negotiate(struct encode *out)
{
    encode_negotiate(out, 6, 0x1ff, 0x1fffff);
}

static void
read_negotiate(const struct frame *frame)
{
    struct decode_negotiate in;

    assert_int_equal(decode_negotiate(frame->data, frame->length, &in), 0);
    assert_int_equal(in.version, 6);
    assert_int_equal(in.actions, 0x1ff);
    assert_int_equal(in.protocol, 0x1fffff);
    assert_int_equal(in.rest.left, 0);
}

static void
write_negotiate_lists(struct encode *out)
{
    encode_begin(out, REPLY_NEGOTIATE);
    encode_u32(out, 6);
    encode_u32(out, ACTION_SET_MACROS);
    encode_u32(out, 0);
    encode_u32(out, STAGE_RCPT);
    encode_string(out, "i {rcpt_addr}");
    encode_end(out);
}

static void
read_negotiate_lists(const struct frame *frame)
{
    struct decode_negotiate in;
    const char *names;
    uint32_t stage;

    assert_int_equal(decode_negotiate(frame->data, frame->length, &in), 0);
    assert_int_equal(decode_u32(&in.rest, &stage), 0);
    assert_int_equal(stage, STAGE_RCPT);
    assert_int_equal(decode_string(&in.rest, &names), 0);
    assert_string_equal(names, "i {rcpt_addr}");
    assert_int_equal(in.rest.left, 0);
}

static void
write_macros(struct encode *out)
{
    encode_begin(out, COMMAND_MACROS);
    encode_byte(out, COMMAND_MAIL);
    encode_string(out, "i");
    encode_string(out, "4X");
    encode_end(out);
}

static void
read_macros(const struct frame *frame)
{
    struct decode_macros in;
    const char *name, *value;

    assert_int_equal(decode_macros(frame->data, frame->length, &in), 0);
    assert_int_equal(in.command, COMMAND_MAIL);
    assert_int_equal(decode_string(&in.rest, &name), 0);
    assert_int_equal(decode_string(&in.rest, &value), 0);
    assert_string_equal(name, "i");
    assert_string_equal(value, "4X");
    assert_int_equal(in.rest.left, 0);
}

static void
write_connect(struct encode *out)
{
    encode_connect(out, "mx", '6', 0x8019, "::1");
}

static void
read_connect(const struct frame *frame)
{
    struct decode_connect in;

    assert_int_equal(decode_connect(frame->data, frame->length, &in), 0);
    assert_string_equal(in.name, "mx");
    assert_int_equal(in.family, '6');
    assert_int_equal(in.port, 0x8019);
    assert_string_equal(in.address, "::1");
}

static void
write_connect_unknown(struct encode *out)
{
    encode_connect(out, "mx", 'U', 25, "not written");
}

static void
read_connect_unknown(const struct frame *frame)
{
    struct decode_connect in;

    assert_int_equal(decode_connect(frame->data, frame->length, &in), 0);
    assert_string_equal(in.name, "mx");
    assert_int_equal(in.family, 'U');
}

static void
write_helo(struct encode *out)
{
    encode_text(out, COMMAND_HELO, "mx");
}

static void
write_unknown(struct encode *out)
{
    encode_text(out, COMMAND_UNKNOWN, "mx");
}

static void
read_word(const struct frame *frame)
{
    const char *text;

    assert_int_equal(decode_word(frame->data, frame->length, &text), 0);
    assert_string_equal(text, "mx");
}

static void
write_mail(struct encode *out)
{
    encode_begin(out, COMMAND_MAIL);
    encode_string(out, "<>");
    encode_string(out, "SIZE=1");
    encode_end(out);
}

static void
write_rcpt(struct encode *out)
{
    encode_begin(out, COMMAND_RCPT);
    encode_string(out, "<>");
    encode_string(out, "SIZE=1");
    encode_end(out);
}

static void
read_arguments(const struct frame *frame)
{
    struct decode in = {frame->data, frame->length};
    const char *text;
    size_t count;

    assert_int_equal(decode_arguments(frame->data, frame->length, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(decode_string(&in, &text), 0);
    assert_string_equal(text, "<>");
    assert_int_equal(decode_string(&in, &text), 0);
    assert_string_equal(text, "SIZE=1");
}

static void
write_header(struct encode *out)
{
    encode_header(out, COMMAND_HEADER, "To", " a");
}

static void
read_header(const struct frame *frame)
{
    const char *name, *value;

    assert_int_equal(decode_header(frame->data, frame->length, &name, &value), 0);
    assert_string_equal(name, "To");
    assert_string_equal(value, " a");
}

static const char bytes[] = "a\0\r\n\xff";
enum { BYTES = sizeof bytes - 1 };

static void
write_body(struct encode *out)
{
    encode_chunk(out, COMMAND_BODY, bytes, BYTES);
}

static void
write_last_body(struct encode *out)
{
    encode_chunk(out, COMMAND_EOM, bytes, BYTES);
}

static void
write_new_body(struct encode *out)
{
    encode_chunk(out, REPLY_REPLACE_BODY, bytes, BYTES);
}

static void
write_empty_body(struct encode *out)
{
    encode_chunk(out, REPLY_REPLACE_BODY, NULL, 0);
}

static void
read_bytes(const struct frame *frame)
{
    assert_int_equal(frame->length, BYTES);
    assert_memory_equal(frame->data, bytes, BYTES);
}

static void
read_empty(const struct frame *frame)
{
    assert_int_equal(frame->length, 0);
}

#define SIMPLE(name, letter)             \
    static void name(struct encode *out) \
    {                                    \
        encode_simple(out, letter);      \
    }
SIMPLE(write_data, COMMAND_DATA)
SIMPLE(write_eoh, COMMAND_EOH)
SIMPLE(write_eom, COMMAND_EOM)
SIMPLE(write_abort, COMMAND_ABORT)
SIMPLE(write_quit, COMMAND_QUIT)
SIMPLE(write_quit_new, COMMAND_QUIT_NEW)
SIMPLE(write_continue, REPLY_CONTINUE)
SIMPLE(write_accept, REPLY_ACCEPT)
SIMPLE(write_reject, REPLY_REJECT)
SIMPLE(write_tempfail, REPLY_TEMPFAIL)
SIMPLE(write_discard, REPLY_DISCARD)
SIMPLE(write_skip, REPLY_SKIP)
SIMPLE(write_progress, REPLY_PROGRESS)
SIMPLE(write_conn_fail, REPLY_CONN_FAIL)
SIMPLE(write_shutdown, REPLY_SHUTDOWN)

static void
read_verdict(const struct frame *frame)
{
    struct decode_edit in;

    assert_int_equal(decode_reply(frame->command, frame->data, frame->length, &in), 0);
    assert_int_equal(frame->length, 0);
}

#define TEXT(name, letter)                 \
    static void name(struct encode *out)   \
    {                                      \
        encode_text(out, letter, "550 x"); \
    }
TEXT(write_code, REPLY_CODE)
TEXT(write_quarantine, REPLY_QUARANTINE)
TEXT(write_add_rcpt, REPLY_ADD_RCPT)
TEXT(write_delete_rcpt, REPLY_DELETE_RCPT)
TEXT(write_sender, REPLY_CHANGE_SENDER)

static void
read_text(const struct frame *frame)
{
    struct decode_edit in;

    assert_int_equal(decode_reply(frame->command, frame->data, frame->length, &in), 0);
    assert_string_equal(in.name, "550 x");
    assert_null(in.value);
}

static void
write_add_rcpt_args(struct encode *out)
{
    encode_header(out, REPLY_ADD_RCPT_ARGS, "X", "y");
}

static void
write_sender_args(struct encode *out)
{
    encode_header(out, REPLY_CHANGE_SENDER, "X", "y");
}

static void
write_add_header(struct encode *out)
{
    encode_header(out, REPLY_ADD_HEADER, "X", "y");
}

static void
read_pair(const struct frame *frame)
{
    struct decode_edit in;

    assert_int_equal(decode_reply(frame->command, frame->data, frame->length, &in), 0);
    assert_string_equal(in.name, "X");
    assert_string_equal(in.value, "y");
}

static void
write_insert_header(struct encode *out)
{
    encode_header_at(out, REPLY_INSERT_HEADER, 0x01020304, "X", "y");
}

static void
write_change_header(struct encode *out)
{
    encode_header_at(out, REPLY_CHANGE_HEADER, 0x01020304, "X", "y");
}

static void
read_pair_at(const struct frame *frame)
{
    struct decode_edit in;

    read_pair(frame);
    decode_reply(frame->command, frame->data, frame->length, &in);
    assert_int_equal(in.index, 0x01020304);
}

#define WIRE(text) text, sizeof(text) - 1

static const struct {
    const char *name;
    void (*write)(struct encode *);
    void (*read)(const struct frame *);
    const char *wire;
    size_t size;
} packets[] = {
    {"negotiate", write_negotiate, read_negotiate,
     WIRE("\0\0\0\x0dO\0\0\0\6\0\0\1\xff\0\x1f\xff\xff")},
    {"negotiate with macro lists", write_negotiate_lists, read_negotiate_lists,
     WIRE("\0\0\0\x1fO\0\0\0\6\0\0\1\0\0\0\0\0\0\0\0\3i {rcpt_addr}\0")},
    {"macros", write_macros, read_macros, WIRE("\0\0\0\7DMi\0004X\0")},
    {"connect", write_connect, read_connect,
     WIRE("\0\0\0\x0b"
          "Cmx\0006\x80\x19::1\0")},
    {"connect, unknown", write_connect_unknown, read_connect_unknown, WIRE("\0\0\0\5Cmx\0U")},
    {"helo", write_helo, read_word, WIRE("\0\0\0\4Hmx\0")},
    {"unknown", write_unknown, read_word, WIRE("\0\0\0\4Umx\0")},
    {"mail", write_mail, read_arguments, WIRE("\0\0\0\x0bM<>\0SIZE=1\0")},
    {"rcpt", write_rcpt, read_arguments, WIRE("\0\0\0\x0bR<>\0SIZE=1\0")},
    {"data", write_data, read_empty, WIRE("\0\0\0\1T")},
    {"header", write_header, read_header, WIRE("\0\0\0\7LTo\0 a\0")},
    {"eoh", write_eoh, read_empty, WIRE("\0\0\0\1N")},
    {"body", write_body, read_bytes, WIRE("\0\0\0\6Ba\0\r\n\xff")},
    {"eom", write_eom, read_empty, WIRE("\0\0\0\1E")},
    {"eom with a last chunk", write_last_body, read_bytes, WIRE("\0\0\0\6Ea\0\r\n\xff")},
    {"abort", write_abort, read_empty, WIRE("\0\0\0\1A")},
    {"quit", write_quit, read_empty, WIRE("\0\0\0\1Q")},
    {"quit, another follows", write_quit_new, read_empty, WIRE("\0\0\0\1K")},
    {"continue", write_continue, read_verdict, WIRE("\0\0\0\1c")},
    {"accept", write_accept, read_verdict, WIRE("\0\0\0\1a")},
    {"reject", write_reject, read_verdict, WIRE("\0\0\0\1r")},
    {"tempfail", write_tempfail, read_verdict, WIRE("\0\0\0\1t")},
    {"discard", write_discard, read_verdict, WIRE("\0\0\0\1d")},
    {"skip", write_skip, read_verdict, WIRE("\0\0\0\1s")},
    {"progress", write_progress, read_verdict, WIRE("\0\0\0\1p")},
    {"connection failure", write_conn_fail, read_verdict, WIRE("\0\0\0\1f")},
    {"shutdown", write_shutdown, read_verdict, WIRE("\0\0\0\0014")},
    {"reply", write_code, read_text, WIRE("\0\0\0\7y550 x\0")},
    {"quarantine", write_quarantine, read_text, WIRE("\0\0\0\7q550 x\0")},
    {"add recipient", write_add_rcpt, read_text, WIRE("\0\0\0\7+550 x\0")},
    {"delete recipient", write_delete_rcpt, read_text, WIRE("\0\0\0\7-550 x\0")},
    {"change sender", write_sender, read_text, WIRE("\0\0\0\7e550 x\0")},
    {"add recipient with arguments", write_add_rcpt_args, read_pair, WIRE("\0\0\0\0052X\0y\0")},
    {"change sender with arguments", write_sender_args, read_pair, WIRE("\0\0\0\5eX\0y\0")},
    {"add header", write_add_header, read_pair, WIRE("\0\0\0\5hX\0y\0")},
    {"insert header", write_insert_header, read_pair_at, WIRE("\0\0\0\x09i\1\2\3\4X\0y\0")},
    {"change header", write_change_header, read_pair_at, WIRE("\0\0\0\x09m\1\2\3\4X\0y\0")},
    {"replace body", write_new_body, read_bytes, WIRE("\0\0\0\6ba\0\r\n\xff")},
    {"replace body by nothing", write_empty_body, read_empty, WIRE("\0\0\0\1b")},
};
enum { PACKETS = sizeof packets / sizeof packets[0] };

static void
exact_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACKETS; i++) {
        struct encode out = {0};

        packets[i].write(&out);
        assert_false(out.failed);
        assert_int_equal(out.open, out.length);
        if (out.length != packets[i].size ||
            memcmp(out.data, packets[i].wire, packets[i].size) != 0)
            fail_msg("%s: other bytes", packets[i].name);
        encode_free(&out);
        assert_null(out.data);
    }
}

/* All packets in one buffer, read from an exact copy whose end comes later and later. */
static void
round_trip_cut_at_each_byte(void **state)
{
    struct encode out = {0};

    (void)state;
    for (size_t i = 0; i < PACKETS; i++)
        packets[i].write(&out);
    assert_false(out.failed);
    for (size_t cut = 0; cut <= out.length; cut++) {
        uint8_t *part = malloc(cut + 1);
        size_t at = 0, ends = 0, seen = 0;
        struct frame frame;

        memcpy(part, out.data, cut);
        part = realloc(part, cut ? cut : 1);
        while (frame_next(part + at, cut - at, FRAME_DATA_DEFAULT, &frame) == FRAME_READY) {
            assert_true(seen < PACKETS);
            if (frame.command != packets[seen].wire[4])
                fail_msg("%s: command %c", packets[seen].name, frame.command);
            packets[seen++].read(&frame);
            at += frame.size;
        }
        for (size_t i = 0; i < seen; i++)
            ends += packets[i].size;
        assert_int_equal(at, ends);
        if (seen < PACKETS) /* not one that was there in full is held back */
            assert_true(cut - at < packets[seen].size);
        assert_int_equal(seen == PACKETS, cut == out.length);
        free(part);
    }
    encode_free(&out);
}

/* ---- growth, limits, failure ---- */

static void
growth(void **state)
{
    struct encode out = {0};
    size_t at = 0;

    (void)state;
    encode_simple(&out, 'N');
    assert_int_equal(out.capacity, 512);
    for (int i = 0; i < 2000; i++)
        encode_header(&out, 'L', "Name", i % 2 ? "odd" : "even");
    assert_false(out.failed);
    assert_true(out.capacity >= out.length && out.capacity < 2 * out.length);
    for (int i = -1; i < 2000; i++) {
        struct frame frame;
        const char *name, *value;

        assert_int_equal(frame_next(out.data + at, out.length - at, 100, &frame), FRAME_READY);
        at += frame.size;
        if (i < 0)
            continue;
        assert_int_equal(decode_header(frame.data, frame.length, &name, &value), 0);
        assert_string_equal(value, i % 2 ? "odd" : "even");
    }
    assert_int_equal(at, out.length);
    encode_free(&out);
}

static void
reset_keeps_memory(void **state)
{
    struct encode out = {0};
    uint8_t *data;
    size_t capacity;

    (void)state;
    encode_chunk(&out, 'b', "xyz", 3);
    data = out.data;
    capacity = out.capacity;
    encode_reset(&out);
    assert_int_equal(out.length, 0);
    encode_simple(&out, 'c');
    assert_ptr_equal(out.data, data);
    assert_int_equal(out.capacity, capacity);
    assert_memory_equal(out.data, "\0\0\0\1c", 5);
    encode_free(&out);
    encode_free(&out);
}

static void
largest_packet(void **state)
{
    char *chunk = calloc(1, FRAME_DATA_1M + 1);
    struct encode out = {0};
    struct frame frame;
    size_t before;

    (void)state;
    encode_simple(&out, 'p');
    encode_chunk(&out, 'b', chunk, FRAME_DATA_1M);
    assert_false(out.failed);
    assert_int_equal(frame_next(out.data + 5, out.length - 5, FRAME_DATA_1M, &frame), FRAME_READY);
    assert_int_equal(frame.length, FRAME_DATA_1M);

    before = out.length;
    encode_chunk(&out, 'b', chunk, FRAME_DATA_1M + 1);
    assert_true(out.failed);
    assert_int_equal(out.length, before); /* what was complete stays */
    encode_simple(&out, 'c');
    encode_text(&out, 'y', "550 x");
    assert_int_equal(out.length, before);
    assert_true(out.failed);

    encode_reset(&out);
    assert_false(out.failed);
    encode_simple(&out, 'c');
    assert_int_equal(out.length, 5);

    /* The same by pieces, and by a length that would overflow. */
    encode_begin(&out, 'h');
    encode_bytes(&out, chunk, FRAME_DATA_1M);
    assert_false(out.failed);
    encode_byte(&out, 0);
    assert_true(out.failed);
    encode_u16(&out, 1);
    encode_u32(&out, 1);
    encode_end(&out);
    assert_int_equal(out.length, 5);
    encode_reset(&out);
    encode_chunk(&out, 'b', chunk, SIZE_MAX);
    assert_true(out.failed);
    assert_int_equal(out.length, 0);
    encode_free(&out);
    free(chunk);
}

/* Buffers so long that the next doubling cannot be had, or not even be said. */
static void
no_memory(void **state)
{
    static const size_t full[] = {SIZE_MAX / 4 + 1, SIZE_MAX / 2 + 1};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct encode out = {.capacity = full[i], .length = full[i], .open = full[i]};

        encode_text(&out, 'y', "550 x");
        assert_true(out.failed);
        assert_int_equal(out.length, full[i]);
        assert_int_equal(out.capacity, full[i]);
        encode_simple(&out, 'c');
        assert_int_equal(out.length, full[i]);
    }
}

static void
piece_outside(struct encode *out)
{
    encode_simple(out, 'c');
    encode_byte(out, 'x');
}

static void
begin_within(struct encode *out)
{
    encode_begin(out, 'y');
    encode_begin(out, 'y');
}

static void
end_without_begin(struct encode *out)
{
    encode_end(out);
}

/* Wrong use is a bug of ours and ends the process, rather than writing a stream of
   packets that are none. */
static void
wrong_use(void **state)
{
    static void (*const uses[])(struct encode *) = {piece_outside, begin_within, end_without_begin};

    (void)state;
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        int status;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            struct encode out = {0};

            setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
            close(STDERR_FILENO);
            uses[i](&out);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_bytes),    cmocka_unit_test(round_trip_cut_at_each_byte),
        cmocka_unit_test(growth),         cmocka_unit_test(reset_keeps_memory),
        cmocka_unit_test(largest_packet), cmocka_unit_test(no_memory),
        cmocka_unit_test(wrong_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
