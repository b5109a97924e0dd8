/*
 * Header fields as a list in the order of the edited message. A field that one
 * plugin deletes stays in the list, for the plugins before it and for the
 * counting of wire indexes; who may see it is asked of its versions each time.
 * Nothing is kept of a field beyond headers_limit, and then headers_cut says so.
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

    if ((limits->header_count != 0 && message->header_count >= limits->header_count) ||
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
    /* Plugins may have added fields before this one came: those for the end and those for
       a position further down stay below it. */
    milter_header *next = NULL;
    message->header_count++;
    message->header_bytes += bytes;
    for (milter_header *last = message->last_header; last != NULL; last = last->previous) {
        if (last->layer == LAYER_RECEIVED ||
            (last->inserted && last->position <= message->header_count))
            break;
        next = last;
    }
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

int
headers_before(struct message *message, int layer, milter_header *h, const char *name,
               const char *raw)
{
    milter_header *added = add(message, layer, name, raw, h);

    if (added == NULL)
        return MILTER_ERR_MEMORY;
    added->above = h->above;
    added->inserted = true;
    return MILTER_OK;
}

int
headers_after(struct message *message, int layer, milter_header *h, const char *name,
              const char *raw)
{
    milter_header *added = add(message, layer, name, raw, h->next);

    if (added == NULL)
        return MILTER_ERR_MEMORY;
    added->above = h->above;
    added->inserted = true;
    return MILTER_OK;
}

int
headers_append(struct message *message, int layer, const char *name, const char *raw)
{
    return add(message, layer, name, raw, NULL) != NULL ? MILTER_OK : MILTER_ERR_MEMORY;
}

/* Where the header ends for a position beyond it. While fields still arrive, those that
   plugins put at the end already stay behind. */
static milter_header *
end_of_header(const struct message *message)
{
    milter_header *next = NULL;

    for (milter_header *last = message->last_header; !message->headers_complete && last != NULL;
         last = last->previous) {
        if (last->layer == LAYER_RECEIVED || last->inserted)
            break;
        next = last;
    }
    return next;
}

/* The first field that is not above the mail server's own Received. */
static milter_header *
first_below(const struct message *message)
{
    milter_header *h = message->headers;

    while (h != NULL && h->above)
        h = h->next;
    return h;
}

int
headers_insert(struct message *message, int layer, unsigned position, const char *name,
               const char *raw)
{
    milter_header *next = position == 0 ? message->headers : first_below(message);

    /* The position'th field that this plugin sees below the mail server's Received. */
    if (message->keeps_headers && position > 0) {
        unsigned seen = 0;
        while (next != NULL && (headers_raw(next, layer) == NULL || ++seen < position))
            next = next->next;
    }
    if (position > 0 && next == NULL)
        next = end_of_header(message);
    milter_header *added = add(message, layer, name, raw, next);
    if (added == NULL)
        return MILTER_ERR_MEMORY;
    added->above = position == 0;
    added->inserted = true;
    added->position = position;
    return MILTER_OK;
}

int
headers_replace(struct message *message, int layer, milter_header *h, const char *raw)
{
    if (headers_raw(h, layer) == NULL)
        return MILTER_ERR_VALUE;
    struct version *version = version_edit(message, &h->versions, layer);
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
    struct version *version = version_edit(message, &h->versions, layer);
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
