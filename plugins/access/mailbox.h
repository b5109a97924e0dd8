/*
 * mailbox - an envelope address in the one form that is compared: "<\"Joe\"@Example.COM.>"
 * and "<@relay:joe@example.com>" are both joe@example.com.
 */
#ifndef PLUGINS_ACCESS_MAILBOX_H
#define PLUGINS_ACCESS_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

struct mailbox {
    const char *text; /* "joe@example.com"; "" is the null sender */
    size_t length;
    size_t local; /* length of the local part */
    bool has_domain;
};

/* room: strlen(address) + 1 bytes, which the mailbox then borrows. */
void mailbox_read(struct mailbox *mailbox, const char *address, char *room);

/* The domain of a mailbox that has one. */
const char *mailbox_domain(const struct mailbox *mailbox, size_t *length);

/* A host name as it is compared: lower case, without the dot at its end. Returns its
   length; room as above. */
size_t mailbox_host(const char *name, char *room);

#endif
