/*
 * config_chain - the `chains` of milter.conf.
 *
 * Decides what may stand in a chain, which file a plugin's name means, and what a
 * place in a chain is called. Opens no plugin and reads none of their options: it
 * keeps the group for the loader. An entry that has no usable plugin is left out.
 */
#include "config/config_parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "config/keys.h"
#include "config/tree.h"

static const char name_rule[] = "letters, digits, - and _";

static bool
name_is_good(const char *name)
{
    if (name[0] == '\0')
        return false;
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && strchr("-_", *name) == NULL)
            return false;
    return true;
}

/* "access" of "access" and of "/usr/lib/x/access.so". The caller frees it. */
static char *
plugin_name(const char *plugin)
{
    const char *slash = strrchr(plugin, '/'), *name = slash == NULL ? plugin : slash + 1;
    size_t length = strlen(name);

    if (slash != NULL && length > 3 && strcmp(name + length - 3, ".so") == 0)
        length -= 3;
    return xprintf("%.*s", (int)length, name);
}

/* The string of a key of a group, before the group is read; NULL where it has none. */
static const char *
peek(const struct config_node *group, const char *key)
{
    const struct config_node *member = tree_member(group, key);

    return member == NULL ? NULL : tree_string(member);
}

/* A bare name is read as { plugin = "name"; }. */
static struct option_values *
read_bare(const struct config_node *node)
{
    struct errors missing = {0}; /* says that `plugin` is not set, which it is below */
    struct option_values *values =
        options_read(keys_link, sizeof(keys_link[0]), node, "*", "plugin", &missing);

    for (size_t i = 0; i < values->count; i++) {
        struct option_value *value = &values->values[i];

        if (strcmp(value->option->name, "plugin") != 0)
            continue;
        value->text = xstrdup(tree_string(node));
        value->set = true;
        value->place = tree_place(node);
    }
    errors_free(&missing);
    return values;
}

static void
refuse_reserved(const struct config_node *group, const char *what, struct errors *errors)
{
    char *words = xstrdup(keys_reserved), *rest = words, *word;

    while ((word = strsep(&rest, " ")) != NULL) {
        const struct config_node *member = tree_member(group, word);

        if (member != NULL)
            errors_add(errors, tree_place(member),
                       "%s: \"%s\" is reserved for a later version of milterd", what, word);
    }
    free(words);
}

/* Where the plugin is. -1 where that cannot be known. */
static int
find_plugin(const struct config *config, struct config_link *link, const struct config_node *node,
            const char *what, struct errors *errors)
{
    const struct option_value *plugin = options_find(link->values, "plugin");
    bool is_path = strchr(plugin->text, '/') != NULL;
    size_t length = strlen(plugin->text);

    link->plugin = plugin->text;
    if (is_path && plugin->text[length - 1] == '/') {
        errors_add(errors, plugin->place, "%s: plugin = \"%.100s\" is a directory, not a file",
                   what, plugin->text);
        return -1;
    }
    if (is_path) {
        link->path = tree_resolve(node, plugin->text);
        return 0;
    }
    link->path = xprintf("%s/%s.so", config->plugin_dir, plugin->text);
    if (name_is_good(plugin->text))
        return 0;
    if (length > 3 && strcmp(plugin->text + length - 3, ".so") == 0)
        errors_add(errors, plugin->place,
                   "%s: plugin = \"%.100s\": write \"%.*s\", or a path with a slash", what,
                   plugin->text, (int)(length - 3 < 100 ? length - 3 : 100), plugin->text);
    else
        errors_add(errors, plugin->place,
                   "%s: plugin = \"%.100s\": a name has %s; a path has a slash", what, plugin->text,
                   name_rule);
    return -1;
}

static void
name_link(const struct config_chain *chain, struct config_link *link, const char *what,
          struct errors *errors)
{
    const struct option_value *name = options_find(link->values, "name");

    link->name = name->text != NULL ? xstrdup(name->text) : plugin_name(link->plugin);
    if (!name_is_good(link->name)) {
        if (name->text != NULL)
            errors_add(errors, name->place, "%s: name = \"%.100s\": a name has %s", what,
                       name->text, name_rule);
        else
            errors_add(errors, link->place, "%s: \"%.100s\" is no good name; set name, of %s", what,
                       link->name, name_rule);
        return;
    }
    for (size_t i = 0; i < chain->count; i++) {
        const struct config_link *other = &chain->links[i];

        if (strcmp(other->name, link->name) != 0)
            continue;
        errors_add(errors, link->place,
                   "chain %s: \"%s\" is there already, at %s:%u; set name = \"...\" in one of them",
                   chain->name, link->name, other->place.file, other->place.line);
        return;
    }
}

