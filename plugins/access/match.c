/*
 * match - finds the first rule of the list that matches, whatever its length.
 *
 * Every rule is one key, and everything that can be asked about has only a few
 * keys that could match it: an address one for each prefix length in use, a
 * host name itself and each domain above it, a mail address four and its
 * domains. Each is looked up in one hash table; a key knows the position of
 * the first rule that has it, and the smallest position wins. So the cost does
 * not grow with the list. Keys are the administrator's, hence no defence against
 * chosen collisions. The rules live as long as the index.
 */
#include "match.h"

#include <milterd/plugin.h>

#include <stdlib.h>
#include <string.h>

static uint32_t
smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* FNV-1a */
static uint32_t
hash_key(enum rules_what what, enum rules_form form, const char *key, size_t length)
{
    uint32_t hash = (2166136261U ^ (uint32_t)(what * RULES_FORMS + form)) * 16777619U;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)key[i]) * 16777619U;
    return hash;
}

/* The slot of a key, or the free one where it would go. The table has free slots. */
static struct match_slot *
find_slot(const struct match *match, uint32_t hash, enum rules_what what, enum rules_form form,
          const char *key, size_t length)
{
    for (uint32_t i = hash;; i++) {
        struct match_slot *slot = &match->slots[i & (match->nslots - 1)];
        const struct rule *rule;

        if (slot->position == MATCH_NONE)
            return slot;
        rule = &match->rules[slot->position];
        if (slot->hash == hash && rule->what == what && rule->form == form &&
            rule->key_length == length && memcmp(rule->key, key, length) == 0)
            return slot;
    }
}

static uint32_t
look_up(const struct match *match, enum rules_what what, enum rules_form form, const char *key,
        size_t length)
{
    if (match->used == 0)
        return MATCH_NONE;
    return find_slot(match, hash_key(what, form, key, length), what, form, key, length)->position;
}

/* ---- building ------------------------------------------------------------------------ */

static int
grow_slots(struct match *match)
{
    uint32_t nslots = match->nslots == 0 ? 64 : match->nslots * 2;
    struct match_slot *slots = malloc(nslots * sizeof(*slots));

    if (slots == NULL)
        return -1;
    for (uint32_t i = 0; i < nslots; i++)
        slots[i] = (struct match_slot){.position = MATCH_NONE};
    for (uint32_t i = 0; i < match->nslots; i++) {
        uint32_t at = match->slots[i].hash;

        if (match->slots[i].position == MATCH_NONE)
            continue;
        while (slots[at & (nslots - 1)].position != MATCH_NONE)
            at++;
        slots[at & (nslots - 1)] = match->slots[i];
    }
    free(match->slots);
    match->slots = slots;
    match->nslots = nslots;
    return 0;
}

static int
grow_rules(struct match *match)
{
    uint32_t room = match->room == 0 ? 64 : match->room * 2;
    struct rule *rules = reallocarray(match->rules, room, sizeof(*rules));

    if (rules == NULL)
        return -1;
    match->rules = rules;
    match->room = room;
    return 0;
}

int
match_add(struct match *match, struct rule *rule)
{
    struct match_kind *kind = &match->kinds[rule->what];
    uint32_t position = match->count;
    struct match_slot *slot;
    uint32_t hash;

    if (position >= INT32_MAX || (position == match->room && grow_rules(match) != 0) ||
        (match->used >= match->nslots / 2 && grow_slots(match) != 0))
        return -1;

    hash = hash_key(rule->what, rule->form, rule->key, rule->key_length);
    slot = find_slot(match, hash, rule->what, rule->form, rule->key, rule->key_length);
    match->rules[match->count++] = *rule;
    if (rule->what == RULES_RCPT)
        match->first_rcpt = smaller(match->first_rcpt, position);
    if (slot->position != MATCH_NONE)
        return 0; /* the same pattern stands further up and wins */
    *slot = (struct match_slot){.hash = hash, .position = position};
    match->used++;

    switch (rule->form) {
    case RULES_ANY:
        kind->any = position;
        break;
    case RULES_NET:
        kind->bits[rule->key[0] == MILTER_FAMILY_INET6][(unsigned char)rule->key[1]] = true;
        break;
    case RULES_BELOW:
        if (rule->key_length > kind->longest)
            kind->longest = rule->key_length;
        break;
    case RULES_EXACT:
    case RULES_DOMAIN:
    case RULES_LOCAL:
    case RULES_FORMS:
        break;
    }
    return 0;
}

void
match_init(struct match *match)
{
    *match = (struct match){.first_rcpt = MATCH_NONE};
    for (int what = 0; what < RULES_WHATS; what++)
        match->kinds[what].any = MATCH_NONE;
}

void
match_fini(struct match *match)
{
    for (uint32_t i = 0; i < match->count; i++)
        rules_fini(&match->rules[i]);
    free(match->rules);
    free(match->slots);
    match_init(match);
}

/* ---- asking ---------------------------------------------------------------------------- */

uint32_t
match_client(const struct match *match, const char *address)
{
    const struct match_kind *kind = &match->kinds[RULES_CLIENT];
    uint32_t found = kind->any;
    struct milter_net net = {0};
    char key[RULES_NET_KEY];
    bool inet6;

    if (milter_net_parse(&net, address) != 0)
        return found;
    inet6 = net.family == MILTER_FAMILY_INET6;
    key[0] = (char)net.family;
    memcpy(key + 2, net.address, sizeof(net.address));
    /* From the whole address to /0, dropping one bit after the other. */
    for (int bits = net.bits; bits >= 0; bits--) {
        if (kind->bits[inet6][bits]) {
            key[1] = (char)bits;
            found = smaller(found, look_up(match, RULES_CLIENT, RULES_NET, key, sizeof(key)));
        }
        if (bits > 0)
            key[2 + (bits - 1) / 8] &= (char)~(0x80 >> ((bits - 1) % 8));
    }
    return found;
}

/* The domain and each one above it, as far as there are patterns so long. */
static uint32_t
match_below(const struct match *match, enum rules_what what, const char *domain, size_t length)
{
    size_t longest = match->kinds[what].longest;
    uint32_t found = MATCH_NONE;

    while (length > 0) {
        const char *dot = memchr(domain, '.', length);

        if (length <= longest)
            found = smaller(found, look_up(match, what, RULES_BELOW, domain, length));
        if (dot == NULL)
            break;
        length -= (size_t)(dot + 1 - domain);
        domain = dot + 1;
    }
    return found;
}

uint32_t
match_host(const struct match *match, enum rules_what what, const char *host, size_t length)
{
    uint32_t found = match->kinds[what].any;

    found = smaller(found, look_up(match, what, RULES_EXACT, host, length));
    return smaller(found, match_below(match, what, host, length));
}

uint32_t
match_mailbox(const struct match *match, enum rules_what what, const struct mailbox *mailbox)
{
    uint32_t found = match->kinds[what].any;
    const char *domain;
    size_t length;

    found = smaller(found, look_up(match, what, RULES_EXACT, mailbox->text, mailbox->length));
    if (mailbox->local > 0)
        found = smaller(found, look_up(match, what, RULES_LOCAL, mailbox->text, mailbox->local));
    if (!mailbox->has_domain)
        return found;
    domain = mailbox_domain(mailbox, &length);
    found = smaller(found, look_up(match, what, RULES_DOMAIN, domain, length));
    return smaller(found, match_below(match, what, domain, length));
}
