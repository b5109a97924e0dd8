/*
 * A body in memory doubles its room up to memory_limit; the append that would
 * pass it writes all to a file and frees the memory. The file has no name
 * (O_TMPFILE, or unlinked at once), so nothing is left behind however the
 * worker ends.
 */
#define _GNU_SOURCE /* O_TMPFILE, mkostemp */
#include "chain/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
open_unlinked(const char *directory)
{
    char path[4096];
    int fd = -1;

#ifdef O_TMPFILE
    fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
#endif
    if (snprintf(path, sizeof(path), "%s/milterd.XXXXXX", directory) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int
write_all(int fd, uint64_t offset, const uint8_t *data, size_t length)
{
    while (length > 0) {
        ssize_t n = pwrite(fd, data, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return 0;
}

static int
move_to_file(struct spool *spool)
{
    int fd = open_unlinked(spool->directory != NULL ? spool->directory : "/tmp");
    if (fd < 0)
        return -1;
    if (write_all(fd, 0, spool->memory, (size_t)spool->size) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    free(spool->memory);
    spool->memory = NULL;
    spool->capacity = 0;
    spool->fd_plus_one = fd + 1;
    return 0;
}

static int
grow(struct spool *spool, size_t need)
{
    size_t capacity = spool->capacity != 0 ? spool->capacity : 4096;

    while (capacity < need)
        capacity *= 2;
    if (capacity == spool->capacity)
        return 0;
    uint8_t *memory = realloc(spool->memory, capacity);
    if (memory == NULL)
        return -1;
    spool->memory = memory;
    spool->capacity = capacity;
    return 0;
}

/* Whether data lies in the memory that growing or going to a file would give back. */
static bool
holds(const struct spool *spool, const void *data)
{
    uintptr_t at = (uintptr_t)data, memory = (uintptr_t)spool->memory;

    return spool->memory != NULL && at >= memory && at - memory < spool->capacity;
}

static int
append(struct spool *spool, const void *data, size_t length)
{
    if (spool->limit != 0 && length > spool->limit - spool->size) {
        length = (size_t)(spool->limit - spool->size);
        spool->cut = true;
    }
    if (length == 0)
        return 0;
    if (spool->fd_plus_one == 0 && spool->size + length > spool->memory_limit &&
        move_to_file(spool) < 0)
        return -1;
    if (spool->fd_plus_one != 0) {
        if (write_all(spool->fd_plus_one - 1, spool->size, data, length) < 0)
            return -1;
    } else {
        if (grow(spool, (size_t)spool->size + length) < 0)
            return -1;
        memcpy(spool->memory + spool->size, data, length);
    }
    spool->size += length;
    return 0;
}

int
spool_append(struct spool *spool, const void *data, size_t length)
{
    if (length == 0 || !holds(spool, data))
        return append(spool, data, length);
    void *copy = malloc(length);
    if (copy == NULL)
        return -1;
    memcpy(copy, data, length);
    int result = append(spool, copy, length);
    int error = errno;
    free(copy);
    errno = error;
    return result;
}

ptrdiff_t
spool_read(const struct spool *spool, uint64_t offset, void *into, size_t size)
{
    if (offset >= spool->size)
        return 0;
    if (size > spool->size - offset)
        size = (size_t)(spool->size - offset);
    if (spool->fd_plus_one == 0) {
        memcpy(into, spool->memory + offset, size);
        return (ptrdiff_t)size;
    }
    for (;;) {
        ssize_t n = pread(spool->fd_plus_one - 1, into, size, (off_t)offset);
        if (n >= 0 || errno != EINTR)
            return n;
    }
}

const void *
spool_span(const struct spool *spool)
{
    if (spool->fd_plus_one != 0)
        return NULL;
    return spool->memory != NULL ? (const void *)spool->memory : "";
}

struct spool
spool_take(struct spool *spool)
{
    struct spool taken = *spool;

    *spool = (struct spool){
        .limit = taken.limit, .memory_limit = taken.memory_limit, .directory = taken.directory};
    return taken;
}

void
spool_free(struct spool *spool)
{
    struct spool taken = spool_take(spool);

    free(taken.memory);
    if (taken.fd_plus_one != 0)
        close(taken.fd_plus_one - 1);
}
