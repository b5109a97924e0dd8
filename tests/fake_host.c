/*
 * fake_host - see fake_host.h. One connection, one plugin, one message at a
 * time; no chain, no wire, and edits take effect at once. What plugin.h
 * promises is kept here in the plainest way; where it says that the host
 * refuses or that a plugin must not, the test fails.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fake_host.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"

struct fake_host_option {
    const struct milter_option *row;
    size_t count;
    char *items[FAKE_HOST_ITEMS];
    struct fake_host_option *next;
};

struct fake_host_block {
    struct fake_host_block *next;
    max_align_t data[];
};

/* ---- memory ------------------------------------------------------------------------ */

static void *
take(milter_ctx *ctx, enum milter_scope scope, size_t n)
{
    struct fake_host_block *block = calloc(1, sizeof(*block) + n);

    assert_non_null(block);
    block->next = ctx->memory[scope];
    ctx->memory[scope] = block;
    return block->data;
}

static char *
take_text(milter_ctx *ctx, enum milter_scope scope, const char *text)
{
    return strcpy(take(ctx, scope, strlen(text) + 1), text);
}

static void
end_scope(milter_ctx *ctx, enum milter_scope scope)
{
    if (ctx->data[scope] != NULL && ctx->destroy[scope] != NULL)
        ctx->destroy[scope](ctx->data[scope]);
    ctx->data[scope] = NULL;
    while (ctx->memory[scope] != NULL) {
        struct fake_host_block *block = ctx->memory[scope];

        ctx->memory[scope] = block->next;
        free(block);
    }
}

void *
milter_alloc(milter_ctx *ctx, size_t n)
{
    if (ctx->allocations_left == 0)
        return NULL;
    if (ctx->allocations_left > 0)
        ctx->allocations_left--;
    return take(ctx, ctx->in_message ? MILTER_MESSAGE : MILTER_WORKER, n);
}

int
milter_set_data(milter_ctx *ctx, enum milter_scope scope, void *data, void (*destroy)(void *data))
{
    if (scope == MILTER_MESSAGE)
        assert_true(ctx->in_message);
    if (ctx->data[scope] != NULL && ctx->destroy[scope] != NULL)
        ctx->destroy[scope](ctx->data[scope]);
    ctx->data[scope] = data;
    ctx->destroy[scope] = destroy;
    return MILTER_OK;
}

void *
milter_data(milter_ctx *ctx, enum milter_scope scope)
{
    return ctx->data[scope];
}

/* ---- log and replies ------------------------------------------------------------------ */

static char *vformat(const char *format, va_list arguments)
    __attribute__((__format__(__printf__, 1, 0)));

/* Like vasprintf(). */
static char *
vformat(const char *format, va_list arguments)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    vfprintf(out, format, arguments);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* Adds a line to the log; takes the text over. */
static void
append_log(milter_ctx *ctx, const char *prefix, char *text)
{
    size_t length = strlen(ctx->log) + strlen(prefix) + strlen(text) + 2;
    char *log = realloc(ctx->log, length);

    assert_non_null(log);
    strcat(strcat(strcat(log, prefix), text), "\n");
    free(text);
    ctx->log = log;
}

void
milter_log(milter_ctx *ctx, enum milter_level level, const char *format, ...)
{
    static const char *const levels[] = {"error: ", "warning: ", "info: ", "debug: "};
    va_list arguments;

    va_start(arguments, format);
    append_log(ctx, levels[level], vformat(format, arguments));
    va_end(arguments);
}

enum milter_verdict
milter_replyf(milter_ctx *ctx, int code, const char *xcode, const char *format, ...)
{
    va_list arguments;
    char *text;
    size_t size;

    va_start(arguments, format);
    text = vformat(format, arguments);
    va_end(arguments);

    assert_in_range(code, 400, 599);
    assert_int_equal(xcode[0], code / 100 + '0');
    assert_null(strpbrk(text, "\r\n"));
    size = strlen(text) + strlen(xcode) + 6;
    free(ctx->reply);
    ctx->reply = malloc(size);
    assert_non_null(ctx->reply);
    snprintf(ctx->reply, size, "%d %s %s", code, xcode, text);
    free(text);
    return MILTER_REPLY;
}

/* ---- options ------------------------------------------------------------------------------ */

static struct fake_host_option *
find_option(milter_ctx *ctx, const char *name)
{
    for (struct fake_host_option *option = ctx->options; option != NULL; option = option->next) {
        if (strcmp(option->row->name, name) == 0)
            return option;
    }
    fail_msg("the plugin's table has no option \"%s\"", name);
    return NULL;
}

