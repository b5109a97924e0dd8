/*
 * test_memory - arenas: alignment, zeroes, sizes around the block sizes, big blocks,
 * reset, overflow, and that blocks are kept (or, under AddressSanitizer, are not).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdbool.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/memory.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

/* What is too much is refused there too, and does not end the test. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static bool
all_are(const char *bytes, size_t n, int byte)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != (char)byte)
            return false;
    }
    return true;
}

/* Of every size around the edges of blocks: aligned, zeroed though the memory was used
   before, and apart from each other. */
static void
pieces(void **state)
{
    enum { PIECES = 2000 };
    static char *piece[PIECES];
    static size_t size[PIECES];
    struct arena arena = {0};

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < PIECES; i++) {
            size[i] = i < 700 ? i : i * 7 % 9000;
            if (i % 3 == 2) { /* unaligned ones in between */
                piece[i] = arena_copy(&arena, "", 0);
                size[i] = 1;
            } else {
                piece[i] = arena_alloc(&arena, size[i]);
                assert_int_equal((uintptr_t)piece[i] % alignof(max_align_t), 0);
            }
            assert_non_null(piece[i]);
            assert_true(all_are(piece[i], size[i], 0));
            if (size[i])
                memset(piece[i], (int)(i % 251) + 1, size[i]);
        }
        for (size_t i = 0; i < PIECES; i++)
            assert_true(all_are(piece[i], size[i], (int)(i % 251) + 1));
        arena_reset(&arena);
        assert_null(arena.blocks);
        assert_int_equal(arena.total, 0);
    }
}

static void
reset_of_an_empty_arena(void **state)
{
    struct arena arena = {0};

    (void)state;
    arena_reset(&arena);
    arena_reset(&arena);
    assert_non_null(arena_alloc(&arena, 0));
    assert_ptr_not_equal(arena_alloc(&arena, 0), arena_alloc(&arena, 0));
    arena_reset(&arena);
}

/* A big request does not throw away what is left of the block in use. */
static void
big_blocks(void **state)
{
    struct arena arena = {0};
    char *small = arena_alloc(&arena, 10), *at = arena.at;
    char *big = arena_alloc(&arena, 5 << 20);

    (void)state;
    assert_non_null(small);
    assert_non_null(big);
    assert_ptr_equal(arena.at, at);
    memset(big, 1, 5 << 20);
    assert_true(arena.total >= (5 << 20) + 10);
    assert_non_null(arena_alloc(&arena, 10));
    assert_true(all_are(small, 10, 0));
    arena_reset(&arena);

    big = arena_alloc(&arena, 1 << 20); /* also as the first */
    assert_non_null(big);
    assert_non_null(arena_alloc(&arena, 10));
    arena_reset(&arena);
}

static void
too_much(void **state)
{
    static const size_t sizes[] = {SIZE_MAX,      SIZE_MAX - 1,    SIZE_MAX - 15, SIZE_MAX - 4096,
                                   SIZE_MAX / 2,  PTRDIFF_MAX - 1, SIZE_MAX / 4,  SIZE_MAX - 16,
                                   SIZE_MAX - 17, SIZE_MAX - 31};
    struct arena arena = {0};
    size_t total;

    (void)state;
    for (int round = 0; round < 2; round++) {
        total = arena.total;
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            assert_null(arena_alloc(&arena, sizes[i]));
            assert_null(arena_copy(&arena, "x", sizes[i]));
        }
        assert_int_equal(arena.total, total);
        assert_non_null(arena_alloc(&arena, 100)); /* and goes on, the second time with a block */
    }
    arena_reset(&arena);
}

static void
texts(void **state)
{
    struct arena arena = {0};
    char *copy = arena_copy(&arena, "a\0b", 3);
    char *text;

    (void)state;
    assert_memory_equal(copy, "a\0b", 4);
    assert_memory_equal(arena_copy(&arena, NULL, 0), "", 1);
    assert_string_equal(arena_strdup(&arena, "word"), "word");
    assert_string_equal(arena_strdup(&arena, ""), "");
    assert_string_equal(arena_printf(&arena, "%s-%d", "word", 42), "word-42");
    assert_string_equal(arena_printf(&arena, "%s", ""), "");
    for (int n = 250; n < 262; n++) { /* around what fits on the stack */
        text = arena_printf(&arena, "%0*d", n, 7);
        assert_int_equal(strlen(text), n);
        assert_int_equal(text[n - 1], '7');
    }
    text = arena_printf(&arena, "%0*d%s", 20000, 7, "end");
    assert_int_equal(strlen(text), 20003);
    assert_string_equal(text + 19999, "7end");
    assert_memory_equal(copy, "a\0b", 4);
    arena_reset(&arena);
}

