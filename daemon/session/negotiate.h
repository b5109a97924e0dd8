/*
 * negotiate - the answer to the mail server's offer, derived from what the
 * plugins of the chain want: events nobody wants are left out, no reply is owed
 * where nobody can decide, exactly the declared actions are asked for. What was
 * not offered is never sent.
 */
#ifndef DAEMON_SESSION_NEGOTIATE_H
#define DAEMON_SESSION_NEGOTIATE_H

#include "chain/chain.h"
#include "wire/decode.h"
#include "wire/encode.h"

/* What was agreed. Plain numbers: a connection's wire state holds no pointers. */
struct negotiated {
    uint32_t version;
    uint32_t actions;  /* granted and asked for */
    uint32_t protocol; /* PROTOCOL_ bits in force */
};

/*
 * Fills in `agreed` and encodes the answer. -1 where the version cannot be spoken
 * (below 2). Actions of a plugin that the mail server does not offer are logged with
 * the plugin's name; calls that need them are refused later.
 */
int negotiate(const struct chain *chain, const struct decode_negotiate *offer,
              struct negotiated *agreed, struct encode *out);

/* The largest packet data the mail server may send now. */
size_t negotiate_data_limit(const struct negotiated *agreed);

#endif
