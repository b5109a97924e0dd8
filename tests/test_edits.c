/*
 * test_edits - what is asked of the mail server at the end of a message. Random edits
 * by up to four plugins go through a session; the packets that come out are applied to
 * the received message by a plain model of Postfix and by one of Sendmail. Beside it a
 * naive model keeps a full copy of the message for each plugin, made of the copy of the
 * plugin before it. All must agree, and so must what each plugin sees.
 *
 * Sendmail counts hidden fields in insert positions where Postfix counts visible ones.
 * Where milterd can tell that it talks to Sendmail the order of fields is compared too;
 * where it cannot, which fields there are, and with which values. Left out is a field that
 * Sendmail would write by itself (Received, Date, From): added, it stands where Sendmail
 * has its own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "bare_chain.h"
#include "wire/decode.h"
#include "wire/frame.h"
#include "wire/protocol.h"

enum { PLUGINS_MAX = 4, HEADERS_MAX = 8, FIELDS_MAX = 64, RCPTS_MAX = 48, OPS_MAX = 24 };

/* ---- a message, as plain as can be ------------------------------------------------------ */

struct field {
    char name[16], raw[32]; /* raw: everything after the colon */
    bool own;               /* the mail server's own Received */
    bool hidden;            /* Sendmail: deleted or never shown, but still counted */
    bool unused;            /* Sendmail: stands for an H line of sendmail.cf, none of the message */
    int arrives;            /* with which header event it comes; 0: a plugin's */
};

struct rcpt {
    char address[32], args[16];
    bool gone;
};

struct mail {
    struct field fields[FIELDS_MAX];
    int field_count;
    struct rcpt rcpts[RCPTS_MAX];
    int rcpt_count;
    char sender[32], sender_args[16], body[64], quarantine[16];
};

static void
put_field(struct mail *mail, int at, const char *name, const char *raw)
{
    assert_true(mail->field_count < FIELDS_MAX);
    memmove(&mail->fields[at + 1], &mail->fields[at],
            (size_t)(mail->field_count - at) * sizeof(mail->fields[0]));
    mail->field_count++;
    mail->fields[at] = (struct field){.own = false};
    snprintf(mail->fields[at].name, sizeof(mail->fields[at].name), "%s", name);
    snprintf(mail->fields[at].raw, sizeof(mail->fields[at].raw), "%s", raw);
}

static void
take_field(struct mail *mail, int at)
{
    mail->field_count--;
    memmove(&mail->fields[at], &mail->fields[at + 1],
            (size_t)(mail->field_count - at) * sizeof(mail->fields[0]));
}

static int
own_received(const struct mail *mail)
{
    int at = 0;

    while (!mail->fields[at].own)
        at++;
    return at;
}

/* The index'th of that name, -1 for none; not the mail server's own. */
static int
field_of_name(const struct mail *mail, const char *name, unsigned index)
{
    for (int i = 0; i < mail->field_count; i++)
        if (!mail->fields[i].own && !mail->fields[i].unused &&
            strcasecmp(mail->fields[i].name, name) == 0 && --index == 0)
            return i;
    return -1;
}

static void
set_raw(struct mail *mail, int at, const char *raw)
{
    snprintf(mail->fields[at].raw, sizeof(mail->fields[at].raw), "%s", raw);
}

static void
put_rcpt(struct mail *mail, const char *address, const char *args)
{
    struct rcpt *rcpt = &mail->rcpts[mail->rcpt_count++];
    size_t bracket = address[0] == '<', length = strlen(address) - 2 * bracket;

    assert_true(mail->rcpt_count < RCPTS_MAX);
    rcpt->gone = false;
    snprintf(rcpt->address, sizeof(rcpt->address), "%.*s", (int)length, address + bracket);
    snprintf(rcpt->args, sizeof(rcpt->args), "%s", args != NULL ? args : "");
}

/* Marks the recipients of that address; how many there were. */
static int
take_rcpts(struct mail *mail, const char *address, bool any_case)
{
    size_t bracket = address[0] == '<', length = strlen(address) - 2 * bracket;
    int taken = 0;

    address += bracket;
    for (int i = 0; i < mail->rcpt_count; i++) {
        struct rcpt *rcpt = &mail->rcpts[i];

        if (rcpt->gone || strlen(rcpt->address) != length ||
            (any_case ? strncasecmp(rcpt->address, address, length)
                      : strncmp(rcpt->address, address, length)) != 0)
            continue;
        rcpt->gone = true;
        taken++;
    }
    return taken;
}

/* ---- what plugins do ---------------------------------------------------------------------- */

enum kind {
    APPEND,
    INSERT,
    INSERT_TOP,
    CHANGE,
    REMOVE, /* CHANGE without a value */
    REPLACE_HANDLE,
    DELETE_HANDLE,
    BEFORE_HANDLE,
    AFTER_HANDLE,
    ADD_RCPT,
    ADD_RCPT_ARGS,
    DELETE_RCPT,
    SENDER,
    BODY,
    QUARANTINE,
    KINDS,
};

static const char *const kind_names[KINDS] = {
    "add_header",    "insert_header", "insert_header (top)", "change_header", "change_header (del)",
    "replace",       "delete",        "insert_before",       "insert_after",  "add_rcpt",
    "add_rcpt args", "delete_rcpt",   "change_sender",       "replace_body",  "quarantine",
};

/*
 * When: 0 at MAIL, n at the n'th header, then for what waits for the end of the header
 * (which is asked for earlier, at `asked`), at the end of the header, at the end of
 * message.
 */
enum { WAITS = 1, EOH = 2, EOM = 3 }; /* behind the last header */

struct op {
    int plugin, when, asked;
    enum kind kind;
    unsigned number; /* position, index, or which of the fields */
    char name[16], value[16];
};

