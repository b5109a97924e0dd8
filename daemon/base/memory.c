/*
 * memory - arenas of chained blocks, and allocation that cannot fail.
 *
 * Decides how large blocks are (a small first one, so that an idle connection
 * costs little; then pages; larger requests get a block of their own) and how
 * many of them the process keeps for the next arena. Does not know what they
 * hold. A block belongs to one arena from its first use to that arena's reset.
 * Arenas are for one thread: the list of kept blocks has no lock.
 *
 * Under AddressSanitizer no block is kept, what is not handed out is poisoned and
 * pieces have a gap between them: use after reset and overruns are seen.
 */
#include "base/memory.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"

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
enum { KEEP_FIRST = 0, KEEP_USUAL = 0, GAP = 16 };
#define POISON(at, n)   ASAN_POISON_MEMORY_REGION(at, n)
#define UNPOISON(at, n) ASAN_UNPOISON_MEMORY_REGION(at, n)
#else
enum { KEEP_FIRST = 1024, KEEP_USUAL = 512, GAP = 0 }; /* 512 KiB and 2 MiB at most */
#define POISON(at, n)   ((void)0)
#define UNPOISON(at, n) ((void)0)
#endif

struct arena_block {
    struct arena_block *next;
    size_t room; /* bytes of data */
    alignas(max_align_t) char data[];
};

enum {
    ALIGNMENT = alignof(max_align_t),
    ROOM_FIRST = 512 - offsetof(struct arena_block, data),
    ROOM_USUAL = 4096 - offsetof(struct arena_block, data),
};

/* Blocks between two arenas. */
struct kept {
    struct arena_block *list;
    unsigned count;
};

static struct kept kept_first, kept_usual;

static struct arena_block *
block_take(size_t room)
{
    struct kept *kept = room == ROOM_FIRST ? &kept_first : &kept_usual;
    struct arena_block *block = kept->list;

    if (room <= ROOM_USUAL && block) {
        kept->list = block->next;
        kept->count--;
        return block;
    }
    block = malloc(offsetof(struct arena_block, data) + room);
    if (!block)
        return NULL;
    block->room = room;
    POISON(block->data, room);
    return block;
}

static void
block_give(struct arena_block *block)
{
    struct kept *kept = block->room == ROOM_FIRST ? &kept_first : &kept_usual;
    unsigned most = block->room == ROOM_FIRST ? KEEP_FIRST : KEEP_USUAL;

    if (block->room > ROOM_USUAL || kept->count >= most) {
        UNPOISON(block->data, block->room);
        free(block);
        return;
    }
    block->next = kept->list;
    kept->list = block;
    kept->count++;
}

/* The slow path: n bytes at the beginning of a new block. */
static void *
take_block(struct arena *arena, size_t n)
{
    size_t room = arena->blocks || n > ROOM_FIRST ? ROOM_USUAL : ROOM_FIRST;
    size_t left = (size_t)(arena->end - arena->at);
    struct arena_block *block;

    if (n > PTRDIFF_MAX - 4096) {
        errno = ENOMEM;
        return NULL;
    }
    if (n > room)
        room = n;
    block = block_take(room);
    if (!block)
        return NULL;
    UNPOISON(block->data, n);
    arena->total += n;

    /* Go on with the block that has more left; the other is only kept for the reset. */
    if (arena->blocks && left >= room - n) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
        arena->at = block->data + n;
        arena->end = block->data + room;
    }
    return block->data;
}

/* n bytes, not zeroed; n is not 0, alignment a power of two. */
static inline void *
take(struct arena *arena, size_t n, size_t alignment)
{
    size_t left = (size_t)(arena->end - arena->at);
    size_t skip = (-(uintptr_t)arena->at & (alignment - 1)) + GAP;
    char *piece;

    if (n > left || skip > left - n)
        return take_block(arena, n);
    piece = arena->at + skip;
    arena->at = piece + n;
    arena->total += n + skip;
    UNPOISON(piece, n);
    return piece;
}

void *
arena_alloc(struct arena *arena, size_t n)
{
    void *piece = take(arena, n ? n : 1, ALIGNMENT);

    return piece ? memset(piece, 0, n) : NULL;
}

char *
arena_copy(struct arena *arena, const void *data, size_t n)
{
    char *copy;

    if (n == SIZE_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    copy = take(arena, n + 1, 1);
    if (!copy)
        return NULL;
    if (n)
        memcpy(copy, data, n);
    copy[n] = '\0';
    return copy;
}

char *
arena_strdup(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text));
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = arena_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

char *
arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
    char brief[256];
    char *text;
    va_list again;
    int n;

    va_copy(again, arguments);
    n = vsnprintf(brief, sizeof brief, format, arguments);
    if (n < 0) {
        text = NULL;
    } else if ((size_t)n < sizeof brief) {
        text = arena_copy(arena, brief, (size_t)n);
    } else {
        text = take(arena, (size_t)n + 1, 1);
        if (text)
            vsnprintf(text, (size_t)n + 1, format, again);
    }
    va_end(again);
    return text;
}

void
arena_reset(struct arena *arena)
{
    struct arena_block *next;

    for (struct arena_block *block = arena->blocks; block; block = next) {
        next = block->next;
        block_give(block);
    }
    *arena = (struct arena){0};
}

static void __attribute__((noreturn)) out_of_memory(void)
{
    log_error("out of memory");
    exit(EX_OSERR);
}

void *
xcalloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);

    if (!memory)
        out_of_memory();
    return memory;
}

void *
xrealloc(void *old, size_t count, size_t size)
{
    void *memory;
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        out_of_memory();
    memory = realloc(old, bytes ? bytes : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

char *
xstrdup(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(xcalloc(size, 1), text, size);
}

char *
xprintf(const char *format, ...)
{
    va_list arguments, again;
    char *text;
    int n;

    va_start(arguments, format);
    va_copy(again, arguments);
    n = vsnprintf(NULL, 0, format, arguments);
    if (n < 0)
        out_of_memory();
    text = xcalloc((size_t)n + 1, 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(arguments);
    return text;
}
