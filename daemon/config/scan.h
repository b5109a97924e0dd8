/*
 * scan - the text of one file as libconfig is to see it. For source.c.
 */
#ifndef DAEMON_CONFIG_SCAN_H
#define DAEMON_CONFIG_SCAN_H

#include <stdbool.h>

#include "config/source.h"

/* All files of one source. */
struct scan {
    struct source *source;
    struct errors *errors;
    unsigned depth, includes; /* open now, and all so far */
    bool failed;
    bool after_string; /* then line ends wait in `held` for the next token */
    size_t comma;      /* where the text goes on after a comma that is the last token; or 0 */
    struct config_place *held;
    size_t held_count;
};

/* What follows stands at `next`. */
void scan_line_end(struct scan *scan, struct config_place next);

/* Appends a file's text, which has no NUL; place is that of its first line. Calls
   source_include(). -1: it cannot go on. Faults that it can go on after are in `failed`. */
int scan_text(struct scan *scan, const char *data, size_t length, struct config_place place);

/* After the last file. */
void scan_finish(struct scan *scan);

void scan_complain(struct scan *scan, struct config_place place, const char *format, ...)
    MILTER_PRINTF(3, 4);

#endif
