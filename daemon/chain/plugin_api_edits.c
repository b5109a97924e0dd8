/*
 * What plugins call to change the message. Every request is checked here: that
 * the plugin's table declares the action, that the mail server offered it, that
 * a message is open, and the value itself. What passes is kept in the message,
 * in the plugin's layer; nothing is sent before the end of message.
 */
#include <string.h>

#include "base/log.h"
#include "chain/authres.h"
#include "chain/chain.h"
#include "chain/envelope.h"
#include "chain/headers.h"

/* What fits into a packet of the usual size; Postfix cuts a header at 60,000 bytes. */
enum { VALUE_MAX = 60000 };

/* One row for each action: its names for the log. */
static const struct {
    uint32_t action;
    const char *declared;
} actions[] = {
    {MILTER_ADDS_HEADERS, "MILTER_ADDS_HEADERS"},
    {MILTER_REPLACES_BODY, "MILTER_REPLACES_BODY"},
    {MILTER_ADDS_RCPTS, "MILTER_ADDS_RCPTS"},
    {MILTER_DELETES_RCPTS, "MILTER_DELETES_RCPTS"},
    {MILTER_CHANGES_HEADERS, "MILTER_CHANGES_HEADERS"},
    {MILTER_QUARANTINES, "MILTER_QUARANTINES"},
    {MILTER_CHANGES_SENDER, "MILTER_CHANGES_SENDER"},
    {MILTER_ADDS_RCPTS_ARGS, "MILTER_ADDS_RCPTS_ARGS"},
};

static const char *
action_name(uint32_t action)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (actions[i].action == action)
            return actions[i].declared;
    return "?";
}

/* Whether an action may be asked for now. */
static int
check(milter_ctx *ctx, uint32_t action, const char *function)
{
    struct chain_run *run = ctx->run;

    if ((ctx->link->plugin.actions & action) == 0)
        return chain_refuse(ctx, MILTER_ERR_NOT_DECLARED, "%s: its table does not declare %s",
                            function, action_name(action));
    if (run == NULL || run->message == NULL || run->event == NULL)
        return chain_refuse(ctx, MILTER_ERR_STAGE, "%s: only from MAIL to the end of message",
                            function);
    if ((run->offered & action) == 0)
        return chain_refuse(ctx, MILTER_ERR_NOT_OFFERED,
                            "%s: the mail server does not offer what %s stands for", function,
                            action_name(action));
    return MILTER_OK;
}

/* The result of the message's own functions; a refusal in words (`what`). */
static int
settle(milter_ctx *ctx, int error, const char *function, const char *what)
{
    if (error == MILTER_ERR_MEMORY) {
        ctx->incomplete = true;
        return chain_refuse(ctx, error, "%s: no memory", function);
    }
    if (error != MILTER_OK)
        return chain_refuse(ctx, error, "%s: %s", function, what);
    return MILTER_OK;
}

/* The same for a whole request with its arguments a and b, which is logged where the
   plugin only observes. */
static int
report(milter_ctx *ctx, int error, const char *function, const char *what, const char *a,
       const char *b)
{
    error = settle(ctx, error, function, what);
    if (error == MILTER_OK && ctx->link->observes)
        log_info("%s: plugin=%s chain=%s mode=observe would %s(%.100s%s%.300s)",
                 chain_queue_id(ctx->run), ctx->link->name, ctx->run->chain->name, function,
                 a != NULL ? a : "", b != NULL ? ", " : "", b != NULL ? b : "");
    return error;
}

/* Name and value of a new or changed field as they are kept. */
static int
clean(milter_ctx *ctx, const char *function, const char *name, const char *value, const char **raw)
{
    bool exact = ctx->link->plugin.needs & MILTER_NEEDS_EXACT_VALUES;

    if (!headers_good_name(name))
        return chain_refuse(ctx, MILTER_ERR_VALUE,
                            "%s: \"%.60s\" is no header name (printable, no colon or space)",
                            function, name != NULL ? name : "");
    if (value == NULL)
        return chain_refuse(ctx, MILTER_ERR_VALUE, "%s: no value", function);
    if (strlen(value) > VALUE_MAX)
        return chain_refuse(ctx, MILTER_ERR_VALUE, "%s: a value of over %d bytes", function,
                            VALUE_MAX);
    return settle(ctx, headers_clean_value(&ctx->run->message_arena, value, exact, raw), function,
                  "the value holds a CR without LF");
}

/* ---- header fields -------------------------------------------------------- */

