/*
 * options - reads a group of milter.conf by a table of options.
 *
 * Decides which settings of the group the table knows, which of its options are
 * missing, and when a default takes their place; a default is read also where it
 * is not needed, so that a wrong one is seen. What a value may be is known in
 * option_types.c. The values live until options_free() and must not outlive the
 * configuration, to whose file names they point.
 */
#include "config/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "config/option_types.h"
#include "config/tree.h"

static void
read_option(struct option_reading *reading, struct option_value *value,
            const struct config_node *group)
{
    const struct milter_option *option = value->option;
    const struct config_node *setting = group == NULL ? NULL : tree_member(group, option->name);

    reading->option = option;
    reading->node = group;
    reading->place = group == NULL ? (struct config_place){NULL, 0} : tree_place(group);
    if (option_types_name(option->type) == NULL) {
        errors_add(reading->errors, (struct config_place){NULL, 0},
                   "%s: its option \"%s\" is of an unknown type (%d)", reading->what, option->name,
                   (int)option->type);
        return;
    }
    if (setting == NULL && option->initial == NULL && (option->flags & MILTER_REQUIRED) != 0) {
        reading->initial = false;
        option_types_complain(reading, "must be set%s%s", option->help == NULL ? "" : ": ",
                              option->help == NULL ? "" : option->help);
        return;
    }
    /* also where it is not used, so that a wrong default is seen; but a file need not be there */
    if (option->initial != NULL && (setting == NULL || option->type != MILTER_FILE)) {
        reading->initial = true;
        option_types_read(reading, value, NULL);
    }
    if (setting != NULL) {
        reading->initial = false;
        reading->node = setting;
        option_types_read(reading, value, setting);
    }
}

/* ---- the group ------------------------------------------------------------------- */

static bool
has_word(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (words += strspn(words, " "); *words != '\0'; words += strspn(words, " ")) {
        if (strcspn(words, " ") == length && memcmp(words, word, length) == 0)
            return true;
        words += strcspn(words, " ");
    }
    return false;
}

static void
unknown_key(const struct option_values *values, const struct config_node *node, const char *name,
            const char *others, struct errors *errors)
{
    const char *what = values->name, *colon = what[0] == '\0' ? "" : ": ";
    char *words = xstrdup(""), alike[64];

    for (size_t i = 0; i < values->count; i++) {
        char *more = xprintf("%s %s", words, values->table[i].name);

        free(words);
        words = more;
    }
    if (errors_alike(name, words, alike, sizeof(alike)) != NULL ||
        errors_alike(name, others, alike, sizeof(alike)) != NULL) {
        errors_add(errors, tree_place(node), "%s%sunknown key \"%s\", did you mean \"%s\"?", what,
                   colon, name, alike);
    } else if (values->count == 0) {
        errors_add(errors, tree_place(node), "%s%sunknown key \"%s\"; it has no options", what,
                   colon, name);
    } else {
        char *list = option_types_list(words);

        errors_add(errors, tree_place(node), "%s%sunknown key \"%s\"; the keys are %s", what, colon,
                   name, list);
        free(list);
    }
    free(words);
}

static void
find_unknown(const struct option_values *values, const struct config_node *group,
             const char *others, struct errors *errors)
{
    const struct config_node *element;

    if (strcmp(others, "*") == 0 || tree_type(group) != CONFIG_TYPE_GROUP)
        return;
    for (size_t i = 0; (element = tree_element(group, i)) != NULL; i++) {
        const char *name = config_setting_name((const config_setting_t *)element);

        if (options_find(values, name) == NULL && !has_word(others, name))
            unknown_key(values, element, name, others, errors);
    }
}

/* The rows as this daemon knows them, whatever their size in the plugin. */
static void
copy_table(struct option_values *values, const struct milter_option *table, size_t option_size)
{
    size_t size = option_size < sizeof(*table) ? option_size : sizeof(*table);
    const char *row = (const char *)table;

    for (; table != NULL && option_size >= sizeof(table->name); row += option_size) {
        struct milter_option option = {0};

        memcpy(&option, row, size);
        if (option.name == NULL)
            break;
        values->table = xrealloc(values->table, values->count + 1, sizeof(*values->table));
        values->table[values->count++] = option;
    }
}

struct option_values *
options_read(const struct milter_option *table, size_t option_size, const struct config_node *group,
             const char *others, const char *what, struct errors *errors)
{
    struct option_values *values = xcalloc(1, sizeof(*values));
    struct option_reading reading = {.what = what, .errors = errors};

    values->name = xstrdup(what);
    copy_table(values, table, option_size);
    values->values = xcalloc(values->count + 1, sizeof(*values->values));
    for (size_t i = 0; i < values->count; i++)
        values->values[i].option = &values->table[i];
    if (group != NULL)
        find_unknown(values, group, others == NULL ? "" : others, errors);
    for (size_t i = 0; i < values->count; i++)
        read_option(&reading, &values->values[i], group);
    return values;
}

const struct option_value *
options_find(const struct option_values *values, const char *name)
{
    for (size_t i = 0; i < values->count; i++)
        if (strcmp(values->table[i].name, name) == 0)
            return &values->values[i];
    return NULL;
}

const char *
options_text(const struct option_values *values, const char *name)
{
    const struct option_value *value = options_find(values, name);

    ALWAYS(value != NULL);
    return value->text;
}

int64_t
options_number(const struct option_values *values, const char *name)
{
    const struct option_value *value = options_find(values, name);

    ALWAYS(value != NULL);
    return value->number;
}

struct config_place
options_place(const struct option_value *value, size_t index)
{
    return index < value->count ? value->places[index] : value->place;
}

void
options_free(struct option_values *values)
{
    if (values == NULL)
        return;
    for (size_t i = 0; i < values->count; i++)
        option_types_free(&values->values[i]);
    free(values->values);
    free(values->table);
    free(values->name);
    free(values);
}
