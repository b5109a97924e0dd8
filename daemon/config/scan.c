/*
 * scan - copies the text of one file for libconfig, and mends on the way what
 * libconfig 1.5 would get wrong. Knows strings, comments, numbers and @include,
 * and not what the settings mean.
 *
 * libconfig wraps integers over 32 bits without a word: such a number gets the L
 * that makes it 64 bits wide. It gives a string the line of whatever follows it:
 * so the line ends between a string and a following , ) or ] come after that. It
 * takes no comma after the last item of a list, and no comment without a line end:
 * these are left out. The line ends are as many and in the same order as in the
 * file, each with the place that comes after it.
 */
#include "config/scan.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const char include_word[] = "@include";

/* One file on the way through. */
struct piece {
    const char *at, *end;
    struct config_place place;
    bool fresh; /* nothing but blanks on this line so far */
};

void
scan_complain(struct scan *scan, struct config_place place, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    errors_addv(scan->errors, place, format, arguments);
    va_end(arguments);
    scan->failed = true;
}

/* ---- the text that is made ------------------------------------------------- */

static void
put(struct scan *scan, const char *data, size_t length)
{
    struct source *source = scan->source;

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
put_line_end(struct scan *scan, struct config_place next)
{
    put(scan, "\n", 1);
    append_place(&scan->source->lines, &scan->source->line_count, next);
}

void
scan_line_end(struct scan *scan, struct config_place next)
{
    if (scan->after_string)
        append_place(&scan->held, &scan->held_count, next);
    else
        put_line_end(scan, next);
}

static void
release_held(struct scan *scan)
{
    for (size_t i = 0; i < scan->held_count; i++)
        put_line_end(scan, scan->held[i]);
    scan->held_count = 0;
    scan->after_string = false;
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
skip_block_comment(struct scan *scan, struct piece *piece)
{
    struct config_place start = piece->place;

    for (piece->at += 2; piece->at < piece->end; piece->at++) {
        if (looking_at(piece, "*/")) {
            piece->at += 2;
            put(scan, " ", 1);
            return 0;
        }
        if (*piece->at == '\n') {
            piece->place.line++;
            scan_line_end(scan, piece->place);
        }
    }
    scan_complain(scan, start, "the comment that begins here never ends: */ is missing");
    return -1;
}

static int
copy_string(struct scan *scan, struct piece *piece)
{
    struct config_place start = piece->place;

    scan->comma = 0;
    release_held(scan);
    put(scan, piece->at++, 1);
    while (piece->at < piece->end) {
        char c = *piece->at;

        if (c == '\\' && piece->at + 1 < piece->end && piece->at[1] != '\n') {
            put(scan, piece->at, 2);
            piece->at += 2;
            continue;
        }
        piece->at++;
        if (c == '\n') {
            piece->place.line++;
            put_line_end(scan, piece->place);
            continue;
        }
        put(scan, &c, 1);
        if (c == '"') {
            scan->after_string = true;
            return 0;
        }
    }
    scan_complain(scan, start, "the string that begins here never ends: \" is missing");
    return -1;
}

static void
copy_name(struct scan *scan, struct piece *piece)
{
    const char *start = piece->at;

    while (piece->at < piece->end &&
           (isalnum((unsigned char)*piece->at) || strchr("*_-", *piece->at) != NULL))
        piece->at++;
    put(scan, start, (size_t)(piece->at - start));
}

/* What makes up a floating-point number, whatever its order. */
static void
copy_float(struct scan *scan, struct piece *piece)
{
    const char *start = piece->at;

    while (piece->at < piece->end &&
           (isdigit((unsigned char)*piece->at) || strchr(".eE+-", *piece->at) != NULL))
        piece->at++;
    put(scan, start, (size_t)(piece->at - start));
}

static void
copy_integer(struct scan *scan, struct piece *piece)
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
    while (piece->at < piece->end &&
           (hex ? isxdigit((unsigned char)*piece->at) : isdigit((unsigned char)*piece->at)))
        piece->at++;
    length = (size_t)(piece->at - start);
    put(scan, start, length);
    if (!hex && piece->at < piece->end && strchr(".eE", *piece->at) != NULL) {
        copy_float(scan, piece);
        return;
    }
    memcpy(digits, start, length < sizeof(digits) - 1 ? length : sizeof(digits) - 1);
    errno = 0;
    value = strtoll(digits, NULL, hex ? 16 : 10);
    if (errno == ERANGE || length >= sizeof(digits))
        scan_complain(scan, piece->place, "the number %.40s%s is too large", digits,
                      strlen(digits) > 40 ? "..." : "");
    else if ((value < INT_MIN || value > INT_MAX) && !(piece->at < piece->end && *piece->at == 'L'))
        put(scan, "L", 1);
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
include(struct scan *scan, struct piece *piece)
{
    char *name = include_name(piece);
    int result = 0;

    if (name == NULL)
        scan_complain(scan, piece->place, "@include needs the name of a file in quotes");
    else
        result = source_include(scan, name, piece->place);
    free(name);
    return result;
}

/* Ahead of the line ends that follow a string; ) and ] also in the place of a last comma. */
static void
copy_separator(struct scan *scan, struct piece *piece)
{
    char c = *piece->at++;

    if (c != ',' && scan->comma > 0)
        scan->source->text[scan->comma - 1] = c;
    else
        put(scan, &c, 1);
    scan->comma = c == ',' ? scan->source->length : 0;
    release_held(scan);
}

/* A letter that belongs to no larger token, or the beginning of one. */
static int
copy_token(struct scan *scan, struct piece *piece)
{
    char c = *piece->at;

    if (c == '"')
        return copy_string(scan, piece);
    if (strchr(",)]", c) != NULL) {
        copy_separator(scan, piece);
        return 0;
    }
    scan->comma = 0;
    release_held(scan);
    if (isdigit((unsigned char)c) || ((c == '-' || c == '+') && piece->at + 1 < piece->end &&
                                      isdigit((unsigned char)piece->at[1])))
        copy_integer(scan, piece);
    else if (c == '.')
        copy_float(scan, piece);
    else if (isalpha((unsigned char)c) || c == '*')
        copy_name(scan, piece);
    else
        put(scan, piece->at++, 1);
    return 0;
}

static int
copy_piece(struct scan *scan, struct piece *piece)
{
    while (piece->at < piece->end) {
        char c = *piece->at;
        int result = 0;

        if (c == '\n') {
            piece->at++;
            piece->place.line++;
            piece->fresh = true;
            scan_line_end(scan, piece->place);
            continue;
        }
        if (c == ' ' || c == '\t' || c == '\r' || c == '\f') {
            put(scan, piece->at++, 1);
            continue;
        }
        if (c == '#' || looking_at(piece, "//"))
            skip_line_comment(piece);
        else if (looking_at(piece, "/*"))
            result = skip_block_comment(scan, piece);
        else if (piece->fresh && looking_at(piece, include_word))
            result = include(scan, piece);
        else
            result = copy_token(scan, piece);
        if (result != 0)
            return -1;
        piece->fresh = false;
    }
    return 0;
}

int
scan_text(struct scan *scan, const char *data, size_t length, struct config_place place)
{
    struct piece piece = {.at = data, .end = data + length, .place = place, .fresh = true};

    scan_line_end(scan, place);
    return copy_piece(scan, &piece);
}

void
scan_finish(struct scan *scan)
{
    release_held(scan);
    put(scan, "\n", 1);
    free(scan->held);
    scan->held = NULL;
}
