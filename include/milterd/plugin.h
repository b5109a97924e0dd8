/*
 * milterd/plugin.h - the one header a plugin sees.
 *
 * A plugin is a shared object that defines one constant, milter_plugin_table:
 * its name, what it may change, its options and a callback for each event of
 * the milter protocol that it wants to see. milterd loads it in each worker
 * process, calls it for each event of each chain that names it, and applies
 * the first verdict that is not "continue".
 *
 *     #include <milterd/plugin.h>
 *
 *     static enum milter_verdict
 *     on_mail(milter_ctx *ctx, const char *sender, const char *const *args)
 *     {
 *         (void)args;
 *         if (strcmp(sender, "<nobody@example.org>") == 0)
 *             return milter_reply(ctx, 550, "5.7.1", "not from here");
 *         return MILTER_CONTINUE;
 *     }
 *
 *     MILTER_PLUGIN = {
 *         MILTER_PLUGIN_HEAD,
 *         .name = "example",
 *         .version = "1.0",
 *         .on_mail = on_mail,
 *     };
 *
 *     cc -shared -fPIC $(pkg-config --cflags milterd) -o example.so example.c
 *
 * Threads. A worker enters a plugin from one thread only; nothing needs a
 * lock. Several workers are several processes: they share no memory.
 *
 * Lifetimes. A string or structure handed to a callback is borrowed until that
 * callback's verdict. What a plugin passes to a milter_*() function is copied.
 * A handle (milter_header, milter_rcpt) is good until the message ends.
 *
 * Errors. Functions that can be refused return 0 or one of enum milter_error.
 * Each refusal is also written to the log with the plugin's name and reported
 * to its on_error; nothing wrong reaches the mail server.
 *
 * Growth of this interface. Structures of this file only grow at their end and
 * carry their size; functions are only added. MILTER_ABI changes when that
 * promise cannot be kept, and milterd refuses plugins of another ABI by name.
 */
#ifndef MILTERD_PLUGIN_H
#define MILTERD_PLUGIN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MILTER_ABI 1

#if defined(__GNUC__)
#define MILTER_API                 __attribute__((__visibility__("default")))
#define MILTER_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define MILTER_API
#define MILTER_PRINTF(text, first)
#endif

/* One plugin of one chain on one connection; the first argument of everything. */
typedef struct milter_ctx milter_ctx;

/* One header field of the message, see milter_header_next(). */
typedef struct milter_header milter_header;

/* One recipient of the message, see milter_rcpt_next(). */
typedef struct milter_rcpt milter_rcpt;

/*
 * Events, in the order of an SMTP session. The number is part of the ABI.
 */
enum milter_event {
    MILTER_EVENT_CONNECT,
    MILTER_EVENT_HELO,
    MILTER_EVENT_MAIL,
    MILTER_EVENT_RCPT,
    MILTER_EVENT_DATA,
    MILTER_EVENT_HEADER,
    MILTER_EVENT_EOH,
    MILTER_EVENT_BODY,
    MILTER_EVENT_EOM,
    MILTER_EVENT_UNKNOWN,
    MILTER_EVENTS, /* how many there are that take a verdict */
};

/*
 * What a callback returns.
 *
 * MILTER_DONE is "I need to see no more of this message"; MILTER_ACCEPT is the
 * allow-list: it ends the chain, later plugins are not asked. Beware: filters
 * written for libmilter say accept where they mean done.
 *
 * | verdict         | at which events        | meaning                                  |
 * |-----------------|------------------------|------------------------------------------|
 * | MILTER_CONTINUE | all                    | nothing to say, the next plugin is asked |
 * | MILTER_SKIP     | all                    | continue, and no more of this kind of    |
 * |                 |                        | event in this message                    |
 * | MILTER_DONE     | all but unknown        | continue, and nothing more of this       |
 * |                 |                        | message (at connect, helo: connection)   |
 * | MILTER_ACCEPT   | all but unknown        | accept the message (at connect, helo:    |
 * |                 |                        | the whole connection)                    |
 * | MILTER_REJECT   | all                    | 5xx; at rcpt for that recipient alone    |
 * | MILTER_TEMPFAIL | all                    | 4xx; at rcpt for that recipient alone    |
 * | MILTER_DISCARD  | mail to eom            | say yes and throw the message away       |
 * | milter_reply()  | all                    | your own 4xx or 5xx, same scope          |
 * | MILTER_SUSPEND  | all                    | the answer comes later (reserved)        |
 *
 * Any other value, or a verdict at an event that cannot carry it, is a failure
 * of the plugin: it is logged with its name and its `on_failure` from
 * milter.conf (tempfail, unless set otherwise) answers in its place.
 */
