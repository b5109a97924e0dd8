/*
 * config - milter.conf as the daemon uses it. Immutable once loaded; a reload
 * makes another one. The plugins' own options stay unread (their tables are in
 * the plugins, which only workers load): a link keeps its group for them.
 */
#ifndef DAEMON_CONFIG_CONFIG_H
#define DAEMON_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/log.h"
#include "config/errors.h"
#include "config/options.h"

enum config_on_failure { ON_FAILURE_TEMPFAIL, ON_FAILURE_CONTINUE, ON_FAILURE_REJECT };

/* One condition of `only` or `unless`: keys_condition. */
struct config_condition {
    struct option_values *values;
    struct config_place place;
};

/* One plugin at one place of a chain. */
struct config_link {
    char *name;         /* unique within its chain; the plugin's name unless `name` says other */
    const char *plugin; /* as in milter.conf: "access", or a path with a slash */
    char *path;         /* of the shared object: plugin_dir/access.so, or the path; absolute */
    enum config_on_failure on_failure;
    bool observe; /* mode = "observe" */
    struct config_condition *only, *unless;
    size_t only_count, unless_count;
    const struct config_node *group; /* for options_read(): the plugin's options are in here; a
                                        bare name stands for itself and sets none */
    struct option_values *values;    /* the host's own keys of that group */
    struct config_place place;
};

struct config_chain {
    const char *name;
    struct config_link *links;
    size_t count;
    struct config_place place;
};

enum config_socket { SOCKET_UNIX, SOCKET_INET, SOCKET_INET6 };

struct config_listener {
    const char *name;   /* as set, or the socket as in milter.conf */
    const char *socket; /* as in milter.conf */
    enum config_socket kind;
    char *path; /* unix */
    char *host; /* inet, inet6: an address, or "*" for all of that family */
    uint16_t port;
    bool has_mode;
    unsigned mode;             /* unix: permissions */
    const char *owner, *group; /* unix: names or numbers, NULL to leave */
    const struct config_chain *chain;
    struct option_values *values;
    struct config_place place;
};

struct config {
    const char *file;
    const char *user, *group; /* NULL: stay who we are */
    char *plugin_dir;         /* absolute */
    unsigned processes;       /* workers; the number of CPUs where milter.conf says 0 */
    unsigned connections;     /* of each worker */
    int64_t drain_timeout;    /* milliseconds */
    struct log_settings log;
    char *log_file; /* the same as log.path */
    struct config_listener *listeners;
    size_t listener_count;
    struct config_chain *chains;
    size_t chain_count;
    size_t recipients_limit;             /* 0: no limit */
    size_t headers_count, headers_bytes; /* kept for plugins; 0: no limit */
    size_t body_memory;
    uint64_t body_limit; /* 0: none */
    bool over_limit_tempfail;
    const char *spool_dir;
    const char *authserv_id; /* NULL: what the mail server calls itself */
    struct option_values *headers_limit;
    struct option_values *top, *workers, *logging; /* for -T */
    void *tree; /* the libconfig document that everything above points into */
};

/* Host keys of a chain's entry, separated by spaces; plugins cannot declare options so named. */
extern const char config_link_keys[];

/* Reads the file. NULL where it cannot be parsed at all; otherwise check errors->count: where
   there are errors it is as far as it got, and good for config_print() and config_free(). */
struct config *config_load(const char *file, struct errors *errors);

/* A short text of the socket as main.cf wants it: "inet:127.0.0.1:8891", "unix:/run/...". */
void config_mta_socket(const struct config_listener *listener, char *into, size_t size);

/* All settings in effect with file and line, for -T. The plugins' own are not among them. */
void config_print(const struct config *config, FILE *out);

void config_free(struct config *config);

#endif
