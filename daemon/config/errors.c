/*
 * errors - collects what is wrong with a configuration, one line each.
 *
 * Decides the form of a line and when two words are alike. Control characters
 * of what is formatted in are escaped, so that one fault is one line wherever it
 * is printed. Knows nothing of options or files. The list owns its lines; they
 * live until errors_free().
 */
#include "config/errors.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { WORD_MAX = 64 };

/* A copy with control characters as \xNN. */
static char *
escape(const char *text)
{
    char *copy = xcalloc(4 * strlen(text) + 1, 1), *at = copy;

    for (; *text != '\0'; text++) {
        if (iscntrl((unsigned char)*text))
            at += sprintf(at, "\\x%02x", (unsigned char)*text);
        else
            *at++ = *text;
    }
    *at = '\0';
    return copy;
}

void
errors_addv(struct errors *errors, struct config_place place, const char *format, va_list arguments)
{
    char *text, *line;
    va_list again;
    int length;

    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    text = xcalloc(length < 0 ? 1 : (size_t)length + 1, 1);
    if (length > 0)
        vsnprintf(text, (size_t)length + 1, format, arguments);

    if (place.file == NULL)
        line = xprintf("%s", text);
    else if (place.line == 0)
        line = xprintf("%s: %s", place.file, text);
    else
        line = xprintf("%s:%u: %s", place.file, place.line, text);

    errors->lines = xrealloc(errors->lines, errors->count + 1, sizeof(*errors->lines));
    errors->lines[errors->count++] = escape(line);
    free(line);
    free(text);
}

void
errors_add(struct errors *errors, struct config_place place, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    errors_addv(errors, place, format, arguments);
    va_end(arguments);
}

void
errors_free(struct errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        free(errors->lines[i]);
    free(errors->lines);
    *errors = (struct errors){0};
}

static unsigned
least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many letters must be added, dropped, changed or swapped with their neighbour. */
static unsigned
distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= b_length; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *spare = before;

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);

            now[j] = least(last[j - 1] + !same, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[b_length];
}

const char *
errors_alike(const char *word, const char *words, char *into, size_t size)
{
    size_t length = strlen(word), best_length = 0;
    unsigned best = (unsigned)(length < 3 ? 1 : 1 + length / 4) + 1;
    const char *found = NULL;

    if (length == 0 || length > WORD_MAX)
        return NULL;
    for (words += strspn(words, " "); *words != '\0'; words += strspn(words, " ")) {
        size_t candidate = strcspn(words, " ");

        if (candidate <= WORD_MAX && candidate < size) {
            unsigned away = distance(word, length, words, candidate);

            /* a word of which nothing is left is not a misspelling */
            if (away < best && away < length && away < candidate) {
                best = away;
                best_length = candidate;
                found = words;
            }
        }
        words += candidate;
    }
    if (found == NULL)
        return NULL;
    memcpy(into, found, best_length);
    into[best_length] = '\0';
    return into;
}
