/*
 * source - reads milter.conf and the files that it includes.
 *
 * Decides what may be read: milter.conf whatever it is, pipe or file, and of
 * included files only regular ones (libconfig 1.5 would end the process for a
 * directory, and looks for absolute names in a directory too; so it never sees an
 * @include). All of it is one text of at most SOURCE_MAX bytes. What is done to
 * the text is known in scan.c. File names live as long as the source.
 */
#include "config/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "config/scan.h"

/* All of an open file, NULL with errno. */
static char *
load(int fd, size_t limit, size_t *length)
{
    char *data = NULL;
    size_t room = 0;
    ssize_t got;

    *length = 0;
    do {
        if (room - *length < 4096)
            data = xrealloc(data, room = 2 * room + 8192, 1);
        got = read(fd, data + *length, room - *length);
        if (got > 0)
            *length += (size_t)got;
        if (*length > limit) {
            errno = EFBIG;
            got = -1;
            break;
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    if (got == 0)
        return data;
    free(data);
    return NULL;
}

/* -1 with errno. An included file must be a regular one; milter.conf may be a pipe. */
static int
open_file(const char *path, bool included)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | (included ? O_NONBLOCK : 0));
    struct stat info = {0};

    if (fd < 0 || !included)
        return fd;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        return fd;
    errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    close(fd);
    return -1;
}

static const char *
keep_name(struct source *source, const char *path)
{
    for (size_t i = 0; i < source->file_count; i++)
        if (strcmp(source->files[i], path) == 0)
            return source->files[i];
    source->files = xrealloc(source->files, source->file_count + 1, sizeof(*source->files));
    source->files[source->file_count] = xstrdup(path);
    return source->files[source->file_count++];
}

/* from: the place of the @include, NULL for milter.conf. -1: no use in going on. */
static int
read_file(struct scan *scan, const char *path, const struct config_place *from)
{
    struct config_place place = {.file = keep_name(scan->source, path)};
    int fd = open_file(path, from != NULL), result = -1;
    char *data = NULL;
    const char *nul;
    size_t length, have = scan->source->length;

    if (fd >= 0)
        data = load(fd, have < SOURCE_MAX ? SOURCE_MAX - have : 0, &length);
    if (data == NULL) {
        if (from == NULL)
            scan_complain(scan, place, "cannot be read: %s", strerror(errno));
        else
            scan_complain(scan, *from, "%s cannot be included: %s", path,
                          errno == EINVAL ? "it is not a regular file" : strerror(errno));
        result = from == NULL || errno == EFBIG ? -1 : 0;
        goto done;
    }
    place.line = 1;
    nul = memchr(data, '\0', length);
    if (nul != NULL) {
        for (const char *at = data; at < nul; at++)
            place.line += *at == '\n';
        scan_complain(scan, place, "here is a NUL character: this is not a text file");
        goto done;
    }
    result = scan_text(scan, data, length, place);
    if (from != NULL)
        scan_line_end(scan, *from);
done:
    if (fd >= 0)
        close(fd);
    free(data);
    return result;
}

int
source_include(struct scan *scan, const char *name, struct config_place from)
{
    const char *slash = strrchr(from.file, '/');
    char *path;
    int result;

    if (scan->depth >= SOURCE_DEPTH) {
        scan_complain(scan, from, "%s cannot be included: more than %d files deep", name,
                      SOURCE_DEPTH);
        return -1;
    }
    if (++scan->includes > SOURCE_INCLUDES) {
        scan_complain(scan, from, "%s cannot be included: more than %d includes", name,
                      SOURCE_INCLUDES);
        return -1;
    }
    if (name[0] == '/' || slash == NULL)
        path = xstrdup(name);
    else
        path = xprintf("%.*s%s", (int)(slash - from.file + 1), from.file, name);
    scan->depth++;
    result = read_file(scan, path, &from);
    scan->depth--;
    free(path);
    return result;
}

int
source_read(struct source *source, const char *file, struct errors *errors)
{
    struct scan scan = {.source = source, .errors = errors};
    int result = read_file(&scan, file, NULL);

    scan_finish(&scan);
    return result == 0 && !scan.failed ? 0 : -1;
}

struct config_place
source_place(const struct source *source, unsigned line)
{
    /* line 1 is empty, and the places begin with the line end behind it */
    size_t n = line < 2 ? 0 : line - 2;

    if (source->line_count == 0)
        return (struct config_place){source->file_count > 0 ? source->files[0] : NULL, 0};
    return source->lines[n < source->line_count ? n : source->line_count - 1];
}

void
source_free(struct source *source)
{
    for (size_t i = 0; i < source->file_count; i++)
        free(source->files[i]);
    free(source->files);
    free(source->lines);
    free(source->text);
    *source = (struct source){0};
}
