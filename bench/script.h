/*
 * script - what a Postfix sends on one milter connection, packet by packet and flush
 * by flush, made once for the bits that were negotiated. A flush is what one process
 * of Postfix has gathered when it begins to wait for a reply, or when it hands the
 * connection to another process.
 */
#ifndef BENCH_SCRIPT_H
#define BENCH_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct script_flush {
    size_t offset, length; /* in the script's bytes */
    bool reply;            /* one is due before anything else is sent */
    bool ends_message;
};

struct script {
    uint8_t *bytes;
    size_t length, capacity;
    struct script_flush *flushes;
    size_t count;

    /* Places in flushes: begins, the first message, each later one, the farewell. */
    size_t first, next, farewell;
};

/* What the message consists of. */
struct script_message {
    unsigned headers, rcpts;
    size_t body;
};

/* The packet that begins every connection: Postfix's offer. */
extern const uint8_t script_offer[17];

/* protocol: the bits of the filter's answer. Ends the program where there is no memory. */
void script_make(struct script *script, const struct script_message *message, uint32_t protocol);
void script_free(struct script *script);

#endif
