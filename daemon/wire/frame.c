/*
 * frame - cuts a stream of bytes into packets.
 *
 * Decides only by the four bytes of length, and as soon as they are there: a
 * length of zero or beyond the limit cannot be skipped, so it ends the stream
 * before a byte of such a packet is waited for. Knows neither commands nor
 * sockets, keeps nothing between calls; the frame borrows from the buffer.
 */
#include "wire/frame.h"

enum { LENGTH_BYTES = 4 };

enum frame_status
frame_next(const uint8_t *buffer, size_t have, size_t data_limit, struct frame *frame)
{
    uint32_t length;

    *frame = (struct frame){0};
    if (have < LENGTH_BYTES)
        return FRAME_MORE;
    length = (uint32_t)buffer[0] << 24 | (uint32_t)buffer[1] << 16 | (uint32_t)buffer[2] << 8 |
             (uint32_t)buffer[3];
    if (length == 0 || length - 1 > data_limit)
        return FRAME_BAD;
    frame->size = LENGTH_BYTES + (size_t)length;
    if (have < frame->size)
        return FRAME_MORE;
    frame->command = (char)buffer[LENGTH_BYTES];
    frame->data = buffer + FRAME_HEADER;
    frame->length = length - 1;
    return FRAME_READY;
}