struct scene {
    unsigned seed;
    int plugins, headers, rcpts, op_count;
    bool kept;  /* header fields are kept */
    bool exact; /* values travel with their leading space */
    bool told;  /* on Sendmail, which says so; plugins add nothing that it writes itself */
    struct op ops[OPS_MAX];
    struct mail received, copies[PLUGINS_MAX], seen[PLUGINS_MAX];
    bool compare_views;
    bool called[PLUGINS_MAX][HEADERS_MAX + EOM + 1]; /* a plugin is not called for a field that
                                                        one before it has deleted */
};

static uint64_t random_state;

static unsigned
random_below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % n;
}

static const char *
random_name(bool any)
{
    static const char *const names[] = {"X-A", "X-A", "x-a", "X-B", "Received"};

    return names[random_below(any ? 5 : 4)];
}

static const char *
random_address(void)
{
    static const char *const addresses[] = {"a@b.c", "A@b.c", "d@e.f",  "<d@e.f>",
                                            "g@h.i", "j@k.l", "<a@b.c>"};

    return addresses[random_below(sizeof addresses / sizeof addresses[0])];
}

static bool
waits(const struct op *op)
{
    return op->kind == INSERT || op->kind == CHANGE || op->kind == REMOVE;
}

static void
random_op(struct scene *scene, struct op *op, int serial)
{
    static const enum kind unkept[] = {APPEND, INSERT, INSERT_TOP};

    op->kind = scene->kept ? (enum kind)random_below(KINDS) : unkept[random_below(3)];
    op->number = random_below(3) == 0 ? random_below(12) : random_below(4);
    if (op->kind == INSERT)
        op->number++;
    if (op->kind == INSERT_TOP)
        op->number = 0;
    snprintf(op->name, sizeof(op->name), "%s", random_name(!scene->told));
    snprintf(op->value, sizeof(op->value), "n%d", serial);
    if (random_below(12) == 0 && (op->kind == APPEND || op->kind == REPLACE_HANDLE))
        op->value[0] = '\0';
    if (op->kind == ADD_RCPT || op->kind == ADD_RCPT_ARGS || op->kind == DELETE_RCPT ||
        op->kind == SENDER)
        snprintf(op->name, sizeof(op->name), "%s", random_address());
}

static int
compare_numbers(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* A message of random fields and recipients, and edits. ordered: no plugin does anything
   before the plugins in front of it have finished. */
static void
random_scene(struct scene *scene, unsigned seed, bool kept, bool early, bool ordered)
{
    int times[OPS_MAX], owners[OPS_MAX];

    memset(scene, 0, sizeof(*scene));
    random_state = seed * 0x9e3779b97f4a7c15ULL + 1;
    for (int i = 0; i < 4; i++)
        random_below(2);
    scene->seed = seed;
    scene->kept = kept;
    scene->told = seed % 2;
    scene->exact = random_below(3) == 0;
    scene->plugins = 1 + (int)random_below(PLUGINS_MAX);
    scene->headers = (int)random_below(HEADERS_MAX + 1);
    scene->rcpts = 1 + (int)random_below(4);
    scene->op_count = (int)random_below(OPS_MAX);
    scene->compare_views = kept && ordered;

    struct mail *mail = &scene->received;
    put_field(mail, 0, "Received", " own");
    mail->fields[0].own = true;
    for (int i = 1; i <= scene->headers; i++) {
        static const char *const spaces[] = {" ", "", "\t", "  "};
        char raw[32];

        snprintf(raw, sizeof(raw), "%sh%d", scene->exact ? spaces[random_below(4)] : " ", i);
        put_field(mail, i, random_name(true), raw);
        mail->fields[i].arrives = i;
    }
    for (int i = 0; i < scene->rcpts; i++)
        put_rcpt(mail, random_address(), NULL);
    strcpy(mail->sender, "s@t.u");
    strcpy(mail->body, "received\r\n");

    const int last = scene->headers + EOM;
    for (int i = 0; i < scene->op_count; i++) {
        times[i] = early ? (int)random_below((unsigned)last + 1) : last;
        owners[i] = (int)random_below((unsigned)scene->plugins);
    }
    if (ordered) {
        qsort(times, (size_t)scene->op_count, sizeof(times[0]), compare_numbers);
        qsort(owners, (size_t)scene->op_count, sizeof(owners[0]), compare_numbers);
    }
    for (int i = 0; i < scene->op_count; i++) {
        struct op *op = &scene->ops[i];
        const int end_of_header = scene->headers + WAITS;

        op->plugin = owners[i];
        op->when = times[i];
        do {
            random_op(scene, op, i);
        } while (scene->kept &&
                 /* What waits has a time of its own; recipients come behind MAIL. */
                 ((waits(op) ? op->when < end_of_header : op->when == end_of_header) ||
                  (op->when == 0 && op->kind >= ADD_RCPT && op->kind <= DELETE_RCPT)));
        op->asked = op->when;
        if (op->when == end_of_header && !scene->kept)
            op->when = op->asked = 0;
        if (op->when == end_of_header) {
            op->asked = scene->headers == 0 ? 0 : (int)random_below((unsigned)scene->headers + 1);
            for (int k = 0; k < i; k++)
                if (scene->ops[k].plugin == op->plugin && scene->ops[k].when == op->when &&
                    scene->ops[k].asked > op->asked)
                    op->asked = scene->ops[k].asked;
        }
    }
}

static void
print_scene(const struct scene *scene)
{
    print_error("seed %u: %d plugins, %d headers, %s%s\n", scene->seed, scene->plugins,
                scene->headers, scene->kept ? "kept" : "not kept", scene->exact ? ", exact" : "");
    for (int i = 0; i < scene->op_count; i++) {
        const struct op *op = &scene->ops[i];
        char when[32];

        if (op->when == scene->headers + EOM)
            strcpy(when, "eom");
        else if (op->when == scene->headers + EOH)
            strcpy(when, "eoh");
        else
            snprintf(when, sizeof(when), "%s %d", op->asked == 0 ? "mail" : "header", op->asked);
        print_error("    plugin %d at %s: %s(%s, %u, \"%s\")\n", op->plugin, when,
                    kind_names[op->kind], op->name, op->number, op->value);
    }
}

static void
print_mail(const char *what, const struct mail *mail)
{
    print_error("  %s:\n", what);
    for (int i = 0; i < mail->field_count; i++)
        if (!mail->fields[i].hidden)
            print_error("    %s:%s\n", mail->fields[i].name, mail->fields[i].raw);
    print_error("    from <%s> %s to", mail->sender, mail->sender_args);
    for (int i = 0; i < mail->rcpt_count; i++)
        if (!mail->rcpts[i].gone)
            print_error(" <%s> %s", mail->rcpts[i].address, mail->rcpts[i].args);
    print_error("; body \"%.*s\"; quarantine \"%s\"\n", (int)strcspn(mail->body, "\r"), mail->body,
                mail->quarantine);
}

/* ---- the naive model ----------------------------------------------------------------------- */

/* The n'th field that a plugin can have a handle of, -1 where it sees none. */
static int
nth_visible(const struct mail *mail, unsigned n, int arrived)
{
    unsigned count = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < mail->field_count; i++) {
            if (mail->fields[i].own || mail->fields[i].arrives > arrived)
                continue;
            if (pass == 1 && n-- == 0)
                return i;
            count++;
        }
        if (count == 0)
            return -1;
        n %= count;
    }
    return -1;
}

