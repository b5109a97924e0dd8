/*
 * match - the access list as an index: which rule is the first to match.
 */
#ifndef PLUGINS_ACCESS_MATCH_H
#define PLUGINS_ACCESS_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailbox.h"
#include "rules.h"

/* Behind every rule: the smaller of two positions is always the one that counts. */
#define MATCH_NONE UINT32_MAX

/* All the keys of one kind that there are, for what a look-up can leave out. */
struct match_kind {
    uint32_t any;      /* the first "*" */
    size_t longest;    /* key of RULES_BELOW */
    bool bits[2][129]; /* client: prefix lengths, IPv4 and IPv6 */
};

struct match_slot {
    uint32_t hash;
    uint32_t position; /* of the rule; MATCH_NONE: free */
};

struct match {
    struct rule *rules; /* in the order of the list */
    uint32_t count, room;
    struct match_slot *slots;
    uint32_t nslots, used; /* nslots is a power of two, or 0 */
    struct match_kind kinds[RULES_WHATS];
    uint32_t first_rcpt; /* position of the first rule for recipients */
};

void match_init(struct match *match);
void match_fini(struct match *match);

/* Appends a rule, which then belongs to the index. -1: no memory, or too many; it does not. */
int match_add(struct match *match, struct rule *rule);

/*
 * The position of the first rule that matches, MATCH_NONE where none does.
 * address: text; anything that is no address is matched by * alone.
 * host: as mailbox_host() left it, for RULES_NAME and RULES_HELO.
 */
uint32_t match_client(const struct match *match, const char *address);
uint32_t match_host(const struct match *match, enum rules_what what, const char *host,
                    size_t length);
uint32_t match_mailbox(const struct match *match, enum rules_what what,
                       const struct mailbox *mailbox);

#endif