enum milter_verdict {
    MILTER_CONTINUE = 0,
    MILTER_SKIP = 1,
    MILTER_DONE = 2,
    MILTER_ACCEPT = 3,
    MILTER_REJECT = 4,
    MILTER_TEMPFAIL = 5,
    MILTER_DISCARD = 6,
    MILTER_REPLY = 7,   /* what a successful milter_reply() returns */
    MILTER_SUSPEND = 8, /* reserved for milter_suspend() */
    MILTER_FAILURE = 9, /* the plugin itself says that it failed: on_failure answers */
};

/* Why a request was refused. 0 is success; all others are negative. */
enum milter_error {
    MILTER_OK = 0,
    MILTER_ERR_NOT_DECLARED = -1, /* the plugin's table does not declare this action or need */
    MILTER_ERR_NOT_OFFERED = -2,  /* the mail server cannot do it (old protocol version) */
    MILTER_ERR_STAGE = -3,        /* not at this event: before MAIL, or after the message */
    MILTER_ERR_VALUE = -4,        /* malformed: address, header name, reply, NULL */
    MILTER_ERR_MEMORY = -5,       /* no memory, or no room in the spool */
    MILTER_ERR_LIMIT = -6,        /* reserved: a limit of milter.conf is reached */
};

/* What a plugin changes (.actions). Only what is declared can be done. */
enum milter_action {
    MILTER_ADDS_HEADERS = 0x01,    /* milter_add_header, milter_insert_header: SMFIF_ADDHDRS */
    MILTER_REPLACES_BODY = 0x02,   /* milter_replace_body: SMFIF_CHGBODY */
    MILTER_ADDS_RCPTS = 0x04,      /* milter_add_rcpt without arguments: SMFIF_ADDRCPT */
    MILTER_DELETES_RCPTS = 0x08,   /* milter_delete_rcpt: SMFIF_DELRCPT */
    MILTER_CHANGES_HEADERS = 0x10, /* replace and delete: SMFIF_CHGHDRS */
    MILTER_QUARANTINES = 0x20,     /* milter_quarantine: SMFIF_QUARANTINE */
    MILTER_CHANGES_SENDER = 0x40,  /* milter_change_sender: SMFIF_CHGFROM */
    MILTER_ADDS_RCPTS_ARGS = 0x80, /* milter_add_rcpt with arguments: SMFIF_ADDRCPT_PAR */
};

/* What a plugin needs beyond the events of its callbacks (.needs). */
enum milter_need {
    MILTER_NEEDS_HEADERS = 0x01,        /* headers are kept: milter_header_next() from eoh on.
                                     MILTER_CHANGES_HEADERS implies it */
    MILTER_NEEDS_BODY = 0x02,           /* the body is kept: milter_body() at end of message */
    MILTER_NEEDS_ENVELOPE = 0x04,       /* milter_sender(), milter_rcpt_next() without having
                                     on_mail or on_rcpt. Actions on them imply it */
    MILTER_NEEDS_REJECTED_RCPTS = 0x08, /* on_rcpt also for recipients that the mail server
                                           refused: SMFIP_RCPT_REJ, milter_rcpt_rejected() */
    MILTER_NEEDS_EXACT_VALUES = 0x10,   /* header values with their leading white space, both
                                           ways: SMFIP_HDR_LEADSPC */
    MILTER_NEEDS_LARGE_CHUNKS = 0x20,   /* body chunks of up to 1 MB where offered:
                                           SMFIP_MDS_256K, SMFIP_MDS_1M */
    MILTER_NEEDS_CLIENT = 0x40,         /* milter_client() and milter_helo() without having
                                           on_connect or on_helo */
    MILTER_NEEDS_AUTH_RESULTS = 0x80,   /* milter_auth_result(), and forged
                                           Authentication-Results fields taken out */
};