#ifdef WITH_ASAN

static void
misuse_is_seen(void **state)
{
    struct arena arena = {0};
    char *first = arena_alloc(&arena, 16), *second = arena_alloc(&arena, 16);

    (void)state;
    assert_false(__asan_address_is_poisoned(first + 15));
    assert_true(__asan_address_is_poisoned(first + 16));
    assert_true(__asan_address_is_poisoned(second + 16));
    arena_reset(&arena);
    assert_true(__asan_address_is_poisoned(first));
    assert_true(__asan_address_is_poisoned(second));
}

#elif defined(__GLIBC__)

/* Some thousand arenas at once, each with a page: the malloc'ed bytes say what is kept. */
static void
blocks_are_kept(void **state)
{
    enum { ARENAS = 4000 };
    static struct arena arenas[ARENAS];
    size_t before, during, after;

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_alloc(&arenas[i], 4000));
    during = mallinfo2().uordblks;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 100; i++)
            arena_reset(&arenas[i]);
        assert_int_equal(mallinfo2().uordblks, during);
        for (int i = 0; i < 100; i++)
            assert_non_null(arena_alloc(&arenas[i], 4000));
        assert_int_equal(mallinfo2().uordblks, during);
    }
    before = during;
    for (int i = 100; i < ARENAS; i++)
        assert_non_null(arena_alloc(&arenas[i], 4000));
    during = mallinfo2().uordblks;
    assert_true(during - before > (size_t)3000 * 4096);
    for (int i = 0; i < ARENAS; i++)
        arena_reset(&arenas[i]);
    after = mallinfo2().uordblks;
    assert_true(after < (4 << 20)); /* most went back: what is kept is bounded */
}

/* An arena with a few bytes in it, an idle connection's, costs its first block. */
static void
idle_is_cheap(void **state)
{
    enum { ARENAS = 3000 };
    static struct arena arenas[ARENAS];
    size_t before = mallinfo2().uordblks;

    (void)state;
    for (int i = 0; i < ARENAS; i++)
        assert_non_null(arena_alloc(&arenas[i], 300));
    assert_true(mallinfo2().uordblks - before <= (size_t)ARENAS * 544);
    for (int i = 0; i < ARENAS; i++)
        arena_reset(&arenas[i]);
}

#endif

static void
heap(void **state)
{
    char *text = xprintf("%s %d", "number", 5);
    int *numbers = xcalloc(10, sizeof *numbers);

    (void)state;
    assert_string_equal(text, "number 5");
    free(text);
    text = xstrdup("word");
    assert_string_equal(text, "word");
    free(text);
    assert_true(all_are((char *)numbers, 10 * sizeof *numbers, 0));
    numbers[9] = 9;
    numbers = xrealloc(numbers, 1000, sizeof *numbers);
    assert_int_equal(numbers[9], 9);
    free(numbers);
    free(xrealloc(NULL, 0, 8));
    free(xcalloc(0, 0));
}

static void
calloc_too_much(void)
{
    free(xcalloc(SIZE_MAX / 2, 3));
}

static void
realloc_overflow(void)
{
    free(xrealloc(NULL, SIZE_MAX / 2, 4)); /* would be SIZE_MAX - 3, or small if it wrapped */
}

static void
realloc_wraps_to_little(void)
{
    free(xrealloc(NULL, SIZE_MAX / 2 + 1, 2));
}

/* The x-functions end the process, with a reason. */
static void
heap_too_much(void **state)
{
    static void (*const deeds[])(void) = {calloc_too_much, realloc_overflow,
                                          realloc_wraps_to_little};

    (void)state;
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        int out[2], status;
        char said[200] = "";
        ssize_t n;
        pid_t child;

        assert_int_equal(pipe(out), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            dup2(out[1], STDERR_FILENO);
            deeds[i]();
            _exit(0);
        }
        close(out[1]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), EX_OSERR);
        n = read(out[0], said, sizeof said - 1);
        assert_true(n > 0);
#ifndef WITH_ASAN /* which has its own to say first */
        assert_non_null(strstr(said, "error: out of memory\n"));
#endif
        close(out[0]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces),         cmocka_unit_test(reset_of_an_empty_arena),
        cmocka_unit_test(big_blocks),     cmocka_unit_test(too_much),
        cmocka_unit_test(texts),
#ifdef WITH_ASAN
        cmocka_unit_test(misuse_is_seen),
#elif defined(__GLIBC__)
        cmocka_unit_test(blocks_are_kept),
        cmocka_unit_test(idle_is_cheap),
#endif
        cmocka_unit_test(heap),           cmocka_unit_test(heap_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
