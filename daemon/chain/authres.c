/*
 * Results are kept in the message with the layer of who reported them, so that
 * a failed plugin's go with its other edits. A received field is ours when its
 * authserv-id is, whatever comments and white space stand around it (RFC 8601
 * section 5 tells a border mail server to remove such fields).
 */
#include "chain/authres.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "chain/headers.h"

static const char field[] = "Authentication-Results";

/* Our name in the field: authserv_id, or else what the mail server calls itself. */
static const char *
authserv_id(const struct chain_run *run)
{
    if (run->chain->authserv_id != NULL)
        return run->chain->authserv_id;
    const char *name = macros_find(&run->macros, "j");
    return name != NULL && name[0] != '\0' ? name : "localhost";
}

/* Behind white space and comments, which nest and may quote. */
static const char *
skip_cfws(const char *at)
{
    int depth = 0;

    for (; *at != '\0'; at++) {
        if (*at == '(')
            depth++;
        else if (*at == ')' && depth > 0)
            depth--;
        else if (*at == '\\' && depth > 0 && at[1] != '\0')
            at++;
        else if (depth == 0 && !isspace((unsigned char)*at))
            break;
    }
    return at;
}

static bool
is_ours(const char *value, const char *id)
{
    const char *at = skip_cfws(value);
    bool quoted = *at == '"';

    at += quoted;
    size_t length = strcspn(at, quoted ? "\"" : "; \t\n(");
    return length == strlen(id) && strncasecmp(at, id, length) == 0;
}

bool
authres_forged(const struct chain_run *run, const char *name, const char *value)
{
    return strcasecmp(name, field) == 0 && is_ours(value, authserv_id(run));
}

/* A keyword of RFC 8601: letters, digits and -. */
static bool
is_keyword(const char *text)
{
    if (text == NULL || text[0] == '\0' || strlen(text) > 100)
        return false;
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && *text != '-')
            return false;
    return true;
}

/* Words of ptype.property=value: nothing that would end the result or the field. */
static bool
is_properties(const char *text)
{
    bool quoted_text = false;

    if (strlen(text) > 2000)
        return false;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f || strchr(";()\\", *text) != NULL)
            return false;
        else
            quoted_text ^= *text == '"';
    return !quoted_text;
}

/* A quoted-string of any text: what cannot stand in one becomes '?'. */
static char *
quoted(struct arena *arena, const char *text)
{
    char *out = arena_alloc(arena, 2 * strlen(text) + 1), *at = out;

    for (; out != NULL && *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            *at++ = '\\';
        *at++ = (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;
    }
    return out;
}

int
authres_add(struct milter_ctx *ctx, const char *method, const char *result, const char *properties,
            const char *reason)
{
    struct message *message = ctx->run->message;
    const char *why = "";

    if (!is_keyword(method) || !is_keyword(result) ||
        (properties != NULL && !is_properties(properties)) ||
        (reason != NULL && strlen(reason) > 500))
        return MILTER_ERR_VALUE;
    if (reason != NULL && (why = quoted(message->arena, reason)) == NULL)
        return MILTER_ERR_MEMORY;
    struct auth_result *added = arena_alloc(message->arena, sizeof(*added));
    if (added == NULL)
        return MILTER_ERR_MEMORY;
    added->layer = ctx->link->layer;
    added->text = arena_printf(message->arena, "%s=%s%s%s%s%s%s", method, result,
                               reason != NULL ? " reason=\"" : "", why, reason != NULL ? "\"" : "",
                               properties != NULL && properties[0] != '\0' ? " " : "",
                               properties != NULL ? properties : "");
    if (added->text == NULL)
        return MILTER_ERR_MEMORY;

    /* In the order of the chain, and of the reports of one plugin. */
    struct auth_result **at = &message->auth_results;
    while (*at != NULL && (*at)->layer <= added->layer)
        at = &(*at)->next;
    added->next = *at;
    *at = added;
    message->edits++;
    return MILTER_OK;
}

int
authres_write(struct chain_run *run)
{
    struct message *message = run->message;

    if (message->auth_results == NULL)
        return 0;
    const char *value = arena_printf(message->arena, " %s", authserv_id(run));
    for (const struct auth_result *result = message->auth_results; result != NULL && value != NULL;
         result = result->next)
        value = arena_printf(message->arena, "%s;\n\t%s", value, result->text);
    if (value == NULL)
        return -1;
    return headers_insert(message, LAYER_ALL, 0, field, value) == MILTER_OK ? 0 : -1;
}