/*
 * Marks callbacks that only ever continue, skip or are done, so that the mail
 * server need not wait for an answer: .observes = MILTER_OBSERVES(HEADER) |
 * MILTER_OBSERVES(BODY). Another verdict from such a callback is a failure of
 * the plugin. End of message is always answered and cannot be observed.
 */
#define MILTER_OBSERVES(event) (1U << MILTER_EVENT_##event)

/* Macros wanted at an event, added to those the mail server sends by itself. */
struct milter_macros {
    enum milter_event at; /* connect, helo, mail, rcpt, data, eoh or eom */
    const char *names;    /* "{client_ptr} {client_port}"; NULL ends the table */
};

enum milter_family {
    MILTER_FAMILY_UNKNOWN,
    MILTER_FAMILY_UNIX,
    MILTER_FAMILY_INET,
    MILTER_FAMILY_INET6,
};

/* Who speaks SMTP to the mail server. Made by the host; may grow at its end. */
struct milter_client {
    const char *name;          /* host name, "[192.0.2.9]" where it is unknown */
    enum milter_family family; /* of address */
    uint16_t port;             /* 0 where unknown */
    const char *address;       /* "192.0.2.9", "2001:db8::7" (normalised, no "IPv6:"), a path,
                                  "" where unknown */
};

/* How a message ended. */
enum milter_end {
    MILTER_END_ACCEPTED,
    MILTER_END_REJECTED,
    MILTER_END_TEMPFAILED,
    MILTER_END_DISCARDED,
    MILTER_END_QUARANTINED,
    MILTER_END_ABORTED, /* by the mail server, or the connection broke */
};

/* Handed to on_end. Made by the host; may grow at its end. */
struct milter_outcome {
    enum milter_end end;
    enum milter_event event; /* at which the verdict was given */
    const char *plugin;      /* whose verdict it was; NULL where nobody's */
    const char *reply;       /* "550 5.7.1 text" where there was one, else NULL */
};

/*
 * Options: what an administrator can set for this plugin in milter.conf. The
 * host reads and checks them before on_load; an unknown key or a wrong value
 * is an error with file and line.
 *
 * | type               | in milter.conf         | read with                                 |
 * |--------------------|------------------------|-------------------------------------------|
 * | MILTER_STRING      | "text"                 | milter_option_string                      |
 * | MILTER_LIST        | ( "a", "b" ) or "a"    | milter_option_count, milter_option_item   |
 * | MILTER_BOOL        | true, false            | milter_option_int: 0 or 1                 |
 * | MILTER_INT         | 42                     | milter_option_int                         |
 * | MILTER_SIZE        | "10M", "512K"          | milter_option_int: bytes (K, M, G: 1024)  |
 * | MILTER_DURATION    | "5m", "200ms", "1h30m" | milter_option_int: milliseconds           |
 * | MILTER_ADDRESSES   | ( "192.0.2.0/24" )     | milter_option_contains, also as a list    |
 * | MILTER_FILE        | "name"                 | milter_option_string: an absolute path of |
 * |                    |                        | a file that can be read                   |
 * | MILTER_ENUM        | "one"                  | milter_option_string; _int: its position  |
 */
enum milter_option_type {
    MILTER_STRING,
    MILTER_LIST,
    MILTER_BOOL,
    MILTER_INT,
    MILTER_SIZE,
    MILTER_DURATION,
    MILTER_ADDRESSES,
    MILTER_FILE,
    MILTER_ENUM,
};

enum milter_option_flag {
    MILTER_REQUIRED = 0x01, /* it must be set */
};

struct milter_option {
    const char *name; /* lower case, digits and _; NULL ends the table */
    enum milter_option_type type;
    uint32_t flags;      /* enum milter_option_flag */
    const char *initial; /* the default as one would write it without quotes, lists
                                     separated by spaces; NULL: unset (0, NULL, empty) */
    int64_t min, max;    /* inclusive bounds of int, size and duration, of the number of
                                     items of a list; both 0: none */
    const char *values;  /* enum: the words allowed, separated by spaces */
    const char *help;    /* one line */
};

