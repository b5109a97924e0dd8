/*
 * config_parts - what config_load() is made of. For the files config*.c alone.
 */
#ifndef DAEMON_CONFIG_CONFIG_PARTS_H
#define DAEMON_CONFIG_CONFIG_PARTS_H

#include "config/config.h"

/* Reads `chains`; config->plugin_dir is known before. node NULL where there is none. */
void config_chain_read(struct config *config, const struct config_node *node,
                       struct errors *errors);
void config_chain_free(struct config *config);

/* Reads `listeners`, after the chains. */
void config_listener_read(struct config *config, const struct config_node *node,
                          struct errors *errors);
void config_listener_free(struct config *config);

/* One key of a chain's entry, `only` or `unless`: the number of conditions, *list is the
   caller's. what: as in options_read(). */
size_t config_condition_read(struct config_condition **list, const struct config_node *group,
                             const char *key, const char *what, struct errors *errors);
/* What can be checked when the listeners are known. */
void config_condition_check(const struct config *config, struct errors *errors);
void config_condition_free(struct config_condition *list, size_t count);

/* Fills in kind and path, or kind, host and port. -1 with what is wrong in `reason`. */
int config_socket_parse(struct config_listener *listener, const char *text, char *reason,
                        size_t size);

/* Complains where the option names an account that does not exist. what: as in
   options_read(). NULL or its text. */
enum config_account { ACCOUNT_USER, ACCOUNT_GROUP };
const char *config_account_check(const struct option_values *values, const char *name,
                                 enum config_account kind, struct errors *errors);

#endif
