/*
 * mail - a message as plain as can be, and the two mail servers that carry out a
 * filter's edits of it: to hold what milterd asks for against.
 */
#ifndef TESTS_MAIL_H
#define TESTS_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/frame.h"

enum { MAIL_FIELDS_MAX = 64, MAIL_RCPTS_MAX = 48 };

struct mail_field {
    char name[16], raw[32]; /* raw: everything after the colon */
    bool own;               /* the mail server's own Received */
    bool hidden;            /* Sendmail: deleted or never shown, but still counted */
    bool unused;            /* Sendmail: stands for an H line of sendmail.cf, none of the message */
    int arrives;            /* with which header event it comes; 0: a plugin's */
};

struct mail_rcpt {
    char address[32], args[16];
    bool gone;
};

struct mail {
    struct mail_field fields[MAIL_FIELDS_MAX];
    int field_count;
    struct mail_rcpt rcpts[MAIL_RCPTS_MAX];
    int rcpt_count;
    char sender[32], sender_args[16], body[64], quarantine[16];
};

enum mail_server { MAIL_POSTFIX, MAIL_SENDMAIL };

void mail_put_field(struct mail *mail, int at, const char *name, const char *raw);
void mail_take_field(struct mail *mail, int at);
void mail_set_raw(struct mail *mail, int at, const char *raw);

/* Where the mail server's own Received is. */
int mail_own_received(const struct mail *mail);

/* The index'th of that name, -1 for none; not the mail server's own. */
int mail_field_of_name(const struct mail *mail, const char *name, unsigned index);

/* With or without <>; args may be NULL. */
void mail_put_rcpt(struct mail *mail, const char *address, const char *args);

/* Marks the recipients of that address; how many there were. */
int mail_take_rcpts(struct mail *mail, const char *address, bool any_case);

void mail_print(const char *what, const struct mail *mail);

/* The header as Sendmail begins it: its H lines, its own Received among them. Before any
   edit. */
void mail_begin_sendmail(struct mail *mail);

/* Takes out what is not shown. After all edits. */
void mail_show(struct mail *mail);

/* Carries out one packet of a filter; false for what is no edit. exact: values travel with
   their leading space, else the mail server puts it there. */
bool mail_apply(struct mail *mail, const struct frame *frame, enum mail_server server, bool exact);

/* In order; without the mail server's own Received where `own` is false. */
bool mail_same_fields(const struct mail *a, const struct mail *b, bool own);

/* In any order. */
bool mail_same_set_of_fields(const struct mail *a, const struct mail *b);

/* Envelope and body. once: each address alone, however often it is there. */
bool mail_same_rest(const struct mail *a, const struct mail *b, bool once);

#endif