static void
naive_op(const struct scene *scene, struct mail *mail, const struct op *op)
{
    char raw[32];
    int at, arrived = op->when;

    snprintf(raw, sizeof(raw), "%s%s", scene->exact ? "" : " ", op->value);
    switch (op->kind) {
    case APPEND:
        put_field(mail, mail->field_count, op->name, raw);
        break;
    case INSERT_TOP:
        put_field(mail, 0, op->name, raw);
        break;
    case INSERT:
        at = own_received(mail) + (int)op->number;
        put_field(mail, at < mail->field_count ? at : mail->field_count, op->name, raw);
        break;
    case CHANGE:
    case REMOVE:
        at = field_of_name(mail, op->name, op->number != 0 ? op->number : 1);
        if (at >= 0 && op->kind == REMOVE)
            take_field(mail, at);
        else if (at >= 0)
            set_raw(mail, at, raw);
        else if (op->kind == CHANGE)
            put_field(mail, mail->field_count, op->name, raw);
        break;
    case REPLACE_HANDLE:
        if ((at = nth_visible(mail, op->number, arrived)) >= 0)
            set_raw(mail, at, raw);
        break;
    case DELETE_HANDLE:
        if ((at = nth_visible(mail, op->number, arrived)) >= 0)
            take_field(mail, at);
        break;
    case BEFORE_HANDLE:
        if ((at = nth_visible(mail, op->number, arrived)) >= 0)
            put_field(mail, at, op->name, raw);
        break;
    case AFTER_HANDLE:
        if ((at = nth_visible(mail, op->number, arrived)) >= 0)
            put_field(mail, at + 1, op->name, raw);
        break;
    case ADD_RCPT:
        at = mail->rcpt_count;
        put_rcpt(mail, op->name, NULL);
        for (int i = 0; i < at; i++)
            if (!mail->rcpts[i].gone &&
                strcmp(mail->rcpts[i].address, mail->rcpts[at].address) == 0) {
                mail->rcpt_count = at;
                break;
            }
        break;
    case ADD_RCPT_ARGS:
        put_rcpt(mail, op->name, op->value);
        break;
    case DELETE_RCPT:
        if (take_rcpts(mail, op->name, false) == 0)
            take_rcpts(mail, op->name, true);
        break;
    case SENDER:
        strcpy(mail->sender, op->name + (op->name[0] == '<'));
        mail->sender[strcspn(mail->sender, ">")] = '\0';
        strcpy(mail->sender_args, op->value);
        break;
    case BODY:
        strcat(strcpy(mail->body, op->value), "\r\n");
        break;
    case QUARANTINE:
        strcpy(mail->quarantine, op->value);
        break;
    case KINDS:
        break;
    }
}

static void
naive_copies(struct scene *scene)
{
    for (int plugin = 0; plugin < scene->plugins; plugin++) {
        struct mail *mail = &scene->copies[plugin];

        *mail = plugin == 0 ? scene->received : scene->copies[plugin - 1];
        for (int when = 0; when <= scene->headers + EOM; when++)
            for (int i = 0; i < scene->op_count; i++)
                if (scene->ops[i].plugin == plugin && scene->ops[i].when == when &&
                    scene->called[plugin][scene->ops[i].asked])
                    naive_op(scene, mail, &scene->ops[i]);
    }
}

/* ---- the plugins ----------------------------------------------------------------------------- */

static struct scene *scene_now;
static int header_now;

static milter_header *
nth_handle(milter_ctx *ctx, unsigned n)
{
    unsigned count = 0;

    for (milter_header *h = milter_header_next(ctx, NULL); h != NULL;
         h = milter_header_next(ctx, h))
        count++;
    if (count == 0)
        return NULL;
    milter_header *h = milter_header_next(ctx, NULL);
    for (n %= count; n > 0; n--)
        h = milter_header_next(ctx, h);
    return h;
}

