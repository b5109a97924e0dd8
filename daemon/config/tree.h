/*
 * tree - milter.conf as libconfig's document, and where each setting of it
 * stands. For the files of config/ alone: others know a struct config_node.
 */
#ifndef DAEMON_CONFIG_TREE_H
#define DAEMON_CONFIG_TREE_H

#include <libconfig.h>

#include "config/errors.h"
#include "config/options.h"

struct tree;

/* NULL where the file cannot be read or parsed; the reasons are in errors. */
struct tree *tree_read(const char *file, struct errors *errors);

/* The outermost group. Nodes and the file names of places live as long as the tree. */
const struct config_node *tree_root(const struct tree *tree);
const char *tree_file(const struct tree *tree);

struct config_place tree_place(const struct config_node *node);

/* The element of that name in a group, NULL where there is none. */
const struct config_node *tree_member(const struct config_node *node, const char *name);

/* The n'th element of a group, list or array; NULL beyond the last and for anything else. */
const struct config_node *tree_element(const struct config_node *node, size_t n);

/* CONFIG_TYPE_GROUP, ... */
int tree_type(const struct config_node *node);

/* What a value is, for "must be this, not that": "a list", "true", "a number". */
const char *tree_kind(const struct config_node *node);

/* A string's text, NULL for what is none. */
const char *tree_string(const struct config_node *node);

/* A file's name as an absolute path; it is relative to the directory of the file in
   which the node stands. The caller frees it. */
char *tree_resolve(const struct config_node *node, const char *name);

void tree_free(struct tree *tree);

#endif