void
fake_host_set(milter_ctx *ctx, const char *name, ...)
{
    struct fake_host_option *option = find_option(ctx, name);
    const char *item;
    va_list items;

    option->count = 0;
    va_start(items, name);
    while ((item = va_arg(items, const char *)) != NULL) {
        assert_true(option->count < (option->row->type == MILTER_LIST ? FAKE_HOST_ITEMS : 1));
        option->items[option->count++] = take_text(ctx, MILTER_WORKER, item);
    }
    va_end(items);
}

const char *
milter_option_string(milter_ctx *ctx, const char *name)
{
    struct fake_host_option *option = find_option(ctx, name);

    assert_true(option->row->type == MILTER_STRING || option->row->type == MILTER_FILE ||
                option->row->type == MILTER_ENUM);
    return option->count > 0 ? option->items[0] : NULL;
}

size_t
milter_option_count(milter_ctx *ctx, const char *name)
{
    assert_int_equal(find_option(ctx, name)->row->type, MILTER_LIST);
    return find_option(ctx, name)->count;
}

const char *
milter_option_item(milter_ctx *ctx, const char *name, size_t index)
{
    assert_true(index < milter_option_count(ctx, name));
    return find_option(ctx, name)->items[index];
}

int
milter_option_error(milter_ctx *ctx, const char *name, size_t index, const char *format, ...)
{
    char prefix[80];
    va_list arguments;

    snprintf(prefix, sizeof(prefix), "%s[%zu]: ", find_option(ctx, name)->row->name, index);
    va_start(arguments, format);
    append_log(ctx, prefix, vformat(format, arguments));
    va_end(arguments);
    return -1;
}

/* ---- connection, envelope, ${...} ------------------------------------------------------------ */

const struct milter_client *
milter_client(milter_ctx *ctx)
{
    assert_true(milter_plugin_table.on_connect != NULL ||
                (milter_plugin_table.needs & MILTER_NEEDS_CLIENT) != 0);
    return ctx->client.name != NULL ? &ctx->client : NULL;
}

const char *
milter_helo(milter_ctx *ctx)
{
    assert_true(milter_plugin_table.on_helo != NULL ||
                (milter_plugin_table.needs & MILTER_NEEDS_CLIENT) != 0);
    return ctx->helo;
}

int
milter_net_parse(struct milter_net *net, const char *text)
{
    return address_parse_net(net, text);
}

bool
milter_net_contains(const struct milter_net *net, const char *address)
{
    struct milter_net parsed;

    return address_parse(&parsed, address) == 0 && address_in_net(&parsed, net);
}

static const char *
lookup(milter_ctx *ctx, const char *name)
{
    const char *rcpt = ctx->nrcpts > 0 ? ctx->rcpts[ctx->at_rcpt ? ctx->nrcpts - 1 : 0] : "";
    const char *own[][2] = {
        {"sender", ctx->sender},
        {"rcpt", rcpt},
        {"client_addr", ctx->client.address},
        {"client_name", ctx->client.name},
        {"helo", ctx->helo},
        {"queue_id", ctx->queue_id},
    };

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (strcmp(own[i][0], name) == 0) {
            if (i < 2)
                assert_true((milter_plugin_table.needs & MILTER_NEEDS_ENVELOPE) != 0 ||
                            milter_plugin_table.on_mail != NULL);
            else if (i < 5)
                assert_true((milter_plugin_table.needs & MILTER_NEEDS_CLIENT) != 0);
            return own[i][1] != NULL ? own[i][1] : "";
        }
    }
    for (size_t i = 0; ctx->macros[i][0] != NULL; i++) {
        if (strcmp(ctx->macros[i][0], name) == 0)
            return ctx->macros[i][1];
    }
    return "";
}

char *
milter_expand(milter_ctx *ctx, const char *text)
{
    char result[8192], name[256];
    size_t length = 0, name_length;
    char *copy;

    while (*text != '\0') {
        assert_true(length + 1 < sizeof(result));
        if (text[0] == '$' && text[1] == '$') {
            result[length++] = '$';
            text += 2;
        } else if (text[0] == '$' && text[1] == '{' && strchr(text, '}') != NULL) {
            name_length = strcspn(text + 2, "}");
            assert_true(name_length < sizeof(name));
            memcpy(name, text + 2, name_length);
            name[name_length] = '\0';
            text += name_length + 3;
            for (const char *value = lookup(ctx, name); *value != '\0'; value++) {
                assert_true(length + 1 < sizeof(result));
                if (strchr("<>", *value) == NULL)
                    result[length++] = iscntrl((unsigned char)*value) ? '?' : *value;
            }
        } else {
            result[length++] = *text++;
        }
    }
    result[length++] = '\0';
    copy = milter_alloc(ctx, length);
    return copy != NULL ? memcpy(copy, result, length) : NULL;
}

