/*
 * errors - what is wrong with a configuration, all of it and not only the
 * first: lines of "file:line: what is wrong, and what to do". Control characters
 * are escaped in them.
 */
#ifndef DAEMON_CONFIG_ERRORS_H
#define DAEMON_CONFIG_ERRORS_H

#include <stddef.h>
#include <milterd/plugin.h>

/* All zero is an empty list. */
struct errors {
    char **lines;
    size_t count;
};

/* Where a setting stands. file is NULL for what comes from no file. */
struct config_place {
    const char *file;
    unsigned line;
};

void errors_add(struct errors *errors, struct config_place place, const char *format, ...)
    MILTER_PRINTF(3, 4);
void errors_addv(struct errors *errors, struct config_place place, const char *format,
                 va_list arguments) MILTER_PRINTF(3, 0);
void errors_free(struct errors *errors);

/* The word of a list that is most like `word`, NULL where none is alike ("did you mean").
   words are separated by spaces. The answer is in `into`. */
const char *errors_alike(const char *word, const char *words, char *into, size_t size);

#endif
