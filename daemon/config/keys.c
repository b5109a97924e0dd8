/*
 * keys - the tables of the daemon's own keys.
 *
 * A row is a key's name, type, default, bounds and its one line of help; the
 * manual page and the sample milter.conf are checked against them. What a value
 * means beyond its type is decided in config.c and its parts. Nothing here ever
 * changes at run time.
 */
#include "config/keys.h"

#include <stddef.h>
#include <syslog.h>

#ifndef MILTERD_PLUGINS
#define MILTERD_PLUGINS "/usr/local/lib/milterd"
#endif

const char keys_groups[] = "workers log headers_limit listeners chains";
const char keys_reserved[] = "timeout order";

const struct milter_option keys_top[] = {
    {.name = "user", .type = MILTER_STRING, .help = "the account that workers run as"},
    {.name = "group",
     .type = MILTER_STRING,
     .help = "the group that workers run as; that of the user unless set"},
    {.name = "plugin_dir",
     .type = MILTER_STRING,
     .initial = MILTERD_PLUGINS,
     .help = "where plugins are looked for that are named without a slash"},
    {.name = "drain_timeout",
     .type = MILTER_DURATION,
     .initial = "30s",
     .min = 0,
     .max = 86400000,
     .help = "how long a worker that is to stop waits for its connections"},
    {.name = "recipients_limit",
     .type = MILTER_INT,
     .initial = "10000",
     .min = 0,
     .max = 10000000,
     .help = "how many recipients a message may have; 0 for any number"},
    {.name = "body_memory",
     .type = MILTER_SIZE,
     .initial = "1M",
     .min = 0,
     .max = 1LL << 40,
     .help = "how much of a body that a plugin needs is kept in memory; more goes to a file"},
    {.name = "body_limit",
     .type = MILTER_SIZE,
     .initial = "0",
     .min = 0,
     .max = 1LL << 50,
     .help = "how much of a body is kept for plugins that need it; 0 for all of it"},
    {.name = "over_limit",
     .type = MILTER_ENUM,
     .initial = "tempfail",
     .values = "tempfail continue",
     .help = "what becomes of a message over recipients_limit, headers_limit or body_limit; "
             "with continue plugins see what was kept"},
    {.name = "spool_dir",
     .type = MILTER_STRING,
     .initial = "/tmp",
     .help = "where bodies over body_memory are kept, in files without a name"},
    {.name = "authserv_id",
     .type = MILTER_STRING,
     .help = "our name in Authentication-Results; the mail server's own unless set"},
    {.name = NULL},
};

const struct milter_option keys_workers[] = {
    {.name = "processes",
     .type = MILTER_INT,
     .initial = "0",
     .min = 0,
     .max = 1024,
     .help = "how many worker processes; 0 for one on each CPU"},
    {.name = "connections",
     .type = MILTER_INT,
     .initial = "1000",
     .min = 1,
     .max = 100000,
     .help = "how many connections each worker serves at once"},
    {.name = NULL},
};

const struct milter_option keys_headers_limit[] = {
    {.name = "count",
     .type = MILTER_INT,
     .initial = "10000",
     .min = 0,
     .max = 10000000,
     .help = "how many header fields are kept for plugins that need them; 0 for all"},
    {.name = "bytes",
     .type = MILTER_SIZE,
     .initial = "4M",
     .min = 0,
     .max = 1LL << 40,
     .help = "how many bytes of header fields; 0 for all"},
    {.name = NULL},
};

const struct milter_option keys_log[] = {
    {.name = "target",
     .type = MILTER_ENUM,
     .initial = "syslog",
     .values = "stderr syslog file",
     .help = "where log lines go; milterd -f writes them to standard error"},
    {.name = "file", .type = MILTER_STRING, .help = "the file, for target = \"file\""},
    {.name = "facility",
     .type = MILTER_ENUM,
     .initial = "mail",
     .values = "mail daemon user auth authpriv local0 local1 local2 local3 local4 local5 local6 "
               "local7",
     .help = "the facility, for target = \"syslog\""},
    {.name = "level",
     .type = MILTER_ENUM,
     .initial = "info",
     .values = "error warning info debug",
     .help = "the least severe lines that are written"},
    {.name = NULL},
};

const int keys_facilities[] = {
    LOG_MAIL,   LOG_DAEMON, LOG_USER,   LOG_AUTH,   LOG_AUTHPRIV, LOG_LOCAL0, LOG_LOCAL1,
    LOG_LOCAL2, LOG_LOCAL3, LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6,   LOG_LOCAL7,
};

const struct milter_option keys_listener[] = {
    {.name = "socket",
     .type = MILTER_STRING,
     .flags = MILTER_REQUIRED,
     .help = "where the mail server connects: inet:PORT@ADDRESS, inet6:PORT@ADDRESS, unix:/PATH"},
    {.name = "name",
     .type = MILTER_STRING,
     .help = "what conditions call it; its socket, as written, unless set"},
    {.name = "mode",
     .type = MILTER_STRING,
     .help = "permissions of a unix socket, in octal: \"0660\""},
    {.name = "owner", .type = MILTER_STRING, .help = "owner of a unix socket"},
    {.name = "group", .type = MILTER_STRING, .help = "group of a unix socket"},
    {.name = "chain",
     .type = MILTER_STRING,
     .help = "the chain that serves it; need not be set where there is only one"},
    {.name = NULL},
};

const struct milter_option keys_link[] = {
    {.name = "plugin",
     .type = MILTER_STRING,
     .flags = MILTER_REQUIRED,
     .help = "the plugin's name, or the path of its shared object"},
    {.name = "name",
     .type = MILTER_STRING,
     .help = "what this place in the chain is called; the plugin's name unless set"},
    {.name = "on_failure",
     .type = MILTER_ENUM,
     .initial = "tempfail",
     .values = "tempfail continue reject",
     .help = "what answers in the place of a plugin that fails"},
    {.name = "mode",
     .type = MILTER_ENUM,
     .initial = "enforce",
     .values = "enforce observe",
     .help = "observe: it runs, and what it would have done is only logged"},
    {.name = NULL},
};

const struct milter_option keys_condition[] = {
    {.name = "client", .type = MILTER_ADDRESSES, .help = "networks of the client"},
    {.name = "listener", .type = MILTER_LIST, .help = "listeners, by name"},
    {.name = "authenticated",
     .type = MILTER_BOOL,
     .help = "whether the client has logged in (SMTP AUTH)"},
    {.name = "sender_domain",
     .type = MILTER_LIST,
     .help = "domains of the sender; .example.com has those below it too"},
    {.name = "rcpt_domain",
     .type = MILTER_LIST,
     .help = "domains of recipients: one of them for only, all of them for unless"},
    {.name = "macro",
     .type = MILTER_LIST,
     .help = "macros of connect, helo and mail: \"name=value\", or \"name\" for one that is set"},
    {.name = "larger", .type = MILTER_SIZE, .help = "messages of more than so many bytes"},
    {.name = "smaller", .type = MILTER_SIZE, .help = "messages of fewer than so many bytes"},
    {.name = NULL},
};

const struct keys_table keys_tables[] = {
    {"", keys_top},
    {"workers", keys_workers},
    {"log", keys_log},
    {"headers_limit", keys_headers_limit},
    {"listeners", keys_listener},
    {"chains", keys_link},
    {"only", keys_condition},
    {"unless", keys_condition},
    {NULL, NULL},
};