static void
free_link(struct config_link *link)
{
    free(link->name);
    free(link->path);
    config_condition_free(link->only, link->only_count);
    config_condition_free(link->unless, link->unless_count);
    options_free(link->values);
}

static void
read_link(const struct config *config, struct config_chain *chain, const struct config_node *node,
          struct errors *errors)
{
    bool bare = tree_type(node) == CONFIG_TYPE_STRING;
    struct config_link link = {.place = tree_place(node), .group = node};
    const char *plugin = bare ? tree_string(node) : peek(node, "plugin");
    const char *name = bare ? NULL : peek(node, "name");
    char *short_name = plugin == NULL ? NULL : plugin_name(plugin), *what;

    if (name != NULL || short_name != NULL)
        what = xprintf("plugin %.100s", name != NULL ? name : short_name);
    else
        what = xprintf("chain %s", chain->name);
    if (bare) {
        link.values = read_bare(node);
    } else {
        link.values = options_read(keys_link, sizeof(keys_link[0]), node, "*", what, errors);
        refuse_reserved(node, what, errors);
    }
    link.on_failure = (enum config_on_failure)options_number(link.values, "on_failure");
    link.observe = options_number(link.values, "mode") != 0;
    if (!bare) {
        link.only_count = config_condition_read(&link.only, node, "only", what, errors);
        link.unless_count = config_condition_read(&link.unless, node, "unless", what, errors);
    }
    if (options_text(link.values, "plugin") == NULL ||
        find_plugin(config, &link, node, what, errors) != 0) {
        free_link(&link);
    } else {
        name_link(chain, &link, what, errors);
        chain->links[chain->count++] = link;
    }
    free(short_name);
    free(what);
}

static void
read_chain(const struct config *config, struct config_chain *chain, const struct config_node *node,
           struct errors *errors)
{
    const struct config_node *element;
    size_t count = 0;

    while (tree_element(node, count) != NULL)
        count++;
    chain->links = xcalloc(count + 1, sizeof(*chain->links));
    for (size_t i = 0; (element = tree_element(node, i)) != NULL; i++) {
        if (tree_type(element) == CONFIG_TYPE_STRING || tree_type(element) == CONFIG_TYPE_GROUP)
            read_link(config, chain, element, errors);
        else
            errors_add(errors, tree_place(element),
                       "chain %s: entry %zu must be a plugin's name or a group "
                       "{ plugin = \"NAME\"; }, not %s",
                       chain->name, i + 1, tree_kind(element));
    }
}

void
config_chain_read(struct config *config, const struct config_node *node, struct errors *errors)
{
    static const char example[] = "chains = { incoming = ( \"hello\" ); };";
    const struct config_node *element;
    size_t count = 0;

    if (node == NULL) {
        errors_add(errors, (struct config_place){config->file, 0}, "there are no chains; add %s",
                   example);
        return;
    }
    if (tree_type(node) != CONFIG_TYPE_GROUP) {
        errors_add(errors, tree_place(node), "chains must be a group of lists, not %s: %s",
                   tree_kind(node), example);
        return;
    }
    while (tree_element(node, count) != NULL)
        count++;
    if (count == 0)
        errors_add(errors, tree_place(node), "chains is empty; write %s", example);
    config->chains = xcalloc(count + 1, sizeof(*config->chains));
    for (size_t i = 0; (element = tree_element(node, i)) != NULL; i++) {
        struct config_chain *chain = &config->chains[config->chain_count];

        chain->name = config_setting_name((const config_setting_t *)element);
        chain->place = tree_place(element);
        if (!name_is_good(chain->name))
            errors_add(errors, chain->place, "chain \"%s\": a name has %s", chain->name, name_rule);
        config->chain_count++;
        if (tree_type(element) == CONFIG_TYPE_LIST || tree_type(element) == CONFIG_TYPE_ARRAY)
            read_chain(config, chain, element, errors);
        else
            errors_add(errors, chain->place,
                       "chain %s must be a list of plugins, ( \"access\", \"hello\" ), not %s",
                       chain->name, tree_kind(element));
    }
}

void
config_chain_free(struct config *config)
{
    for (size_t i = 0; i < config->chain_count; i++) {
        for (size_t j = 0; j < config->chains[i].count; j++)
            free_link(&config->chains[i].links[j]);
        free(config->chains[i].links);
    }
    free(config->chains);
}
