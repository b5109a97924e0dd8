/*
 * bare_chain - a chain without a loader and a configuration: of plugin tables that
 * stand in the test itself. And a mail server's side of a dialogue with a session
 * on it: packets in, replies out.
 */
#ifndef TESTS_BARE_CHAIN_H
#define TESTS_BARE_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#include "chain/chain.h"
#include "session/session.h"
#include "wire/encode.h"

enum { BARE_CHAIN_LINKS = 6 };

struct bare_chain {
    struct chain chain;
    struct chain_link links[BARE_CHAIN_LINKS];
    uint16_t callers[MILTER_EVENTS][BARE_CHAIN_LINKS];
};

/* An empty chain named "bare", all of whose limits are wide. */
void bare_chain_init(struct bare_chain *bare);

/* One more plugin behind the others; its table is copied. What follows for the chain from
   the tables is as the loader has it, but for needs: those are taken as they are. */
struct chain_link *bare_chain_add(struct bare_chain *bare, const struct milter_plugin *plugin);

/* Gives back what plugins have taken for the worker. */
void bare_chain_fini(struct bare_chain *bare);

/* A session of a chain, and what it has said last. */
struct bare_dialogue {
    struct session *session;
    struct session_peer peer;
    struct encode out;
    char letters[2048]; /* of the replies to the last packet */
};

void bare_dialogue_open(struct bare_dialogue *dialogue, struct chain *chain);
void bare_dialogue_close(struct bare_dialogue *dialogue);

/* One packet. The letters of the replies: "c", "hhc", "" for none, "close" where the
   session is over. The replies themselves stay in dialogue->out until the next packet. */
const char *bare_dialogue_say(struct bare_dialogue *dialogue, char command, const void *data,
                              size_t length);

/* The same with strings, each with its NUL: say_words(d, 'M', "<a@b>", "SIZE=1", NULL). */
const char *bare_dialogue_say_words(struct bare_dialogue *dialogue, int command, ...)
    __attribute__((sentinel));

/* O of that version; all actions and these protocol bits are offered. */
const char *bare_dialogue_negotiate(struct bare_dialogue *dialogue, uint32_t version,
                                    uint32_t protocol);

#endif
