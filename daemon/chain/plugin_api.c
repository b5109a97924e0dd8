/*
 * What plugins call about the connection, macros, replies, options, memory and
 * the log. Each function checks what it is given and whether it may be called
 * now; a refusal is logged with the plugin's name by chain_refuse. The message
 * is in plugin_api_message.c, its edits in plugin_api_edits.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/log.h"
#include "chain/chain.h"
#include "chain/loader.h"
#include "config/options.h"

/* ---- replies ------------------------------------------------------------- */

enum milter_verdict
milter_reply(milter_ctx *ctx, int code, const char *xcode, const char *text)
{
    struct chain_run *run = ctx->run;
    char why[200];

    if (run == NULL || run->event == NULL) {
        chain_refuse(ctx, MILTER_ERR_STAGE, "milter_reply: only while an event is answered");
        return MILTER_FAILURE;
    }
    if (reply_make(&run->reply, chain_arena(run), code, xcode, text, why, sizeof(why)) < 0) {
        chain_refuse(ctx, MILTER_ERR_VALUE, "milter_reply: %s", why);
        return MILTER_FAILURE;
    }
    run->reply_by = ctx;
    return MILTER_REPLY;
}

/* Lines over the limit are cut, and lines too many left out; other controls become '?'. */
static void
fit_reply(char *text)
{
    size_t lines = 1, column = 0;
    char *out = text;

    for (const char *in = text; *in != '\0'; in++) {
        if (*in == '\n') {
            if (++lines > REPLY_LINES_MAX)
                break;
            column = 0;
        } else if (++column > REPLY_LINE_MAX) {
            continue;
        }
        bool control = ((unsigned char)*in < ' ' && *in != '\n' && *in != '\t') || *in == 0x7f;
        *out++ = control ? '?' : *in;
    }
    *out = '\0';
}

enum milter_verdict
milter_replyf(milter_ctx *ctx, int code, const char *xcode, const char *format, ...)
{
    va_list arguments;

    if (ctx->run == NULL || ctx->run->event == NULL)
        return milter_reply(ctx, code, xcode, "");
    va_start(arguments, format);
    char *text = arena_vprintf(chain_arena(ctx->run), format, arguments);
    va_end(arguments);
    if (text == NULL) {
        chain_refuse(ctx, MILTER_ERR_MEMORY, "milter_replyf: no memory");
        return MILTER_FAILURE;
    }
    fit_reply(text);
    return milter_reply(ctx, code, xcode, text);
}

/* ---- the connection ------------------------------------------------------ */

const struct milter_client *
milter_client(milter_ctx *ctx)
{
    return ctx->run != NULL ? ctx->run->client : NULL;
}

const char *
milter_helo(milter_ctx *ctx)
{
    return ctx->run != NULL ? ctx->run->helo : NULL;
}

const char *
milter_session_id(milter_ctx *ctx)
{
    return ctx->run != NULL ? chain_session_id(ctx->run) : NULL;
}

unsigned
milter_protocol_version(milter_ctx *ctx)
{
    return ctx->run != NULL ? ctx->run->version : 0;
}

const char *
milter_name(milter_ctx *ctx)
{
    return ctx->link->name;
}

const char *
milter_chain_name(milter_ctx *ctx)
{
    return ctx->link->chain->name;
}

/* ---- macros ---------------------------------------------------------------- */

const char *
milter_macro(milter_ctx *ctx, const char *name)
{
    return ctx->run != NULL && name != NULL ? macros_find(&ctx->run->macros, name) : NULL;
}

int
milter_macro_next(milter_ctx *ctx, size_t *at, const char **name, const char **value)
{
    return ctx->run != NULL ? macros_next(&ctx->run->macros, at, name, value) : 0;
}

const char *
milter_queue_id(milter_ctx *ctx)
{
    return milter_macro(ctx, "i");
}

/* ---- memory and data ------------------------------------------------------ */

static struct arena *
arena_of(milter_ctx *ctx)
{
    if (ctx->run == NULL)
        return &ctx->link->arena;
    return ctx->run->message != NULL ? &ctx->run->message_arena : &ctx->run->arena;
}

void *
milter_alloc(milter_ctx *ctx, size_t n)
{
    return arena_alloc(arena_of(ctx), n);
}

char *
milter_strdup(milter_ctx *ctx, const char *text)
{
    return text != NULL ? arena_strdup(arena_of(ctx), text) : NULL;
}

