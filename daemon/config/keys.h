/*
 * keys - every key of milter.conf that is the daemon's own. To add one: a row here
 * in keys.c, its use in config.c, and its lines in milter.conf and the manual page.
 */
#ifndef DAEMON_CONFIG_KEYS_H
#define DAEMON_CONFIG_KEYS_H

#include <milterd/plugin.h>

/* Each ends with a row without a name. */
extern const struct milter_option keys_top[];
extern const struct milter_option keys_workers[];
extern const struct milter_option keys_log[];
extern const struct milter_option keys_listener[];
extern const struct milter_option keys_link[];
extern const struct milter_option keys_headers_limit[];
extern const struct milter_option keys_condition[];

/* What stands beside keys_top and is no option: groups and lists. */
extern const char keys_groups[];

/* Kept from plugins for later versions, separated by spaces. */
extern const char keys_reserved[];

/* The facilities of log.facility, in the order of its words. */
extern const int keys_facilities[];

/* All tables, for those who document or check them. name NULL ends it. */
struct keys_table {
    const char *name; /* "", or where in milter.conf: "workers", "listeners", "chains" */
    const struct milter_option *table;
};
extern const struct keys_table keys_tables[];

#endif
