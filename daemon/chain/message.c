/*
 * The parts common to everything that can be edited: versions by layer, the
 * body, dropping a layer. envelope.c and headers.c know what a sender or a
 * header field is; edits.c turns the differences into what is asked of the mail
 * server.
 */
#include "chain/message.h"

#include <stdlib.h>

#include "chain/envelope.h"

struct message *
message_new(struct arena *arena, const struct message_limits *limits)
{
    struct message *message = arena_alloc(arena, sizeof(*message));

    if (message == NULL)
        return NULL;
    message->arena = arena;
    message->limits = limits;
    message->body.limit = limits->body_size;
    message->body.memory_limit = limits->body_memory;
    message->body.directory = limits->directory;
    clock_gettime(CLOCK_MONOTONIC, &message->begun);
    return message;
}

void
message_free(struct message *message)
{
    spool_free(&message->body);
    for (struct message_body *body = message->bodies; body != NULL; body = body->below)
        spool_free(&body->spool);
}

struct version *
message_edit(struct message *message, struct version **versions, int layer)
{
    struct version *version = version_make(message->arena, versions, layer);

    message->edits += version != NULL;
    return version;
}

static void
drop_headers(struct message *message, int layer)
{
    for (milter_header *h = message->headers; h != NULL; h = h->next) {
        version_drop(&h->versions, layer);
        if (h->layer == layer)
            h->layer = LAYER_NOBODY;
    }
}

static void
drop_rcpts(struct message *message, int layer)
{
    for (milter_rcpt *rcpt = message->rcpts; rcpt != NULL; rcpt = rcpt->next) {
        version_drop(&rcpt->versions, layer);
        if (rcpt->layer == layer && !envelope_give_up(rcpt))
            rcpt->layer = LAYER_NOBODY;
    }
}

static struct message_body **
body_place(struct message *message, int layer)
{
    struct message_body **at = &message->bodies;

    while (*at != NULL && (*at)->layer > layer)
        at = &(*at)->below;
    return at;
}

void
message_drop_layer(struct message *message, int layer)
{
    struct message_body **body = body_place(message, layer);

    version_drop(&message->senders, layer);
    drop_headers(message, layer);
    drop_rcpts(message, layer);
    if (*body != NULL && (*body)->layer == layer) {
        spool_free(&(*body)->spool);
        *body = (*body)->below;
    }
    version_drop(&message->quarantines, layer);
    for (struct header_request **at = &message->waiting; *at != NULL;)
        if ((*at)->layer == layer)
            *at = (*at)->next;
        else
            at = &(*at)->next;
    for (struct auth_result **at = &message->auth_results; *at != NULL;)
        if ((*at)->layer == layer)
            *at = (*at)->next;
        else
            at = &(*at)->next;
}

/* Whether a thing of that layer is anything but what was received. */
static bool
edited(int layer, const struct version *versions)
{
    return layer != LAYER_NOBODY && (layer != LAYER_RECEIVED || versions != NULL);
}

bool
message_edited(const struct message *message)
{
    if (message->edits == 0)
        return false;
    if (message->senders != NULL || message->bodies != NULL || message->quarantines != NULL ||
        message->auth_results != NULL || message->waiting != NULL)
        return true;
    for (const milter_header *h = message->headers; h != NULL; h = h->next)
        if (edited(h->layer, h->versions))
            return true;
    for (const milter_rcpt *rcpt = message->rcpts; rcpt != NULL; rcpt = rcpt->next)
        if (edited(rcpt->layer, rcpt->versions))
            return true;
    return false;
}

const struct spool *
message_body(const struct message *message, int layer)
{
    for (const struct message_body *body = message->bodies; body != NULL; body = body->below)
        if (body->layer <= layer)
            return &body->spool;
    return &message->body;
}

struct spool *
message_body_edit(struct message *message, int layer)
{
    struct message_body **place = body_place(message, layer);

    if (*place != NULL && (*place)->layer == layer)
        return &(*place)->spool;
    struct message_body *body = arena_alloc(message->arena, sizeof(*body));
    if (body == NULL)
        return NULL;
    body->layer = layer;
    body->spool.memory_limit = message->limits->body_memory;
    body->spool.directory = message->limits->directory;
    body->below = *place;
    *place = body;
    message->edits++;
    return &body->spool;
}

int
message_quarantine(struct message *message, int layer, const char *reason)
{
    char *copy = arena_strdup(message->arena, reason);
    struct version *version =
        copy != NULL ? message_edit(message, &message->quarantines, layer) : NULL;

    if (version == NULL)
        return MILTER_ERR_MEMORY;
    version->text = copy;
    return MILTER_OK;
}