/*
 * The table that a plugin defines:
 *
 *     MILTER_PLUGIN = { MILTER_PLUGIN_HEAD, .name = "example", ... };
 *
 * A callback that is NULL is an event not wanted; the mail server is asked
 * not to send it. Fields are in the order C++ wants them named.
 */
struct milter_plugin {
    uint32_t abi;         /* MILTER_ABI, read before anything else */
    uint32_t size;        /* of this structure, as the plugin was compiled */
    uint32_t option_size; /* of struct milter_option, likewise */

    const char *name;        /* letters, digits, - and _; also the file's name without .so */
    const char *version;     /* any text */
    const char *description; /* one line */

    uint32_t actions;                    /* enum milter_action */
    uint32_t needs;                      /* enum milter_need */
    uint32_t observes;                   /* MILTER_OBSERVES(...) */
    const struct milter_macros *macros;  /* NULL or a table */
    const struct milter_option *options; /* NULL or a table */

    /*
     * Once for each place in a chain, in each worker, before any event. Options
     * can be read; what is needed later is kept with milter_set_data(ctx,
     * MILTER_WORKER, ...). Returns 0, or -1 after having said why with
     * milter_option_error() or milter_log(): milterd then does not start.
     */
    int (*on_load)(milter_ctx *ctx);

    /* The worker ends in good order; after the last event. */
    void (*on_unload)(milter_ctx *ctx);

    /* A client connected to the mail server. Decides for the whole connection. */
    enum milter_verdict (*on_connect)(milter_ctx *ctx, const struct milter_client *client);

    /* HELO or EHLO, again after STARTTLS; may be missing altogether. */
    enum milter_verdict (*on_helo)(milter_ctx *ctx, const char *name);

    /* MAIL FROM: address with its <>, "<>" for the null sender; ESMTP arguments
       as sent ("SIZE=1000"), NULL after the last. A message begins here. */
    enum milter_verdict (*on_mail)(milter_ctx *ctx, const char *sender, const char *const *args);

    /* RCPT TO: once for each recipient, in the form of on_mail. */
    enum milter_verdict (*on_rcpt)(milter_ctx *ctx, const char *rcpt, const char *const *args);

    /* DATA, before its content. */
    enum milter_verdict (*on_data)(milter_ctx *ctx);

    /* One header field. Folds are LF and white space; one space after the colon
       is taken off unless MILTER_NEEDS_EXACT_VALUES. Bytes are as received,
       but never NUL. */
    enum milter_verdict (*on_header)(milter_ctx *ctx, const char *name, const char *value);

    /* The empty line after the header. */
    enum milter_verdict (*on_eoh)(milter_ctx *ctx);

    /* A piece of the body, CRLF line ends, cut anywhere, NUL possible. Not
       called for an empty body. */
    enum milter_verdict (*on_body)(milter_ctx *ctx, const void *chunk, size_t length);

    /* The end of the message, where everything is known. */
    enum milter_verdict (*on_eom)(milter_ctx *ctx);

    /* An SMTP command that the mail server does not know; Postfix gives its
       first word, Sendmail the line. Only continue, skip, reject, tempfail and a
       reply exist here. */
    enum milter_verdict (*on_unknown)(milter_ctx *ctx, const char *command);

    /* The mail server gave the message up (RSET, a broken connection). on_end follows. */
    void (*on_abort)(milter_ctx *ctx);

    /* Exactly once for each message of which this plugin saw an event, however it ended.
       Message data and milter_alloc() memory are freed after it. */
    void (*on_end)(milter_ctx *ctx, const struct milter_outcome *outcome);

    /* The connection ends; after it connection data are freed. Exactly once for
       each connection of which this plugin saw an event. */
    void (*on_close)(milter_ctx *ctx);

    /* The host refused something of this plugin, or the connection broke. For
       information; it cannot answer. */
    void (*on_error)(milter_ctx *ctx, const char *reason);
};

extern MILTER_API const struct milter_plugin milter_plugin_table;

