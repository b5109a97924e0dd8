/*
 * Requests: a word of the script, then arguments as one text, for each function
 * of <milterd/plugin.h> by which a plugin edits the message or sees it. Whatever
 * the script says is handed on unchecked: what comes of that is what is tested.
 */
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words of a rule ---------------------------------------------------------- */

char *
probe_requests_word(milter_ctx *ctx, const char **text)
{
    size_t length = strcspn(*text, " ");
    char *word = length > 0 ? milter_printf(ctx, "%.*s", (int)length, *text) : NULL;

    *text += length;
    *text += **text == ' ';
    return word;
}

static unsigned
next_number(milter_ctx *ctx, const char **text)
{
    const char *word = probe_requests_word(ctx, text);

    return word != NULL ? (unsigned)strtoul(word, NULL, 0) : 0;
}

/* "NAME: value": the name, copied. *value is NULL where there is no colon; the space
   behind it belongs to the value only for a plugin that wants exact values. */
static char *
split_field(milter_ctx *ctx, const char *field, const char **value)
{
    const char *colon = strchr(field, ':');

    if (colon == NULL) {
        *value = NULL;
        return milter_strdup(ctx, field);
    }
    *value = colon + 1;
    if ((NEEDS & MILTER_NEEDS_EXACT_VALUES) == 0 && **value == ' ')
        ++*value;
    return milter_printf(ctx, "%.*s", (int)(colon - field), field);
}

/* ---- requests: 0 or an enum milter_error --------------------------------------- */

static int
add(milter_ctx *ctx, const char *arguments)
{
    const char *value, *name = split_field(ctx, arguments, &value);

    return milter_add_header(ctx, name, value);
}

static int
insert(milter_ctx *ctx, const char *arguments)
{
    unsigned position = next_number(ctx, &arguments);
    const char *value, *name = split_field(ctx, arguments, &value);

    return milter_insert_header(ctx, position, name, value);
}

static int
change(milter_ctx *ctx, const char *arguments)
{
    unsigned index = next_number(ctx, &arguments);
    const char *value, *name = split_field(ctx, arguments, &value);

    return milter_change_header(ctx, name, index, value);
}

static int
replace(milter_ctx *ctx, const char *arguments)
{
    const char *value, *name = split_field(ctx, arguments, &value);

    return milter_header_replace(ctx, milter_header_find(ctx, name, NULL), value);
}

/* Every field of that name. */
static int delete (milter_ctx *ctx, const char *name)
{
    milter_header *next, *h = milter_header_find(ctx, name, NULL);
    int error = h != NULL ? MILTER_OK : milter_header_delete(ctx, NULL);

    for (; h != NULL && error == MILTER_OK; h = next) {
        next = milter_header_find(ctx, name, h);
        error = milter_header_delete(ctx, h);
    }
    return error;
}

static int
before(milter_ctx *ctx, const char *arguments)
{
    milter_header *h = milter_header_find(ctx, probe_requests_word(ctx, &arguments), NULL);
    const char *value, *name = split_field(ctx, arguments, &value);

    return milter_header_insert_before(ctx, h, name, value);
}

static int
after(milter_ctx *ctx, const char *arguments)
{
    milter_header *h = milter_header_find(ctx, probe_requests_word(ctx, &arguments), NULL);
    const char *value, *name = split_field(ctx, arguments, &value);

    return milter_header_insert_after(ctx, h, name, value);
}

static int
add_rcpt(milter_ctx *ctx, const char *arguments)
{
    const char *address = probe_requests_word(ctx, &arguments);

    return milter_add_rcpt(ctx, address, arguments[0] != '\0' ? arguments : NULL);
}

static int
delete_rcpt(milter_ctx *ctx, const char *address)
{
    return milter_delete_rcpt(ctx, address);
}

static int
change_sender(milter_ctx *ctx, const char *arguments)
{
    const char *address = probe_requests_word(ctx, &arguments);

    return milter_change_sender(ctx, address != NULL ? address : "",
                                arguments[0] != '\0' ? arguments : NULL);
}

static int
body(milter_ctx *ctx, const char *text)
{
    return milter_replace_body(ctx, text, strlen(text));
}

/* That many times a text, each in a call of its own. */
static int
body_repeat(milter_ctx *ctx, const char *arguments)
{
    unsigned count = next_number(ctx, &arguments);
    int error = MILTER_OK;

    for (unsigned i = 0; i < count && error == MILTER_OK; i++)
        error = milter_replace_body(ctx, arguments, strlen(arguments));
    return error;
}

/* Any bytes: two hexadecimal digits for each. */
static int
body_hex(milter_ctx *ctx, const char *digits)
{
    size_t length = strlen(digits) / 2;
    char *bytes = milter_alloc(ctx, length + 1);

    for (size_t i = 0; i < length; i++) {
        const char pair[] = {digits[2 * i], digits[2 * i + 1], '\0'};
        bytes[i] = (char)strtoul(pair, NULL, 16);
    }
    return milter_replace_body(ctx, bytes, length);
}

static int
body_null(milter_ctx *ctx, const char *arguments)
{
    (void)arguments;
    return milter_replace_body(ctx, NULL, 1);
}

static int
quarantine(milter_ctx *ctx, const char *reason)
{
    return milter_quarantine(ctx, reason);
}

static int
progress(milter_ctx *ctx, const char *arguments)
{
    (void)arguments;
    return milter_progress(ctx);
}

/* A reply that is made and not returned. */
static int
prepare(milter_ctx *ctx, const char *text)
{
    milter_reply(ctx, 550, "5.7.1", text);
    return MILTER_OK;
}

/* ---- requests that log what the plugin can see ----------------------------------- */

