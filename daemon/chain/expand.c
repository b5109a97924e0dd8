/*
 * milter_expand(): ${...} in the texts of an administrator. A name is one of
 * the table below or else a macro of the mail server. Values come from
 * strangers: control characters become '?', and nothing in them is expanded
 * again.
 */
#include <string.h>

#include "chain/chain.h"
#include "chain/envelope.h"

/* In on_rcpt its recipient, otherwise the first one. */
static const char *
rcpt(milter_ctx *ctx)
{
    const struct chain_event *event = ctx->run->event;

    if (event != NULL && event->event == MILTER_EVENT_RCPT)
        return event->text;
    const milter_rcpt *first = milter_rcpt_next(ctx, NULL);
    return first != NULL ? first->address : NULL;
}

static const char *
client_addr(milter_ctx *ctx)
{
    const struct milter_client *client = milter_client(ctx);

    return client != NULL ? client->address : milter_macro(ctx, "{client_addr}");
}

static const char *
client_name(milter_ctx *ctx)
{
    const struct milter_client *client = milter_client(ctx);

    return client != NULL ? client->name : milter_macro(ctx, "{client_name}");
}

static const char *
sender(milter_ctx *ctx)
{
    const char *address = milter_sender(ctx);

    return address != NULL ? address : milter_macro(ctx, "{mail_addr}");
}

static const struct {
    const char *name;
    const char *(*value)(milter_ctx *ctx);
} names[] = {
    {"sender", sender},
    {"rcpt", rcpt},
    {"client_addr", client_addr},
    {"client_name", client_name},
    {"helo", milter_helo},
    {"queue_id", milter_queue_id},
    {"session_id", milter_session_id},
    {"chain", milter_chain_name},
};

static const char *
value_of(milter_ctx *ctx, const char *name)
{
    if (ctx->run == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].value(ctx);
    return milter_macro(ctx, name);
}

/* The name of a ${...} at `at`, copied; NULL where it is none. *end is behind it. */
static const char *
reference(const char *at, char *name, size_t size, const char **end)
{
    if (at[0] != '$' || at[1] != '{')
        return NULL;
    const char *close = strchr(at, '}');
    if (close == NULL || (size_t)(close - at - 2) >= size)
        return NULL;
    memcpy(name, at + 2, (size_t)(close - at - 2));
    name[close - at - 2] = '\0';
    *end = close + 1;
    return name;
}

/* Writes the expansion where `out` is not NULL; its length either way. */
static size_t
expand(milter_ctx *ctx, const char *text, char *out)
{
    char name[128];
    const char *end;
    size_t length = 0;

    while (*text != '\0') {
        if (reference(text, name, sizeof(name), &end) == NULL) {
            if (text[0] == '$' && text[1] == '$')
                text++;
            if (out != NULL)
                out[length] = *text;
            length++;
            text++;
            continue;
        }
        const char *value = value_of(ctx, name);
        size_t n = value != NULL ? strlen(value) : 0;
        if (n >= 2 && value[0] == '<' && value[n - 1] == '>') {
            value++;
            n -= 2;
        }
        for (size_t i = 0; i < n; i++, length++)
            if (out != NULL)
                out[length] = (unsigned char)value[i] < ' ' || value[i] == 0x7f ? '?' : value[i];
        text = end;
    }
    return length;
}

char *
milter_expand(milter_ctx *ctx, const char *text)
{
    if (text == NULL)
        return NULL;
    char *out = milter_alloc(ctx, expand(ctx, text, NULL) + 1);
    if (out != NULL)
        expand(ctx, text, out);
    return out;
}
