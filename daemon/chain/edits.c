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

/* How many received fields of that name there are up to this one, itself included. */
static uint32_t
index_of(const milter_header *h)
{
    uint32_t index = 1;

    for (const milter_header *other = h->previous; other != NULL; other = other->previous)
        if (other->layer == LAYER_RECEIVED && strcasecmp(other->name, h->name) == 0)
            index++;
    return index;
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
                               .index = index_of(h),
                               .name = h->name,
                               .value = value}) < 0)
            return -1;
    }
    return 0;
}

/* Whether there is a field of that name when this one is added: received, though deleted
   maybe, or new and further up. */
static bool
name_is_there(const milter_header *h)
{
    for (const milter_header *other = h->previous; other != NULL; other = other->previous)
        if (!other->above && strcasecmp(other->name, h->name) == 0 &&
            (other->layer == LAYER_RECEIVED || headers_raw(other, LAYER_ALL) != NULL))
            return true;
    return false;
}

/* How a field gets to the end of the header. One that the mail server would write itself is
   added plainly, else it would write its own beside it. */
static void
set_end(const struct message *message, const struct mta *mta, const milter_header *h,
        struct edit *edit)
{
    bool all_known = message->keeps_headers && !message->headers_cut;

    edit->kind = EDIT_ADD_HEADER;
    if (mta->own == NULL || (all_known ? !name_is_there(h) : mta_writes(mta, h->name)))
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
            else if (!below_received && message->header_count > 0)
                edit.index = INDEX_END;
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

/* Where the fields are not kept: the requests one by one, those above Received last. */
static int
new_headers_as_asked(struct message *message, const struct mta *mta, struct edit_list *list)
{
    for (int above = 0; above < 2; above++) {
        for (const milter_header *h = message->headers; h != NULL; h = h->next) {
            struct edit edit = {.kind = EDIT_INSERT_HEADER,
                                .index = h->position + (h->position > 1 ? mta->hidden : 0),
                                .name = h->name,
                                .value = h->raw};
            if (!h->inserted)
                set_end(message, mta, h, &edit);
            if (h->above == above && push(message, list, edit) < 0)
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
    if (received_headers(message, list) < 0 || new_headers_below(message, mta, list) < 0)
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
        if (rcpt->layer == LAYER_RECEIVED || is_deleted(rcpt) || is_double(message, rcpt))
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