/* 0 where it was done, also where there is nothing to do it to. */
static int
do_op(milter_ctx *ctx, const struct op *op)
{
    milter_header *h = NULL;

    if (op->kind >= REPLACE_HANDLE && op->kind <= AFTER_HANDLE &&
        (h = nth_handle(ctx, op->number)) == NULL)
        return MILTER_OK;
    switch (op->kind) {
    case APPEND:
        return milter_add_header(ctx, op->name, op->value);
    case INSERT:
    case INSERT_TOP:
        return milter_insert_header(ctx, op->number, op->name, op->value);
    case CHANGE:
        return milter_change_header(ctx, op->name, op->number, op->value);
    case REMOVE:
        return milter_change_header(ctx, op->name, op->number, op->number & 1 ? NULL : "");
    case REPLACE_HANDLE:
        return milter_header_replace(ctx, h, op->value);
    case DELETE_HANDLE:
        return milter_header_delete(ctx, h);
    case BEFORE_HANDLE:
        return milter_header_insert_before(ctx, h, op->name, op->value);
    case AFTER_HANDLE:
        return milter_header_insert_after(ctx, h, op->name, op->value);
    case ADD_RCPT:
        return milter_add_rcpt(ctx, op->name, NULL);
    case ADD_RCPT_ARGS:
        return milter_add_rcpt(ctx, op->name, op->value);
    case DELETE_RCPT:
        milter_delete_rcpt(ctx, op->name); /* there may be none */
        return MILTER_OK;
    case SENDER:
        return milter_change_sender(ctx, op->name, op->value);
    case BODY:
        milter_replace_body(ctx, op->value, strlen(op->value));
        return milter_replace_body(ctx, "\r\n", 2);
    case QUARANTINE:
        return milter_quarantine(ctx, op->value);
    case KINDS:
        break;
    }
    return MILTER_OK;
}

/* The message as a plugin sees it; the mail server's own Received is not among it. */
static void
look(milter_ctx *ctx, struct mail *mail)
{
    size_t length;

    memset(mail, 0, sizeof(*mail));
    for (milter_header *h = milter_header_next(ctx, NULL); h != NULL;
         h = milter_header_next(ctx, h))
        put_field(mail, mail->field_count, milter_header_name(h), milter_header_raw(ctx, h));
    for (milter_rcpt *rcpt = milter_rcpt_next(ctx, NULL); rcpt != NULL;
         rcpt = milter_rcpt_next(ctx, rcpt))
        put_rcpt(mail, milter_rcpt_address(rcpt), milter_rcpt_args(rcpt)[0]);
    snprintf(mail->sender, sizeof(mail->sender), "%s", milter_sender(ctx) + 1);
    mail->sender[strlen(mail->sender) - 1] = '\0';
    if (milter_sender_args(ctx)[0] != NULL)
        strcpy(mail->sender_args, milter_sender_args(ctx)[0]);
    const char *body = milter_body(ctx, &length);
    memcpy(mail->body, body, length);
}

