/*
 * test_spool - bytes that move from memory into a file: exactly at the limits, read from
 * anywhere, cut, and where there is no directory or no room for the file.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

#include "chain/spool.h"

static void
expect_bytes(const struct spool *spool, const char *expected, size_t length)
{
    char bytes[64];

    assert_int_equal(spool->size, length);
    assert_int_equal(spool_read(spool, 0, bytes, sizeof(bytes)), length);
    assert_memory_equal(bytes, expected, length);
    if (spool_span(spool) != NULL)
        assert_memory_equal(spool_span(spool), expected, length);
}

static void
at_its_memory(void **unused)
{
    struct spool spool = {.memory_limit = 10, .directory = "/tmp"};

    (void)unused;
    expect_bytes(&spool, "", 0);
    assert_non_null(spool_span(&spool));
    assert_int_equal(spool_append(&spool, "", 0), 0);
    assert_int_equal(spool_append(&spool, "0123", 4), 0);
    assert_int_equal(spool_append(&spool, "456789", 6), 0);
    assert_int_equal(spool.fd_plus_one, 0);
    expect_bytes(&spool, "0123456789", 10);
    assert_int_equal(spool_append(&spool, "a", 1), 0);
    assert_int_not_equal(spool.fd_plus_one, 0);
    assert_null(spool_span(&spool));
    assert_null(spool.memory);
    expect_bytes(&spool, "0123456789a", 11);
    assert_int_equal(spool_append(&spool, "bcd", 3), 0);
    expect_bytes(&spool, "0123456789abcd", 14);
    assert_false(spool.cut);
    spool_free(&spool);

    /* Empty again, with the same limits. */
    expect_bytes(&spool, "", 0);
    assert_int_equal(spool_append(&spool, "again", 5), 0);
    assert_non_null(spool_span(&spool));
    expect_bytes(&spool, "again", 5);
    spool_free(&spool);
}

static void
without_memory(void **unused)
{
    struct spool spool = {.memory_limit = 0, .directory = "/tmp"};

    (void)unused;
    assert_int_equal(spool_append(&spool, "", 0), 0);
    assert_int_equal(spool.fd_plus_one, 0);
    assert_int_equal(spool_append(&spool, "x", 1), 0);
    assert_int_not_equal(spool.fd_plus_one, 0);
    expect_bytes(&spool, "x", 1);
    spool_free(&spool);
}

static void
at_its_limit(void **unused)
{
    static const size_t memories[] = {0, 4, 100};

    (void)unused;
    for (size_t i = 0; i < 3; i++) {
        struct spool spool = {.limit = 6, .memory_limit = memories[i], .directory = "/tmp"};

        assert_int_equal(spool_append(&spool, "0123", 4), 0);
        assert_int_equal(spool_append(&spool, "45", 2), 0);
        assert_false(spool.cut);
        assert_int_equal(spool_append(&spool, "", 0), 0);
        assert_false(spool.cut);
        assert_int_equal(spool_append(&spool, "6", 1), 0);
        assert_true(spool.cut);
        expect_bytes(&spool, "012345", 6);
        spool_free(&spool);
        assert_false(spool.cut);
        assert_int_equal(spool_append(&spool, "0123456789", 10), 0);
        assert_true(spool.cut);
        expect_bytes(&spool, "012345", 6);
        spool_free(&spool);
    }
}

/* From every offset, in pieces of several sizes, in memory and in a file. */
static void
read_anywhere(void **unused)
{
    enum { SIZE = 10000 };
    static uint8_t expected[SIZE], bytes[SIZE];

    (void)unused;
    for (size_t i = 0; i < SIZE; i++)
        expected[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t limit = 0; limit <= 2 * SIZE; limit += 4999) {
        struct spool spool = {.memory_limit = limit, .directory = "/tmp"};

        for (size_t at = 0; at < SIZE; at += 1000)
            assert_int_equal(spool_append(&spool, expected + at, 1000), 0);
        assert_int_equal(spool_span(&spool) != NULL, limit >= SIZE);
        for (size_t offset = 0; offset <= SIZE; offset += 333) {
            size_t want = offset % 2048, left = SIZE - offset;

            assert_int_equal(spool_read(&spool, offset, bytes, want), want < left ? want : left);
            assert_memory_equal(bytes, expected + offset, want < left ? want : left);
        }
        assert_int_equal(spool_read(&spool, SIZE, bytes, SIZE), 0);
        assert_int_equal(spool_read(&spool, SIZE + 1, bytes, SIZE), 0);
        assert_int_equal(spool_read(&spool, UINT64_MAX, bytes, SIZE), 0);
        assert_int_equal(spool_read(&spool, 0, bytes, 0), 0);
        spool_free(&spool);
    }
}