#define MILTER_PLUGIN const struct milter_plugin milter_plugin_table
#define MILTER_PLUGIN_HEAD                                   \
    .abi = MILTER_ABI, .size = sizeof(struct milter_plugin), \
    .option_size = sizeof(struct milter_option)

/* ---- verdicts with a text ---------------------------------------------- */

/*
 * Decides with this reply: return milter_reply(ctx, 550, "5.7.1", "no");
 * code 400 to 599 (421 also ends the SMTP session); xcode an enhanced status
 * code of the same class (RFC 3463), or NULL for none; text up to 32 lines of
 * 980 bytes, separated by \n. Refused (then MILTER_FAILURE is returned, so
 * on_failure answers): a code outside 4xx and 5xx, an xcode of another class,
 * CR in the text, lines too long or too many. The host doubles % for the wire.
 */
MILTER_API enum milter_verdict milter_reply(milter_ctx *ctx, int code, const char *xcode,
                                            const char *text);

/* The same with a printf format. A text over the limits is cut. */
MILTER_API enum milter_verdict milter_replyf(milter_ctx *ctx, int code, const char *xcode,
                                             const char *format, ...) MILTER_PRINTF(4, 5);

/* ---- the connection ------------------------------------------------------ */

/* Who connected; NULL where that is not known (needs on_connect or MILTER_NEEDS_CLIENT). */
MILTER_API const struct milter_client *milter_client(milter_ctx *ctx);

/* The HELO name, NULL before HELO (needs on_helo or MILTER_NEEDS_CLIENT). */
MILTER_API const char *milter_helo(milter_ctx *ctx);

/* Unique for each connection across workers and restarts; letters, digits and -. */
MILTER_API const char *milter_session_id(milter_ctx *ctx);

/* The protocol version in use with this mail server, 2 to 6. */
MILTER_API unsigned milter_protocol_version(milter_ctx *ctx);

/* The name of this plugin's place in the chain, and of the chain, as in milter.conf. */
MILTER_API const char *milter_name(milter_ctx *ctx);
MILTER_API const char *milter_chain_name(milter_ctx *ctx);

/* ---- macros ---------------------------------------------------------------- */

/*
 * The value of a macro of the mail server, "i", "{mail_addr}" or "mail_addr";
 * NULL where it is not defined. Looked up from the latest stage to the first.
 * Borrowed until the verdict.
 */
MILTER_API const char *milter_macro(milter_ctx *ctx, const char *name);

/*
 * Walks all macros known now: *at is 0 at first, returns 1 with a name as the
 * mail server wrote it and its value, 0 after the last. A name may come again
 * with the value of an earlier stage.
 */
MILTER_API int milter_macro_next(milter_ctx *ctx, size_t *at, const char **name,
                                 const char **value);

/* The queue id (macro i), NULL while the mail server has not said it: Postfix
   knows it from DATA on. */
MILTER_API const char *milter_queue_id(milter_ctx *ctx);

/* ---- the message as edited so far -------------------------------------------
 *
 * A plugin sees the message as the plugins before it in the chain, and it
 * itself, have edited it: what it would see as a second filter behind the
 * first.
 */

/* The envelope sender with its <>; NULL outside a message. */
MILTER_API const char *milter_sender(milter_ctx *ctx);

/* Its ESMTP arguments, NULL after the last; NULL where the sender is not known. */
MILTER_API const char *const *milter_sender_args(milter_ctx *ctx);

/* The recipient after rcpt, the first for NULL; NULL after the last. Refused
   recipients are not among them. */
MILTER_API milter_rcpt *milter_rcpt_next(milter_ctx *ctx, const milter_rcpt *rcpt);
MILTER_API const char *milter_rcpt_address(const milter_rcpt *rcpt);
MILTER_API const char *const *milter_rcpt_args(const milter_rcpt *rcpt);

/* In on_rcpt: whether the mail server has refused this recipient itself
   (MILTER_NEEDS_REJECTED_RCPTS); the verdict is then ignored. */
MILTER_API bool milter_rcpt_rejected(milter_ctx *ctx);

/* The header field after h, the first for NULL; NULL after the last. Needs
   MILTER_NEEDS_HEADERS; complete from eoh on. */
MILTER_API milter_header *milter_header_next(milter_ctx *ctx, const milter_header *h);

