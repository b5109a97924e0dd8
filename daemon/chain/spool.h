/*
 * spool - bytes of any number, in memory as long as they are few, then in an
 * unlinked temporary file. Bodies as received and bodies that plugins wrote.
 */
#ifndef DAEMON_CHAIN_SPOOL_H
#define DAEMON_CHAIN_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero but for the limits and the directory is an empty spool. */
struct spool {
    uint64_t size;         /* bytes held */
    uint64_t limit;        /* most bytes to hold; 0: no limit */
    size_t memory_limit;   /* beyond it a file is used */
    const char *directory; /* for that file; borrowed */
    uint8_t *memory;       /* NULL once in a file, or empty */
    size_t capacity;
    int fd_plus_one; /* 0: no file */
    bool cut;        /* bytes beyond limit were left out */
};

/* 0, or -1 with errno: no memory, no room for the file. The spool keeps what it had. The data
   may lie in the spool itself. */
int spool_append(struct spool *spool, const void *data, size_t length);

/* Bytes read from offset, 0 at the end, -1 with errno. */
ptrdiff_t spool_read(const struct spool *spool, uint64_t offset, void *into, size_t size);

/* All bytes as one span; NULL while they are in a file. */
const void *spool_span(const struct spool *spool);

/* What it holds, for the caller to free; it is empty then, with the same limits. */
struct spool spool_take(struct spool *spool);

/* Empties it and gives its memory and file back. */
void spool_free(struct spool *spool);

#endif
