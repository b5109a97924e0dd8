/*
 * frame - where one packet of the milter protocol ends and the next begins:
 * uint32 length (command and data), one command byte, data. Knows no sockets
 * and no commands.
 */
#ifndef DAEMON_WIRE_FRAME_H
#define DAEMON_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER = 5,           /* length and command */
    FRAME_DATA_DEFAULT = 65535, /* largest data without negotiation */
    FRAME_DATA_256K = 262143,
    FRAME_DATA_1M = 1048575,
};

enum frame_status {
    FRAME_READY, /* frame is filled in */
    FRAME_MORE,  /* not all of it has arrived */
    FRAME_BAD,   /* length zero, or data over the limit: the stream is lost */
};

struct frame {
    char command;
    const uint8_t *data; /* borrowed from the buffer */
    size_t length;       /* of data */
    size_t size;         /* of the whole packet in the buffer */
};

/* The first packet in `have` bytes. With FRAME_MORE and at least four bytes,
   frame->size says how many bytes it will be in all; with fewer it is 0. FRAME_BAD is
   certain from four bytes on. */
enum frame_status frame_next(const uint8_t *buffer, size_t have, size_t data_limit,
                             struct frame *frame);

#endif