/* The first field of that name (any case) after `after`, from the first for NULL. */
MILTER_API milter_header *milter_header_find(milter_ctx *ctx, const char *name,
                                             const milter_header *after);

/* Name as written, and value as this plugin sees it: folds are LF and white
   space, one space after the colon taken off unless MILTER_NEEDS_EXACT_VALUES. */
MILTER_API const char *milter_header_name(const milter_header *h);
MILTER_API const char *milter_header_value(milter_ctx *ctx, const milter_header *h);

/* Everything after the colon, byte by byte, leading space included. Where the
   mail server cannot say it (protocol before 6), one space is assumed. */
MILTER_API const char *milter_header_raw(milter_ctx *ctx, const milter_header *h);

/*
 * The body, from end of message on; needs MILTER_NEEDS_BODY. milter_body()
 * gives it as one span while it is in memory, else NULL with the length set;
 * milter_body_read() reads from any offset in either case (bytes read, 0 at the
 * end, or an error). milter_body_cut() says whether `body_limit` cut it.
 */
MILTER_API const void *milter_body(milter_ctx *ctx, size_t *length);
MILTER_API ptrdiff_t milter_body_read(milter_ctx *ctx, uint64_t offset, void *into, size_t size);
MILTER_API uint64_t milter_body_size(milter_ctx *ctx);
MILTER_API bool milter_body_cut(milter_ctx *ctx);

/* Whether `headers_limit` cut the header. */
MILTER_API bool milter_headers_cut(milter_ctx *ctx);

/* ---- edits -------------------------------------------------------------------
 *
 * From MAIL on, not only at end of message. The host keeps them and sends them
 * in one burst with the final verdict, or not at all. Each returns 0 or a
 * negative enum milter_error.
 *
 * A header name is printable ASCII without colon and space; a value may hold
 * LF followed by space or tab (a fold), and no CR or NUL. CRLF is taken for LF.
 */

/* At the end of the header. Needs MILTER_ADDS_HEADERS. */
MILTER_API int milter_add_header(milter_ctx *ctx, const char *name, const char *value);

/* At a position: 0 above everything, 1 below the mail server's own Received,
   n above the n'th field that this plugin sees, beyond the last: at the end. Counted when
   the header is complete. */
MILTER_API int milter_insert_header(milter_ctx *ctx, unsigned position, const char *name,
                                    const char *value);

/* The index'th field of that name, from 1. NULL or "" deletes it; beyond the
   last it is added at the end. Needs MILTER_CHANGES_HEADERS. */
MILTER_API int milter_change_header(milter_ctx *ctx, const char *name, unsigned index,
                                    const char *value);

/* By handle; immune to index shifts. Needs MILTER_CHANGES_HEADERS. */
MILTER_API int milter_header_replace(milter_ctx *ctx, milter_header *h, const char *value);
MILTER_API int milter_header_delete(milter_ctx *ctx, milter_header *h);

/* A new field before or after h. Needs MILTER_ADDS_HEADERS and kept headers. */
MILTER_API int milter_header_insert_before(milter_ctx *ctx, milter_header *h, const char *name,
                                           const char *value);
MILTER_API int milter_header_insert_after(milter_ctx *ctx, milter_header *h, const char *name,
                                          const char *value);

/*
 * Reports how an authentication method judged the message (RFC 8601): method
 * "spf", result "pass", properties "smtp.mailfrom=example.org" (or NULL), reason any text
 * (or NULL). The host writes what all plugins report into one Authentication-Results
 * field above everything, with `authserv_id` from milter.conf, and takes out fields that
 * came with the message and claim to be ours. Needs MILTER_NEEDS_AUTH_RESULTS.
 */
MILTER_API int milter_auth_result(milter_ctx *ctx, const char *method, const char *result,
                                  const char *properties, const char *reason);

/* An address with or without <>; args NULL, or "NOTIFY=NEVER ORCPT=..." */
MILTER_API int milter_add_rcpt(milter_ctx *ctx, const char *address, const char *args);
MILTER_API int milter_delete_rcpt(milter_ctx *ctx, const char *address);

