/*
 * source - milter.conf and the files that it includes as one text, with the
 * place of each of its lines. What libconfig 1.5 gets wrong is put right here,
 * before it reads the text.
 */
#ifndef DAEMON_CONFIG_SOURCE_H
#define DAEMON_CONFIG_SOURCE_H

#include <stddef.h>

#include "config/errors.h"

enum {
    SOURCE_MAX = 4 << 20, /* bytes, all files together */
    SOURCE_DEPTH = 10,    /* of includes within includes */
    SOURCE_INCLUDES = 1000,
};

/* All zero is an empty source. */
struct source {
    char *text;
    size_t length, room;
    struct config_place *lines; /* for source_place() */
    size_t line_count;
    char **files; /* as messages name them */
    size_t file_count;
};

/* Fills an empty source. -1 with the reasons in errors. source_free() in either case. */
int source_read(struct source *source, const char *file, struct errors *errors);

/* Where line n of the text, from 1, stands. file lives as long as the source. */
struct config_place source_place(const struct source *source, unsigned line);

/* For scan.c: puts in a file that is named at `from`. -1: it cannot go on. */
struct scan;
int source_include(struct scan *scan, const char *name, struct config_place from);

void source_free(struct source *source);

#endif
