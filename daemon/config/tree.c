/*
 * tree - hands the text of milter.conf to libconfig and walks what it makes.
 *
 * Settings are only ever reached one by one (config_setting_get_elem):
 * libconfig's look-ups by path cannot tell a wrong type from a missing key.
 * What a setting means is not known here. Everything lives until tree_free().
 */
#include "config/tree.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "config/source.h"

struct tree {
    config_t document; /* first: a setting points to it, and so to the tree */
    struct source source;
    char *file;
    char *directory; /* the working directory at the time of reading */
};

/* libconfig's words, and what to look for. */
static const struct {
    const char *text, *hint;
} hints[] = {
    {"syntax error", "look here and just above for a missing quote, comma, = or bracket"},
    {"duplicate setting name", "this group has a setting of that name already"},
    {"mismatched element type in array", "values between [ and ] must be of one type"},
};

static config_setting_t *
setting_of(const struct config_node *node)
{
    return (config_setting_t *)node;
}

static const struct tree *
tree_of(const struct config_node *node)
{
    return (const struct tree *)setting_of(node)->config;
}

struct tree *
tree_read(const char *file, struct errors *errors)
{
    struct tree *tree = xcalloc(1, sizeof(*tree));
    const char *text, *hint = NULL;

    config_init(&tree->document);
    tree->file = xstrdup(file);
    tree->directory = getcwd(NULL, 0);
    if (tree->directory != NULL && strcmp(tree->directory, "/") == 0)
        tree->directory[0] = '\0';
    if (source_read(&tree->source, file, errors) != 0)
        goto fail;
    if (config_read_string(&tree->document, tree->source.text) == CONFIG_TRUE)
        return tree;

    text = config_error_text(&tree->document);
    for (size_t i = 0; text != NULL && i < sizeof(hints) / sizeof(hints[0]); i++)
        if (strcmp(text, hints[i].text) == 0)
            hint = hints[i].hint;
    errors_add(errors, source_place(&tree->source, (unsigned)config_error_line(&tree->document)),
               "%s%s%s", text == NULL ? "cannot be parsed" : text, hint == NULL ? "" : ": ",
               hint == NULL ? "" : hint);
fail:
    tree_free(tree);
    return NULL;
}

const struct config_node *
tree_root(const struct tree *tree)
{
    return (const struct config_node *)config_root_setting(&tree->document);
}

const char *
tree_file(const struct tree *tree)
{
    return tree->file;
}

struct config_place
tree_place(const struct config_node *node)
{
    const config_setting_t *setting = setting_of(node);
    const struct tree *tree = tree_of(node);

    if (config_setting_is_root(setting))
        return (struct config_place){tree->file, 0};
    return source_place(&tree->source, config_setting_source_line(setting));
}

const struct config_node *
tree_element(const struct config_node *node, size_t n)
{
    if (!config_setting_is_aggregate(setting_of(node)))
        return NULL;
    return (const struct config_node *)config_setting_get_elem(setting_of(node), (unsigned)n);
}

const struct config_node *
tree_member(const struct config_node *node, const char *name)
{
    const struct config_node *element;

    if (tree_type(node) != CONFIG_TYPE_GROUP)
        return NULL;
    for (size_t i = 0; (element = tree_element(node, i)) != NULL; i++)
        if (strcmp(config_setting_name(setting_of(element)), name) == 0)
            return element;
    return NULL;
}

int
tree_type(const struct config_node *node)
{
    return config_setting_type(setting_of(node));
}

const char *
tree_kind(const struct config_node *node)
{
    static const char *const kinds[] = {
        [CONFIG_TYPE_NONE] = "nothing",   [CONFIG_TYPE_GROUP] = "a group",
        [CONFIG_TYPE_INT] = "a number",   [CONFIG_TYPE_INT64] = "a number",
        [CONFIG_TYPE_FLOAT] = "a number", [CONFIG_TYPE_STRING] = "a string",
        [CONFIG_TYPE_ARRAY] = "a list",   [CONFIG_TYPE_LIST] = "a list",
    };

    if (tree_type(node) == CONFIG_TYPE_BOOL)
        return config_setting_get_bool(setting_of(node)) ? "true" : "false";
    return kinds[tree_type(node)];
}

const char *
tree_string(const struct config_node *node)
{
    const char *text;

    if (tree_type(node) != CONFIG_TYPE_STRING)
        return NULL;
    text = config_setting_get_string(setting_of(node));
    return text == NULL ? "" : text;
}

char *
tree_resolve(const struct config_node *node, const char *name)
{
    const struct tree *tree = tree_of(node);
    const char *file = tree_place(node).file, *slash = strrchr(file, '/');
    int directory = slash == NULL ? 0 : (int)(slash - file + 1);

    if (name[0] == '/')
        return xstrdup(name);
    while (strncmp(name, "./", 2) == 0)
        name += 2;
    if (file[0] == '/' || tree->directory == NULL)
        return xprintf("%.*s%s", directory, file, name);
    return xprintf("%s/%.*s%s", tree->directory, directory, file, name);
}

void
tree_free(struct tree *tree)
{
    if (tree == NULL)
        return;
    config_destroy(&tree->document);
    source_free(&tree->source);
    free(tree->directory);
    free(tree->file);
    free(tree);
}
