/*
 * Bodies go out as packets of 65,535 bytes, all in a row as Postfix wants them.
 * Header values get the space after their colon only where the mail server said that
 * it adds none.
 */
#include "session/burst.h"

#include "chain/authres.h"
#include "wire/frame.h"
#include "wire/protocol.h"

enum { FLUSH_ABOVE = 256 * 1024 };

int
burst_begin(struct burst *burst, struct chain_run *run)
{
    *burst = (struct burst){0};
    if (authres_write(run) == 0 &&
        edits_make(run->message, mta_of(&run->macros), &burst->edits) == 0)
        return 0;
    *burst = (struct burst){0};
    return -1;
}

/* Values are kept with the space after the colon; only an MTA that said so gets it. */
static const char *
wire_value(const struct chain_run *run, const char *raw)
{
    return raw[0] == ' ' && !run->exact_values ? raw + 1 : raw;
}

static void
encode_edit(const struct chain_run *run, const struct edit *edit, struct encode *out)
{
    const char *value;

    switch (edit->kind) {
    case EDIT_CHANGE_HEADER:
        /* A field without a value is not to be deleted: the space stays. */
        value = wire_value(run, edit->value);
        encode_header_at(out, REPLY_CHANGE_HEADER, edit->index, edit->name,
                         value[0] != '\0' ? value : edit->value);
        break;
    case EDIT_ADD_HEADER:
        encode_header(out, REPLY_ADD_HEADER, edit->name, wire_value(run, edit->value));
        break;
    case EDIT_INSERT_HEADER:
        encode_header_at(out, REPLY_INSERT_HEADER, edit->index, edit->name,
                         wire_value(run, edit->value));
        break;
    case EDIT_SENDER:
        encode_begin(out, REPLY_CHANGE_SENDER);
        encode_string(out, edit->name);
        if (edit->value != NULL)
            encode_string(out, edit->value);
        encode_end(out);
        break;
    case EDIT_DELETE_RCPT:
        encode_text(out, REPLY_DELETE_RCPT, edit->name);
        break;
    case EDIT_ADD_RCPT:
        if (edit->value != NULL)
            encode_header(out, REPLY_ADD_RCPT_ARGS, edit->name, edit->value);
        else
            encode_text(out, REPLY_ADD_RCPT, edit->name);
        break;
    case EDIT_QUARANTINE:
        encode_text(out, REPLY_QUARANTINE, edit->name);
        break;
    case EDIT_BODY:
        break;
    }
}

/* The next piece of a new body. False: it cannot be read. */
static bool
encode_body(struct burst *burst, const struct spool *body, struct encode *out)
{
    static uint8_t chunk[FRAME_DATA_DEFAULT];
    const uint8_t *span = spool_span(body);
    uint64_t left = body->size - burst->body_sent;
    size_t length = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);

    if (span != NULL) {
        span += burst->body_sent;
    } else {
        ptrdiff_t n = spool_read(body, burst->body_sent, chunk, length);
        if (n < 0 || (n == 0 && length > 0))
            return false;
        span = chunk;
        length = (size_t)n;
    }
    encode_chunk(out, REPLY_REPLACE_BODY, span, length);
    burst->body_sent += length;
    return true;
}

enum burst_status
burst_encode(struct burst *burst, const struct chain_run *run, struct encode *out)
{
    for (; burst->next < burst->edits.count; burst->next++) {
        const struct edit *edit = &burst->edits.items[burst->next];

        if (edit->kind != EDIT_BODY) {
            encode_edit(run, edit, out);
            continue;
        }
        do {
            if (out->length > FLUSH_ABOVE)
                return BURST_FLUSH;
            if (!encode_body(burst, edit->body, out))
                return BURST_FAILED;
        } while (burst->body_sent < edit->body->size);
    }
    return BURST_DONE;
}