static enum milter_verdict
play(milter_ctx *ctx, int when)
{
    struct scene *scene = scene_now;
    const int plugin = milter_name(ctx)[1] - '0';

    scene->called[plugin][when] = true;
    for (int i = 0; i < scene->op_count; i++) {
        const struct op *op = &scene->ops[i];

        if (op->plugin != plugin || op->asked != when)
            continue;
        /* Each body stands for a whole one. */
        ctx->body_begun = false;
        int error = do_op(ctx, op);
        if (error != MILTER_OK) {
            print_scene(scene);
            fail_msg("%s is refused with %d", kind_names[op->kind], error);
        }
    }
    if (when == scene->headers + EOM && scene->kept)
        look(ctx, &scene->seen[plugin]);
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_mail(milter_ctx *ctx, const char *sender, const char *const *args)
{
    (void)sender;
    (void)args;
    return play(ctx, 0);
}

static enum milter_verdict
on_rcpt(milter_ctx *ctx, const char *rcpt, const char *const *args)
{
    (void)ctx;
    (void)rcpt;
    (void)args;
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_header(milter_ctx *ctx, const char *name, const char *value)
{
    (void)name;
    (void)value;
    return play(ctx, header_now);
}

static enum milter_verdict
on_eoh(milter_ctx *ctx)
{
    return play(ctx, scene_now->headers + EOH);
}

static enum milter_verdict
on_body(milter_ctx *ctx, const void *chunk, size_t length)
{
    (void)ctx;
    (void)chunk;
    (void)length;
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    return play(ctx, scene_now->headers + EOM);
}

/* ---- the mail servers ------------------------------------------------------------------------ */

/* Everything after the colon: without LEADSPC the mail server puts the space there. */
static const char *
raw_of(const struct scene *scene, const char *value, char raw[32])
{
    snprintf(raw, 32, "%s%s", scene->exact ? "" : " ", value);
    return raw;
}

enum server { POSTFIX, SENDMAIL };

/* They differ in whether a deleted field is still counted. */
static void
change_field(struct mail *mail, const struct decode_edit *edit, const char *raw, enum server server)
{
    int at = field_of_name(mail, edit->name, edit->index);

    if (at < 0) {
        if (edit->value[0] != '\0')
            put_field(mail, mail->field_count, edit->name, raw);
    } else if (edit->value[0] != '\0') {
        set_raw(mail, at, raw);
        mail->fields[at].hidden = false;
    } else if (server == POSTFIX) {
        take_field(mail, at);
    } else {
        mail->fields[at].hidden = true;
    }
}

/* Sendmail puts a new field before the first of its name. */
static void
add_field(struct mail *mail, const struct decode_edit *edit, const char *raw, enum server server)
{
    int at = server == POSTFIX ? mail->field_count : 0;

    while (at < mail->field_count && strcasecmp(mail->fields[at].name, edit->name) != 0)
        at++;
    put_field(mail, at, edit->name, raw);
}

/* Postfix counts what is shown; Sendmail all, and its position 1 is behind two fields. */
static void
insert_field(struct mail *mail, const struct decode_edit *edit, const char *raw, enum server server)
{
    uint32_t at = edit->index;

    if (at > 0 && at < FIELDS_MAX && server == SENDMAIL)
        at++;
    put_field(mail, at < (uint32_t)mail->field_count ? (int)at : mail->field_count, edit->name,
              raw);
}

/* The header as Sendmail begins it: its H lines, its own Received among them. */
static void
h_lines(struct mail *mail)
{
    static const char *const names[] = {"Resent-Date", "Date",      "Resent-From",
                                        "From",        "Full-Name", "Resent-Message-Id",
                                        "Message-Id"};

    put_field(mail, 0, "Return-Path", "");
    mail->fields[0].hidden = mail->fields[0].unused = true;
    for (int i = 0; i < 7; i++) {
        put_field(mail, i + 2, names[i], "");
        mail->fields[i + 2].hidden = mail->fields[i + 2].unused = true;
    }
}

/* Takes out what is not shown. */
static void
show(struct mail *mail)
{
    for (int i = mail->field_count - 1; i >= 0; i--)
        if (mail->fields[i].hidden)
            take_field(mail, i);
}

/* One packet; false for what is no edit. */
static bool
apply(const struct scene *scene, struct mail *mail, const struct frame *frame, enum server server)
{
    struct decode_edit edit = {0};
    char raw[32] = "";

    if (frame->command == REPLY_REPLACE_BODY) {
        memset(mail->body, 0, sizeof(mail->body));
        memcpy(mail->body, frame->data, frame->length);
        return true;
    }
    assert_int_equal(decode_reply(frame->command, frame->data, frame->length, &edit), 0);
    if (edit.value != NULL)
        raw_of(scene, edit.value, raw);
    switch (frame->command) {
    case REPLY_CHANGE_HEADER:
        change_field(mail, &edit, raw, server);
        return true;
    case REPLY_ADD_HEADER:
        add_field(mail, &edit, raw, server);
        return true;
    case REPLY_INSERT_HEADER:
        insert_field(mail, &edit, raw, server);
        return true;
    case REPLY_ADD_RCPT:
    case REPLY_ADD_RCPT_ARGS:
        put_rcpt(mail, edit.name, edit.value);
        return true;
    case REPLY_DELETE_RCPT:
        take_rcpts(mail, edit.name, false);
        return true;
    case REPLY_CHANGE_SENDER:
        snprintf(mail->sender, sizeof(mail->sender), "%s", edit.name + (edit.name[0] == '<'));
        mail->sender[strcspn(mail->sender, ">")] = '\0';
        strcpy(mail->sender_args, edit.value != NULL ? edit.value : "");
        return true;
    case REPLY_QUARANTINE:
        strcpy(mail->quarantine, edit.name);
        return true;
    }
    return false;
}

/* ---- comparisons -------------------------------------------------------------------------------- */

/* A value that is only white space is an empty one. */
static bool
same_field(const struct field *a, const struct field *b)
{
    if (strcmp(a->name, b->name) != 0)
        return false;
    if (strspn(a->raw, " ") == strlen(a->raw) && strspn(b->raw, " ") == strlen(b->raw))
        return true;
    return strcmp(a->raw, b->raw) == 0;
}

/* In order; without the mail server's own Received where `own` is false. */
static bool
same_fields(const struct mail *a, const struct mail *b, bool own)
{
    int i = 0, k = 0;

    for (;;) {
        while (!own && i < a->field_count && a->fields[i].own)
            i++;
        while (!own && k < b->field_count && b->fields[k].own)
            k++;
        if (i == a->field_count || k == b->field_count)
            return i == a->field_count && k == b->field_count;
        if (a->fields[i].own != b->fields[k].own || !same_field(&a->fields[i++], &b->fields[k++]))
            return false;
    }
}

/* In any order. */
static bool
same_set_of_fields(const struct mail *a, const struct mail *b)
{
    bool used[FIELDS_MAX] = {false};
    int shown = 0;

    for (int i = 0; i < a->field_count; i++) {
        int k = 0;

        shown++;
        while (k < b->field_count && (used[k] || !same_field(&a->fields[i], &b->fields[k])))
            k++;
        if (k == b->field_count)
            return false;
        used[k] = true;
    }
    return shown == b->field_count;
}

static int
count_rcpt(const struct mail *mail, const struct rcpt *rcpt, bool once)
{
    int count = 0;

    for (int i = 0; i < mail->rcpt_count; i++)
        count += !mail->rcpts[i].gone && strcmp(mail->rcpts[i].address, rcpt->address) == 0 &&
                 (once || strcmp(mail->rcpts[i].args, rcpt->args) == 0);
    return count;
}

/* once: each address alone, however often it is there. */
static bool
same_rcpts(const struct mail *a, const struct mail *b, bool once)
{
    const struct mail *both[] = {a, b};

    for (int m = 0; m < 2; m++) {
        for (int i = 0; i < both[m]->rcpt_count; i++) {
            const struct rcpt *rcpt = &both[m]->rcpts[i];
            int in_a = count_rcpt(a, rcpt, once), in_b = count_rcpt(b, rcpt, once);

            if (!rcpt->gone && (once ? !in_a != !in_b : in_a != in_b))
                return false;
        }
    }
    return true;
}

static bool
same_rest(const struct mail *a, const struct mail *b, bool once)
{
    return same_rcpts(a, b, once) && strcmp(a->sender, b->sender) == 0 &&
           strcmp(a->sender_args, b->sender_args) == 0 && strcmp(a->body, b->body) == 0;
}

static void
expect(const struct scene *scene, bool same, const char *what, const struct mail *is,
       const struct mail *expected)
{
    if (same)
        return;
    print_scene(scene);
    print_mail("received", &scene->received);
    print_mail("expected", expected);
    print_mail("is", is);
    fail_msg("%s: not the same", what);
}

/* ---- one scene ------------------------------------------------------------------------------------ */

static const struct milter_plugin editor = {
    .actions = 0xff,
    .needs = MILTER_NEEDS_HEADERS | MILTER_NEEDS_BODY | MILTER_NEEDS_ENVELOPE,
    .on_mail = on_mail,
    .on_rcpt = on_rcpt,
    .on_header = on_header,
    .on_eoh = on_eoh,
    .on_body = on_body,
    .on_eom = on_eom,
};

static void
make_chain(const struct scene *scene, struct bare_chain *bare)
{
    static const char *const names[] = {"p0", "p1", "p2", "p3"};

    bare_chain_init(bare);
    for (int i = 0; i < scene->plugins; i++) {
        struct milter_plugin plugin = editor;

        plugin.name = names[i];
        if (scene->exact)
            plugin.needs |= MILTER_NEEDS_EXACT_VALUES;
        if (!scene->kept) {
            plugin.needs &= ~(uint32_t)(MILTER_NEEDS_HEADERS | MILTER_NEEDS_BODY);
            plugin.actions = MILTER_ADDS_HEADERS;
        }
        bare_chain_add(bare, &plugin);
    }
}

/* The message as the mail server has received it. */
static void
send_message(const struct scene *scene, struct bare_dialogue *dialogue, enum server server)
{
    assert_string_equal(bare_dialogue_negotiate(dialogue, 6, 0x1fffff), "O");
    if (server == SENDMAIL)
        bare_dialogue_say_words(dialogue, 'D', "Cj", "mx", "{if_name}", "mx", NULL);
    assert_string_equal(bare_dialogue_say_words(dialogue, 'M', "<s@t.u>", NULL), "c");
    for (int i = 0; i < scene->rcpts; i++) {
        char address[40];

        snprintf(address, sizeof(address), "<%s>", scene->received.rcpts[i].address);
        assert_string_equal(bare_dialogue_say_words(dialogue, 'R', address, NULL), "c");
    }
    for (int i = 1; i <= scene->headers; i++) {
        const struct field *field = &scene->received.fields[i];

        header_now = i;
        assert_string_equal(
            bare_dialogue_say_words(dialogue, 'L', field->name, field->raw + !scene->exact, NULL),
            "c");
    }
    assert_string_equal(bare_dialogue_say(dialogue, 'N', "", 0), "c");
    assert_string_equal(bare_dialogue_say(dialogue, 'B', "received\r\n", 10), "c");
}

/* Plays it with a mail server that shows itself as one of the two; what comes out where the
   packets are given to either. */
static void
play_scene(struct scene *scene, enum server server, struct mail *postfix, struct mail *sendmail)
{
    struct bare_chain bare;
    struct bare_dialogue dialogue;
    struct frame frame;

    scene_now = scene;
    make_chain(scene, &bare);
    bare_dialogue_open(&dialogue, &bare.chain);
    send_message(scene, &dialogue, server);
    bare_dialogue_say(&dialogue, 'E', "", 0);

    *postfix = *sendmail = scene->received;
    h_lines(sendmail);
    for (size_t at = 0; at < dialogue.out.length; at += frame.size) {
        assert_int_equal(frame_next(dialogue.out.data + at, dialogue.out.length - at,
                                    FRAME_DATA_DEFAULT, &frame),
                         FRAME_READY);
        if (apply(scene, postfix, &frame, POSTFIX))
            apply(scene, sendmail, &frame, SENDMAIL);
        else
            assert_int_equal(frame.command, REPLY_CONTINUE);
    }
    show(sendmail);
    bare_dialogue_close(&dialogue);
    bare_chain_fini(&bare);
}

static void
compare_scene(struct scene *scene, bool ordered)
{
    struct mail postfix, sendmail, other;

    play_scene(scene, POSTFIX, &postfix, &sendmail);
    if (scene->kept) {
        const struct mail *seen = &scene->seen[scene->plugins - 1];

        expect(scene, same_fields(&postfix, seen, false) && same_rest(&postfix, seen, !ordered),
               "Postfix and what the last plugin sees", &postfix, seen);
    }
    if (ordered || !scene->kept) {
        naive_copies(scene);
        const struct mail *copy = &scene->copies[scene->plugins - 1];

        for (int i = 0; i < scene->plugins && scene->compare_views; i++)
            expect(scene,
                   same_fields(&scene->seen[i], &scene->copies[i], false) &&
                       same_rest(&scene->seen[i], &scene->copies[i], false),
                   "what a plugin sees and its copy", &scene->seen[i], &scene->copies[i]);
        expect(scene,
               same_fields(&postfix, copy, true) && same_rest(&postfix, copy, false) &&
                   strcmp(postfix.quarantine, copy->quarantine) == 0,
               "Postfix and the copy", &postfix, copy);
    }
    expect(scene, same_set_of_fields(&sendmail, &postfix) && same_rest(&sendmail, &postfix, false),
           "Sendmail taken for Postfix, and Postfix", &sendmail, &postfix);
    if (!scene->told)
        return;
    play_scene(scene, SENDMAIL, &other, &sendmail);
    expect(scene, same_fields(&sendmail, &postfix, true) && same_rest(&sendmail, &postfix, false),
           "Sendmail and Postfix", &sendmail, &postfix);
}

static void
random_scenes(unsigned first, unsigned count, bool kept, bool early, bool ordered)
{
    static struct scene scene;

    for (unsigned seed = first; seed < first + count; seed++) {
        random_scene(&scene, seed, kept, early, ordered);
        compare_scene(&scene, ordered);
    }
}

/* All at the end of message, plugin by plugin. */
static void
at_end_of_message(void **unused)
{
    (void)unused;
    random_scenes(1, 3000, true, false, true);
}

/* At any time from MAIL on, but each plugin after those before it. */
static void
while_it_arrives(void **unused)
{
    (void)unused;
    random_scenes(100001, 3000, true, true, true);
}

/* At any time and in any order: then the plugins' own view counts. */
static void
in_any_order(void **unused)
{
    (void)unused;
    random_scenes(200001, 3000, true, true, false);
}

/* No plugin looks at the fields, so they are not kept, and new ones need none of them. */
static void
not_kept(void **unused)
{
    (void)unused;
    random_scenes(300001, 2000, false, true, false);
}

/* ---- cases by name ----------------------------------------------------------------------------------- */

static void
named_scene(struct scene *scene, int headers, const char *const *names)
{
    memset(scene, 0, sizeof(*scene));
    scene->kept = true;
    scene->plugins = 2;
    scene->headers = headers;
    scene->rcpts = 1;
    put_field(&scene->received, 0, "Received", " own");
    scene->received.fields[0].own = true;
    for (int i = 1; i <= headers; i++) {
        char raw[16];

        snprintf(raw, sizeof(raw), " h%d", i);
        put_field(&scene->received, i, names[i - 1], raw);
        scene->received.fields[i].arrives = i;
    }
    put_rcpt(&scene->received, "a@b.c", NULL);
    strcpy(scene->received.sender, "s@t.u");
    strcpy(scene->received.body, "received\r\n");
}

static void
add_op(struct scene *scene, int plugin, int when, enum kind kind, unsigned number, const char *name,
       const char *value)
{
    struct op *op = &scene->ops[scene->op_count++];

    op->plugin = plugin;
    op->when = op->asked = when;
    op->kind = kind;
    op->number = number;
    snprintf(op->name, sizeof(op->name), "%s", name);
    snprintf(op->value, sizeof(op->value), "%s", value);
}

static const char *const auth[] = {"X-Auth", "X-Auth", "X-Auth", "X-Auth", "X-Auth"};

/* CVE-2022-48521: a filter that took out forged fields of one name by ascending index took
   out others on Postfix. Values of what is left, on both mail servers. */
static void
cve_2022_48521(void **unused)
{
    static const struct {
        const char *name;
        enum kind kind;
        unsigned numbers[5];
        int count;
        const char *left;
    } cases[] = {
        {"handles from the first on", DELETE_HANDLE, {0, 0, 0}, 3, " h4 h5"},
        {"every other handle", DELETE_HANDLE, {0, 1, 2}, 3, " h2 h4"},
        {"handles from the last on", DELETE_HANDLE, {4, 3, 2}, 3, " h1 h2"},
        {"all handles", DELETE_HANDLE, {0, 0, 0, 0, 0}, 5, ""},
        {"index 1 each time", REMOVE, {1, 1, 1}, 3, " h4 h5"},
        {"indexes from the highest down", REMOVE, {3, 2, 1}, 3, " h4 h5"},
        /* An index counts what the plugin sees, which has one field less each time. */
        {"ascending indexes count what is left", REMOVE, {1, 2, 3}, 3, " h2 h4"},
        {"beyond the last", REMOVE, {5, 5, 6}, 3, " h1 h2 h3 h4"},
        {"all, by the highest index", REMOVE, {5, 4, 3, 2, 1}, 5, ""},
    };
    static struct scene scene;
    struct mail both[2];

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        named_scene(&scene, 5, auth);
        for (int k = 0; k < cases[i].count; k++)
            add_op(&scene, 0, 5 + EOM, cases[i].kind, cases[i].numbers[k], "X-Auth", "");
        play_scene(&scene, POSTFIX, &both[0], &both[1]);
        for (int server = 0; server < 2; server++) {
            char left[64] = "";

            for (int k = 0; k < both[server].field_count; k++)
                if (!both[server].fields[k].own)
                    strcat(left, both[server].fields[k].raw);
            if (strcmp(left, cases[i].left) != 0)
                fail_msg("%s: %s is left with \"%s\", not \"%s\"", cases[i].name,
                         server == 0 ? "Postfix" : "Sendmail", left, cases[i].left);
        }
    }
}

/* Two plugins take out what claims to be theirs, one of them forged fields of the other. */
static void
cve_2022_48521_two_plugins(void **unused)
{
    static struct scene scene;
    struct mail postfix, sendmail;

    (void)unused;
    named_scene(&scene, 5, auth);
    for (int i = 0; i < 2; i++)
        add_op(&scene, 0, 5 + EOM, DELETE_HANDLE, 1, "", ""); /* h2, h3 */
    add_op(&scene, 0, 5 + EOM, INSERT_TOP, 0, "X-Auth", "mine");
    add_op(&scene, 1, 5 + EOM, DELETE_HANDLE, 1, "", "");         /* h1, behind "mine" */
    add_op(&scene, 1, 5 + EOM, REMOVE, 3, "X-Auth", "");          /* h5 */
    add_op(&scene, 1, 5 + EOM, CHANGE, 2, "X-Auth", "rewritten"); /* h4 */
    compare_scene(&scene, true);
    play_scene(&scene, POSTFIX, &postfix, &sendmail);
    assert_int_equal(postfix.field_count, 3);
    assert_string_equal(postfix.fields[0].raw, " mine");
    assert_true(postfix.fields[1].own);
    assert_string_equal(postfix.fields[2].raw, " rewritten");
}

/* The letters that go out, in their order: all changes before all additions, bodies in a
   row, recipients deleted before others are added. */
static void
burst_order(void **unused)
{
    static const char *const names[] = {"A", "B", "C"};
    static struct scene scene;
    struct bare_chain bare;
    struct bare_dialogue dialogue;

    (void)unused;
    named_scene(&scene, 3, names);
    add_op(&scene, 0, 3 + EOM, QUARANTINE, 0, "", "why");
    add_op(&scene, 0, 3 + EOM, BODY, 0, "", "new");
    add_op(&scene, 0, 3 + EOM, ADD_RCPT, 0, "x@y.z", "");
    add_op(&scene, 0, 3 + EOM, ADD_RCPT_ARGS, 0, "x@y.z", "NOTIFY=NEVER");
    add_op(&scene, 0, 3 + EOM, DELETE_RCPT, 0, "a@b.c", "");
    add_op(&scene, 0, 3 + EOM, SENDER, 0, "n@m.o", "RET=HDRS");
    add_op(&scene, 0, 3 + EOM, APPEND, 0, "D", "d");
    add_op(&scene, 0, 3 + EOM, INSERT_TOP, 0, "E", "e");
    add_op(&scene, 0, 3 + EOM, INSERT, 2, "F", "f");
    add_op(&scene, 0, 3 + EOM, REMOVE, 1, "A", "");
    add_op(&scene, 0, 3 + EOM, CHANGE, 1, "C", "c");
    scene_now = &scene;
    make_chain(&scene, &bare);
    bare_dialogue_open(&dialogue, &bare.chain);
    send_message(&scene, &dialogue, POSTFIX);
    assert_string_equal(bare_dialogue_say(&dialogue, 'E', "", 0), "mmihie-+2bqc");
    bare_dialogue_close(&dialogue);
    bare_chain_fini(&bare);
}

/* What comes to nothing is not sent. */
static void
nothing_to_send(void **unused)
{
    static const char *const names[] = {"A", "B"};
    static const struct op cases[][2] = {
        {{.kind = APPEND, .name = "D", .value = "d"}, {.plugin = 1, .kind = REMOVE, .name = "D"}},
        {{.kind = CHANGE, .name = "A", .value = "x"},
         {.plugin = 1, .kind = CHANGE, .name = "A", .value = "h1"}},
        {{.kind = ADD_RCPT, .name = "x@y.z"}, {.plugin = 1, .kind = DELETE_RCPT, .name = "x@y.z"}},
        {{.kind = ADD_RCPT, .name = "a@b.c"}, {.plugin = 1, .kind = ADD_RCPT, .name = "<a@b.c>"}},
        {{.kind = REMOVE, .name = "D"}, {.kind = REMOVE, .number = 2, .name = "A"}},
    };
    static struct scene scene;
    struct bare_chain bare;
    struct bare_dialogue dialogue;

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        named_scene(&scene, 2, names);
        for (int k = 0; k < 2; k++) {
            scene.ops[k] = cases[i][k];
            scene.ops[k].when = scene.ops[k].asked = 2 + EOM;
        }
        scene.op_count = 2;
        scene_now = &scene;
        make_chain(&scene, &bare);
        bare_dialogue_open(&dialogue, &bare.chain);
        send_message(&scene, &dialogue, POSTFIX);
        const char *letters = bare_dialogue_say(&dialogue, 'E', "", 0);
        if (strcmp(letters, "c") != 0) {
            print_scene(&scene);
            fail_msg("it is sent \"%s\"", letters);
        }
        bare_dialogue_close(&dialogue);
        bare_chain_fini(&bare);
    }
}