int
milter_add_header(milter_ctx *ctx, const char *name, const char *value)
{
    const char *raw;
    int error = check(ctx, MILTER_ADDS_HEADERS, __func__);

    if (error == MILTER_OK)
        error = clean(ctx, __func__, name, value, &raw);
    if (error != MILTER_OK)
        return error;
    return report(ctx, headers_append(ctx->run->message, ctx->link->layer, name, raw), __func__, "",
                  name, value);
}

int
milter_insert_header(milter_ctx *ctx, unsigned position, const char *name, const char *value)
{
    const char *raw;
    int error = check(ctx, MILTER_ADDS_HEADERS, __func__);

    if (error == MILTER_OK)
        error = clean(ctx, __func__, name, value, &raw);
    if (error != MILTER_OK)
        return error;
    if (position > INT32_MAX)
        position = INT32_MAX;
    return report(ctx, headers_insert(ctx->run->message, ctx->link->layer, position, name, raw),
                  __func__, "", name, value);
}

static int
insert_beside(milter_ctx *ctx, milter_header *h, const char *name, const char *value,
              const char *function,
              int (*insert)(struct message *, int, milter_header *, const char *, const char *))
{
    const char *raw;
    int error = check(ctx, MILTER_ADDS_HEADERS, function);

    if (error == MILTER_OK && h == NULL)
        error = chain_refuse(ctx, MILTER_ERR_VALUE, "%s: no header to insert at", function);
    if (error == MILTER_OK)
        error = clean(ctx, function, name, value, &raw);
    if (error != MILTER_OK)
        return error;
    return report(ctx, insert(ctx->run->message, ctx->link->layer, h, name, raw), function,
                  "the header there is gone: the plugin that added it has failed", name, value);
}

int
milter_header_insert_before(milter_ctx *ctx, milter_header *h, const char *name, const char *value)
{
    return insert_beside(ctx, h, name, value, __func__, headers_before);
}

int
milter_header_insert_after(milter_ctx *ctx, milter_header *h, const char *name, const char *value)
{
    return insert_beside(ctx, h, name, value, __func__, headers_after);
}

int
milter_header_replace(milter_ctx *ctx, milter_header *h, const char *value)
{
    const char *raw;
    int error = check(ctx, MILTER_CHANGES_HEADERS, __func__);

    if (error == MILTER_OK && h == NULL)
        error = chain_refuse(ctx, MILTER_ERR_VALUE, "%s: no header", __func__);
    if (error == MILTER_OK)
        error = clean(ctx, __func__, h->name, value, &raw);
    if (error != MILTER_OK)
        return error;
    return report(ctx, headers_replace(ctx->run->message, ctx->link->layer, h, raw), __func__,
                  "the header has been deleted", h->name, value);
}

int
milter_header_delete(milter_ctx *ctx, milter_header *h)
{
    int error = check(ctx, MILTER_CHANGES_HEADERS, __func__);

    if (error == MILTER_OK && h == NULL)
        error = chain_refuse(ctx, MILTER_ERR_VALUE, "%s: no header", __func__);
    if (error != MILTER_OK)
        return error;
    return report(ctx, headers_delete(ctx->run->message, ctx->link->layer, h), __func__,
                  "the header has been deleted already", h->name, NULL);
}

int
milter_change_header(milter_ctx *ctx, const char *name, unsigned index, const char *value)
{
    const char *raw;
    bool removes = value == NULL || value[0] == '\0';
    int error = check(ctx, MILTER_CHANGES_HEADERS, __func__);

    if (error == MILTER_OK)
        error = clean(ctx, __func__, name, removes ? "" : value, &raw);
    if (error != MILTER_OK)
        return error;
    error = headers_change(ctx->run->message, ctx->link->layer, name, index, removes ? NULL : raw);
    return report(ctx, error, __func__, "", name, value);
}

/* ---- envelope ------------------------------------------------------------- */

/* ESMTP arguments go into an SMTP command: printable words. */
static bool
good_args(const char *args)
{
    if (strlen(args) > 2000)
        return false;
    for (; *args != '\0'; args++)
        if ((unsigned char)*args < ' ' || *args == 0x7f)
            return false;
    return true;
}

/* Address and arguments of a request. */
static int
check_address(milter_ctx *ctx, const char *function, const char *address, bool null,
              const char **args)
{
    if (*args != NULL && (*args)[0] == '\0')
        *args = NULL;
    if (!envelope_good_address(address, null))
        return chain_refuse(ctx, MILTER_ERR_VALUE, "%s: \"%.100s\" is no address", function,
                            address != NULL ? address : "");
    if (*args != NULL && !good_args(*args))
        return chain_refuse(ctx, MILTER_ERR_VALUE, "%s: \"%.100s\" are no ESMTP arguments",
                            function, *args);
    return MILTER_OK;
}

