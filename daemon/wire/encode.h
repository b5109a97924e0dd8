/*
 * encode - packets into a buffer that grows. Both directions. Knows no sockets.
 *
 * A failed allocation or a packet with more than 1,048,575 bytes of data (the most
 * that any mail server takes) marks the buffer as failed and everything after it is
 * dropped, so that callers check once, at the end; what was complete before the
 * failing packet stays as it was.
 */
#ifndef DAEMON_WIRE_ENCODE_H
#define DAEMON_WIRE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty buffer. */
struct encode {
    uint8_t *data;
    size_t length;   /* written */
    size_t capacity; /* allocated */
    size_t open;     /* where the packet that is being written begins */
    bool failed;
};

/* A packet by pieces: begin, any of the pieces, end (which writes the length). */
void encode_begin(struct encode *out, char command);
void encode_bytes(struct encode *out, const void *data, size_t length);
void encode_string(struct encode *out, const char *text); /* with its NUL */
void encode_byte(struct encode *out, char byte);
void encode_u16(struct encode *out, uint16_t value);
void encode_u32(struct encode *out, uint32_t value);
void encode_end(struct encode *out);

/* Whole packets. */
void encode_simple(struct encode *out, char command); /* no data */
void encode_text(struct encode *out, char command, const char *text);
void encode_negotiate(struct encode *out, uint32_t version, uint32_t actions, uint32_t protocol);
void encode_header(struct encode *out, char command, const char *name, const char *value);
void encode_header_at(struct encode *out, char command, uint32_t index, const char *name,
                      const char *value); /* i and m */
void encode_connect(struct encode *out, const char *name, char family, uint16_t port,
                    const char *address); /* family 'U': nothing after it */
void encode_chunk(struct encode *out, char command, const void *data, size_t length); /* B and b */

/* Empties the buffer, failed or not, and keeps its memory. */
void encode_reset(struct encode *out);
void encode_free(struct encode *out);

#endif