/* A field that gets an empty value by its handle is kept, with and without LEADSPC. */
static void
empty_values(void **unused)
{
    static const char *const names[] = {"A", "B"};
    static struct scene scene;
    struct mail postfix, sendmail;

    (void)unused;
    for (int exact = 0; exact < 2; exact++) {
        named_scene(&scene, 2, names);
        scene.exact = exact;
        add_op(&scene, 0, 2 + EOM, REPLACE_HANDLE, 0, "", "");
        play_scene(&scene, POSTFIX, &postfix, &sendmail);
        assert_int_equal(postfix.field_count, 3);
        assert_string_equal(postfix.fields[1].name, "A");
        assert_int_equal(strspn(postfix.fields[1].raw, " "), strlen(postfix.fields[1].raw));
        compare_scene(&scene, true);
    }
}

/* Recipients wanted and not wanted by plugins that do so in another order than theirs. */
static void
rcpts_in_any_order(void **unused)
{
    static const char *const names[] = {"A"};
    static const struct {
        const char *name;
        struct op first, second; /* in time */
        const char *left;
    } cases[] = {
        {"wanted by a later plugin, deleted by an earlier one",
         {.plugin = 1, .kind = ADD_RCPT, .name = "a@b.c"},
         {.plugin = 0, .kind = DELETE_RCPT, .name = "a@b.c"},
         "a@b.c"},
        {"added by a later plugin, then by an earlier one",
         {.plugin = 1, .kind = ADD_RCPT, .name = "x@y.z"},
         {.plugin = 0, .kind = ADD_RCPT, .name = "x@y.z"},
         "a@b.c x@y.z"},
        {"added by a later plugin, then with arguments by an earlier one",
         {.plugin = 1, .kind = ADD_RCPT, .name = "x@y.z"},
         {.plugin = 0, .kind = ADD_RCPT_ARGS, .name = "x@y.z", .value = "NOTIFY=NEVER"},
         "a@b.c x@y.z"},
        {"deleted by an earlier plugin, added by a later one",
         {.plugin = 0, .kind = DELETE_RCPT, .name = "a@b.c"},
         {.plugin = 1, .kind = ADD_RCPT, .name = "a@b.c"},
         "a@b.c"},
        {"deleted by both",
         {.plugin = 1, .kind = DELETE_RCPT, .name = "a@b.c"},
         {.plugin = 0, .kind = DELETE_RCPT, .name = "a@b.c"},
         ""},
    };
    static struct scene scene;
    struct mail postfix, sendmail;

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char left[64] = "";

        named_scene(&scene, 1, names);
        scene.ops[0] = cases[i].first;
        scene.ops[0].when = scene.ops[0].asked = 1;
        scene.ops[1] = cases[i].second;
        scene.ops[1].when = scene.ops[1].asked = 1 + EOH;
        scene.op_count = 2;
        play_scene(&scene, POSTFIX, &postfix, &sendmail);
        for (int k = 0; k < postfix.rcpt_count; k++)
            if (!postfix.rcpts[k].gone)
                sprintf(left + strlen(left), "%s%s", left[0] != '\0' ? " " : "",
                        postfix.rcpts[k].address);
        if (strcmp(left, cases[i].left) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].name, left, cases[i].left);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cve_2022_48521),    cmocka_unit_test(cve_2022_48521_two_plugins),
        cmocka_unit_test(burst_order),       cmocka_unit_test(nothing_to_send),
        cmocka_unit_test(empty_values),      cmocka_unit_test(rcpts_in_any_order),
        cmocka_unit_test(at_end_of_message), cmocka_unit_test(while_it_arrives),
        cmocka_unit_test(in_any_order),      cmocka_unit_test(not_kept),
    };
    const struct log_settings quiet = {.target = LOG_TO_STDERR, .level = MILTER_LOG_ERROR};

    /* Requests that find nothing to delete, and a line for each message. */
    log_open(&quiet);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
