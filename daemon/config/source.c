/*
 * source - reads milter.conf and what it includes, and writes the text that
 * libconfig gets. Knows strings, comments, numbers and @include; what the
 * settings mean is left to others. File names live as long as the source.
 *
 * libconfig 1.5 (a) ends the process when an included file is a directory, and
 * takes an absolute name for a relative one; so includes are put in here. It
 * (b) wraps integers over 32 bits without a word; such a number gets the L that
 * makes it 64 bits wide. It (c) gives a string the line of whatever follows it;
 * so the line ends between a string and a following , ) or ] come after that.
 * It (d) takes a comment without line end, and text after a NUL, for an error
 * or for nothing; comments are left out and a NUL is refused.
 */
#include "config/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static const char include_word[] = "@include";

/* All files of one source. */
struct reader {
    struct source *source;
    struct errors *errors;
    unsigned depth;
    bool failed;
    bool after_string; /* then line ends wait in `held` for the next token */
    struct config_place *held;
    size_t held_count;
};

/* One file on the way through. */
struct piece {
    const char *at, *end;
    struct config_place place;
    bool fresh; /* nothing but blanks on this line so far */
};

static int read_file(struct reader *reader, const char *path, const struct config_place *from);

static void complain(struct reader *reader, struct config_place place, const char *format, ...)
    MILTER_PRINTF(3, 4);

static void
complain(struct reader *reader, struct config_place place, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    errors_addv(reader->errors, place, format, arguments);
    va_end(arguments);
    reader->failed = true;
}

/* ---- the text that is made ------------------------------------------------- */

static void
put(struct reader *reader, const char *data, size_t length)
{
    struct source *source = reader->source;

    if (source->room - source->length <= length) {
        source->room = 2 * source->room + length + 4096;
        source->text = xrealloc(source->text, source->room, 1);
    }
    memcpy(source->text + source->length, data, length);
    source->length += length;
    source->text[source->length] = '\0';
}

static void
append_place(struct config_place **list, size_t *count, struct config_place place)
{
    /* grows at each power of two */
    if ((*count & (*count - 1)) == 0)
        *list = xrealloc(*list, *count == 0 ? 1 : 2 * *count, sizeof(**list));
    (*list)[(*count)++] = place;
}

static void
put_line_end(struct reader *reader, struct config_place next)
{
    put(reader, "\n", 1);
    append_place(&reader->source->lines, &reader->source->line_count, next);
}

static void
line_end(struct reader *reader, struct config_place next)
{
    if (reader->after_string)
        append_place(&reader->held, &reader->held_count, next);
    else
        put_line_end(reader, next);
}

static void
release_held(struct reader *reader)
{
    for (size_t i = 0; i < reader->held_count; i++)
        put_line_end(reader, reader->held[i]);
    reader->held_count = 0;
    reader->after_string = false;
}

/* ---- tokens ------------------------------------------------------------------- */

static bool
looking_at(const struct piece *piece, const char *word)
{
    size_t length = strlen(word);

    return (size_t)(piece->end - piece->at) >= length && memcmp(piece->at, word, length) == 0;
}

static void
skip_line_comment(struct piece *piece)
{
    const char *line = memchr(piece->at, '\n', (size_t)(piece->end - piece->at));

    piece->at = line == NULL ? piece->end : line;
}

static int
skip_block_comment(struct reader *reader, struct piece *piece)
{
    struct config_place start = piece->place;

    for (piece->at += 2; piece->at < piece->end; piece->at++) {
        if (looking_at(piece, "*/")) {
            piece->at += 2;
            put(reader, " ", 1);
            return 0;
        }
        if (*piece->at == '\n') {
            piece->place.line++;
            line_end(reader, piece->place);
        }
    }
    complain(reader, start, "the comment that begins here never ends: */ is missing");
    return -1;
}

