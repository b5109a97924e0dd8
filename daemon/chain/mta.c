/*
 * Sendmail begins the header of each message with the H lines of its sendmail.cf, in
 * use or not: Return-Path, Received, Resent-Date, Date, Resent-From, From, Full-Name,
 * Resent-Message-Id, Message-Id. Received fields come behind these nine. An insert
 * position of 1 is below its second entry, 2 below the third, so that the first received
 * field, 1 on Postfix, is 8 further seven places down. This is so for each sendmail.cf
 * made by m4; one with H lines of its own has as many hidden places more.
 *
 * A name is compared with its beginning only: "Postfix 3.7.11", "8.17.1".
 */
#include "chain/mta.h"

#include <string.h>
#include <strings.h>

static const char *const sendmail_own[] = {
    "Return-Path", "Received",  "Resent-Date",       "Date",       "Resent-From",
    "From",        "Full-Name", "Resent-Message-Id", "Message-Id", NULL,
};

static const struct mta postfix = {.name = "Postfix"};

static const struct mta sendmail = {
    .name = "Sendmail",
    .hidden = 7,
    .counts_deleted = true,
    .own = sendmail_own,
};

/* The first that holds. Postfix says v at connect unless it is told not to; Sendmail says v
   only where asked, {if_name} at connect, and {msg_id} at the end of message. */
static const struct {
    const char *macro, *begins;
    const struct mta *mta;
} signs[] = {
    {"v", "Postfix", &postfix},
    {"v", "8.", &sendmail},
    {"{if_name}", "", &sendmail},
    {"{msg_id}", "", &sendmail},
};

const struct mta *
mta_of(const struct macros *macros)
{
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        const char *value = macros_find_at(macros, MILTER_EVENT_CONNECT, signs[i].macro);
        if (value == NULL)
            value = macros_find(macros, signs[i].macro);
        if (value != NULL && strncmp(value, signs[i].begins, strlen(signs[i].begins)) == 0)
            return signs[i].mta;
    }
    return &postfix;
}

bool
mta_writes(const struct mta *mta, const char *name)
{
    for (const char *const *own = mta->own; own != NULL && *own != NULL; own++)
        if (strcasecmp(*own, name) == 0)
            return true;
    return false;
}