/* ---- header ----------------------------------------------------------------------------------- */

static milter_header *
new_field(milter_ctx *ctx, const char *name, const char *value)
{
    milter_header *field = take(ctx, MILTER_MESSAGE, sizeof(*field));

    field->name = take_text(ctx, MILTER_MESSAGE, name);
    field->value = take_text(ctx, MILTER_MESSAGE, value);
    return field;
}

/* Puts a field where `at` points. */
static void
link_field(milter_header **at, milter_header *field)
{
    field->next = *at;
    *at = field;
}

static milter_header **
last_link(milter_ctx *ctx)
{
    milter_header **at = &ctx->headers;

    while (*at != NULL)
        at = &(*at)->next;
    return at;
}

void
fake_host_header(milter_ctx *ctx, const char *name, const char *value)
{
    milter_header *field = new_field(ctx, name, value);

    field->received = true;
    link_field(last_link(ctx), field);
}

const char *
fake_host_headers(milter_ctx *ctx)
{
    char *text = NULL, *copy;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    for (const milter_header *field = ctx->headers; field != NULL; field = field->next) {
        if (!field->deleted)
            fprintf(out, "%s: %s\n", field->name, field->value);
    }
    assert_int_equal(fclose(out), 0);
    copy = take_text(ctx, MILTER_MESSAGE, text);
    free(text);
    return copy;
}

milter_header *
milter_header_next(milter_ctx *ctx, const milter_header *h)
{
    milter_header *field = h != NULL ? h->next : ctx->headers;

    assert_true((milter_plugin_table.needs & MILTER_NEEDS_HEADERS) != 0 ||
                (milter_plugin_table.actions & MILTER_CHANGES_HEADERS) != 0);
    if (h != NULL && h->deleted)
        fail_msg("the handle of a deleted field (%s) is used", h->name);
    while (field != NULL && (field->hidden || field->deleted))
        field = field->next;
    return field;
}

milter_header *
milter_header_find(milter_ctx *ctx, const char *name, const milter_header *after)
{
    milter_header *field = milter_header_next(ctx, after);

    while (field != NULL && strcasecmp(field->name, name) != 0)
        field = milter_header_next(ctx, field);
    return field;
}

const char *
milter_header_name(const milter_header *h)
{
    assert_false(h->deleted);
    return h->name;
}

const char *
milter_header_value(milter_ctx *ctx, const milter_header *h)
{
    (void)ctx;
    assert_false(h->deleted);
    return h->value;
}

/* Whether an edit is to go through, and the refusal otherwise. */
static bool
may_edit(milter_ctx *ctx, uint32_t action, const char *value)
{
    if ((milter_plugin_table.actions & action) == 0)
        fail_msg("the plugin's table does not declare action 0x%x", action);
    assert_true(ctx->in_message);
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '\r' || (*at == '\n' && at[1] != ' ' && at[1] != '\t'))
            fail_msg("the real host refuses this value: \"%s\"", value);
    }
    ctx->edits++;
    return ctx->edit_result == MILTER_OK;
}

int
milter_add_header(milter_ctx *ctx, const char *name, const char *value)
{
    if (!may_edit(ctx, MILTER_ADDS_HEADERS, value))
        return ctx->edit_result;
    link_field(last_link(ctx), new_field(ctx, name, value));
    return MILTER_OK;
}

int
milter_insert_header(milter_ctx *ctx, unsigned position, const char *name, const char *value)
{
    milter_header **at = &ctx->headers;
    unsigned received = 0;

    if (!may_edit(ctx, MILTER_ADDS_HEADERS, value))
        return ctx->edit_result;
    while (*at != NULL && position > 0) {
        if ((*at)->received && ++received == position)
            break;
        at = &(*at)->next;
    }
    link_field(at, new_field(ctx, name, value));
    return MILTER_OK;
}

int
milter_header_replace(milter_ctx *ctx, milter_header *h, const char *value)
{
    assert_false(h->deleted);
    if (!may_edit(ctx, MILTER_CHANGES_HEADERS, value))
        return ctx->edit_result;
    h->value = take_text(ctx, MILTER_MESSAGE, value);
    return MILTER_OK;
}

