/*
 * Header fields as a list in the order of the edited message. A field that one
 * plugin deletes stays in the list, for the plugins before it and for the
 * counting of wire indexes; who may see it is asked of its versions each time.
 * Nothing is kept of the first field beyond headers_limit and of those after it, so
 * that wire indexes stay right, and then headers_cut says so.
 *
 * What is asked for by position, or by name and index, means the whole header:
 * until that is there such requests wait. Where fields are not kept the list is
 * of the new ones alone, as they were asked for, those of earlier plugins first.
 */
#include "chain/headers.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static milter_header *
make(struct message *message, int layer, const char *name, const char *raw)
{
    milter_header *h = arena_alloc(message->arena, sizeof(*h));

    if (h == NULL)
        return NULL;
    h->layer = layer;
    h->name = arena_strdup(message->arena, name);
    h->raw = raw;
    return h->name != NULL ? h : NULL;
}

/* Into the list before `next`, at the end for NULL. */
static void
link_before(struct message *message, milter_header *h, milter_header *next)
{
    h->next = next;
    h->previous = next != NULL ? next->previous : message->last_header;
    *(h->previous != NULL ? &h->previous->next : &message->headers) = h;
    *(next != NULL ? &next->previous : &message->last_header) = h;
}

milter_header *
headers_received(struct message *message, const char *name, const char *value, bool exact)
{
    const struct message_limits *limits = message->limits;
    size_t name_length = strlen(name), length = strlen(value);
    size_t bytes = name_length + length + 3;

    if (message->headers_cut ||
        (limits->header_count != 0 && message->header_count >= limits->header_count) ||
        (limits->header_bytes != 0 && bytes > limits->header_bytes - message->header_bytes)) {
        message->headers_cut = true;
        errno = 0;
        return NULL;
    }
    char *raw = arena_alloc(message->arena, length + 2);
    if (raw == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    raw[0] = ' ';
    memcpy(raw + !exact, value, length + 1);
    milter_header *h = make(message, LAYER_RECEIVED, name, raw);
    if (h == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    /* Plugins may have added fields at the end before this one came. */
    milter_header *next = NULL;
    message->header_count++;
    message->header_bytes += bytes;
    for (milter_header *last = message->last_header; last != NULL && last->at_end;
         last = last->previous)
        next = last;
    link_before(message, h, next);
    return h;
}

const char *
headers_raw(const milter_header *h, int layer)
{
    if (h->layer > layer)
        return NULL;
    const struct version *version = version_at(h->versions, layer);
    if (version == NULL)
        return h->raw;
    return version->deleted ? NULL : version->text;
}

milter_header *
headers_next(const struct message *message, int layer, const milter_header *h)
{
    milter_header *next = h != NULL ? h->next : message->headers;

    while (next != NULL && headers_raw(next, layer) == NULL)
        next = next->next;
    return next;
}

milter_header *
headers_find(const struct message *message, int layer, const char *name, const milter_header *after)
{
    milter_header *h = headers_next(message, layer, after);

    while (h != NULL && strcasecmp(h->name, name) != 0)
        h = headers_next(message, layer, h);
    return h;
}

static milter_header *
add(struct message *message, int layer, const char *name, const char *raw, milter_header *next)
{
    milter_header *h = make(message, layer, name, raw);

    if (h != NULL) {
        link_before(message, h, next);
        message->edits++;
    }
    return h;
}

/* A field beside h, and like it where more may arrive. */
static int
add_beside(struct message *message, int layer, const milter_header *h, const char *name,
           const char *raw, milter_header *next)
{
    if (h->layer == LAYER_NOBODY)
        return MILTER_ERR_VALUE;
    milter_header *added = add(message, layer, name, raw, next);
    if (added == NULL)
        return MILTER_ERR_MEMORY;
    added->above = h->above;
    added->at_end = h->at_end;
    added->inserted = true;
    return MILTER_OK;
}

int
headers_before(struct message *message, int layer, milter_header *h, const char *name,
               const char *raw)
{
    return add_beside(message, layer, h, name, raw, h);
}

int
headers_after(struct message *message, int layer, milter_header *h, const char *name,
              const char *raw)
{
    return add_beside(message, layer, h, name, raw, h->next);
}

/* What a field at the end for that layer comes before: what later plugins have put there,
   who may have done so earlier in time. */
static milter_header *
end_for(const struct message *message, int layer)
{
    milter_header *next = NULL;

    for (milter_header *last = message->last_header; last != NULL; last = last->previous) {
        if (last->layer == LAYER_NOBODY)
            continue;
        if (!last->at_end || last->layer <= layer)
            break;
        next = last;
    }
    return next;
}

int
headers_append(struct message *message, int layer, const char *name, const char *raw)
{
    milter_header *added = add(message, layer, name, raw, end_for(message, layer));

    if (added == NULL)
        return MILTER_ERR_MEMORY;
    added->at_end = true;
    return MILTER_OK;
}

/* Above the mail server's own Received; again those of later plugins on top. */
static milter_header *
top_for(const struct message *message, int layer)
{
    milter_header *next = message->headers;

    while (next != NULL && next->above && next->layer > layer)
        next = next->next;
    return next;
}

/* The position'th field that a layer sees below the mail server's Received, NULL for none. */
static milter_header *
at_position(const struct message *message, int layer, unsigned position)
{
    milter_header *h = message->headers;
    unsigned seen = 0;

    while (h != NULL && (h->above || headers_raw(h, layer) == NULL || ++seen < position))
        h = h->next;
    return h;
}

/* Keeps a request until the header is complete; in the order of the layers, then of time. */
static int
postpone(struct message *message, const struct header_request *request)
{
    struct header_request **at = &message->waiting;
    struct header_request *kept = arena_alloc(message->arena, sizeof(*kept));

    if (kept == NULL)
        return MILTER_ERR_MEMORY;
    *kept = *request;
    if ((kept->name = arena_strdup(message->arena, request->name)) == NULL)
        return MILTER_ERR_MEMORY;
    while (*at != NULL && (*at)->layer <= kept->layer)
        at = &(*at)->next;
    kept->next = *at;
    *at = kept;
    message->edits++;
    return MILTER_OK;
}

int
headers_insert(struct message *message, int layer, unsigned position, const char *name,
               const char *raw)
{
    milter_header *next;
    bool end = !message->keeps_headers;

    if (position > 0 && message->keeps_headers && !message->headers_complete)
        return postpone(
            message,
            &(struct header_request){
                .layer = layer, .inserts = true, .number = position, .name = name, .raw = raw});
    if (position == 0 && message->keeps_headers) {
        next = top_for(message, layer);
    } else {
        next = end ? NULL : at_position(message, layer, position);
        end = next == NULL;
    }
    if (end)
        next = end_for(message, layer);
    milter_header *added = add(message, layer, name, raw, next);
    if (added == NULL)
        return MILTER_ERR_MEMORY;
    added->above = position == 0;
    added->at_end = end;
    added->inserted = true;
    added->position = position;
    return MILTER_OK;
}

int
headers_change(struct message *message, int layer, const char *name, unsigned index,
               const char *raw)
{
    if (!message->headers_complete)
        return postpone(message, &(struct header_request){
                                     .layer = layer, .number = index, .name = name, .raw = raw});
    milter_header *h = headers_find(message, layer, name, NULL);
    for (unsigned i = 1; h != NULL && i < index; i++)
        h = headers_find(message, layer, name, h);
    if (h == NULL)
        return raw != NULL ? headers_append(message, layer, name, raw) : MILTER_OK;
    return raw != NULL ? headers_replace(message, layer, h, raw)
                       : headers_delete(message, layer, h);
}

int
headers_complete(struct message *message)
{
    message->headers_complete = true;
    for (; message->waiting != NULL; message->waiting = message->waiting->next) {
        const struct header_request *request = message->waiting;
        int error;

        if (request->inserts)
            error = headers_insert(message, request->layer, request->number, request->name,
                                   request->raw);
        else
            error = headers_change(message, request->layer, request->name, request->number,
                                   request->raw);
        if (error != MILTER_OK)
            return -1;
    }
    return 0;
}

int
headers_replace(struct message *message, int layer, milter_header *h, const char *raw)
{
    if (headers_raw(h, layer) == NULL)
        return MILTER_ERR_VALUE;
    struct version *version = message_edit(message, &h->versions, layer);
    if (version == NULL)
        return MILTER_ERR_MEMORY;
    version->text = raw;
    return MILTER_OK;
}

int
headers_delete(struct message *message, int layer, milter_header *h)
{
    if (headers_raw(h, layer) == NULL)
        return MILTER_ERR_VALUE;
    struct version *version = message_edit(message, &h->versions, layer);
    if (version == NULL)
        return MILTER_ERR_MEMORY;
    version->deleted = true;
    return MILTER_OK;
}

bool
headers_good_name(const char *name)
{
    size_t length = name != NULL ? strlen(name) : 0;

    if (length == 0 || length > 900)
        return false;
    for (; *name != '\0'; name++)
        if ((unsigned char)*name <= ' ' || (unsigned char)*name >= 0x7f || *name == ':')
            return false;
    return true;
}

int
headers_clean_value(struct arena *arena, const char *value, bool exact, const char **raw)
{
    /* A LF may get a tab behind it. */
    char *out = arena_alloc(arena, 2 * strlen(value) + 2);

    if (out == NULL)
        return MILTER_ERR_MEMORY;
    *raw = out;
    if (!exact)
        *out++ = ' ';
    for (; *value != '\0'; value++) {
        if (*value == '\r') {
            if (value[1] != '\n')
                return MILTER_ERR_VALUE;
            continue;
        }
        if (*value == '\n' && value[1] == '\0')
            break;
        *out++ = *value;
        if (*value == '\n' && value[1] != ' ' && value[1] != '\t')
            *out++ = '\t';
    }
    *out = '\0';
    return MILTER_OK;
}
