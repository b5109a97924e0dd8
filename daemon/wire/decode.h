/*
 * decode - the data of one packet into its parts, for both directions. Strings
 * are borrowed from the packet, always NUL-terminated there. Every function
 * returns 0, or -1 where the data is malformed: too short, a string without its
 * NUL, bytes left over. Nothing is read beyond the data.
 */
#ifndef DAEMON_WIRE_DECODE_H
#define DAEMON_WIRE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Walks data from its beginning. */
struct decode {
    const uint8_t *at;
    size_t left;
};

int decode_u32(struct decode *in, uint32_t *value);
int decode_u16(struct decode *in, uint16_t *value);
int decode_byte(struct decode *in, char *byte);

/* The next NUL-terminated string, -1 where no NUL follows (also at the end). */
int decode_string(struct decode *in, const char **text);

/* O, either direction: what follows the 12 bytes (macro lists of an answer) stays in `rest`.
   -1 under 12 bytes. */
struct decode_negotiate {
    uint32_t version, actions, protocol;
    struct decode rest;
};
int decode_negotiate(const uint8_t *data, size_t length, struct decode_negotiate *out);

/* D: the command it belongs to; pairs stay in `rest`, which is whole pairs of strings
   (libmilter lets anything pass but empty data; here an odd last name and a missing
   last NUL are malformed). -1 for empty data. */
struct decode_macros {
    char command;
    struct decode rest;
};
int decode_macros(const uint8_t *data, size_t length, struct decode_macros *out);

/* C. For family 'U' port is 0 and address "", whatever follows; L, 4 and 6 have both and
   nothing behind them. -1 for other families. */
struct decode_connect {
    const char *name;
    char family;
    uint16_t port;
    const char *address;
};
int decode_connect(const uint8_t *data, size_t length, struct decode_connect *out);

/* H and U: one string. libmilter lets a missing last NUL pass here: then *text is
   NULL and the bytes are data and length (not NUL-terminated); 0 is returned. -1 for
   a NUL that is not the last byte. */
int decode_word(const uint8_t *data, size_t length, const char **text);

/* M and R: an address and arguments: *count strings in all, at least one. The data
   must end with a NUL. Walk them with decode_string. */
int decode_arguments(const uint8_t *data, size_t length, size_t *count);

/* L: exactly two strings (libmilter lets three pass), the name not empty. */
int decode_header(const uint8_t *data, size_t length, const char **name, const char **value);

/* Replies of a filter, for those who play the mail server. Of b the bytes are data and
   length; O is for decode_negotiate. -1 also for a command that is no reply. */
struct decode_edit {
    uint32_t index;    /* i and m */
    const char *name;  /* i, h, m: header; +, 2, -, e: address; q: reason; y: text */
    const char *value; /* i, h, m: value; 2, e: arguments, NULL where none */
};
int decode_reply(char command, const uint8_t *data, size_t length, struct decode_edit *out);

#endif
