/*
 * What plugins call to see the message: each as its own layer sees it.
 */
#include <string.h>

#include "chain/chain.h"
#include "chain/envelope.h"
#include "chain/headers.h"

static struct message *
message_of(const milter_ctx *ctx)
{
    return ctx->run != NULL ? ctx->run->message : NULL;
}

/* The one thing an author forgets: to declare what is kept. */
static bool
declared(milter_ctx *ctx, uint32_t need, const char *name)
{
    if (ctx->link->plugin.needs & need)
        return true;
    chain_refuse(ctx, MILTER_ERR_NOT_DECLARED, "its table does not declare %s", name);
    return false;
}

const char *
milter_sender(milter_ctx *ctx)
{
    const struct message *message = message_of(ctx);

    return message != NULL ? envelope_sender(message, ctx->link->layer) : NULL;
}

const char *const *
milter_sender_args(milter_ctx *ctx)
{
    const struct message *message = message_of(ctx);

    return message != NULL ? envelope_sender_args(message, ctx->link->layer) : NULL;
}

milter_rcpt *
milter_rcpt_next(milter_ctx *ctx, const milter_rcpt *rcpt)
{
    const struct message *message = message_of(ctx);

    return message != NULL ? envelope_next_rcpt(message, ctx->link->layer, rcpt) : NULL;
}

const char *
milter_rcpt_address(const milter_rcpt *rcpt)
{
    return rcpt->address;
}

const char *const *
milter_rcpt_args(const milter_rcpt *rcpt)
{
    return rcpt->list;
}

bool
milter_rcpt_rejected(milter_ctx *ctx)
{
    return ctx->run != NULL && ctx->run->event != NULL && ctx->run->event->rejected;
}

milter_header *
milter_header_next(milter_ctx *ctx, const milter_header *h)
{
    const struct message *message = message_of(ctx);

    if (message == NULL || !declared(ctx, MILTER_NEEDS_HEADERS, "MILTER_NEEDS_HEADERS"))
        return NULL;
    return headers_next(message, ctx->link->layer, h);
}

milter_header *
milter_header_find(milter_ctx *ctx, const char *name, const milter_header *after)
{
    const struct message *message = message_of(ctx);

    if (message == NULL || name == NULL ||
        !declared(ctx, MILTER_NEEDS_HEADERS, "MILTER_NEEDS_HEADERS"))
        return NULL;
    return headers_find(message, ctx->link->layer, name, after);
}

const char *
milter_header_name(const milter_header *h)
{
    return h->name;
}

const char *
milter_header_raw(milter_ctx *ctx, const milter_header *h)
{
    return headers_raw(h, ctx->link->layer);
}

const char *
milter_header_value(milter_ctx *ctx, const milter_header *h)
{
    const char *raw = headers_raw(h, ctx->link->layer);
    bool exact = ctx->link->plugin.needs & MILTER_NEEDS_EXACT_VALUES;

    return raw != NULL && raw[0] == ' ' && !exact ? raw + 1 : raw;
}

bool
milter_headers_cut(milter_ctx *ctx)
{
    const struct message *message = message_of(ctx);

    return message != NULL && message->headers_cut;
}

static const struct spool *
body_of(milter_ctx *ctx)
{
    const struct message *message = message_of(ctx);

    if (message == NULL || !declared(ctx, MILTER_NEEDS_BODY, "MILTER_NEEDS_BODY"))
        return NULL;
    return message_body(message, ctx->link->layer);
}

const void *
milter_body(milter_ctx *ctx, size_t *length)
{
    const struct spool *body = body_of(ctx);

    if (length != NULL)
        *length = body != NULL ? (size_t)body->size : 0;
    return body != NULL ? spool_span(body) : NULL;
}

ptrdiff_t
milter_body_read(milter_ctx *ctx, uint64_t offset, void *into, size_t size)
{
    const struct spool *body = body_of(ctx);

    if (body == NULL)
        return MILTER_ERR_STAGE;
    ptrdiff_t n = spool_read(body, offset, into, size);
    return n < 0 ? MILTER_ERR_MEMORY : n;
}

uint64_t
milter_body_size(milter_ctx *ctx)
{
    const struct spool *body = body_of(ctx);

    return body != NULL ? body->size : 0;
}

bool
milter_body_cut(milter_ctx *ctx)
{
    const struct spool *body = body_of(ctx);

    return body != NULL && body->cut;
}
