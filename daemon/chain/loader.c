/*
 * Loading the plugins of every chain in a worker. Everything that is wrong is
 * collected, for all plugins, before the worker gives up: an administrator
 * mends a configuration once. A shared object is opened once however many
 * places it has; each place has its own options and its own on_load.
 *
 * A plugin's table is copied into the size this version knows, so an older
 * plugin's missing fields are zero.
 */
#include "chain/loader.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "chain/object.h"

/* What a plugin's table may declare. */
enum {
    KNOWN_ACTIONS = MILTER_ADDS_HEADERS | MILTER_REPLACES_BODY | MILTER_ADDS_RCPTS |
                    MILTER_DELETES_RCPTS | MILTER_CHANGES_HEADERS | MILTER_QUARANTINES |
                    MILTER_CHANGES_SENDER | MILTER_ADDS_RCPTS_ARGS,
    KNOWN_NEEDS = MILTER_NEEDS_HEADERS | MILTER_NEEDS_BODY | MILTER_NEEDS_ENVELOPE |
                  MILTER_NEEDS_REJECTED_RCPTS | MILTER_NEEDS_EXACT_VALUES |
                  MILTER_NEEDS_LARGE_CHUNKS | MILTER_NEEDS_CLIENT | MILTER_NEEDS_AUTH_RESULTS,
};

/* One shared object. */
struct loaded {
    struct loaded *next;
    const char *path;
    const struct milter_plugin *table; /* NULL: refused, the reason has been given */
};

struct chain_set {
    struct chain *chains;
    size_t count;
    struct loaded *plugins;
};

/* ---- one place in a chain ------------------------------------------------------ */

static const struct milter_plugin *
load_once(struct chain_set *set, const struct config_link *link, struct errors *errors)
{
    struct loaded *loaded;

    for (loaded = set->plugins; loaded != NULL; loaded = loaded->next)
        if (strcmp(loaded->path, link->path) == 0)
            return loaded->table;
    loaded = xcalloc(1, sizeof(*loaded));
    loaded->path = link->path;
    loaded->table = object_open(link, errors);
    loaded->next = set->plugins;
    set->plugins = loaded;
    return loaded->table;
}

