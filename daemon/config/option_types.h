/*
 * option_types - one value of one option: from a setting of milter.conf, or from
 * the text of its default. For options.c.
 */
#ifndef DAEMON_CONFIG_OPTION_TYPES_H
#define DAEMON_CONFIG_OPTION_TYPES_H

#include "config/options.h"

/* One option on its way from text to value. */
struct option_reading {
    const struct milter_option *option;
    const char *what;               /* as in options_read() */
    const struct config_node *node; /* the setting; for a default the group, or NULL */
    struct config_place place;
    size_t item; /* of a list, from 1; 0 otherwise */
    bool initial;
    struct errors *errors;
};

/* NULL for a number that is no type. */
const char *option_types_name(enum milter_option_type type);

/* `PLUGIN: "OPTION" ...`, or that its default is wrong. The text begins with "must". Always -1. */
int option_types_complain(const struct option_reading *reading, const char *format, ...)
    MILTER_PRINTF(2, 3);

/* Puts the value in. One that fails is complained about, and what `value` held stays. The type
   must be a known one. setting NULL: the default, which must not be NULL. */
void option_types_read(struct option_reading *reading, struct option_value *value,
                       const struct config_node *setting);

/* What the value points to. */
void option_types_free(struct option_value *value);

/* "a, b, c" of "a b c". The caller frees it. */
char *option_types_list(const char *words);

#endif