char *
milter_printf(milter_ctx *ctx, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    char *text = arena_vprintf(arena_of(ctx), format, arguments);
    va_end(arguments);
    return text;
}

static struct chain_data *
data_of(milter_ctx *ctx, enum milter_scope scope)
{
    switch (scope) {
    case MILTER_WORKER:
        return &ctx->link->data;
    case MILTER_CONNECTION:
        return ctx->run != NULL ? &ctx->connection : NULL;
    case MILTER_MESSAGE:
        return ctx->run != NULL && ctx->run->message != NULL ? &ctx->message : NULL;
    }
    return NULL;
}

int
milter_set_data(milter_ctx *ctx, enum milter_scope scope, void *data, void (*destroy)(void *))
{
    struct chain_data *slot = data_of(ctx, scope);

    if (slot == NULL)
        return chain_refuse(ctx, MILTER_ERR_STAGE,
                            "milter_set_data: there is no such scope at this event");
    struct chain_data old = *slot;
    *slot = (struct chain_data){data, destroy};
    if (old.destroy != NULL && old.data != data)
        old.destroy(old.data);
    return MILTER_OK;
}

void *
milter_data(milter_ctx *ctx, enum milter_scope scope)
{
    const struct chain_data *slot = data_of(ctx, scope);

    return slot != NULL ? slot->data : NULL;
}

/* ---- options --------------------------------------------------------------- */

/* The option of that name. A plugin that asks for one it does not declare is told so. */
static const struct option_value *
option(milter_ctx *ctx, const char *name)
{
    const struct option_value *value = name != NULL ? options_find(ctx->link->options, name) : NULL;

    if (value == NULL)
        chain_refuse(ctx, MILTER_ERR_NOT_DECLARED, "its table has no option \"%s\"",
                     name != NULL ? name : "");
    return value;
}

const char *
milter_option_string(milter_ctx *ctx, const char *name)
{
    const struct option_value *value = option(ctx, name);

    return value != NULL ? value->text : NULL;
}

int64_t
milter_option_int(milter_ctx *ctx, const char *name)
{
    const struct option_value *value = option(ctx, name);

    return value != NULL ? value->number : 0;
}

size_t
milter_option_count(milter_ctx *ctx, const char *name)
{
    const struct option_value *value = option(ctx, name);

    return value != NULL ? value->count : 0;
}

const char *
milter_option_item(milter_ctx *ctx, const char *name, size_t index)
{
    const struct option_value *value = option(ctx, name);

    return value != NULL && index < value->count ? value->items[index] : NULL;
}

bool
milter_option_contains(milter_ctx *ctx, const char *name, const char *address)
{
    const struct option_value *value = option(ctx, name);
    struct milter_net one;

    if (value == NULL || value->nets == NULL || address == NULL || address_parse(&one, address) < 0)
        return false;
    for (size_t i = 0; i < value->count; i++)
        if (address_in_net(&one, &value->nets[i]))
            return true;
    return false;
}

int
milter_option_error(milter_ctx *ctx, const char *name, size_t index, const char *format, ...)
{
    const struct option_value *value = option(ctx, name);
    struct config_place place = ctx->link->config->place;
    char text[1000];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (value != NULL && options_place(value, index).file != NULL)
        place = options_place(value, index);
    if (ctx->link->errors != NULL)
        errors_add(ctx->link->errors, place, "plugin %s: %s: %s", ctx->link->name, name, text);
    else
        log_error("plugin=%s: %s: %s", ctx->link->name, name, text);
    return -1;
}

/* ---- addresses and the log ---------------------------------------------------- */

int
milter_net_parse(struct milter_net *net, const char *text)
{
    return text != NULL ? address_parse_net(net, text) : -1;
}

bool
milter_net_contains(const struct milter_net *net, const char *address)
{
    struct milter_net one;

    return address != NULL && address_parse(&one, address) == 0 && address_in_net(&one, net);
}

void
milter_log(milter_ctx *ctx, enum milter_level level, const char *format, ...)
{
    char text[2000];
    va_list arguments;

    if (!log_wants(level))
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (ctx->run != NULL)
        log_line(level, "%s: plugin=%s: %s", chain_queue_id(ctx->run), ctx->link->name, text);
    else
        log_line(level, "plugin=%s: %s", ctx->link->name, text);
}
