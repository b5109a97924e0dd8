/*
 * scene - makes scenes up, plays them with plugins whose callbacks stand here, and has
 * the naive model of what should come of it. One scene is played at a time.
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

#include "scene.h"
#include "wire/protocol.h"

static const char *const kind_names[KINDS] = {
    "add_header",    "insert_header", "insert_header (top)", "change_header", "change_header (del)",
    "replace",       "delete",        "insert_before",       "insert_after",  "add_rcpt",
    "add_rcpt args", "delete_rcpt",   "change_sender",       "replace_body",  "quarantine",
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
waits(const struct scene_op *op)
{
    return op->kind == INSERT || op->kind == CHANGE || op->kind == REMOVE;
}

static void
random_op(struct scene *scene, struct scene_op *op, int serial)
{
    static const enum scene_kind unkept[] = {APPEND, INSERT, INSERT_TOP};

    op->kind = scene->kept ? (enum scene_kind)random_below(KINDS) : unkept[random_below(3)];
    op->number = random_below(3) == 0 ? random_below(12) : random_below(4);
    if (op->kind == INSERT)
        op->number = random_below(20) == 0 ? 0xffffffff : op->number + 1;
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

void
scene_random(struct scene *scene, unsigned seed, bool kept, bool early, bool ordered)
{
    int times[SCENE_OPS], owners[SCENE_OPS];

    memset(scene, 0, sizeof(*scene));
    random_state = seed * 0x9e3779b97f4a7c15ULL + 1;
    for (int i = 0; i < 4; i++)
        random_below(2);
    scene->seed = seed;
    scene->kept = kept;
    scene->told = seed % 2;
    scene->exact = random_below(3) == 0;
    scene->plugins = 1 + (int)random_below(SCENE_PLUGINS);
    scene->headers = (int)random_below(SCENE_HEADERS + 1);
    scene->rcpts = 1 + (int)random_below(4);
    scene->op_count = (int)random_below(SCENE_OPS);

    struct mail *mail = &scene->received;
    mail_put_field(mail, 0, "Received", " own");
    mail->fields[0].own = true;
    for (int i = 1; i <= scene->headers; i++) {
        static const char *const spaces[] = {" ", "", "\t", "  "};
        char raw[32];

        snprintf(raw, sizeof(raw), "%sh%d", scene->exact ? spaces[random_below(4)] : " ", i);
        mail_put_field(mail, i, random_name(true), raw);
        mail->fields[i].arrives = i;
    }
    for (int i = 0; i < scene->rcpts; i++)
        mail_put_rcpt(mail, random_address(), NULL);
    strcpy(mail->sender, "s@t.u");
    strcpy(mail->body, "received\r\n");

    const int last = scene->headers + SCENE_EOM;
    for (int i = 0; i < scene->op_count; i++) {
        times[i] = early ? (int)random_below((unsigned)last + 1) : last;
        owners[i] = (int)random_below((unsigned)scene->plugins);
    }
    if (ordered) {
        qsort(times, (size_t)scene->op_count, sizeof(times[0]), compare_numbers);
        qsort(owners, (size_t)scene->op_count, sizeof(owners[0]), compare_numbers);
    }
    for (int i = 0; i < scene->op_count; i++) {
        struct scene_op *op = &scene->ops[i];
        const int end_of_header = scene->headers + SCENE_WAITS;

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

void
scene_print(const struct scene *scene)
{
    print_error("seed %u: %d plugins, %d headers, %s%s\n", scene->seed, scene->plugins,
                scene->headers, scene->kept ? "kept" : "not kept", scene->exact ? ", exact" : "");
    for (int i = 0; i < scene->op_count; i++) {
        const struct scene_op *op = &scene->ops[i];
        char when[32];

        if (op->when == scene->headers + SCENE_EOM)
            strcpy(when, "eom");
        else if (op->when == scene->headers + SCENE_EOH)
            strcpy(when, "eoh");
        else
            snprintf(when, sizeof(when), "%s %d", op->asked == 0 ? "mail" : "header", op->asked);
        print_error("    plugin %d at %s: %s(%s, %u, \"%s\")\n", op->plugin, when,
                    kind_names[op->kind], op->name, op->number, op->value);
    }
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
naive_op(const struct scene *scene, struct mail *mail, const struct scene_op *op)
{
    char raw[32];
    int at, arrived = op->when;

    snprintf(raw, sizeof(raw), "%s%s", scene->exact ? "" : " ", op->value);
    switch (op->kind) {
    case APPEND:
        mail_put_field(mail, mail->field_count, op->name, raw);
        break;
    case INSERT_TOP:
        mail_put_field(mail, 0, op->name, raw);
        break;
    case INSERT:
        at = mail->field_count - mail_own_received(mail);
        at = mail_own_received(mail) + (op->number < (unsigned)at ? (int)op->number : at);
        mail_put_field(mail, at, op->name, raw);
        break;
    case CHANGE:
    case REMOVE:
        at = mail_field_of_name(mail, op->name, op->number != 0 ? op->number : 1);
        if (at >= 0 && op->kind == REMOVE)
            mail_take_field(mail, at);
        else if (at >= 0)
            mail_set_raw(mail, at, raw);
        else if (op->kind == CHANGE)
            mail_put_field(mail, mail->field_count, op->name, raw);
        break;
    case REPLACE_HANDLE:
        if ((at = nth_visible(mail, op->number, arrived)) >= 0)
            mail_set_raw(mail, at, raw);
        break;
    case DELETE_HANDLE:
        if ((at = nth_visible(mail, op->number, arrived)) >= 0)
            mail_take_field(mail, at);
        break;
    case BEFORE_HANDLE:
        if ((at = nth_visible(mail, op->number, arrived)) >= 0)
            mail_put_field(mail, at, op->name, raw);
        break;
    case AFTER_HANDLE:
        if ((at = nth_visible(mail, op->number, arrived)) >= 0)
            mail_put_field(mail, at + 1, op->name, raw);
        break;
    case ADD_RCPT:
        at = mail->rcpt_count;
        mail_put_rcpt(mail, op->name, NULL);
        for (int i = 0; i < at; i++)
            if (!mail->rcpts[i].gone &&
                strcmp(mail->rcpts[i].address, mail->rcpts[at].address) == 0) {
                mail->rcpt_count = at;
                break;
            }
        break;
    case ADD_RCPT_ARGS:
        mail_put_rcpt(mail, op->name, op->value);
        break;
    case DELETE_RCPT:
        if (mail_take_rcpts(mail, op->name, false) == 0)
            mail_take_rcpts(mail, op->name, true);
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

void
scene_copies(struct scene *scene)
{
    for (int plugin = 0; plugin < scene->plugins; plugin++) {
        struct mail *mail = &scene->copies[plugin];

        *mail = plugin == 0 ? scene->received : scene->copies[plugin - 1];
        for (int when = 0; when <= scene->headers + SCENE_EOM; when++)
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
do_op(milter_ctx *ctx, const struct scene_op *op)
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
        mail_put_field(mail, mail->field_count, milter_header_name(h), milter_header_raw(ctx, h));
    for (milter_rcpt *rcpt = milter_rcpt_next(ctx, NULL); rcpt != NULL;
         rcpt = milter_rcpt_next(ctx, rcpt))
        mail_put_rcpt(mail, milter_rcpt_address(rcpt), milter_rcpt_args(rcpt)[0]);
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
        const struct scene_op *op = &scene->ops[i];

        if (op->plugin != plugin || op->asked != when)
            continue;
        /* Each body stands for a whole one. */
        ctx->body_begun = false;
        int error = do_op(ctx, op);
        if (error != MILTER_OK) {
            scene_print(scene);
            fail_msg("%s is refused with %d", kind_names[op->kind], error);
        }
    }
    if (when == scene->headers + SCENE_EOM && scene->kept)
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
    return play(ctx, scene_now->headers + SCENE_EOH);
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
    return play(ctx, scene_now->headers + SCENE_EOM);
}

