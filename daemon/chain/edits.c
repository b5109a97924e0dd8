/*
 * One burst, in this order:
 *
 * 1. changes and deletions of received header fields, from the last to the
 *    first. Deleting renumbers the later fields of the same name on Postfix and
 *    does not on Sendmail; from the highest index down both do the same (the
 *    ascending order deleted the wrong fields: CVE-2022-48521). They come
 *    before additions, which both count among the fields of a name.
 * 2. new fields below the mail server's Received, from the top down, so that
 *    each finds those above it in place; then those above Received, last first.
 *    What a position counts differs between mail servers, see mta.c.
 * 3. sender; recipients, deletions before additions; body; quarantine.
 */
#include "chain/edits.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chain/envelope.h"
#include "chain/headers.h"

/* An index beyond every header: the end, on both mail servers. */
enum { INDEX_END = 0x7fffffff };

static int
push(struct message *message, struct edit_list *list, struct edit edit)
{
    /* The room doubles at each power of two. */
    if ((list->count & (list->count - 1)) == 0) {
        size_t room = list->count == 0 ? 1 : 2 * list->count;
        struct edit *items = arena_alloc(message->arena, room * sizeof(*items));
        if (items == NULL)
            return -1;
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof(*items));
        list->items = items;
    }
    list->items[list->count++] = edit;
    return 0;
}

/* By name, then from the top down. */
static int
by_name(const void *a, const void *b)
{
    const milter_header *one = *(milter_header *const *)a, *other = *(milter_header *const *)b;
    int order = strcasecmp(one->name, other->name);

    return order != 0 ? order : (one->ordinal > other->ordinal) - (one->ordinal < other->ordinal);
}

/* The ordinal of a received field: how many received ones of its name there are up to it. Of a
   new one: how many of its name there are when it is added, received, though deleted maybe, or
   new and further up. All at once: looking back from each would take the square of the time. */
static int
count_names(struct message *message)
{
    size_t count = 0;

    for (milter_header *h = message->headers; h != NULL; h = h->next)
        h->ordinal = (unsigned)count++;
    milter_header **sorted = arena_alloc(message->arena, count * sizeof(*sorted));
    if (sorted == NULL)
        return -1;
    for (milter_header *h = message->headers; h != NULL; h = h->next)
        sorted[h->ordinal] = h;
    qsort(sorted, count, sizeof(*sorted), by_name);

    unsigned received = 0, there = 0;
    for (size_t i = 0; i < count; i++) {
        milter_header *h = sorted[i];
        if (i > 0 && strcasecmp(sorted[i - 1]->name, h->name) != 0)
            received = there = 0;
        if (h->layer == LAYER_RECEIVED) {
            h->ordinal = ++received;
            there++;
        } else {
            h->ordinal = there;
            there += !h->above && headers_raw(h, LAYER_ALL) != NULL;
        }
    }
    return 0;
}

/* Whether the header is not as it was received. */
static bool
headers_edited(const struct message *message)
{
    const milter_header *h = message->headers;

    while (h != NULL &&
           (h->layer == LAYER_NOBODY || (h->layer == LAYER_RECEIVED && h->versions == NULL)))
        h = h->next;
    return h != NULL;
}

static int
received_headers(struct message *message, struct edit_list *list)
{
    for (milter_header *h = message->last_header; h != NULL; h = h->previous) {
        if (h->layer != LAYER_RECEIVED || h->versions == NULL)
            continue;
        const char *raw = headers_raw(h, LAYER_ALL);
        if (raw != NULL && strcmp(raw, h->raw) == 0)
            continue;
        /* An empty value would delete. */
        const char *value = raw == NULL ? "" : raw[0] == '\0' ? " " : raw;
        if (push(message, list,
                 (struct edit){.kind = EDIT_CHANGE_HEADER,
                               .index = h->ordinal,
                               .name = h->name,
                               .value = value}) < 0)
            return -1;
    }
    return 0;
}

/* How a field gets to the end of the header. One that the mail server would write itself is
   added plainly, else it would write its own beside it. */
static void
set_end(const struct message *message, const struct mta *mta, const milter_header *h,
        struct edit *edit)
{
    bool all_known = message->keeps_headers && !message->headers_cut;

    edit->kind = EDIT_ADD_HEADER;
    if (mta->own == NULL || (all_known ? h->ordinal == 0 : mta_writes(mta, h->name)))
        return;
    edit->kind = EDIT_INSERT_HEADER;
    edit->index = INDEX_END;
}

/* Fields below the mail server's Received, which is number 0. */
static int
new_headers_below(struct message *message, const struct mta *mta, struct edit_list *list)
{
    const milter_header *last_received = message->last_header;
    uint32_t index = 1;
    uint32_t hidden = 0; /* places above that only the mail server counts */
    uint32_t deleted = 0;
    bool below_received = true;
    bool at_end = false; /* some are there already */

    while (last_received != NULL && (last_received->layer != LAYER_RECEIVED ||
                                     headers_raw(last_received, LAYER_ALL) == NULL))
        last_received = last_received->previous;
    if (last_received == NULL)
        below_received = false;

    for (milter_header *h = message->headers; h != NULL; h = h->next) {
        const char *raw = headers_raw(h, LAYER_ALL);
        deleted += raw == NULL && h->layer == LAYER_RECEIVED && mta->counts_deleted;
        if (raw == NULL || h->above)
            continue;
        if (h->layer != LAYER_RECEIVED) {
            struct edit edit = {
                .kind = EDIT_INSERT_HEADER, .index = index + hidden, .name = h->name, .value = raw};
            if (!below_received && !h->inserted)
                set_end(message, mta, h, &edit);
            else if (!below_received && (message->header_count > 0 || at_end))
                edit.index = INDEX_END;
            at_end |= edit.kind == EDIT_ADD_HEADER || edit.index == INDEX_END;
            if (push(message, list, edit) < 0)
                return -1;
        } else {
            hidden = mta->hidden + deleted;
        }
        index++;
        if (h == last_received)
            below_received = false;
    }
    return 0;
}

