/*
 * option_types - what each type of option takes, and what is said when it gets
 * something else: one row of `types` for each.
 *
 * A default is read as if it stood in milter.conf, so it is held to the same
 * bounds; one that fails is the plugin's fault and is named as such. Knows one
 * option at a time, and neither tables nor groups. A value owns all it points to
 * but the file names of places, which live as long as the configuration.
 */
#include "config/option_types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/memory.h"
#include "config/tree.h"

/* Each returns 0, or -1 after having complained. */
typedef int read_setting(struct option_reading *reading, struct option_value *value,
                         const struct config_node *node);
typedef int read_text(struct option_reading *reading, struct option_value *value, const char *text);

static read_setting setting_text, setting_number, setting_bool, setting_items;
static read_text text_string, text_item, text_address, text_bool, text_int, text_size,
    text_duration, text_file, text_enum;

static const struct {
    read_setting *setting;
    read_text *text;
    const char *name;
    const char *must_be;
    const char *number_hint; /* where a number stands in place of a string */
} types[] = {
    [MILTER_STRING] = {setting_text, text_string, "string", "a string in quotes", ""},
    [MILTER_LIST] = {setting_items, text_item, "list", "a list of strings, ( \"...\", \"...\" )",
                     ""},
    [MILTER_BOOL] = {setting_bool, text_bool, "boolean", "true or false", ""},
    [MILTER_INT] = {setting_number, text_int, "number", "a number", ""},
    [MILTER_SIZE] = {setting_text, text_size, "size", "a size such as \"10M\"",
                     "; put it in quotes, with its unit"},
    [MILTER_DURATION] = {setting_text, text_duration, "duration", "a duration such as \"5m\"",
                         "; put it in quotes, with its unit"},
    [MILTER_ADDRESSES] = {setting_items, text_address, "addresses",
                          "a list of addresses and networks, ( \"192.0.2.0/24\", \"::1\" )", ""},
    [MILTER_FILE] = {setting_text, text_file, "file", "the name of a file in quotes", ""},
    [MILTER_ENUM] = {setting_text, text_enum, "word", "one of ", ""},
};

const char *
option_types_name(enum milter_option_type type)
{
    return (unsigned)type < sizeof(types) / sizeof(types[0]) ? types[type].name : NULL;
}

/* ---- what is wrong ------------------------------------------------------------ */

/* How messages call an option: `plugin access: "ttl"`, `workers.connections`, `user`. */
static void
subject(const struct option_reading *reading, char *into, size_t size)
{
    const char *what = reading->what, *name = reading->option->name;
    int length;

    if (strchr(what, ' ') != NULL)
        length = snprintf(into, size, "%s: \"%s\"", what, name);
    else
        length = snprintf(into, size, "%s%s%s", what, what[0] == '\0' ? "" : ".", name);
    if (reading->item > 0 && length >= 0 && (size_t)length < size)
        snprintf(into + length, size - (size_t)length, ", item %zu,", reading->item);
}