static bool
in_words(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = words; (at = strstr(at, word)) != NULL; at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static bool
good_option_name(const char *name)
{
    return name[0] != '\0' && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static const struct milter_option *
option_at(const struct milter_plugin *plugin, size_t index)
{
    const char *rows = (const char *)plugin->options;

    return (const struct milter_option *)(rows + index * plugin->option_size);
}

static void
check_options(const struct chain_link *link, struct errors *errors)
{
    const struct milter_plugin *plugin = &link->plugin;
    const struct config_place place = link->config->place;

    for (size_t i = 0; plugin->options != NULL && option_at(plugin, i)->name != NULL; i++) {
        const char *name = option_at(plugin, i)->name;
        bool twice = false;

        for (size_t k = 0; k < i; k++)
            twice |= strcmp(option_at(plugin, k)->name, name) == 0;
        if (!good_option_name(name))
            errors_add(errors, place,
                       "plugin %s: its option \"%s\" has no good name: the plugin must choose "
                       "another, of small letters, digits and _",
                       link->name, name);
        else if (twice)
            errors_add(errors, place, "plugin %s: it has two options \"%s\"", link->name, name);
        else if (in_words(config_link_keys, name))
            errors_add(errors, place,
                       "plugin %s: its option \"%s\" has the name of a key of milterd's own; the "
                       "plugin must choose another",
                       link->name, name);
    }
}

/* What an author can get wrong in the table itself. */
static int
check_plugin(const struct chain_link *link, struct errors *errors)
{
    const struct milter_plugin *plugin = &link->plugin;
    const struct config_place place = link->config->place;
    size_t before = errors->count;

    if (plugin->name == NULL || plugin->version == NULL)
        errors_add(errors, place, "plugin %s: its table needs a name and a version", link->name);
    if (plugin->observes & 1U << MILTER_EVENT_EOM || plugin->observes >> MILTER_EVENTS != 0)
        errors_add(errors, place,
                   "plugin %s: its table observes an event that cannot be observed (end of message "
                   "is always answered)",
                   link->name);
    for (const struct milter_macros *m = plugin->macros; m != NULL && m->names != NULL; m++)
        if ((unsigned)m->at >= MILTER_EVENTS || m->at == MILTER_EVENT_HEADER ||
            m->at == MILTER_EVENT_BODY || m->at == MILTER_EVENT_UNKNOWN)
            errors_add(errors, place,
                       "plugin %s: its table asks for macros at an event that has none of its own "
                       "(connect, helo, mail, rcpt, data, eoh or eom)",
                       link->name);
    if ((plugin->actions & ~(uint32_t)KNOWN_ACTIONS) != 0 ||
        (plugin->needs & ~(uint32_t)KNOWN_NEEDS) != 0)
        errors_add(errors, place,
                   "plugin %s: its table declares actions (0x%x) or needs (0x%x) that this version "
                   "of milterd does not know: install a later one",
                   link->name, (unsigned)plugin->actions, (unsigned)plugin->needs);
    check_options(link, errors);
    return errors->count == before ? 0 : -1;
}

/* Needs that follow from actions and other needs are as if declared. */
static uint32_t
implied_needs(const struct milter_plugin *plugin)
{
    uint32_t needs = plugin->needs;

    if (needs & MILTER_NEEDS_AUTH_RESULTS)
        needs |= MILTER_NEEDS_HEADERS;

    if (plugin->actions & MILTER_CHANGES_HEADERS)
        needs |= MILTER_NEEDS_HEADERS;
    if (plugin->actions &
        (MILTER_ADDS_RCPTS | MILTER_ADDS_RCPTS_ARGS | MILTER_DELETES_RCPTS | MILTER_CHANGES_SENDER))
        needs |= MILTER_NEEDS_ENVELOPE;
    return needs;
}

static void
fill_link(struct chain_set *set, struct chain *chain, struct chain_link *link,
          const struct config_link *config, struct errors *errors)
{
    const struct milter_plugin *table = load_once(set, config, errors);
    char what[200];

    link->chain = chain;
    link->name = config->name;
    link->layer = (int)(link - chain->links);
    link->config = config;
    link->on_failure = config->on_failure;
    link->observes = config->observe;
    link->condition = condition_new(config);
    if (table == NULL)
        return;
    memcpy(&link->plugin, table,
           table->size < sizeof(link->plugin) ? table->size : sizeof(link->plugin));
    if (check_plugin(link, errors) < 0) {
        /* Nothing of it is to be looked at any more. */
        memset(&link->plugin, 0, sizeof(link->plugin));
        return;
    }
    link->plugin.needs = implied_needs(&link->plugin);
    snprintf(what, sizeof(what), "plugin %s", link->name);
    size_t before = errors->count;
    link->options = options_read(link->plugin.options, link->plugin.option_size, config->group,
                                 config_link_keys, what, errors);
    link->options_good = errors->count == before;
}

static void
call_on_load(struct chain_link *link, struct errors *errors)
{
    struct milter_ctx ctx = {.link = link};
    size_t before = errors->count;

    /* It may rely on its options. */
    if (!link->options_good)
        return;
    if (link->plugin.on_load == NULL) {
        link->loaded = true;
        return;
    }
    link->errors = errors;
    int result = link->plugin.on_load(&ctx);
    link->errors = NULL;
    link->loaded = result == 0;
    if (result != 0 && errors->count == before)
        errors_add(errors, link->config->place,
                   "plugin %s: it refuses to start (its on_load returned %d; see the log)",
                   link->name, result);
}

/* ---- what follows for a chain --------------------------------------------------- */

/* Adds the words of `names` that *list does not have. */
static void
add_macros(char **list, const char *names)
{
    char *copy = xstrdup(names), *rest;

    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (*list != NULL && in_words(*list, word))
            continue;
        char *longer = *list != NULL ? xprintf("%s %s", *list, word) : xstrdup(word);
        free(*list);
        *list = longer;
    }
    free(copy);
}

/* Where in a plugin's table the callback of an event is. */
static const size_t callbacks[MILTER_EVENTS] = {
    [MILTER_EVENT_CONNECT] = offsetof(struct milter_plugin, on_connect),
    [MILTER_EVENT_HELO] = offsetof(struct milter_plugin, on_helo),
    [MILTER_EVENT_MAIL] = offsetof(struct milter_plugin, on_mail),
    [MILTER_EVENT_RCPT] = offsetof(struct milter_plugin, on_rcpt),
    [MILTER_EVENT_DATA] = offsetof(struct milter_plugin, on_data),
    [MILTER_EVENT_HEADER] = offsetof(struct milter_plugin, on_header),
    [MILTER_EVENT_EOH] = offsetof(struct milter_plugin, on_eoh),
    [MILTER_EVENT_BODY] = offsetof(struct milter_plugin, on_body),
    [MILTER_EVENT_EOM] = offsetof(struct milter_plugin, on_eom),
    [MILTER_EVENT_UNKNOWN] = offsetof(struct milter_plugin, on_unknown),
};

static bool
has_callback(const struct milter_plugin *plugin, int event)
{
    void (*callback)(void);

    memcpy(&callback, (const char *)plugin + callbacks[event], sizeof(callback));
    return callback != NULL;
}

/* Events that the host itself needs to keep what a plugin wants to see. */
static uint32_t
events_for(uint32_t needs)
{
    uint32_t events = 0;

    if (needs & MILTER_NEEDS_HEADERS)
        events |= 1U << MILTER_EVENT_HEADER | 1U << MILTER_EVENT_EOH;
    if (needs & MILTER_NEEDS_BODY)
        events |= 1U << MILTER_EVENT_BODY;
    if (needs & CONDITION_NEEDS_SIZE)
        events |= 1U << MILTER_EVENT_HEADER | 1U << MILTER_EVENT_BODY;
    if (needs & MILTER_NEEDS_ENVELOPE)
        events |= 1U << MILTER_EVENT_MAIL | 1U << MILTER_EVENT_RCPT;
    if (needs & MILTER_NEEDS_CLIENT)
        events |= 1U << MILTER_EVENT_CONNECT | 1U << MILTER_EVENT_HELO;
    return events;
}

static void
derive(struct chain *chain)
{
    for (int event = 0; event < MILTER_EVENTS; event++)
        chain->callers[event] = xcalloc(chain->count + 1, sizeof(chain->callers[0][0]));
    for (size_t i = 0; i < chain->count; i++) {
        const struct milter_plugin *plugin = &chain->links[i].plugin;

        chain->actions |= plugin->actions;
        chain->needs |= plugin->needs | condition_needs(chain->links[i].condition);
        /* The host's own field, and forged ones to be taken out. */
        if (plugin->needs & MILTER_NEEDS_AUTH_RESULTS && !chain->links[i].observes)
            chain->removes_forged = true;
        if (plugin->needs & MILTER_NEEDS_AUTH_RESULTS)
            chain->actions |= MILTER_ADDS_HEADERS | MILTER_CHANGES_HEADERS;
        for (int event = 0; event < MILTER_EVENTS; event++) {
            if (!has_callback(plugin, event))
                continue;
            chain->callers[event][chain->caller_count[event]++] = (uint16_t)i;
            chain->wanted |= 1U << event;
            if ((plugin->observes & 1U << event) == 0 && !chain->links[i].observes)
                chain->decides |= 1U << event;
        }
        for (const struct milter_macros *m = plugin->macros; m != NULL && m->names != NULL; m++)
            add_macros(&chain->macros[m->at], m->names);
    }
    chain->wanted |= events_for(chain->needs);
}

/* ---- all of it -------------------------------------------------------------------- */

struct chain_set *
loader_load(const struct config *config, struct errors *errors)
{
    struct chain_set *set = xcalloc(1, sizeof(*set));
    size_t before = errors->count;

    set->count = config->chain_count;
    set->chains = xcalloc(set->count + 1, sizeof(*set->chains));
    for (size_t i = 0; i < set->count; i++) {
        struct chain *chain = &set->chains[i];
        chain->name = config->chains[i].name;
        chain->count = config->chains[i].count;
        chain->links = xcalloc(chain->count + 1, sizeof(*chain->links));
        chain->limits = (struct message_limits){
            .rcpt_count = config->recipients_limit,
            .header_count = config->headers_count,
            .header_bytes = config->headers_bytes,
            .body_memory = config->body_memory,
            .body_size = config->body_limit,
            .tempfail = config->over_limit_tempfail,
            .directory = config->spool_dir,
        };
        chain->authserv_id = config->authserv_id;
        for (size_t k = 0; k < chain->count; k++)
            fill_link(set, chain, &chain->links[k], &config->chains[i].links[k], errors);
        derive(chain);
    }
    for (size_t i = 0; i < set->count; i++)
        for (size_t k = 0; k < set->chains[i].count; k++)
            call_on_load(&set->chains[i].links[k], errors);
    if (errors->count == before)
        return set;
    loader_unload(set);
    return NULL;
}

struct chain *
loader_chain(struct chain_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->chains[i].name, name) == 0)
            return &set->chains[i];
    return NULL;
}

