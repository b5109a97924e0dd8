/*
 * options - a table of options and a group of milter.conf into values. The
 * daemon's own keys and the plugins' options are read by this one code.
 *
 * libconfig reads 0660 as decimal and cannot tell a wrong type from a missing
 * key; so sizes, durations and modes are strings, and the group is walked
 * setting by setting: each must be in the table, of the right type and within
 * its bounds.
 */
#ifndef DAEMON_CONFIG_OPTIONS_H
#define DAEMON_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <milterd/plugin.h>

#include "config/errors.h"

/* A group of milter.conf (a config_setting_t in truth). */
struct config_node;

/* One option with its value. */
struct option_value {
    const struct milter_option *option;
    bool set;                  /* by the administrator, rightly or wrongly */
    struct config_place place; /* of the setting; file NULL for a default */
    char *text;                /* string, file (absolute), enum; else NULL */
    int64_t number;            /* int, bool, size (bytes), duration (ms), position of an enum */
    size_t count;              /* list, addresses */
    char **items;
    struct config_place *places; /* of each item */
    struct milter_net *nets;     /* addresses */
};

struct option_values {
    size_t count;
    struct option_value *values; /* in the order of the table */
    char *name;                  /* of the group, for messages */
    struct milter_option *table; /* a copy of the rows */
};

/*
 * Reads `group` by `table` (rows of `option_size` bytes, as a plugin was compiled).
 * Keys in `others` (separated by spaces; NULL for none, "*" for all that are not in
 * the table) belong to somebody else and are passed over. A group that is NULL, or a
 * bare string as it stands in a chain, sets nothing: all defaults. Never NULL; what is
 * wrong is in errors, and the option then has its default.
 * what: how messages call the group: "workers" gives workers.connections, "plugin
 * access" gives plugin access: "ttl", "" is for keys that stand in no group.
 */
struct option_values *options_read(const struct milter_option *table, size_t option_size,
                                   const struct config_node *group, const char *others,
                                   const char *what, struct errors *errors);

/* The option of that name, NULL where the table has none. */
const struct option_value *options_find(const struct option_values *values, const char *name);

/* Shorthands for names that are known to be in the table (a bug otherwise). */
const char *options_text(const struct option_values *values, const char *name);
int64_t options_number(const struct option_values *values, const char *name);

/* Where the option is set, or, for a list, its item. */
struct config_place options_place(const struct option_value *value, size_t index);

/* One line an option: "name = value   # file:line" or "# default". */
void options_print(const struct option_values *values, const char *indent, FILE *out);

/* The value alone, as milter.conf would have it. */
void options_print_value(const struct option_value *value, FILE *out);

/* The table as documentation: name, type, default, bounds, help. */
void options_describe(const struct milter_option *table, size_t option_size, FILE *out);

void options_free(struct option_values *values);

/* Values as text: "10M" into bytes, "1h30m" into milliseconds, "0660" into a mode. 0 or -1.
   A size without unit is bytes; a duration has a unit unless it is "0". */
int options_parse_size(const char *text, int64_t *bytes);
int options_parse_duration(const char *text, int64_t *milliseconds);
int options_parse_mode(const char *text, unsigned *mode);

/* And back, in the largest units that say it exactly. */
enum { OPTIONS_NUMBER = 64 };
const char *options_format_number(enum milter_option_type type, int64_t number,
                                  char into[OPTIONS_NUMBER]);

/* A string as it stands in milter.conf, with its quotes. */
void options_format_string(const char *text, FILE *out);

#endif
