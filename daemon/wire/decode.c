/*
 * decode - takes the data of one packet apart.
 *
 * Decides whether a packet is well-formed, and is stricter there than libmilter: a
 * macro packet with an odd name or without its last NUL is malformed, a header
 * has two strings and not three. Does not decide whether the packet is legal now
 * or its contents make sense. Everything given out points into the packet and
 * lives as long as it does; nothing behind its last byte is read.
 */
#include "wire/decode.h"

#include <string.h>

#include "wire/protocol.h"

int
decode_u32(struct decode *in, uint32_t *value)
{
    if (in->left < 4)
        return -1;
    *value = (uint32_t)in->at[0] << 24 | (uint32_t)in->at[1] << 16 | (uint32_t)in->at[2] << 8 |
             (uint32_t)in->at[3];
    in->at += 4;
    in->left -= 4;
    return 0;
}

int
decode_u16(struct decode *in, uint16_t *value)
{
    if (in->left < 2)
        return -1;
    *value = (uint16_t)(in->at[0] << 8 | in->at[1]);
    in->at += 2;
    in->left -= 2;
    return 0;
}

int
decode_byte(struct decode *in, char *byte)
{
    if (in->left < 1)
        return -1;
    *byte = (char)in->at[0];
    in->at++;
    in->left--;
    return 0;
}

int
decode_string(struct decode *in, const char **text)
{
    const uint8_t *nul = in->left ? memchr(in->at, '\0', in->left) : NULL;
    size_t size;

    if (!nul)
        return -1;
    size = (size_t)(nul - in->at) + 1;
    *text = (const char *)in->at;
    in->at += size;
    in->left -= size;
    return 0;
}

/* How many strings data is; -1 where the last one has no NUL. */
static int
count_strings(struct decode in, size_t *count)
{
    const char *text;

    for (*count = 0; in.left > 0; ++*count) {
        if (decode_string(&in, &text) < 0)
            return -1;
    }
    return 0;
}

int
decode_negotiate(const uint8_t *data, size_t length, struct decode_negotiate *out)
{
    struct decode in = {data, length};

    if (decode_u32(&in, &out->version) < 0 || decode_u32(&in, &out->actions) < 0 ||
        decode_u32(&in, &out->protocol) < 0)
        return -1;
    out->rest = in;
    return 0;
}

int
decode_macros(const uint8_t *data, size_t length, struct decode_macros *out)
{
    struct decode in = {data, length};
    size_t count;

    if (decode_byte(&in, &out->command) < 0 || count_strings(in, &count) < 0 || count % 2 != 0)
        return -1;
    out->rest = in;
    return 0;
}

int
decode_connect(const uint8_t *data, size_t length, struct decode_connect *out)
{
    struct decode in = {data, length};

    *out = (struct decode_connect){.address = ""};
    if (decode_string(&in, &out->name) < 0 || decode_byte(&in, &out->family) < 0)
        return -1;
    if (out->family == 'U')
        return 0;
    if (out->family != 'L' && out->family != '4' && out->family != '6')
        return -1;
    if (decode_u16(&in, &out->port) < 0 || decode_string(&in, &out->address) < 0)
        return -1;
    return in.left == 0 ? 0 : -1;
}

int
decode_word(const uint8_t *data, size_t length, const char **text)
{
    struct decode in = {data, length};

    if (decode_string(&in, text) < 0) {
        *text = NULL;
        return 0;
    }
    return in.left == 0 ? 0 : -1;
}

int
decode_arguments(const uint8_t *data, size_t length, size_t *count)
{
    if (count_strings((struct decode){data, length}, count) < 0)
        return -1;
    return *count > 0 ? 0 : -1;
}

/* Name and value and nothing else. */
static int
decode_field(struct decode *in, const char **name, const char **value)
{
    if (decode_string(in, name) < 0 || decode_string(in, value) < 0 || in->left > 0)
        return -1;
    return **name ? 0 : -1;
}

int
decode_header(const uint8_t *data, size_t length, const char **name, const char **value)
{
    struct decode in = {data, length};

    return decode_field(&in, name, value);
}

static int
reply_empty(struct decode *in, struct decode_edit *out)
{
    (void)out;
    return in->left == 0 ? 0 : -1;
}

static int
reply_text(struct decode *in, struct decode_edit *out)
{
    return decode_string(in, &out->name) < 0 || in->left > 0 ? -1 : 0;
}

static int
reply_header(struct decode *in, struct decode_edit *out)
{
    return decode_field(in, &out->name, &out->value);
}

static int
reply_header_at(struct decode *in, struct decode_edit *out)
{
    return decode_u32(in, &out->index) < 0 ? -1 : decode_field(in, &out->name, &out->value);
}

static int
reply_address(struct decode *in, struct decode_edit *out)
{
    if (decode_string(in, &out->name) < 0)
        return -1;
    if (in->left > 0 && decode_string(in, &out->value) < 0)
        return -1;
    return in->left == 0 ? 0 : -1;
}

static int
reply_bytes(struct decode *in, struct decode_edit *out)
{
    (void)in;
    (void)out;
    return 0;
}

static const struct {
    char command;
    int (*parts)(struct decode *in, struct decode_edit *out);
} replies[] = {
    {REPLY_CONTINUE, reply_empty},
    {REPLY_ACCEPT, reply_empty},
    {REPLY_REJECT, reply_empty},
    {REPLY_TEMPFAIL, reply_empty},
    {REPLY_DISCARD, reply_empty},
    {REPLY_CODE, reply_text},
    {REPLY_SKIP, reply_empty},
    {REPLY_PROGRESS, reply_empty},
    {REPLY_CONN_FAIL, reply_empty},
    {REPLY_SHUTDOWN, reply_empty},
    {REPLY_ADD_HEADER, reply_header},
    {REPLY_INSERT_HEADER, reply_header_at},
    {REPLY_CHANGE_HEADER, reply_header_at},
    {REPLY_ADD_RCPT, reply_text},
    {REPLY_ADD_RCPT_ARGS, reply_address},
    {REPLY_DELETE_RCPT, reply_text},
    {REPLY_CHANGE_SENDER, reply_address},
    {REPLY_REPLACE_BODY, reply_bytes},
    {REPLY_QUARANTINE, reply_text},
};

int
decode_reply(char command, const uint8_t *data, size_t length, struct decode_edit *out)
{
    struct decode in = {data, length};

    *out = (struct decode_edit){0};
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        if (replies[i].command == command)
            return replies[i].parts(&in, out);
    }
    return -1;
}