static int
copy_string(struct reader *reader, struct piece *piece)
{
    struct config_place start = piece->place;

    release_held(reader);
    put(reader, piece->at++, 1);
    while (piece->at < piece->end) {
        char c = *piece->at;

        if (c == '\\' && piece->at + 1 < piece->end && piece->at[1] != '\n') {
            put(reader, piece->at, 2);
            piece->at += 2;
            continue;
        }
        piece->at++;
        if (c == '\n') {
            piece->place.line++;
            put_line_end(reader, piece->place);
            continue;
        }
        put(reader, &c, 1);
        if (c == '"') {
            reader->after_string = true;
            return 0;
        }
    }
    complain(reader, start, "the string that begins here never ends: \" is missing");
    return -1;
}

static void
copy_name(struct reader *reader, struct piece *piece)
{
    const char *start = piece->at;

    while (piece->at < piece->end &&
           (isalnum((unsigned char)*piece->at) || strchr("*_-", *piece->at) != NULL))
        piece->at++;
    put(reader, start, (size_t)(piece->at - start));
}

/* What makes up a floating-point number, whatever its order. */
static void
copy_float(struct reader *reader, struct piece *piece)
{
    const char *start = piece->at;

    while (piece->at < piece->end &&
           (isdigit((unsigned char)*piece->at) || strchr(".eE+-", *piece->at) != NULL))
        piece->at++;
    put(reader, start, (size_t)(piece->at - start));
}

static void
copy_integer(struct reader *reader, struct piece *piece)
{
    const char *start = piece->at;
    bool hex = false;
    long long value;
    char digits[72] = "";
    size_t length;

    piece->at += *piece->at == '+' || *piece->at == '-';
    if (piece->at == start && (looking_at(piece, "0x") || looking_at(piece, "0X"))) {
        hex = true;
        piece->at += 2;
    }
    while (piece->at < piece->end && (hex ? isxdigit((unsigned char)*piece->at)
                                          : isdigit((unsigned char)*piece->at)))
        piece->at++;
    length = (size_t)(piece->at - start);
    put(reader, start, length);
    if (!hex && piece->at < piece->end && strchr(".eE", *piece->at) != NULL) {
        copy_float(reader, piece);
        return;
    }
    memcpy(digits, start, length < sizeof(digits) - 1 ? length : sizeof(digits) - 1);
    errno = 0;
    value = strtoll(digits, NULL, hex ? 16 : 10);
    if (errno == ERANGE || length >= sizeof(digits))
        complain(reader, piece->place, "the number %.40s%s is too large", digits,
                 strlen(digits) > 40 ? "..." : "");
    else if ((value < INT_MIN || value > INT_MAX) &&
             !(piece->at < piece->end && *piece->at == 'L'))
        put(reader, "L", 1);
}

/* @include "name"; the name may hold \\ and \". Beyond it in either case. */
static char *
include_name(struct piece *piece)
{
    char *name = NULL;
    size_t length = 0;

    piece->at += strlen(include_word);
    while (piece->at < piece->end && (*piece->at == ' ' || *piece->at == '\t'))
        piece->at++;
    if (piece->at < piece->end && *piece->at == '"') {
        name = xcalloc((size_t)(piece->end - piece->at) + 1, 1);
        for (piece->at++; piece->at < piece->end && *piece->at != '\n'; piece->at++) {
            if (*piece->at == '"' && length > 0) {
                piece->at++;
                return name;
            }
            if (*piece->at == '\\' && piece->at + 1 < piece->end && piece->at[1] != '\n')
                piece->at++;
            name[length++] = *piece->at;
        }
    }
    free(name);
    skip_line_comment(piece);
    return NULL;
}

static int
include(struct reader *reader, struct piece *piece)
{
    const char *file = piece->place.file, *slash = strrchr(file, '/');
    char *name = include_name(piece), *path;
    int result;

    if (name == NULL) {
        complain(reader, piece->place, "@include needs the name of a file in quotes");
        return 0;
    }
    if (reader->depth >= SOURCE_DEPTH) {
        complain(reader, piece->place, "%s cannot be included: more than %d files deep", name,
                 SOURCE_DEPTH);
        free(name);
        return -1;
    }
    if (name[0] == '/' || slash == NULL)
        path = xstrdup(name);
    else
        path = xprintf("%.*s%s", (int)(slash - file + 1), file, name);
    reader->depth++;
    result = read_file(reader, path, &piece->place);
    reader->depth--;
    free(path);
    free(name);
    return result;
}

