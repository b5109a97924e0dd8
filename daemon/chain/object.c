/*
 * One shared object: whether the file can be trusted, whether it loads, whether it
 * is a plugin of this ABI. Each refusal says what to do. What is read of a table
 * before its ABI is known is the ABI alone. Objects stay loaded until the worker
 * ends.
 */
#include "chain/object.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whoever may write the file runs code in the worker. */
static int
check_file(const struct config_link *link, struct errors *errors)
{
    struct stat status;

    if (stat(link->path, &status) < 0) {
        if (errno == ENOENT)
            errors_add(errors, link->place,
                       "plugin %s: there is no file %s; install the plugin there, or set "
                       "plugin_dir, or give a path with a slash",
                       link->plugin, link->path);
        else
            errors_add(errors, link->place, "plugin %s: %s cannot be read: %s", link->plugin,
                       link->path, strerror(errno));
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        errors_add(errors, link->place, "plugin %s: %s is not a file", link->plugin, link->path);
        return -1;
    }
    if (status.st_uid != 0 && status.st_uid != geteuid()) {
        errors_add(errors, link->place,
                   "plugin %s: %s belongs to user %u; it must belong to root or to the user who "
                   "runs milterd: chown root %s",
                   link->plugin, link->path, (unsigned)status.st_uid, link->path);
        return -1;
    }
    if (status.st_mode & S_IWOTH) {
        errors_add(errors, link->place, "plugin %s: everybody can write to %s: chmod o-w %s",
                   link->plugin, link->path, link->path);
        return -1;
    }
    return 0;
}

static void
explain_dlopen(const struct config_link *link, const char *reason, struct errors *errors)
{
    static const char undefined[] = "undefined symbol: ";
    const char *symbol = strstr(reason, undefined);

    if (symbol != NULL) {
        symbol += sizeof(undefined) - 1;
        int length = (int)strcspn(symbol, " ,(");
        errors_add(errors, link->place, "plugin %s: %s needs the symbol %.*s, which %s; %s",
                   link->plugin, link->path, length, symbol,
                   strncmp(symbol, "milter_", 7) == 0 ? "this version of milterd does not have"
                                                      : "nothing defines",
                   strncmp(symbol, "milter_", 7) == 0
                       ? "build it with this version's <milterd/plugin.h>"
                       : "link the plugin with the library that has it");
    } else {
        errors_add(errors, link->place, "plugin %s: %s cannot be loaded: %s", link->plugin,
                   link->path, reason);
    }
}

/* Bytes of a newer plugin's table that this version does not know must be unused. */
static bool
unknown_fields_used(const struct milter_plugin *table)
{
    const char *at = (const char *)table + sizeof(*table), *end = (const char *)table + table->size;

    while (at < end)
        if (*at++ != '\0')
            return true;
    return false;
}

static int
check_table(const struct milter_plugin *table, const struct config_link *link,
            struct errors *errors)
{
    if (table->abi != MILTER_ABI) {
        errors_add(errors, link->place,
                   "plugin %s: %s was built for plugin ABI %u, this milterd has %u: build it again "
                   "with this version's <milterd/plugin.h>",
                   link->plugin, link->path, table->abi, (unsigned)MILTER_ABI);
        return -1;
    }
    if (table->size < offsetof(struct milter_plugin, on_load) || table->size > 65536 ||
        table->option_size < offsetof(struct milter_option, help) + sizeof(char *) ||
        table->option_size > 65536) {
        errors_add(errors, link->place,
                   "plugin %s: the table in %s has no valid sizes: begin it with "
                   "MILTER_PLUGIN_HEAD",
                   link->plugin, link->path);
        return -1;
    }
    if (table->size > sizeof(*table) && unknown_fields_used(table)) {
        errors_add(errors, link->place,
                   "plugin %s: %s uses what only a newer milterd has: install that, or build the "
                   "plugin with this version's header",
                   link->plugin, link->path);
        return -1;
    }
    return 0;
}

const struct milter_plugin *
object_open(const struct config_link *link, struct errors *errors)
{
    if (check_file(link, errors) < 0)
        return NULL;
    void *object = dlopen(link->path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        explain_dlopen(link, dlerror(), errors);
        return NULL;
    }
    const struct milter_plugin *table = dlsym(object, "milter_plugin_table");
    if (table == NULL) {
        errors_add(errors, link->place,
                   "plugin %s: %s is no milterd plugin: it does not define milter_plugin_table "
                   "(see MILTER_PLUGIN in <milterd/plugin.h>)",
                   link->plugin, link->path);
        return NULL;
    }
    return check_table(table, link, errors) == 0 ? table : NULL;
}