static int
say_macro(milter_ctx *ctx, const char *name)
{
    const char *value = milter_macro(ctx, name);

    if (value != NULL)
        milter_log(ctx, MILTER_LOG_INFO, "macro %s = [%s]", name, value);
    else
        milter_log(ctx, MILTER_LOG_INFO, "macro %s is not known", name);
    return MILTER_OK;
}

static int
say_macros(milter_ctx *ctx, const char *arguments)
{
    const char *name, *value;
    size_t at = 0;

    (void)arguments;
    while (milter_macro_next(ctx, &at, &name, &value))
        milter_log(ctx, MILTER_LOG_INFO, "macros: %s = [%s]", name, value);
    return MILTER_OK;
}

const char *
probe_requests_joined(milter_ctx *ctx, const char *const *list)
{
    char *text = milter_strdup(ctx, "");

    for (; list != NULL && *list != NULL && text != NULL; list++)
        text = milter_printf(ctx, "%s %s", text, *list);
    return text;
}

static int
say_envelope(milter_ctx *ctx, const char *arguments)
{
    const char *sender = milter_sender(ctx);

    (void)arguments;
    milter_log(ctx, MILTER_LOG_INFO, "sender: %s%s", sender != NULL ? sender : "unknown",
               probe_requests_joined(ctx, milter_sender_args(ctx)));
    for (milter_rcpt *rcpt = NULL; (rcpt = milter_rcpt_next(ctx, rcpt)) != NULL;)
        milter_log(ctx, MILTER_LOG_INFO, "recipient: %s%s", milter_rcpt_address(rcpt),
                   probe_requests_joined(ctx, milter_rcpt_args(rcpt)));
    return MILTER_OK;
}

static int
say_headers(milter_ctx *ctx, const char *arguments)
{
    (void)arguments;
    for (milter_header *h = NULL; (h = milter_header_next(ctx, h)) != NULL;)
        milter_log(ctx, MILTER_LOG_INFO, "field: %s:[%s] raw [%s]", milter_header_name(h),
                   milter_header_value(ctx, h), milter_header_raw(ctx, h));
    if (milter_headers_cut(ctx))
        milter_log(ctx, MILTER_LOG_INFO, "the header is cut");
    return MILTER_OK;
}

static int
say_body(milter_ctx *ctx, const char *arguments)
{
    char begin[64];
    uint64_t size = milter_body_size(ctx);
    ptrdiff_t n = milter_body_read(ctx, 0, begin, sizeof(begin));

    (void)arguments;
    milter_log(ctx, MILTER_LOG_INFO, "body: %llu bytes%s: %.*s", (unsigned long long)size,
               milter_body_cut(ctx) ? ", cut" : "", n > 0 ? (int)n : 0, begin);
    return MILTER_OK;
}

static int
say_connection(milter_ctx *ctx, const char *arguments)
{
    const struct milter_client *client = milter_client(ctx);
    const char *helo = milter_helo(ctx), *id = milter_queue_id(ctx);

    (void)arguments;
    milter_log(ctx, MILTER_LOG_INFO, "client %s helo %s version %u chain %s queue id %s session %s",
               client != NULL ? client->name : "unknown", helo != NULL ? helo : "unknown",
               milter_protocol_version(ctx), milter_chain_name(ctx), id != NULL ? id : "unknown",
               milter_session_id(ctx));
    return MILTER_OK;
}

static int
say_expand(milter_ctx *ctx, const char *text)
{
    milter_log(ctx, MILTER_LOG_INFO, "expanded: %s", milter_expand(ctx, text));
    return MILTER_OK;
}

/* "METHOD RESULT PROPERTIES", and the rest of the line a reason. */
static int
auth(milter_ctx *ctx, const char *arguments)
{
    const char *method = probe_requests_word(ctx, &arguments);
    const char *result = probe_requests_word(ctx, &arguments);
    const char *properties = probe_requests_word(ctx, &arguments);

    return milter_auth_result(ctx, method, result, properties,
                              arguments[0] != '\0' ? arguments : NULL);
}

static const struct {
    const char *word;
    int (*run)(milter_ctx *ctx, const char *arguments);
} requests[] = {
    {"add", add},
    {"insert", insert},
    {"change", change},
    {"replace", replace},
    {"delete", delete},
    {"before", before},
    {"after", after},
    {"add-rcpt", add_rcpt},
    {"delete-rcpt", delete_rcpt},
    {"sender", change_sender},
    {"body", body},
    {"body-repeat", body_repeat},
    {"body-hex", body_hex},
    {"body-null", body_null},
    {"quarantine", quarantine},
    {"progress", progress},
    {"prepare-reply", prepare},
    {"say-macro", say_macro},
    {"say-macros", say_macros},
    {"say-envelope", say_envelope},
    {"say-headers", say_headers},
    {"say-body", say_body},
    {"say-connection", say_connection},
    {"say-expand", say_expand},
    {"auth", auth},
};

static const char *const error_names[] = {
    [-MILTER_ERR_NOT_DECLARED] = "not declared", [-MILTER_ERR_NOT_OFFERED] = "not offered",
    [-MILTER_ERR_STAGE] = "wrong stage",         [-MILTER_ERR_VALUE] = "wrong value",
    [-MILTER_ERR_MEMORY] = "no memory",          [-MILTER_ERR_LIMIT] = "over a limit",
};

bool
probe_requests_has(const char *name)
{
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        if (strcmp(name, requests[i].word) == 0)
            return true;
    return false;
}

void
probe_requests_run(milter_ctx *ctx, const char *name, const char *arguments)
{
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        if (strcmp(name, requests[i].word) != 0)
            continue;
        int error = requests[i].run(ctx, arguments);
        if (error != MILTER_OK)
            milter_log(ctx, MILTER_LOG_INFO, "%s: refused, %s", name, error_names[-error]);
        return;
    }
}
