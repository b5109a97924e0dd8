/*
 * condition - whether a plugin of a chain is to see a message: `only` and
 * `unless` of milter.conf.
 *
 * A condition holds when all of its keys hold; of several in a list one must hold.
 * What is not known yet (the sender before MAIL, the recipients before all of them are
 * there) leaves the answer open, and until it is closed the plugin is not called.
 */
#ifndef DAEMON_CHAIN_CONDITION_H
#define DAEMON_CHAIN_CONDITION_H

#include <stdint.h>
#include <milterd/plugin.h>

#include "config/config.h"

struct chain_run;
struct condition;

enum condition_answer { CONDITION_OPEN, CONDITION_YES, CONDITION_NO };

/* The conditions of one place in a chain; NULL where it has none. Ends the process
   when there is no memory. */
struct condition *condition_new(const struct config_link *link);
void condition_free(struct condition *condition);

/* What the host must know to judge them: enum milter_need, and this one of its own, that
   header and body are counted. */
enum { CONDITION_NEEDS_SIZE = 0x40000000 };
uint32_t condition_needs(const struct condition *condition);

/* Whether the plugin sees this message (outside one: this connection), as far as it is
   known at this event. */
enum condition_answer condition_judge(const struct condition *condition,
                                      const struct chain_run *run, enum milter_event event);

#endif
