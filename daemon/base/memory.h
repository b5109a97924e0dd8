/*
 * memory - arenas: memory that is taken in small pieces and given back at once,
 * when a message or a connection ends. Blocks of the usual size are kept by the
 * process for the next arena, so a steady state does not call malloc.
 *
 * All functions return NULL when there is no memory; x-functions end the process.
 * Arenas are for one thread.
 */
#ifndef DAEMON_BASE_MEMORY_H
#define DAEMON_BASE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>
#include <milterd/plugin.h>

struct arena_block;

/* All zero is an empty arena. */
struct arena {
    struct arena_block *blocks;
    char *at, *end; /* what is left of the block in use */
    size_t total;   /* bytes used since the last reset */
};

/* n bytes, zeroed, aligned for anything; for n = 0 a pointer all the same. */
void *arena_alloc(struct arena *arena, size_t n);

/* n bytes copied, and a NUL after them. */
char *arena_copy(struct arena *arena, const void *data, size_t n);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...) MILTER_PRINTF(2, 3);
char *arena_vprintf(struct arena *arena, const char *format, va_list arguments) MILTER_PRINTF(2, 0);

/* Gives everything back. */
void arena_reset(struct arena *arena);

/* For the start of the daemon, where there is nothing to be done without memory. */
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t count, size_t size);
char *xstrdup(const char *text);
char *xprintf(const char *format, ...) MILTER_PRINTF(1, 2);

#endif
