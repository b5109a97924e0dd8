/*
 * edits - the difference between a message as received and as the chain leaves
 * it, as the list of changes to ask of the mail server, in an order and with
 * indexes that are right on Postfix and on Sendmail. Knows no packets.
 */
#ifndef DAEMON_CHAIN_EDITS_H
#define DAEMON_CHAIN_EDITS_H

#include "chain/message.h"
#include "chain/mta.h"

enum edit_kind {
    EDIT_CHANGE_HEADER, /* index among its name, name, value; "" deletes */
    EDIT_ADD_HEADER,    /* name, value: at the end */
    EDIT_INSERT_HEADER, /* index from the top, name, value */
    EDIT_SENDER,        /* address in name, arguments or NULL in value */
    EDIT_DELETE_RCPT,   /* address in name */
    EDIT_ADD_RCPT,      /* address in name, arguments or NULL in value */
    EDIT_BODY,          /* spool */
    EDIT_QUARANTINE,    /* reason in name */
};

struct edit {
    enum edit_kind kind;
    uint32_t index;
    const char *name, *value; /* values are raw: with their leading space */
    const struct spool *body;
};

struct edit_list {
    struct edit *items; /* in the message's arena */
    size_t count;
};

/* mta: who will carry them out. 0, or -1 when there is no memory. */
int edits_make(struct message *message, const struct mta *mta, struct edit_list *list);

#endif