int
milter_header_delete(milter_ctx *ctx, milter_header *h)
{
    assert_false(h->deleted);
    if (!may_edit(ctx, MILTER_CHANGES_HEADERS, ""))
        return ctx->edit_result;
    h->deleted = true;
    return MILTER_OK;
}

/* ---- events ------------------------------------------------------------------------------------- */

milter_ctx *
fake_host_new(void)
{
    milter_ctx *ctx = calloc(1, sizeof(*ctx));

    assert_non_null(ctx);
    ctx->log = strdup("");
    assert_non_null(ctx->log);
    ctx->allocations_left = -1;
    ctx->helo = "mail.example.com";
    ctx->client = (struct milter_client){.name = "mail.example.com",
                                         .family = MILTER_FAMILY_INET,
                                         .port = 25252,
                                         .address = "192.0.2.9"};
    for (const struct milter_option *row = milter_plugin_table.options;
         row != NULL && row->name != NULL; row++) {
        struct fake_host_option *option = take(ctx, MILTER_WORKER, sizeof(*option));

        option->row = row;
        option->next = ctx->options;
        ctx->options = option;
        if (row->initial != NULL)
            fake_host_set(ctx, row->name, row->initial, NULL);
    }
    return ctx;
}

void
fake_host_free(milter_ctx *ctx)
{
    fake_host_end(ctx);
    end_scope(ctx, MILTER_CONNECTION);
    end_scope(ctx, MILTER_WORKER);
    free(ctx->log);
    free(ctx->reply);
    free(ctx);
}

int
fake_host_load(milter_ctx *ctx)
{
    return milter_plugin_table.on_load != NULL ? milter_plugin_table.on_load(ctx) : 0;
}

/* Notes whether the plugin wants no more of this message. */
static enum milter_verdict
answered(milter_ctx *ctx, enum milter_verdict verdict)
{
    bool refused = verdict == MILTER_REPLY || verdict == MILTER_REJECT ||
                   verdict == MILTER_TEMPFAIL || verdict == MILTER_FAILURE;

    ctx->calls++;
    if (verdict != MILTER_CONTINUE && !(refused && ctx->at_rcpt))
        ctx->finished = true;
    if (refused && ctx->at_rcpt)
        ctx->nrcpts--;
    ctx->at_rcpt = false;
    return verdict;
}

enum milter_verdict
fake_host_mail(milter_ctx *ctx, const char *sender)
{
    static const char *const args[] = {NULL};

    fake_host_end(ctx);
    ctx->in_message = true;
    ctx->sender = take_text(ctx, MILTER_MESSAGE, sender);
    fake_host_header(ctx, "Received", "by the mail server");
    ctx->headers->received = false;
    ctx->headers->hidden = true;
    if (milter_plugin_table.on_mail == NULL)
        return MILTER_CONTINUE;
    return answered(ctx, milter_plugin_table.on_mail(ctx, ctx->sender, args));
}

enum milter_verdict
fake_host_rcpt(milter_ctx *ctx, const char *rcpt)
{
    static const char *const args[] = {NULL};

    assert_true(ctx->nrcpts < FAKE_HOST_ITEMS);
    ctx->rcpts[ctx->nrcpts++] = take_text(ctx, MILTER_MESSAGE, rcpt);
    if (milter_plugin_table.on_rcpt == NULL || ctx->finished)
        return MILTER_CONTINUE;
    ctx->at_rcpt = true;
    return answered(ctx, milter_plugin_table.on_rcpt(ctx, rcpt, args));
}

enum milter_verdict
fake_host_data(milter_ctx *ctx)
{
    if (milter_plugin_table.on_data == NULL || ctx->finished)
        return MILTER_CONTINUE;
    return answered(ctx, milter_plugin_table.on_data(ctx));
}

enum milter_verdict
fake_host_eom(milter_ctx *ctx)
{
    if (milter_plugin_table.on_eom == NULL || ctx->finished)
        return MILTER_CONTINUE;
    return answered(ctx, milter_plugin_table.on_eom(ctx));
}

void
fake_host_end(milter_ctx *ctx)
{
    end_scope(ctx, MILTER_MESSAGE);
    ctx->in_message = ctx->finished = ctx->at_rcpt = false;
    ctx->headers = NULL;
    ctx->sender = NULL;
    ctx->nrcpts = 0;
    ctx->edits = ctx->calls = 0;
}
