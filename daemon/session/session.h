/*
 * session - one mail server's dialogue: packets into events for the chain, the
 * chain's outcomes into replies. Knows no sockets: packets come in, replies go
 * into a buffer, and the caller is told what to do next.
 */
#ifndef DAEMON_SESSION_SESSION_H
#define DAEMON_SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "chain/chain.h"
#include "wire/encode.h"
#include "wire/frame.h"

struct session;

enum session_status {
    SESSION_MORE,  /* ready for the next packet */
    SESSION_FLUSH, /* a long burst: write what is in the buffer, then session_continue() */
    SESSION_CLOSE, /* the dialogue is over; session_fault() says whether it went wrong */
};

/* What a session asks of its connection. */
struct session_peer {
    /* Sends a packet at once, ahead of the buffer. 0 or an enum milter_error. */
    int (*send_now)(void *arg, char command);
    void *arg;
    const bool *refuse; /* while true new messages are answered 421: the worker is going */
};

/* NULL when there is no memory. listener: its name, for conditions; all are borrowed. */
struct session *session_new(struct chain *chain, const char *listener,
                            const struct session_peer *peer);

/* The connection is gone: an open message is aborted, plugins are told. `reason` is NULL
   where it ended in good order. */
void session_free(struct session *session, const char *reason);

/* One packet. Its data is borrowed until the return. */
enum session_status session_packet(struct session *session, const struct frame *frame,
                                   struct encode *out);

/* Goes on with a burst after SESSION_FLUSH. */
enum session_status session_continue(struct session *session, struct encode *out);

/* The largest packet data that may come now. */
size_t session_data_limit(const struct session *session);

/* Whether anything has been negotiated, and whether a message is open. */
bool session_negotiated(const struct session *session);
bool session_in_message(const struct session *session);

/* Why the mail server's side is at fault, NULL where it is not. */
const char *session_fault(const struct session *session);

#endif
