/*
 * envelope - sender and recipients of a message, by the layer that looks.
 * Functions that edit return 0 or an enum milter_error.
 */
#ifndef DAEMON_CHAIN_ENVELOPE_H
#define DAEMON_CHAIN_ENVELOPE_H

#include "chain/message.h"

/* As received, copied. The address may lack its <> (Postfix's local submission);
   args is NULL-terminated. -1: no memory. */
int envelope_mail(struct message *message, const char *address, const char *const *args);
int envelope_rcpt(struct message *message, const char *address, const char *const *args);

/* The last recipient received was refused by a verdict. */
void envelope_refuse_last(struct message *message);

/* Who added it wants it no more. It becomes the first later plugin's that asked for it too,
   when it was there already; false where there is none, and it is to go. */
bool envelope_give_up(milter_rcpt *rcpt);

const char *envelope_sender(const struct message *message, int layer);
const char *const *envelope_sender_args(const struct message *message, int layer);
milter_rcpt *envelope_next_rcpt(const struct message *message, int layer, const milter_rcpt *rcpt);

int envelope_change_sender(struct message *message, int layer, const char *address,
                           const char *args);
int envelope_add_rcpt(struct message *message, int layer, const char *address, const char *args);
int envelope_delete_rcpt(struct message *message, int layer, const char *address);

/* Whether a plugin may hand this address over: with or without <>, no control
   characters, no space outside quotes. "" and "<>" only where `null` says so. */
bool envelope_good_address(const char *address, bool null);

#endif
