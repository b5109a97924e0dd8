/*
 * config - milter.conf as a whole: reads it part by part and gathers what is wrong
 * in all of them.
 *
 * Decides what the keys at the top and of `workers` and `log` come to; chains and
 * listeners have files of their own. A configuration never changes after it is
 * loaded, and everything in it lives until config_free(). It opens no sockets, no
 * log and no plugins.
 */
#define _GNU_SOURCE /* CPU_COUNT */
#include "config/config.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "config/config_parts.h"
#include "config/keys.h"
#include "config/tree.h"

const char config_link_keys[] = "plugin name on_failure timeout mode only unless order";

/* The CPUs that this process may use. */
static unsigned
count_cpus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) < 1)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

/* A group of the top level; all defaults where there is none, or something else. */
static struct option_values *
read_group(const struct config_node *root, const char *name, const struct milter_option *table,
           struct errors *errors)
{
    const struct config_node *node = tree_member(root, name);

    if (node != NULL && tree_type(node) != CONFIG_TYPE_GROUP) {
        errors_add(errors, tree_place(node), "%s must be a group, %s = { %s = ...; }, not %s", name,
                   name, table->name, tree_kind(node));
        node = NULL;
    }
    return options_read(table, sizeof(*table), node, NULL, name, errors);
}

static void
read_top(struct config *config, const struct config_node *root, struct errors *errors)
{
    const struct config_node *directory = tree_member(root, "plugin_dir");

    config->top = options_read(keys_top, sizeof(keys_top[0]), root, keys_groups, "", errors);
    config->user = config_account_check(config->top, "user", ACCOUNT_USER, errors);
    config->group = config_account_check(config->top, "group", ACCOUNT_GROUP, errors);
    if (options_text(config->top, "plugin_dir")[0] == '\0')
        errors_add(errors, tree_place(directory), "plugin_dir must not be empty");
    config->plugin_dir =
        tree_resolve(directory == NULL ? root : directory, options_text(config->top, "plugin_dir"));
    config->drain_timeout = options_number(config->top, "drain_timeout");
    config->authserv_id = options_text(config->top, "authserv_id");
}

/* How much is kept of a message for plugins that need it. */
static void
read_limits(struct config *config, const struct config_node *root, struct errors *errors)
{
    config->headers_limit = read_group(root, "headers_limit", keys_headers_limit, errors);
    config->recipients_limit = (size_t)options_number(config->top, "recipients_limit");
    config->headers_count = (size_t)options_number(config->headers_limit, "count");
    config->headers_bytes = (size_t)options_number(config->headers_limit, "bytes");
    config->body_memory = (size_t)options_number(config->top, "body_memory");
    config->body_limit = (uint64_t)options_number(config->top, "body_limit");
    config->over_limit_tempfail = options_number(config->top, "over_limit") == 0;
    config->spool_dir = options_text(config->top, "spool_dir");
    if (config->spool_dir[0] != '/')
        errors_add(errors, options_find(config->top, "spool_dir")->place,
                   "spool_dir must be an absolute path, such as \"/tmp\"");
}

static void
read_workers(struct config *config, const struct config_node *root, struct errors *errors)
{
    config->workers = read_group(root, "workers", keys_workers, errors);
    config->processes = (unsigned)options_number(config->workers, "processes");
    if (config->processes == 0)
        config->processes = count_cpus();
    config->connections = (unsigned)options_number(config->workers, "connections");
}

static void
read_log(struct config *config, const struct config_node *root, struct errors *errors)
{
    const struct config_node *node = tree_member(root, "log");
    const struct option_value *target, *file;
    size_t before = errors->count;

    config->logging = read_group(root, "log", keys_log, errors);
    target = options_find(config->logging, "target");
    file = options_find(config->logging, "file");
    config->log.target = (enum log_target)target->number;
    config->log.level = (enum milter_level)options_number(config->logging, "level");
    config->log.facility = keys_facilities[options_number(config->logging, "facility")];
    if (file->text != NULL && file->text[0] == '\0')
        errors_add(errors, file->place, "log.file must not be empty");
    else if (file->text != NULL)
        config->log_file = tree_resolve(tree_member(node, "file"), file->text);
    config->log.path = config->log_file;

    /* a value that was wrong has been complained about, and says nothing about the other */
    if (errors->count > before)
        return;
    if (config->log.target == LOG_TO_FILE && !file->set)
        errors_add(errors, target->place, "log.file must be set where log.target is \"file\"");
    if (config->log.target != LOG_TO_FILE && file->set)
        errors_add(errors, file->place,
                   "log.file is set, but log.target is \"%s\"; set it to \"file\"", target->text);
}

struct config *
config_load(const char *file, struct errors *errors)
{
    struct tree *tree = tree_read(file, errors);
    const struct config_node *root;
    struct config *config;

    if (tree == NULL)
        return NULL;
    config = xcalloc(1, sizeof(*config));
    config->tree = tree;
    config->file = tree_file(tree);
    root = tree_root(tree);
    read_top(config, root, errors);
    read_workers(config, root, errors);
    read_log(config, root, errors);
    read_limits(config, root, errors);
    config_chain_read(config, tree_member(root, "chains"), errors);
    config_listener_read(config, tree_member(root, "listeners"), errors);
    config_condition_check(config, errors);
    return config;
}

void
config_mta_socket(const struct config_listener *listener, char *into, size_t size)
{
    bool any = listener->kind != SOCKET_UNIX && strcmp(listener->host, "*") == 0;

    switch (listener->kind) {
    case SOCKET_UNIX:
        snprintf(into, size, "unix:%s", listener->path);
        break;
    case SOCKET_INET:
        snprintf(into, size, "inet:%s:%u", any ? "127.0.0.1" : listener->host, listener->port);
        break;
    case SOCKET_INET6:
        snprintf(into, size, "inet:[%s]:%u", any ? "::1" : listener->host, listener->port);
        break;
    }
}

void
config_free(struct config *config)
{
    if (config == NULL)
        return;
    config_listener_free(config);
    config_chain_free(config);
    options_free(config->headers_limit);
    options_free(config->logging);
    options_free(config->workers);
    options_free(config->top);
    free(config->log_file);
    free(config->plugin_dir);
    tree_free(config->tree);
    free(config);
}
