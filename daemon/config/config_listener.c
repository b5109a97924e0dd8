/*
 * config_listener - the `listeners` of milter.conf.
 *
 * Decides which chain a listener belongs to, what may be set for which kind of
 * socket, and which two cannot be opened together. Opens nothing. A listener
 * whose socket cannot be read is left out, so the others have all they promise.
 */
#include "config/config_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "config/keys.h"
#include "config/tree.h"

static const char example[] =
    "listeners = ( { socket = \"inet:8891@127.0.0.1\"; chain = \"incoming\"; } );";

/* Names of all chains, separated by `between`. The caller frees it. */
static char *
chain_names(const struct config *config, const char *between)
{
    char *names = xstrdup("");

    for (size_t i = 0; i < config->chain_count; i++) {
        char *more = xprintf("%s%s%s", names, i == 0 ? "" : between, config->chains[i].name);

        free(names);
        names = more;
    }
    return names;
}

static void
no_such_chain(const struct config *config, struct config_place place, const char *name,
              struct errors *errors)
{
    char *words = chain_names(config, " "), *names = chain_names(config, ", "), alike[64];

    if (errors_alike(name, words, alike, sizeof(alike)) != NULL)
        errors_add(errors, place,
                   "listener.chain: there is no chain \"%.100s\", did you mean \"%s\"?", name,
                   alike);
    else
        errors_add(errors, place, "listener.chain: there is no chain \"%.100s\"%s%s", name,
                   config->chain_count > 0 ? "; the chains are: " : "", names);
    free(words);
    free(names);
}

static const struct config_chain *
find_chain(const struct config *config, const struct option_values *values,
           struct config_place place, struct errors *errors)
{
    const char *name = options_text(values, "chain");
    char *names;

    if (name == NULL && config->chain_count == 1)
        return &config->chains[0];
    for (size_t i = 0; name != NULL && i < config->chain_count; i++)
        if (strcmp(config->chains[i].name, name) == 0)
            return &config->chains[i];
    if (name != NULL) {
        no_such_chain(config, options_find(values, "chain")->place, name, errors);
    } else if (config->chain_count > 1 && !options_find(values, "chain")->set) {
        names = chain_names(config, ", ");
        errors_add(errors, place, "listener.chain must be set where there is more than one: %s",
                   names);
        free(names);
    }
    return NULL;
}

static void
read_unix(struct config_listener *listener, struct errors *errors)
{
    const struct option_value *mode = options_find(listener->values, "mode");

    if (mode->text != NULL) {
        listener->has_mode = options_parse_mode(mode->text, &listener->mode) == 0;
        if (!listener->has_mode)
            errors_add(
                errors, mode->place,
                "listener.mode must be permissions in octal such as \"0660\", not \"%.100s\"",
                mode->text);
    }
    listener->owner = config_account_check(listener->values, "owner", ACCOUNT_USER, errors);
    listener->group = config_account_check(listener->values, "group", ACCOUNT_GROUP, errors);
}

static void
refuse_unix_keys(const struct option_values *values, struct errors *errors)
{
    static const char *const names[] = {"mode", "owner", "group"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct option_value *value = options_find(values, names[i]);

        if (value->set)
            errors_add(errors, value->place, "listener.%s is for unix sockets only", names[i]);
    }
}

/* Whether the second of two could not be bound beside the first. */
static bool
collide(const struct config_listener *a, const struct config_listener *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == SOCKET_UNIX)
        return strcmp(a->path, b->path) == 0;
    return a->port == b->port && (strcmp(a->host, b->host) == 0 || strcmp(a->host, "*") == 0 ||
                                  strcmp(b->host, "*") == 0);
}

static void
check_collision(const struct config *config, const struct config_listener *listener,
                struct errors *errors)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *other = &config->listeners[i];
        struct config_place at = options_find(other->values, "socket")->place;

        if (!collide(other, listener))
            continue;
        errors_add(errors, options_find(listener->values, "socket")->place,
                   "listener.socket \"%.120s\" is taken by the listener at %s:%u (\"%.120s\")",
                   listener->socket, at.file, at.line, other->socket);
        return;
    }
}

/* Whether it is good for the list. */
static bool
read_listener(struct config *config, struct config_listener *listener,
              const struct config_node *node, struct errors *errors)
{
    const struct option_value *socket;
    char reason[256];

    listener->place = tree_place(node);
    listener->values =
        options_read(keys_listener, sizeof(keys_listener[0]), node, NULL, "listener", errors);
    listener->chain = find_chain(config, listener->values, listener->place, errors);
    socket = options_find(listener->values, "socket");
    listener->socket = socket->text;
    listener->name = options_text(listener->values, "name") != NULL
                         ? options_text(listener->values, "name")
                         : listener->socket;
    if (socket->text == NULL)
        return false;
    if (config_socket_parse(listener, socket->text, reason, sizeof(reason)) != 0) {
        errors_add(errors, socket->place, "listener.socket \"%.120s\": %s", socket->text, reason);
        return false;
    }
    if (listener->kind == SOCKET_UNIX)
        read_unix(listener, errors);
    else
        refuse_unix_keys(listener->values, errors);
    check_collision(config, listener, errors);
    return true;
}

static void
free_listener(struct config_listener *listener)
{
    free(listener->path);
    free(listener->host);
    options_free(listener->values);
}

void
config_listener_read(struct config *config, const struct config_node *node, struct errors *errors)
{
    const struct config_node *element;
    size_t count = 0;

    if (node == NULL) {
        errors_add(errors, (struct config_place){config->file, 0}, "there are no listeners; add %s",
                   example);
        return;
    }
    if (tree_type(node) != CONFIG_TYPE_LIST) {
        errors_add(errors, tree_place(node), "listeners must be a list of groups, not %s: %s",
                   tree_type(node) == CONFIG_TYPE_ARRAY ? "[ ]" : tree_kind(node), example);
        return;
    }
    while (tree_element(node, count) != NULL)
        count++;
    if (count == 0)
        errors_add(errors, tree_place(node), "listeners is empty; write %s", example);
    config->listeners = xcalloc(count + 1, sizeof(*config->listeners));
    for (size_t i = 0; (element = tree_element(node, i)) != NULL; i++) {
        struct config_listener listener = {0};

        if (tree_type(element) != CONFIG_TYPE_GROUP)
            errors_add(errors, tree_place(element),
                       "listeners: entry %zu must be a group { socket = \"...\"; }, not %s", i + 1,
                       tree_kind(element));
        else if (read_listener(config, &listener, element, errors))
            config->listeners[config->listener_count++] = listener;
        else
            free_listener(&listener);
    }
}

void
config_listener_free(struct config *config)
{
    for (size_t i = 0; i < config->listener_count; i++)
        free_listener(&config->listeners[i]);
    free(config->listeners);
}