int
option_types_complain(const struct option_reading *reading, const char *format, ...)
{
    char text[1024], about[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (reading->initial) {
        errors_add(reading->errors, (struct config_place){NULL, 0},
                   "%s: its default for \"%s\" is wrong: %s", reading->what, reading->option->name,
                   text);
        return -1;
    }
    subject(reading, about, sizeof(about));
    errors_add(reading->errors, reading->place, "%s %s", about, text);
    return -1;
}

char *
option_types_list(const char *words)
{
    char *list = xcalloc(2 * strlen(words) + 1, 1);
    size_t length = 0;

    for (words += strspn(words, " "); *words != '\0'; words += strspn(words, " ")) {
        size_t word = strcspn(words, " ");

        if (length > 0) {
            memcpy(list + length, ", ", 2);
            length += 2;
        }
        memcpy(list + length, words, word);
        length += word;
        words += word;
    }
    return list;
}

static const char *
enum_words(const struct milter_option *option)
{
    return option->values == NULL ? "" : option->values;
}

static int
wrong_type(const struct option_reading *reading, const struct config_node *node, const char *hint)
{
    enum milter_option_type type = reading->option->type;
    char *words = option_types_list(type == MILTER_ENUM ? enum_words(reading->option) : "");

    option_types_complain(reading, "must be %s%s, not %s%s", types[type].must_be, words,
                          tree_kind(node), hint);
    free(words);
    return -1;
}

/* ---- text of each type ----------------------------------------------------- */

static int
text_string(struct option_reading *reading, struct option_value *value, const char *text)
{
    (void)reading;
    value->text = xstrdup(text);
    return 0;
}

static int
text_bool(struct option_reading *reading, struct option_value *value, const char *text)
{
    value->number = strcmp(text, "true") == 0;
    if (value->number == 0 && strcmp(text, "false") != 0)
        return option_types_complain(reading, "must be true or false, not \"%.100s\"", text);
    return 0;
}

static int
text_int(struct option_reading *reading, struct option_value *value, const char *text)
{
    char *end;

    errno = 0;
    value->number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        return option_types_complain(reading, "must be a number, not \"%.100s\"", text);
    return 0;
}

static int
text_size(struct option_reading *reading, struct option_value *value, const char *text)
{
    if (options_parse_size(text, &value->number) == 0)
        return 0;
    return option_types_complain(
        reading, "must be a size such as \"10M\" (units are K, M, G), not \"%.100s\"", text);
}

static int
text_duration(struct option_reading *reading, struct option_value *value, const char *text)
{
    if (options_parse_duration(text, &value->number) == 0)
        return 0;
    return option_types_complain(
        reading,
        "must be a duration such as \"5m\" (units are d, h, m, s, ms), "
        "not \"%.100s\"%s",
        text,
        text[0] != '\0' && strspn(text, "0123456789") == strlen(text) ? "; give it a unit" : "");
}

static int
text_enum(struct option_reading *reading, struct option_value *value, const char *text)
{
    const char *word = enum_words(reading->option);
    size_t length = strlen(text);
    char *words;

    for (int64_t n = 0; *(word += strspn(word, " ")) != '\0'; n++) {
        if (strcspn(word, " ") == length && memcmp(word, text, length) == 0) {
            value->number = n;
            value->text = xstrdup(text);
            return 0;
        }
        word += strcspn(word, " ");
    }
    words = option_types_list(enum_words(reading->option));
    option_types_complain(reading, "must be one of %s, not \"%.100s\"", words, text);
    free(words);
    return -1;
}

static int
text_file(struct option_reading *reading, struct option_value *value, const char *text)
{
    const char *reason = NULL;
    char about[256];
    struct stat info;
    char *path;

    if (text[0] == '\0')
        return option_types_complain(reading, "must be the name of a file, not empty");
    if (reading->node == NULL && text[0] != '/')
        return option_types_complain(reading, "must be an absolute path, not \"%.100s\"", text);
    path = reading->node == NULL ? xstrdup(text) : tree_resolve(reading->node, text);
    if (stat(path, &info) != 0)
        reason = strerror(errno);
    else if (!S_ISREG(info.st_mode))
        reason = S_ISDIR(info.st_mode) ? "it is a directory" : "it is not a regular file";
    else if (access(path, R_OK) != 0)
        reason = strerror(errno);
    if (reason == NULL) {
        value->text = path;
        return 0;
    }
    /* a default file that is missing is no bug of the plugin */
    subject(reading, about, sizeof(about));
    errors_add(reading->errors, reading->place, "%s: %s%s cannot be read: %s", about,
               reading->initial ? "it is not set and its default " : "", path, reason);
    free(path);
    return -1;
}

static int
text_item(struct option_reading *reading, struct option_value *value, const char *text)
{
    value->items = xrealloc(value->items, value->count + 1, sizeof(*value->items));
    value->places = xrealloc(value->places, value->count + 1, sizeof(*value->places));
    value->items[value->count] = xstrdup(text);
    value->places[value->count++] = reading->place;
    return 0;
}

static int
text_address(struct option_reading *reading, struct option_value *value, const char *text)
{
    struct milter_net net;

    if (address_parse_net(&net, text) != 0)
        return option_types_complain(
            reading,
            "must be an address or a network such as 192.0.2.0/24 or 2001:db8::/32 "
            "with no bits set beyond its prefix, not \"%.100s\"",
            text);
    value->nets = xrealloc(value->nets, value->count + 1, sizeof(*value->nets));
    value->nets[value->count] = net;
    return text_item(reading, value, text);
}

/* ---- settings ------------------------------------------------------------------ */

static int
setting_text(struct option_reading *reading, struct option_value *value,
             const struct config_node *node)
{
    enum milter_option_type type = reading->option->type;
    bool number = tree_type(node) == CONFIG_TYPE_INT || tree_type(node) == CONFIG_TYPE_INT64;

    if (tree_type(node) != CONFIG_TYPE_STRING)
        return wrong_type(reading, node, number ? types[type].number_hint : "");
    return types[type].text(reading, value, tree_string(node));
}

static int
setting_number(struct option_reading *reading, struct option_value *value,
               const struct config_node *node)
{
    const config_setting_t *setting = (const config_setting_t *)node;
    const char *text = tree_string(node);
    char *end;

    if (tree_type(node) == CONFIG_TYPE_INT || tree_type(node) == CONFIG_TYPE_INT64) {
        value->number = tree_type(node) == CONFIG_TYPE_INT ? config_setting_get_int(setting)
                                                           : config_setting_get_int64(setting);
        return 0;
    }
    if (tree_type(node) == CONFIG_TYPE_FLOAT)
        return option_types_complain(reading, "must be a whole number");
    if (text == NULL)
        return wrong_type(reading, node, "");
    strtoll(text, &end, 10);
    return option_types_complain(reading, "must be a number, not \"%.100s\"%s", text,
                                 end > text && *end == '\0' ? ": drop the quotes" : "");
}

static int
setting_bool(struct option_reading *reading, struct option_value *value,
             const struct config_node *node)
{
    const char *text = tree_string(node);

    if (tree_type(node) == CONFIG_TYPE_BOOL) {
        value->number = config_setting_get_bool((const config_setting_t *)node);
        return 0;
    }
    if (text == NULL)
        return wrong_type(reading, node, "");
    return option_types_complain(
        reading, "must be true or false, not \"%.100s\"%s", text,
        strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ? ": drop the quotes" : "");
}

static int
setting_items(struct option_reading *reading, struct option_value *value,
              const struct config_node *node)
{
    enum milter_option_type type = reading->option->type;
    const struct config_node *element;
    int result = 0;

    if (tree_type(node) == CONFIG_TYPE_STRING)
        return types[type].text(reading, value, tree_string(node));
    if (tree_type(node) != CONFIG_TYPE_LIST && tree_type(node) != CONFIG_TYPE_ARRAY)
        return wrong_type(reading, node, "");
    for (size_t i = 0; (element = tree_element(node, i)) != NULL; i++) {
        struct option_reading item = *reading;

        item.node = element;
        item.place = tree_place(element);
        item.item = i + 1;
        if (tree_type(element) != CONFIG_TYPE_STRING)
            result = option_types_complain(&item, "must be a string in quotes, not %s",
                                           tree_kind(element));
        else if (types[type].text(&item, value, tree_string(element)) != 0)
            result = -1;
    }
    return result;
}

/* ---- bounds, defaults -------------------------------------------------------- */

static int
check_bounds(struct option_reading *reading, const struct option_value *value)
{
    const struct milter_option *option = reading->option;
    bool items = option->type == MILTER_LIST || option->type == MILTER_ADDRESSES;
    bool number = option->type == MILTER_INT || option->type == MILTER_SIZE ||
                  option->type == MILTER_DURATION;
    int64_t amount = items ? (int64_t)value->count : value->number;
    const char *must = items ? "must have" : "must be", *unit = items ? " items" : "";
    char min[OPTIONS_NUMBER], max[OPTIONS_NUMBER], is[OPTIONS_NUMBER];

    if ((!items && !number) || (option->min == 0 && option->max == 0) ||
        (amount >= option->min && amount <= option->max))
        return 0;
    options_format_number(option->type, option->min, min);
    options_format_number(option->type, option->max, max);
    options_format_number(option->type, amount, is);
    if (option->max == INT64_MAX)
        return option_types_complain(reading, "%s at least %s%s, not %s", must, min, unit, is);
    if (option->min == INT64_MIN)
        return option_types_complain(reading, "%s at most %s%s, not %s", must, max, unit, is);
    return option_types_complain(reading, "%s %s to %s%s, not %s", must, min, max, unit, is);
}

void
option_types_free(struct option_value *value)
{
    free(value->text);
    for (size_t i = 0; i < value->count; i++)
        free(value->items[i]);
    free(value->items);
    free(value->places);
    free(value->nets);
}

/* Lists are words separated by spaces. */
static int
read_initial(struct option_reading *reading, struct option_value *value)
{
    enum milter_option_type type = reading->option->type;
    const char *text = reading->option->initial == NULL ? "" : reading->option->initial;
    int result = 0;

    if (types[type].setting != setting_items)
        return types[type].text(reading, value, text);
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        size_t length = strcspn(text, " ");
        char *word = xcalloc(length + 1, 1);

        memcpy(word, text, length);
        if (types[type].text(reading, value, word) != 0)
            result = -1;
        free(word);
        text += length;
    }
    return result;
}

void
option_types_read(struct option_reading *reading, struct option_value *value,
                  const struct config_node *setting)
{
    struct option_value fresh = {.option = value->option, .set = setting != NULL};
    int result;

    if (setting != NULL)
        fresh.place = reading->place = tree_place(setting);
    result = setting != NULL ? types[reading->option->type].setting(reading, &fresh, setting)
                             : read_initial(reading, &fresh);
    if (result == 0)
        result = check_bounds(reading, &fresh);
    if (result == 0) {
        option_types_free(value);
        *value = fresh;
    } else {
        option_types_free(&fresh);
        value->set = fresh.set;
        value->place = fresh.place;
    }
}