/* ---- playing ------------------------------------------------------------------------------------ */

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

void
scene_open(struct scene *scene, enum mail_server server, struct bare_chain *bare,
           struct bare_dialogue *dialogue)
{
    scene_now = scene;
    make_chain(scene, bare);
    bare_dialogue_open(dialogue, &bare->chain);
    assert_string_equal(bare_dialogue_negotiate(dialogue, 6, 0x1fffff), "O");
    if (server == MAIL_SENDMAIL)
        bare_dialogue_say_words(dialogue, 'D', "Cj", "mx", "{if_name}", "mx", NULL);
    assert_string_equal(bare_dialogue_say_words(dialogue, 'M', "<s@t.u>", NULL), "c");
    for (int i = 0; i < scene->rcpts; i++) {
        char address[40];

        snprintf(address, sizeof(address), "<%s>", scene->received.rcpts[i].address);
        assert_string_equal(bare_dialogue_say_words(dialogue, 'R', address, NULL), "c");
    }
    for (int i = 1; i <= scene->headers; i++) {
        const struct mail_field *field = &scene->received.fields[i];

        header_now = i;
        assert_string_equal(
            bare_dialogue_say_words(dialogue, 'L', field->name, field->raw + !scene->exact, NULL),
            "c");
    }
    assert_string_equal(bare_dialogue_say(dialogue, 'N', "", 0), "c");
    assert_string_equal(bare_dialogue_say(dialogue, 'B', "received\r\n", 10), "c");
}

void
scene_play(struct scene *scene, enum mail_server server, struct mail *postfix,
           struct mail *sendmail)
{
    struct bare_chain bare;
    struct bare_dialogue dialogue;
    struct frame frame;

    scene_open(scene, server, &bare, &dialogue);
    bare_dialogue_say(&dialogue, 'E', "", 0);
    *postfix = *sendmail = scene->received;
    mail_begin_sendmail(sendmail);
    for (size_t at = 0; at < dialogue.out.length; at += frame.size) {
        assert_int_equal(frame_next(dialogue.out.data + at, dialogue.out.length - at,
                                    FRAME_DATA_DEFAULT, &frame),
                         FRAME_READY);
        if (mail_apply(postfix, &frame, MAIL_POSTFIX, scene->exact))
            mail_apply(sendmail, &frame, MAIL_SENDMAIL, scene->exact);
        else
            assert_int_equal(frame.command, REPLY_CONTINUE);
    }
    mail_show(sendmail);
    bare_dialogue_close(&dialogue);
    bare_chain_fini(&bare);
}

void
scene_expect(const struct scene *scene, bool same, const char *what, const struct mail *is,
             const struct mail *expected)
{
    if (same)
        return;
    scene_print(scene);
    mail_print("received", &scene->received);
    mail_print("expected", expected);
    mail_print("is", is);
    fail_msg("%s: not the same", what);
}