int
milter_add_rcpt(milter_ctx *ctx, const char *address, const char *args)
{
    bool plain = args == NULL || args[0] == '\0';
    int error = check(ctx, plain ? MILTER_ADDS_RCPTS : MILTER_ADDS_RCPTS_ARGS, __func__);

    if (error == MILTER_OK)
        error = check_address(ctx, __func__, address, false, &args);
    if (error != MILTER_OK)
        return error;
    return report(ctx, envelope_add_rcpt(ctx->run->message, ctx->link->layer, address, args),
                  __func__, "", address, args);
}

int
milter_delete_rcpt(milter_ctx *ctx, const char *address)
{
    const char *args = NULL;
    int error = check(ctx, MILTER_DELETES_RCPTS, __func__);

    if (error == MILTER_OK)
        error = check_address(ctx, __func__, address, false, &args);
    if (error != MILTER_OK)
        return error;
    return report(ctx, envelope_delete_rcpt(ctx->run->message, ctx->link->layer, address), __func__,
                  "the message has no such recipient", address, NULL);
}

int
milter_change_sender(milter_ctx *ctx, const char *address, const char *args)
{
    int error = check(ctx, MILTER_CHANGES_SENDER, __func__);

    if (error == MILTER_OK)
        error = check_address(ctx, __func__, address, true, &args);
    if (error != MILTER_OK)
        return error;
    return report(ctx, envelope_change_sender(ctx->run->message, ctx->link->layer, address, args),
                  __func__, "", address, args);
}

/* ---- body, quarantine, progress ------------------------------------------------ */

int
milter_replace_body(milter_ctx *ctx, const void *data, size_t length)
{
    int error = check(ctx, MILTER_REPLACES_BODY, __func__);

    if (error != MILTER_OK)
        return error;
    if (data == NULL && length > 0)
        return chain_refuse(ctx, MILTER_ERR_VALUE, "%s: no data", __func__);
    struct spool *body = message_body_edit(ctx->run->message, ctx->link->layer);
    if (body == NULL)
        return settle(ctx, MILTER_ERR_MEMORY, __func__, "");
    struct spool old = {0};
    if (!ctx->body_begun)
        old = spool_take(body);
    if (!ctx->body_begun && ctx->link->observes)
        report(ctx, MILTER_OK, __func__, "", NULL, NULL);
    ctx->body_begun = true;
    if (spool_append(body, data, length) < 0) {
        ctx->incomplete = true;
        error = chain_refuse(ctx, MILTER_ERR_MEMORY, "%s: the body cannot be kept: %m", __func__);
    }
    /* Not before: the data may lie in it. */
    spool_free(&old);
    return error;
}

int
milter_quarantine(milter_ctx *ctx, const char *reason)
{
    int error = check(ctx, MILTER_QUARANTINES, __func__);

    if (error != MILTER_OK)
        return error;
    if (reason == NULL || reason[0] == '\0' || strlen(reason) > 900 ||
        strpbrk(reason, "\r\n") != NULL)
        return chain_refuse(ctx, MILTER_ERR_VALUE,
                            "%s: a reason is needed, one line of at most 900 bytes", __func__);
    return report(ctx, message_quarantine(ctx->run->message, ctx->link->layer, reason), __func__,
                  "", reason, NULL);
}

int
milter_auth_result(milter_ctx *ctx, const char *method, const char *result, const char *properties,
                   const char *reason)
{
    struct chain_run *run = ctx->run;

    if ((ctx->link->plugin.needs & MILTER_NEEDS_AUTH_RESULTS) == 0)
        return chain_refuse(ctx, MILTER_ERR_NOT_DECLARED,
                            "%s: its table does not declare MILTER_NEEDS_AUTH_RESULTS", __func__);
    if (run == NULL || run->message == NULL || run->event == NULL)
        return chain_refuse(ctx, MILTER_ERR_STAGE, "%s: only from MAIL to the end of message",
                            __func__);
    if ((run->offered & MILTER_ADDS_HEADERS) == 0)
        return chain_refuse(ctx, MILTER_ERR_NOT_OFFERED, "%s: the mail server adds no headers",
                            __func__);
    return report(ctx, authres_add(ctx, method, result, properties, reason), __func__,
                  "method and result are keywords of letters, digits and -; properties are words "
                  "without ; ( ) and control characters",
                  method, result);
}

int
milter_progress(milter_ctx *ctx)
{
    struct chain_run *run = ctx->run;

    /* Sendmail drops a filter that says so before the end of message. */
    if (run == NULL || run->event == NULL || run->event->event != MILTER_EVENT_EOM)
        return chain_refuse(ctx, MILTER_ERR_STAGE, "%s: only at the end of message", __func__);
    return run->host->progress(run->host_arg);
}