/* "unless client = ( "10.0.0.0/8" ) and authenticated = true, or ..." */
static void
print_conditions(const char *key, const struct config_condition *list, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        bool first = true;

        fprintf(out, "       %s ", i == 0 ? key : "or");
        for (size_t k = 0; k < list[i].values->count; k++) {
            const struct option_value *value = &list[i].values->values[k];
            if (!value->set)
                continue;
            fprintf(out, "%s%s = ", first ? "" : " and ", value->option->name);
            options_print_value(value, out);
            first = false;
        }
        fputc('\n', out);
    }
}

void
loader_print(const struct chain_set *set, bool settings, FILE *out)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct chain *chain = &set->chains[i];

        fprintf(out, "chain %s:%s\n", chain->name,
                chain->count == 0 ? " empty, everything passes" : "");
        for (size_t k = 0; k < chain->count; k++) {
            const struct chain_link *link = &chain->links[k];

            fprintf(out, "  %zu. %s", k + 1, link->name);
            if (strcmp(link->name, link->plugin.name) != 0)
                fprintf(out, " (plugin %s)", link->plugin.name);
            fprintf(out, "  %s %s%s%s\n", link->config->path, link->plugin.version,
                    link->plugin.description != NULL ? ": " : "",
                    link->plugin.description != NULL ? link->plugin.description : "");
            if (link->observes)
                fprintf(out, "       mode observe: nothing of it takes effect\n");
            print_conditions("only", link->config->only, link->config->only_count, out);
            print_conditions("unless", link->config->unless, link->config->unless_count, out);
            if (settings)
                options_print(link->options, "       ", out);
        }
    }
}

void
loader_unload(struct chain_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++) {
        struct chain *chain = &set->chains[i];

        for (size_t k = 0; k < chain->count; k++) {
            struct chain_link *link = &chain->links[k];
            struct milter_ctx ctx = {.link = link};

            if (link->loaded && link->plugin.on_unload != NULL)
                link->plugin.on_unload(&ctx);
            if (link->data.destroy != NULL)
                link->data.destroy(link->data.data);
            arena_reset(&link->arena);
            options_free(link->options);
            condition_free(link->condition);
        }
        for (int event = 0; event < MILTER_EVENTS; event++) {
            free(chain->callers[event]);
            free(chain->macros[event]);
        }
        free(chain->links);
    }
    for (struct loaded *loaded = set->plugins, *next; loaded != NULL; loaded = next) {
        next = loaded->next;
        free(loaded);
    }
    free(set->chains);
    free(set);
}