static void
without_a_place(void **unused)
{
    struct spool spool = {.memory_limit = 4, .directory = "/nonexistent/milterd"};

    (void)unused;
    assert_int_equal(spool_append(&spool, "0123", 4), 0);
    for (int i = 0; i < 2; i++) {
        errno = 0;
        assert_int_equal(spool_append(&spool, "456", 3), -1);
        assert_int_equal(errno, ENOENT);
        expect_bytes(&spool, "0123", 4);
    }
    spool.directory = "/tmp";
    assert_int_equal(spool_append(&spool, "456", 3), 0);
    expect_bytes(&spool, "0123456", 7);
    spool_free(&spool);
}

/* A file that cannot grow stands for a full disk: when the memory moves there, and later. */
static void
on_a_full_disk(void **unused)
{
    struct spool spool = {.memory_limit = 4, .directory = "/tmp"};
    struct rlimit old, small;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    (void)unused;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 3;
    assert_int_equal(spool_append(&spool, "0123", 4), 0);
    setrlimit(RLIMIT_FSIZE, &small);
    int result = spool_append(&spool, "4", 1);
    small.rlim_cur = 6;
    setrlimit(RLIMIT_FSIZE, &small);
    size_t size_then = (size_t)spool.size;
    bool in_memory = spool_span(&spool) != NULL;
    int second = spool_append(&spool, "45", 2), third = spool_append(&spool, "6789", 4);
    size_t size_at_last = (size_t)spool.size;
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);

    assert_int_equal(result, -1);
    assert_int_equal(size_then, 4);
    assert_true(in_memory);
    assert_int_equal(second, 0);
    assert_int_equal(third, -1);
    assert_int_equal(size_at_last, 6);
    expect_bytes(&spool, "012345", 6);
    /* There is room again. */
    assert_int_equal(spool_append(&spool, "6789", 4), 0);
    expect_bytes(&spool, "0123456789", 10);
    spool_free(&spool);
}

/* A body made of itself: within its memory, where that grows, and into the file. */
static void
of_itself(void **unused)
{
    static char expected[32768];
    static const size_t memories[] = {1 << 20, 4096, 5000};

    (void)unused;
    for (size_t i = 0; i < 3; i++) {
        struct spool spool = {.memory_limit = memories[i], .directory = "/tmp"};
        size_t size = 6;

        memcpy(expected, "itself", 6);
        assert_int_equal(spool_append(&spool, expected, 6), 0);
        while (spool_span(&spool) != NULL && size < sizeof(expected) / 2) {
            assert_int_equal(spool_append(&spool, spool_span(&spool), size), 0);
            memcpy(expected + size, expected, size);
            size *= 2;
        }
        static char bytes[sizeof(expected)];
        assert_int_equal(spool.size, size);
        assert_int_equal(spool_read(&spool, 0, bytes, sizeof(bytes)), size);
        assert_memory_equal(bytes, expected, size);
        spool_free(&spool);
    }
}

static void
taken(void **unused)
{
    struct spool spool = {.limit = 6, .memory_limit = 4, .directory = "/tmp"};

    (void)unused;
    assert_int_equal(spool_append(&spool, "0123456", 7), 0);
    struct spool old = spool_take(&spool);
    expect_bytes(&old, "012345", 6);
    assert_true(old.cut);
    expect_bytes(&spool, "", 0);
    assert_false(spool.cut);
    assert_int_equal(spool_append(&spool, "abcdefg", 7), 0);
    expect_bytes(&spool, "abcdef", 6);
    expect_bytes(&old, "012345", 6);
    spool_free(&old);
    spool_free(&spool);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_its_memory),   cmocka_unit_test(without_memory),
        cmocka_unit_test(at_its_limit),    cmocka_unit_test(read_anywhere),
        cmocka_unit_test(without_a_place), cmocka_unit_test(on_a_full_disk),
        cmocka_unit_test(of_itself),       cmocka_unit_test(taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
