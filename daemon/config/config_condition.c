/*
 * config_condition - `only` and `unless` of a place in a chain.
 *
 * Each is one group of conditions or a list of them. What they mean for a message
 * is the chain's business; here their keys are read, and names of listeners
 * checked once all are known.
 */
#include "config/config_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "config/keys.h"
#include "config/tree.h"

static void
read_one(struct config_condition *condition, const struct config_node *node, const char *what,
         const char *key, struct errors *errors)
{
    char *name = xprintf("%s: %s", what, key);
    size_t set = 0;

    condition->place = tree_place(node);
    condition->values =
        options_read(keys_condition, sizeof(keys_condition[0]), node, NULL, name, errors);
    for (size_t i = 0; i < condition->values->count; i++)
        set += condition->values->values[i].set;
    if (set == 0 && tree_element(node, 0) == NULL)
        errors_add(errors, condition->place,
                   "%s is empty; write %s = { client = ( \"192.0.2.0/24\" ); }", name, key);
    free(name);
}

size_t
config_condition_read(struct config_condition **list, const struct config_node *group,
                      const char *key, const char *what, struct errors *errors)
{
    const struct config_node *node = tree_member(group, key), *element;
    size_t count = 0;

    *list = NULL;
    if (node == NULL)
        return 0;
    if (tree_type(node) == CONFIG_TYPE_GROUP) {
        *list = xcalloc(1, sizeof(**list));
        read_one(*list, node, what, key, errors);
        return 1;
    }
    if (tree_type(node) != CONFIG_TYPE_LIST) {
        errors_add(errors, tree_place(node),
                   "%s: %s must be a group, %s = { client = ( \"192.0.2.0/24\" ); }, or a list of "
                   "groups, not %s",
                   what, key, key, tree_kind(node));
        return 0;
    }
    while (tree_element(node, count) != NULL)
        count++;
    if (count == 0)
        errors_add(errors, tree_place(node),
                   "%s: %s is empty; write %s = { client = ( \"192.0.2.0/24\" ); }", what, key,
                   key);
    *list = xcalloc(count + 1, sizeof(**list));
    count = 0;
    for (size_t i = 0; (element = tree_element(node, i)) != NULL; i++) {
        if (tree_type(element) == CONFIG_TYPE_GROUP)
            read_one(&(*list)[count++], element, what, key, errors);
        else
            errors_add(errors, tree_place(element), "%s: entry %zu of %s must be a group, not %s",
                       what, i + 1, key, tree_kind(element));
    }
    return count;
}

static void
check_names(const struct config *config, const struct config_condition *condition,
            struct errors *errors)
{
    const struct option_value *names = options_find(condition->values, "listener");

    for (size_t i = 0; i < names->count; i++) {
        bool known = false;
        for (size_t k = 0; k < config->listener_count; k++)
            known |= strcmp(config->listeners[k].name, names->items[i]) == 0;
        if (!known)
            errors_add(errors, options_place(names, i),
                       "there is no listener \"%.100s\"; a listener is called by its `name`, or by "
                       "its socket as written",
                       names->items[i]);
    }
}

void
config_condition_check(const struct config *config, struct errors *errors)
{
    for (size_t i = 0; i < config->chain_count; i++) {
        for (size_t j = 0; j < config->chains[i].count; j++) {
            const struct config_link *link = &config->chains[i].links[j];

            for (size_t k = 0; k < link->only_count; k++)
                check_names(config, &link->only[k], errors);
            for (size_t k = 0; k < link->unless_count; k++)
                check_names(config, &link->unless[k], errors);
        }
    }
}

void
config_condition_free(struct config_condition *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        options_free(list[i].values);
    free(list);
}