/* A letter that belongs to no larger token, or the beginning of one. */
static int
copy_token(struct reader *reader, struct piece *piece)
{
    char c = *piece->at;

    if (c == '"')
        return copy_string(reader, piece);
    if (strchr(",)]", c) != NULL) {
        put(reader, piece->at++, 1);
        release_held(reader);
        return 0;
    }
    release_held(reader);
    if (isdigit((unsigned char)c) ||
        ((c == '-' || c == '+') && piece->at + 1 < piece->end &&
         isdigit((unsigned char)piece->at[1])))
        copy_integer(reader, piece);
    else if (c == '.')
        copy_float(reader, piece);
    else if (isalpha((unsigned char)c) || c == '*')
        copy_name(reader, piece);
    else
        put(reader, piece->at++, 1);
    return 0;
}

static int
copy_piece(struct reader *reader, struct piece *piece)
{
    while (piece->at < piece->end) {
        char c = *piece->at;
        int result = 0;

        if (c == '\n') {
            piece->at++;
            piece->place.line++;
            piece->fresh = true;
            line_end(reader, piece->place);
            continue;
        }
        if (c == ' ' || c == '\t' || c == '\r' || c == '\f') {
            put(reader, piece->at++, 1);
            continue;
        }
        if (c == '#' || looking_at(piece, "//"))
            skip_line_comment(piece);
        else if (looking_at(piece, "/*"))
            result = skip_block_comment(reader, piece);
        else if (piece->fresh && looking_at(piece, include_word))
            result = include(reader, piece);
        else
            result = copy_token(reader, piece);
        if (result != 0)
            return -1;
        piece->fresh = false;
    }
    return 0;
}

/* ---- files ---------------------------------------------------------------------- */

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
read_file(struct reader *reader, const char *path, const struct config_place *from)
{
    struct config_place place = {.file = keep_name(reader->source, path)};
    int fd = open_file(path, from != NULL), result = -1;
    char *data = NULL;
    const char *nul;
    size_t length, have = reader->source->length;

    if (fd >= 0)
        data = load(fd, have < SOURCE_MAX ? SOURCE_MAX - have : 0, &length);
    if (data == NULL) {
        if (from == NULL)
            complain(reader, place, "cannot be read: %s", strerror(errno));
        else
            complain(reader, *from, "%s cannot be included: %s", path,
                     errno == EINVAL ? "it is not a regular file" : strerror(errno));
        result = from == NULL || errno == EFBIG ? -1 : 0;
        goto done;
    }
    place.line = 1;
    nul = memchr(data, '\0', length);
    if (nul != NULL) {
        for (const char *at = data; at < nul; at++)
            place.line += *at == '\n';
        complain(reader, place, "here is a NUL character: this is not a text file");
        goto done;
    }
    line_end(reader, place);
    struct piece piece = {.at = data, .end = data + length, .place = place, .fresh = true};
    result = copy_piece(reader, &piece);
    if (from != NULL)
        line_end(reader, *from);
done:
    if (fd >= 0)
        close(fd);
    free(data);
    return result;
}

int
source_read(struct source *source, const char *file, struct errors *errors)
{
    struct reader reader = {.source = source, .errors = errors};
    int result;

    /* what is before the first line end stands in line 0 of nothing */
    append_place(&source->lines, &source->line_count, (struct config_place){NULL, 0});
    result = read_file(&reader, file, NULL);
    release_held(&reader);
    put(&reader, "\n", 1);
    free(reader.held);
    return result == 0 && !reader.failed ? 0 : -1;
}

struct config_place
source_place(const struct source *source, unsigned line)
{
    size_t n = line == 0 ? 0 : line - 1;

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