static int
new_headers_above(struct message *message, struct edit_list *list)
{
    for (milter_header *h = message->last_header; h != NULL; h = h->previous) {
        const char *raw = headers_raw(h, LAYER_ALL);
        if (!h->above || raw == NULL)
            continue;
        if (push(message, list,
                 (struct edit){.kind = EDIT_INSERT_HEADER, .name = h->name, .value = raw}) < 0)
            return -1;
    }
    return 0;
}

/* The position that a plugin has named, for this mail server; so many new fields stand in a
   row right below Received. */
static uint32_t
place_of(const struct mta *mta, unsigned position, uint32_t below)
{
    if (position <= below + 1)
        return position;
    return position < INDEX_END - mta->hidden ? position + mta->hidden : INDEX_END;
}

/* Where the fields are not kept: the requests one by one, those above Received last. */
static int
new_headers_as_asked(struct message *message, const struct mta *mta, struct edit_list *list)
{
    uint32_t below = 0; /* in a row right below Received */

    for (int above = 0; above < 2; above++) {
        for (const milter_header *h = message->headers; h != NULL; h = h->next) {
            struct edit edit = {.kind = EDIT_INSERT_HEADER,
                                .index = place_of(mta, h->position, below),
                                .name = h->name,
                                .value = h->raw};
            if (h->above != above || h->layer == LAYER_NOBODY)
                continue;
            if (!h->inserted)
                set_end(message, mta, h, &edit);
            else if (h->position > 0 && h->position <= below + 1)
                below++;
            if (push(message, list, edit) < 0)
                return -1;
        }
    }
    return 0;
}

static int
headers(struct message *message, const struct mta *mta, struct edit_list *list)
{
    if (!message->keeps_headers)
        return new_headers_as_asked(message, mta, list);
    /* A mail server that leaves out the end of the header. */
    if (!message->headers_complete && headers_complete(message) < 0)
        return -1;
    if (!headers_edited(message))
        return 0;
    if (count_names(message) < 0 || received_headers(message, list) < 0 ||
        new_headers_below(message, mta, list) < 0)
        return -1;
    return new_headers_above(message, list);
}

/* Whether the mail server has an added recipient already, or an earlier plugin, though later
   in time, asks for it as well. */
static bool
is_double(const struct message *message, const milter_rcpt *rcpt)
{
    const milter_rcpt *other =
        rcpt->args == NULL ? envelope_next_rcpt(message, LAYER_ALL, NULL) : NULL;

    while (other != NULL &&
           (other->layer >= rcpt->layer || strcmp(other->address, rcpt->address) != 0))
        other = envelope_next_rcpt(message, LAYER_ALL, other);
    return other != NULL;
}

static bool
is_deleted(const milter_rcpt *rcpt)
{
    const struct version *version = version_at(rcpt->versions, LAYER_ALL);

    return version != NULL && version->deleted;
}

static int
rcpts(struct message *message, struct edit_list *list)
{
    for (milter_rcpt *rcpt = message->rcpts; rcpt != NULL; rcpt = rcpt->next) {
        if (rcpt->layer != LAYER_RECEIVED || rcpt->refused || !is_deleted(rcpt))
            continue;
        if (push(message, list, (struct edit){.kind = EDIT_DELETE_RCPT, .name = rcpt->wire}) < 0)
            return -1;
    }
    for (milter_rcpt *rcpt = message->rcpts; rcpt != NULL; rcpt = rcpt->next) {
        if (rcpt->layer == LAYER_RECEIVED || rcpt->layer == LAYER_NOBODY || is_deleted(rcpt) ||
            is_double(message, rcpt))
            continue;
        if (push(message, list,
                 (struct edit){.kind = EDIT_ADD_RCPT, .name = rcpt->wire, .value = rcpt->args}) < 0)
            return -1;
    }
    return 0;
}

int
edits_make(struct message *message, const struct mta *mta, struct edit_list *list)
{
    *list = (struct edit_list){0};
    if (message->edits == 0)
        return 0;
    if (headers(message, mta, list) < 0)
        return -1;

    const struct version *sender = message->senders;
    if (sender != NULL &&
        push(message, list,
             (struct edit){.kind = EDIT_SENDER, .name = sender->wire, .value = sender->args}) < 0)
        return -1;
    if (rcpts(message, list) < 0)
        return -1;
    if (message->bodies != NULL &&
        push(message, list, (struct edit){.kind = EDIT_BODY, .body = &message->bodies->spool}) < 0)
        return -1;
    if (message->quarantines != NULL &&
        push(message, list,
             (struct edit){.kind = EDIT_QUARANTINE, .name = message->quarantines->text}) < 0)
        return -1;
    return 0;
}