/* The new envelope sender, "" or "<>" for the null sender; args NULL, or "RET=HDRS ENVID=..." */
MILTER_API int milter_change_sender(milter_ctx *ctx, const char *address, const char *args);

/* The first call of a callback begins a new body, further calls append. Line
   ends are CRLF. Length 0 makes an empty body. */
MILTER_API int milter_replace_body(milter_ctx *ctx, const void *data, size_t length);

/* Hold the message in the mail server's quarantine (Postfix: the hold queue). */
MILTER_API int milter_quarantine(milter_ctx *ctx, const char *reason);

/* At end of message: tells the mail server that work goes on, which restarts
   its timer. The host does so by itself while a plugin waits. */
MILTER_API int milter_progress(milter_ctx *ctx);

/* ---- memory and data ------------------------------------------------------ */

/* n zeroed bytes that live as long as the message (outside one: as the
   connection; in on_load: as the worker). NULL when there is no memory. */
MILTER_API void *milter_alloc(milter_ctx *ctx, size_t n);
MILTER_API char *milter_strdup(milter_ctx *ctx, const char *text);
MILTER_API char *milter_printf(milter_ctx *ctx, const char *format, ...) MILTER_PRINTF(2, 3);

/* One pointer a plugin for each scope; destroy (or NULL) is called when the scope
   ends or another pointer takes its place. */
enum milter_scope { MILTER_WORKER, MILTER_CONNECTION, MILTER_MESSAGE };
MILTER_API int milter_set_data(milter_ctx *ctx, enum milter_scope scope, void *data,
                               void (*destroy)(void *data));
MILTER_API void *milter_data(milter_ctx *ctx, enum milter_scope scope);

/* ---- options --------------------------------------------------------------- */

/* A string, file or enum; NULL where unset. Lives as long as the worker. */
MILTER_API const char *milter_option_string(milter_ctx *ctx, const char *name);

/* An int, a bool, bytes of a size, milliseconds of a duration, the position of an enum. */
MILTER_API int64_t milter_option_int(milter_ctx *ctx, const char *name);

/* Items of a list, or of addresses as written. */
MILTER_API size_t milter_option_count(milter_ctx *ctx, const char *name);
MILTER_API const char *milter_option_item(milter_ctx *ctx, const char *name, size_t index);

/* Whether an address ("192.0.2.9", "2001:db8::7") is in an address list. */
MILTER_API bool milter_option_contains(milter_ctx *ctx, const char *name, const char *address);

/* Reports that item `index` (0 for what is no list) of an option is wrong, with
   file and line of milter.conf. For on_load; returns -1 to be returned from it. */
MILTER_API int milter_option_error(milter_ctx *ctx, const char *name, size_t index,
                                   const char *format, ...) MILTER_PRINTF(4, 5);

/* ---- help with common work ---------------------------------------------------- */

/*
 * Fills ${...} in a text: ${sender}, ${rcpt} (the recipient of on_rcpt, else the
 * first), ${client_addr}, ${client_name}, ${helo}, ${queue_id}, ${session_id},
 * ${chain}, and any other name as a macro of the mail server (${j}, ${auth_authen}).
 * What is unknown gives nothing; $$ gives $. Addresses come without <>. Control
 * characters of the values become '?'. The result lives as milter_alloc() memory.
 */
MILTER_API char *milter_expand(milter_ctx *ctx, const char *text);

/* A network in CIDR notation, or one address; IPv4 or IPv6. */
struct milter_net {
    enum milter_family family;
    uint8_t bits;
    uint8_t address[16];
};

/* 0, or -1 where text is no address or network, or has bits set beyond its prefix. */
MILTER_API int milter_net_parse(struct milter_net *net, const char *text);

/* Whether an address is in the network; false for what is no address. */
MILTER_API bool milter_net_contains(const struct milter_net *net, const char *address);

enum milter_level { MILTER_LOG_ERROR, MILTER_LOG_WARNING, MILTER_LOG_INFO, MILTER_LOG_DEBUG };

/* One line in milterd's log, with the plugin's name and the queue id; control
   characters are escaped. */
MILTER_API void milter_log(milter_ctx *ctx, enum milter_level level, const char *format, ...)
    MILTER_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif

#endif
