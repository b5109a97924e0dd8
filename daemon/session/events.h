/*
 * events - the data of a packet into an event for the chain, and into what the
 * host keeps of it: client, HELO name, envelope, headers, body.
 */
#ifndef DAEMON_SESSION_EVENTS_H
#define DAEMON_SESSION_EVENTS_H

#include "chain/chain.h"
#include "wire/frame.h"

enum events_result {
    EVENTS_READY,
    EVENTS_MALFORMED, /* the mail server's fault */
    EVENTS_NO_ROOM,   /* no memory, the spool is full, or over a limit; errno says */
};

/* event->event says which. Strings in the event are borrowed from the packet. */
enum events_result events_make(struct chain_run *run, const struct frame *frame,
                               struct chain_event *event);

#endif
