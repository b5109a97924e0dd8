/*
 * fake_host - the milter_*() functions for testing one plugin without the
 * daemon. The test program is linked with the plugin; it sets options and
 * events, and looks at what the plugin did in the fields of the context.
 *
 * Stricter than the real host where that finds mistakes: what the plugin's
 * table does not declare, an option that is not in it and a handle of a deleted
 * field each fail the test on the spot.
 */
#ifndef TESTS_FAKE_HOST_H
#define TESTS_FAKE_HOST_H

#include <milterd/plugin.h>

enum { FAKE_HOST_ITEMS = 64 };

struct fake_host_block;
struct fake_host_option;

struct milter_header {
    char *name, *value;
    bool received; /* came with the message */
    bool hidden;   /* the mail server's own Received, which filters do not see */
    bool deleted;
    struct milter_header *next;
};

struct milter_ctx {
    /* Set by the test; borrowed. */
    struct milter_client client;
    const char *helo, *queue_id;
    const char *macros[FAKE_HOST_ITEMS][2]; /* name without {}, value; NULL after the last */
    int edit_result;                        /* other than 0: each edit is refused with it */
    long allocations_left;                  /* then milter_alloc() fails; negative: never */

    /* To look at. Text is owned by the context. */
    char *reply;    /* "550 5.7.1 text" of the last milter_reply(), or NULL */
    char *log;      /* all lines: "info: text", "rules[2]: text" for option errors */
    unsigned edits; /* that were asked for in this message */
    unsigned calls; /* of the plugin's callbacks in this message */

    /* Private to fake_host.c. */
    const char *sender;
    const char *rcpts[FAKE_HOST_ITEMS];
    size_t nrcpts;
    bool at_rcpt, in_message, finished;
    struct milter_header *headers;
    struct fake_host_option *options;
    struct fake_host_block *memory[3];
    void *data[3];
    void (*destroy[3])(void *data);
};

/* A context with the options' defaults, a client 192.0.2.9 and the HELO name mail.example.com. */
milter_ctx *fake_host_new(void);
void fake_host_free(milter_ctx *ctx);

/* Sets a string, file or enum, or the items of a list; NULL after the last. Copied. */
void fake_host_set(milter_ctx *ctx, const char *option, ...) __attribute__((__sentinel__));

/* on_load. The other events likewise, as the host calls them: not where the plugin has
   no callback, nor after a verdict that ended its message; MILTER_CONTINUE then. */
int fake_host_load(milter_ctx *ctx);
enum milter_verdict fake_host_mail(milter_ctx *ctx, const char *sender);
enum milter_verdict fake_host_rcpt(milter_ctx *ctx, const char *rcpt);
enum milter_verdict fake_host_data(milter_ctx *ctx);
enum milter_verdict fake_host_eom(milter_ctx *ctx);

/* The end of the message: its memory and data go. */
void fake_host_end(milter_ctx *ctx);

/* A field of the message, after fake_host_mail(). Copied. */
void fake_host_header(milter_ctx *ctx, const char *name, const char *value);

/* The header as the edits left it: lines of "Name: value". Until the message ends. */
const char *fake_host_headers(milter_ctx *ctx);

#endif
