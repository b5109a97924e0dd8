/*
 * Postfix writes macros before each event, also where the event itself was negotiated
 * away; of header, end of header and body nothing at all is left then. It buffers: a
 * flush ends where a reply is due, and where smtpd hands the connection to cleanup,
 * after DATA. The ABORT that follows each message waits in smtpd's buffer for what
 * comes next. (postfix/src/milter/milter8.c, seen on the wire with Postfix 3.7.)
 */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NO_CONNECT = 0x01,
    NO_HELO = 0x02,
    NO_MAIL = 0x04,
    NO_RCPT = 0x08,
    NO_BODY = 0x10,
    NO_HEADERS = 0x20,
    NO_EOH = 0x40,
    NO_DATA = 0x200,
    NR_HEADER = 0x80,
    NR_CONNECT = 0x1000,
    NR_HELO = 0x2000,
    NR_MAIL = 0x4000,
    NR_RCPT = 0x8000,
    NR_DATA = 0x10000,
    NR_EOH = 0x40000,
    NR_BODY = 0x80000,
    ALWAYS_DUE = 0,
    CHUNK = 65535,
};

/* Version 6, all actions, all of the protocol. */
const uint8_t script_offer[17] = {0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0x1f, 0xff, 0xff};

static void *
need(void *memory)
{
    if (memory == NULL) {
        fputs("load: no memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* ---- bytes -------------------------------------------------------------------- */

static void
add(struct script *script, const void *data, size_t length)
{
    while (script->length + length > script->capacity) {
        script->capacity = script->capacity != 0 ? 2 * script->capacity : 4096;
        script->bytes = need(realloc(script->bytes, script->capacity));
    }
    if (length > 0)
        memcpy(script->bytes + script->length, data, length);
    script->length += length;
}

static void
packet(struct script *script, char command, const void *data, size_t length)
{
    const size_t size = length + 1;
    const uint8_t head[5] = {(uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                             (uint8_t)size, (uint8_t)command};

    add(script, head, sizeof(head));
    add(script, data, length);
}

/* Text is written with 0x1f for each NUL, so that it can be a string. */
static void
text_packet(struct script *script, char command, const char *text)
{
    char data[1024];
    size_t length = strlen(text);

    if (length > sizeof(data))
        abort();
    for (size_t i = 0; i < length; i++)
        data[i] = (char)(text[i] == '\x1f' ? '\0' : text[i]);
    packet(script, command, data, length);
}

#define NUL "\x1f"

/* ---- flushes ------------------------------------------------------------------- */

static void
flush(struct script *script, bool reply)
{
    size_t begin = 0;

    if (script->count > 0) {
        const struct script_flush *last = &script->flushes[script->count - 1];
        begin = last->offset + last->length;
    }
    if (begin == script->length)
        return;
    script->flushes =
        need(realloc(script->flushes, (script->count + 1) * sizeof(*script->flushes)));
    script->flushes[script->count++] =
        (struct script_flush){.offset = begin, .length = script->length - begin, .reply = reply};
}

/* Macros, and whether the event itself is to be sent. */
static bool
macros(struct script *script, uint32_t protocol, uint32_t left_out, const char *text)
{
    text_packet(script, 'D', text);
    return (protocol & left_out) == 0;
}

static void
reply_to(struct script *script, uint32_t protocol, uint32_t no_reply)
{
    if ((protocol & no_reply) == 0)
        flush(script, true);
}

static void
event(struct script *script, uint32_t protocol, char command, uint32_t left_out, uint32_t no_reply,
      const char *macro_text, const char *text)
{
    if (!macros(script, protocol, left_out, macro_text))
        return;
    text_packet(script, command, text);
    reply_to(script, protocol, no_reply);
}

/* ---- what is sent --------------------------------------------------------------- */

static void
greeting(struct script *script, uint32_t protocol)
{
    static const uint8_t client[] = "mail.example.org\0"
                                    "4\x9c\x40"
                                    "192.0.2.9";

    if (macros(script, protocol, NO_CONNECT,
               "C"
               "j" NUL "mx.example.net" NUL "{daemon_name}" NUL "mx.example.net" NUL
               "{daemon_addr}" NUL "192.0.2.25" NUL "v" NUL "Postfix 3.7.11" NUL "_" NUL
               "mail.example.org [192.0.2.9]" NUL)) {
        packet(script, 'C', client, sizeof(client));
        reply_to(script, protocol, NR_CONNECT);
    }
    event(script, protocol, 'H', NO_HELO, NR_HELO, "H", "mail.example.org" NUL);
}

static void
envelope(struct script *script, uint32_t protocol, unsigned rcpts)
{
    char macro_text[256], text[128];

    event(script, protocol, 'M', NO_MAIL, NR_MAIL,
          "M"
          "{mail_addr}" NUL "sender@example.org" NUL "{mail_host}" NUL "example.org" NUL
          "{mail_mailer}" NUL "smtp" NUL,
          "<sender@example.org>" NUL "SIZE=2748" NUL "BODY=8BITMIME" NUL);
    for (unsigned i = 0; i < rcpts; i++) {
        snprintf(macro_text, sizeof(macro_text),
                 "R%s"
                 "{rcpt_addr}" NUL "user%u@example.net" NUL "{rcpt_host}" NUL "example.net" NUL
                 "{rcpt_mailer}" NUL "local" NUL,
                 i > 0 ? "i" NUL "4XyZ1s2K3mz9rT" NUL : "", i);
        snprintf(text, sizeof(text), "<user%u@example.net>" NUL, i);
        event(script, protocol, 'R', NO_RCPT, NR_RCPT, macro_text, text);
    }
    event(script, protocol, 'T', NO_DATA, NR_DATA, "Ti" NUL "4XyZ1s2K3mz9rT" NUL, "");
    flush(script, false); /* the connection goes to cleanup */
}

static void
headers(struct script *script, uint32_t protocol, unsigned count)
{
    static const char *const names[] = {"Received",     "From",       "To",         "Subject",
                                        "Date",         "Message-ID", "User-Agent", "MIME-Version",
                                        "Content-Type", "X-Mailer"};
    char text[256];

    if (protocol & NO_HEADERS)
        return;
    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof(text),
                 "%s" NUL "value %u of a header that is as long as most are" NUL,
                 names[i % (sizeof(names) / sizeof(names[0]))], i);
        event(script, protocol, 'L', 0, NR_HEADER, "Li" NUL "4XyZ1s2K3mz9rT" NUL, text);
    }
}

/* Lines of 76 characters and CRLF. */
static void
body(struct script *script, uint32_t protocol, size_t length)
{
    static uint8_t chunk[CHUNK];

    if (protocol & NO_BODY)
        return;
    for (size_t done = 0, n; done < length; done += n) {
        n = length - done < CHUNK ? length - done : CHUNK;
        for (size_t i = 0; i < n; i++) {
            size_t column = (done + i) % 78;
            chunk[i] = column == 76 ? '\r' : column == 77 ? '\n' : (uint8_t)('a' + column % 26);
        }
        text_packet(script, 'D', "Bi" NUL "4XyZ1s2K3mz9rT" NUL);
        packet(script, 'B', chunk, n);
        reply_to(script, protocol, NR_BODY);
    }
}

static void
one_message(struct script *script, const struct script_message *message, uint32_t protocol)
{
    envelope(script, protocol, message->rcpts);
    headers(script, protocol, message->headers);
    if ((protocol & NO_EOH) == 0)
        event(script, protocol, 'N', 0, NR_EOH, "Ni" NUL "4XyZ1s2K3mz9rT" NUL, "");
    body(script, protocol, message->body);
    event(script, protocol, 'E', 0, ALWAYS_DUE, "Ei" NUL "4XyZ1s2K3mz9rT" NUL, "");
    script->flushes[script->count - 1].ends_message = true;
}

void
script_make(struct script *script, const struct script_message *message, uint32_t protocol)
{
    *script = (struct script){0};
    greeting(script, protocol);
    script->first = script->count;
    one_message(script, message, protocol);

    script->next = script->count;
    packet(script, 'A', NULL, 0);
    one_message(script, message, protocol);

    /* The last message's ABORT, that of the end of the session, QUIT. */
    script->farewell = script->count;
    packet(script, 'A', NULL, 0);
    packet(script, 'A', NULL, 0);
    packet(script, 'Q', NULL, 0);
    flush(script, false);
}

void
script_free(struct script *script)
{
    free(script->bytes);
    free(script->flushes);
    *script = (struct script){0};
}
