/*
 * burst - the edits of a message as packets, in one go before its final reply.
 * A long body is handed out in pieces, so that it need not fit into memory.
 */
#ifndef DAEMON_SESSION_BURST_H
#define DAEMON_SESSION_BURST_H

#include "chain/chain.h"
#include "chain/edits.h"
#include "wire/encode.h"

/* All zero is an empty burst. Its edits are in the message's arena. */
struct burst {
    struct edit_list edits;
    size_t next;
    uint64_t body_sent;
};

enum burst_status {
    BURST_DONE,
    BURST_FLUSH,  /* there is more: write the buffer out and call again */
    BURST_FAILED, /* the new body cannot be read back; errno says why */
};

/* The edits of the run's message. -1: no memory, and nothing is to be sent. */
int burst_begin(struct burst *burst, struct chain_run *run);

enum burst_status burst_encode(struct burst *burst, const struct chain_run *run,
                               struct encode *out);

#endif
