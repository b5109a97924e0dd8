/*
 * mail - plain models, for tests: they check nothing and are as slow as they like.
 * What is known of the two mail servers was seen on the wire (Postfix 3.7, Sendmail
 * 8.17); a message too large for the model fails the test.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mail.h"
#include "wire/decode.h"
#include "wire/protocol.h"

void
mail_put_field(struct mail *mail, int at, const char *name, const char *raw)
{
    assert_true(mail->field_count < MAIL_FIELDS_MAX);
    memmove(&mail->fields[at + 1], &mail->fields[at],
            (size_t)(mail->field_count - at) * sizeof(mail->fields[0]));
    mail->field_count++;
    mail->fields[at] = (struct mail_field){.own = false};
    snprintf(mail->fields[at].name, sizeof(mail->fields[at].name), "%s", name);
    snprintf(mail->fields[at].raw, sizeof(mail->fields[at].raw), "%s", raw);
}

void
mail_take_field(struct mail *mail, int at)
{
    mail->field_count--;
    memmove(&mail->fields[at], &mail->fields[at + 1],
            (size_t)(mail->field_count - at) * sizeof(mail->fields[0]));
}

int
mail_own_received(const struct mail *mail)
{
    int at = 0;

    while (!mail->fields[at].own)
        at++;
    return at;
}

int
mail_field_of_name(const struct mail *mail, const char *name, unsigned index)
{
    for (int i = 0; i < mail->field_count; i++)
        if (!mail->fields[i].own && !mail->fields[i].unused &&
            strcasecmp(mail->fields[i].name, name) == 0 && --index == 0)
            return i;
    return -1;
}

void
mail_set_raw(struct mail *mail, int at, const char *raw)
{
    snprintf(mail->fields[at].raw, sizeof(mail->fields[at].raw), "%s", raw);
}

void
mail_put_rcpt(struct mail *mail, const char *address, const char *args)
{
    struct mail_rcpt *rcpt = &mail->rcpts[mail->rcpt_count++];
    size_t bracket = address[0] == '<', length = strlen(address) - 2 * bracket;

    assert_true(mail->rcpt_count < MAIL_RCPTS_MAX);
    rcpt->gone = false;
    snprintf(rcpt->address, sizeof(rcpt->address), "%.*s", (int)length, address + bracket);
    snprintf(rcpt->args, sizeof(rcpt->args), "%s", args != NULL ? args : "");
}

int
mail_take_rcpts(struct mail *mail, const char *address, bool any_case)
{
    size_t bracket = address[0] == '<', length = strlen(address) - 2 * bracket;
    int taken = 0;

    address += bracket;
    for (int i = 0; i < mail->rcpt_count; i++) {
        struct mail_rcpt *rcpt = &mail->rcpts[i];

        if (rcpt->gone || strlen(rcpt->address) != length ||
            (any_case ? strncasecmp(rcpt->address, address, length)
                      : strncmp(rcpt->address, address, length)) != 0)
            continue;
        rcpt->gone = true;
        taken++;
    }
    return taken;
}

void
mail_print(const char *what, const struct mail *mail)
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

/* ---- the mail servers ------------------------------------------------------------------------ */

/* They differ in whether a deleted field is still counted. */
static void
change_field(struct mail *mail, const struct decode_edit *edit, const char *raw,
             enum mail_server server)
{
    int at = mail_field_of_name(mail, edit->name, edit->index);

    if (at < 0) {
        if (edit->value[0] != '\0')
            mail_put_field(mail, mail->field_count, edit->name, raw);
    } else if (edit->value[0] != '\0') {
        mail_set_raw(mail, at, raw);
        mail->fields[at].hidden = false;
    } else if (server == MAIL_POSTFIX) {
        mail_take_field(mail, at);
    } else {
        mail->fields[at].hidden = true;
    }
}

/* Sendmail puts a new field before the first of its name. */
static void
add_field(struct mail *mail, const struct decode_edit *edit, const char *raw,
          enum mail_server server)
{
    int at = server == MAIL_POSTFIX ? mail->field_count : 0;

    while (at < mail->field_count && strcasecmp(mail->fields[at].name, edit->name) != 0)
        at++;
    mail_put_field(mail, at, edit->name, raw);
}

/* Postfix counts what is shown; Sendmail all, and its position 1 is behind two fields. */
static void
insert_field(struct mail *mail, const struct decode_edit *edit, const char *raw,
             enum mail_server server)
{
    uint32_t at = edit->index;

    assert_true(at <= INT32_MAX); /* they take it for a signed number */
    if (at > 0 && at < MAIL_FIELDS_MAX && server == MAIL_SENDMAIL)
        at++;
    mail_put_field(mail, at < (uint32_t)mail->field_count ? (int)at : mail->field_count, edit->name,
                   raw);
}

void
mail_begin_sendmail(struct mail *mail)
{
    static const char *const names[] = {"Resent-Date", "Date",      "Resent-From",
                                        "From",        "Full-Name", "Resent-Message-Id",
                                        "Message-Id"};

    mail_put_field(mail, 0, "Return-Path", "");
    mail->fields[0].hidden = mail->fields[0].unused = true;
    for (int i = 0; i < 7; i++) {
        mail_put_field(mail, i + 2, names[i], "");
        mail->fields[i + 2].hidden = mail->fields[i + 2].unused = true;
    }
}

void
mail_show(struct mail *mail)
{
    for (int i = mail->field_count - 1; i >= 0; i--)
        if (mail->fields[i].hidden)
            mail_take_field(mail, i);
}

bool
mail_apply(struct mail *mail, const struct frame *frame, enum mail_server server, bool exact)
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
        snprintf(raw, sizeof(raw), "%s%s", exact ? "" : " ", edit.value);
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
        mail_put_rcpt(mail, edit.name, edit.value);
        return true;
    case REPLY_DELETE_RCPT:
        mail_take_rcpts(mail, edit.name, false);
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
same_field(const struct mail_field *a, const struct mail_field *b)
{
    if (strcmp(a->name, b->name) != 0)
        return false;
    if (strspn(a->raw, " ") == strlen(a->raw) && strspn(b->raw, " ") == strlen(b->raw))
        return true;
    return strcmp(a->raw, b->raw) == 0;
}

bool
mail_same_fields(const struct mail *a, const struct mail *b, bool own)
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

bool
mail_same_set_of_fields(const struct mail *a, const struct mail *b)
{
    bool used[MAIL_FIELDS_MAX] = {false};

    for (int i = 0; i < a->field_count; i++) {
        int k = 0;

        while (k < b->field_count && (used[k] || !same_field(&a->fields[i], &b->fields[k])))
            k++;
        if (k == b->field_count)
            return false;
        used[k] = true;
    }
    return a->field_count == b->field_count;
}

static int
count_rcpt(const struct mail *mail, const struct mail_rcpt *rcpt, bool once)
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
            const struct mail_rcpt *rcpt = &both[m]->rcpts[i];
            int in_a = count_rcpt(a, rcpt, once), in_b = count_rcpt(b, rcpt, once);

            if (!rcpt->gone && (once ? !in_a != !in_b : in_a != in_b))
                return false;
        }
    }
    return true;
}

bool
mail_same_rest(const struct mail *a, const struct mail *b, bool once)
{
    return same_rcpts(a, b, once) && strcmp(a->sender, b->sender) == 0 &&
           strcmp(a->sender_args, b->sender_args) == 0 && strcmp(a->body, b->body) == 0;
}
