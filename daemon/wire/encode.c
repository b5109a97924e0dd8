/*
 * encode - writes packets one behind the other into a growing buffer.
 *
 * Decides what happens when a packet cannot be written: it is taken back whole, so
 * that the buffer always ends where a packet ends, and nothing more is taken until
 * the reset. Does not know which packets a mail server or a filter wants. The
 * memory belongs to the struct and is kept from packet to packet. Writing a piece
 * outside of a packet, or a packet within one, is a bug of the caller's.
 */
#include "wire/encode.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "wire/frame.h"
#include "wire/protocol.h"

enum {
    CAPACITY_FIRST = 512,
    LENGTH_BYTES = 4,
    PACKET_MAX = FRAME_HEADER + FRAME_DATA_1M, /* the largest that any MTA can negotiate */
};

static void
put_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static void
fail(struct encode *out)
{
    out->failed = true;
    out->length = out->open;
}

/* Whether n bytes more can be written to the open packet. */
static bool
reserve(struct encode *out, size_t n)
{
    size_t capacity = out->capacity ? out->capacity : CAPACITY_FIRST;
    uint8_t *data;

    if (out->failed)
        return false;
    if (n > PACKET_MAX - (out->length - out->open))
        goto fail;
    if (n <= out->capacity - out->length)
        return true;
    while (capacity < out->length || n > capacity - out->length) {
        if (capacity > SIZE_MAX / 2)
            goto fail;
        capacity *= 2;
    }
    data = realloc(out->data, capacity);
    if (!data)
        goto fail;
    out->data = data;
    out->capacity = capacity;
    return true;
fail:
    fail(out);
    return false;
}

void
encode_begin(struct encode *out, char command)
{
    if (out->failed)
        return;
    ALWAYS(out->open == out->length);
    if (!reserve(out, FRAME_HEADER))
        return;
    out->data[out->length + LENGTH_BYTES] = (uint8_t)command;
    out->length += FRAME_HEADER;
}

void
encode_bytes(struct encode *out, const void *data, size_t length)
{
    if (out->failed)
        return;
    ALWAYS(out->length > out->open);
    if (length == 0 || !reserve(out, length))
        return;
    memcpy(out->data + out->length, data, length);
    out->length += length;
}

void
encode_string(struct encode *out, const char *text)
{
    encode_bytes(out, text, strlen(text) + 1);
}

void
encode_byte(struct encode *out, char byte)
{
    encode_bytes(out, &byte, 1);
}

void
encode_u16(struct encode *out, uint16_t value)
{
    const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

    encode_bytes(out, bytes, sizeof bytes);
}

void
encode_u32(struct encode *out, uint32_t value)
{
    uint8_t bytes[4];

    put_u32(bytes, value);
    encode_bytes(out, bytes, sizeof bytes);
}

void
encode_end(struct encode *out)
{
    if (out->failed)
        return;
    ALWAYS(out->length > out->open);
    put_u32(out->data + out->open, (uint32_t)(out->length - out->open - LENGTH_BYTES));
    out->open = out->length;
}

void
encode_simple(struct encode *out, char command)
{
    encode_begin(out, command);
    encode_end(out);
}

void
encode_text(struct encode *out, char command, const char *text)
{
    encode_begin(out, command);
    encode_string(out, text);
    encode_end(out);
}

void
encode_negotiate(struct encode *out, uint32_t version, uint32_t actions, uint32_t protocol)
{
    encode_begin(out, COMMAND_NEGOTIATE);
    encode_u32(out, version);
    encode_u32(out, actions);
    encode_u32(out, protocol);
    encode_end(out);
}

void
encode_header(struct encode *out, char command, const char *name, const char *value)
{
    encode_begin(out, command);
    encode_string(out, name);
    encode_string(out, value);
    encode_end(out);
}

void
encode_header_at(struct encode *out, char command, uint32_t index, const char *name,
                 const char *value)
{
    encode_begin(out, command);
    encode_u32(out, index);
    encode_string(out, name);
    encode_string(out, value);
    encode_end(out);
}

void
encode_connect(struct encode *out, const char *name, char family, uint16_t port,
               const char *address)
{
    encode_begin(out, COMMAND_CONNECT);
    encode_string(out, name);
    encode_byte(out, family);
    if (family != 'U') {
        encode_u16(out, port);
        encode_string(out, address);
    }
    encode_end(out);
}

void
encode_chunk(struct encode *out, char command, const void *data, size_t length)
{
    encode_begin(out, command);
    encode_bytes(out, data, length);
    encode_end(out);
}

void
encode_reset(struct encode *out)
{
    out->length = 0;
    out->open = 0;
    out->failed = false;
}

void
encode_free(struct encode *out)
{
    free(out->data);
    *out = (struct encode){0};
}
