/*
 * One function for each event. What plugins get as arguments is borrowed from
 * the packet; what later events or the log need is copied into the message or
 * the connection, and headers and bodies only where some plugin declares that it
 * needs them.
 */
#include "session/events.h"

#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "chain/authres.h"
#include "chain/envelope.h"
#include "chain/headers.h"
#include "wire/decode.h"

/* An address and its ESMTP arguments: more would take many times the packet's size. */
enum { ARGUMENTS_MAX = 4096 };

static enum events_result
no_memory(void)
{
    errno = ENOMEM;
    return EVENTS_NO_ROOM;
}

/* The rest is left out for plugins, or the message is deferred, as `over_limit` says. */
static enum events_result
over_limit(const struct chain_run *run)
{
    if (!run->chain->limits.tempfail)
        return EVENTS_READY;
    errno = EMSGSIZE;
    return EVENTS_NO_ROOM;
}

static enum milter_family
family_of(char family)
{
    switch (family) {
    case '4':
        return MILTER_FAMILY_INET;
    case '6':
        return MILTER_FAMILY_INET6;
    case 'L':
        return MILTER_FAMILY_UNIX;
    }
    return MILTER_FAMILY_UNKNOWN;
}

static enum events_result
make_connect(struct chain_run *run, const struct frame *frame, struct chain_event *event)
{
    struct decode_connect connect;
    struct milter_net address;
    char text[ADDRESS_TEXT];

    if (decode_connect(frame->data, frame->length, &connect) < 0)
        return EVENTS_MALFORMED;
    struct milter_client *client = arena_alloc(&run->arena, sizeof(*client));
    if (client == NULL)
        return no_memory();
    client->name = event->text = arena_strdup(&run->arena, connect.name);
    client->family = family_of(connect.family);
    client->port = connect.port;
    /* Sendmail writes "IPv6:0:0:0:0:0:0:0:1" where Postfix writes "::1". */
    if (client->family != MILTER_FAMILY_UNIX && address_parse(&address, connect.address) == 0) {
        address_format(&address, text);
        client->family = address.family;
        connect.address = text;
    }
    client->address = arena_strdup(&run->arena, connect.address);
    if (client->name == NULL || client->address == NULL)
        return no_memory();
    run->client = client;
    return EVENTS_READY;
}

static enum events_result
make_helo(struct chain_run *run, const struct frame *frame, struct chain_event *event)
{
    if (decode_word(frame->data, frame->length, &event->text) < 0 || event->text == NULL)
        return EVENTS_MALFORMED;
    /* HELO may come any number of times: its room is used again. */
    if (frame->length > run->helo_room) {
        size_t room = 2 * frame->length;
        run->helo = arena_alloc(&run->arena, room);
        run->helo_room = run->helo != NULL ? room : 0;
        if (run->helo == NULL)
            return no_memory();
    }
    memcpy(run->helo, event->text, frame->length);
    return EVENTS_READY;
}

/* An address and its ESMTP arguments; Postfix gives locally submitted addresses
   without their <>, which plugins need not know. */
static enum events_result
split_arguments(struct chain_run *run, const struct frame *frame, struct chain_event *event)
{
    struct decode in = {frame->data, frame->length};
    size_t count;

    if (decode_arguments(frame->data, frame->length, &count) < 0 || count > ARGUMENTS_MAX)
        return EVENTS_MALFORMED;
    const char **args = arena_alloc(&run->message_arena, count * sizeof(*args));
    if (args == NULL)
        return no_memory();
    decode_string(&in, &event->text);
    for (size_t i = 0; i + 1 < count; i++)
        decode_string(&in, &args[i]);
    event->args = args;
    if (event->text[0] != '<')
        event->text = arena_printf(&run->message_arena, "<%s>", event->text);
    return event->text != NULL ? EVENTS_READY : no_memory();
}

static enum events_result
make_mail(struct chain_run *run, const struct frame *frame, struct chain_event *event)
{
    enum events_result result = split_arguments(run, frame, event);

    if (result == EVENTS_READY && envelope_mail(run->message, event->text, event->args) < 0)
        return no_memory();
    return result;
}

/* With RCPT_REJ a recipient that the mail server has refused comes with this mailer. */
static bool
rejected(const struct chain_run *run)
{
    const char *mailer = macros_find_at(&run->macros, MILTER_EVENT_RCPT, "{rcpt_mailer}");

    return mailer != NULL && strcmp(mailer, "error") == 0;
}

static enum events_result
make_rcpt(struct chain_run *run, const struct frame *frame, struct chain_event *event)
{
    enum events_result result = split_arguments(run, frame, event);

    if (result != EVENTS_READY)
        return result;
    event->rejected = run->rejected_rcpts && rejected(run);
    if (!event->rejected && run->chain->limits.rcpt_count != 0 &&
        run->message->rcpt_count >= run->chain->limits.rcpt_count)
        return over_limit(run);
    if (!event->rejected && envelope_rcpt(run->message, event->text, event->args) < 0)
        return no_memory();
    return result;
}

static enum events_result
make_header(struct chain_run *run, const struct frame *frame, struct chain_event *event)
{
    if (decode_header(frame->data, frame->length, &event->text, &event->value) < 0)
        return EVENTS_MALFORMED;
    run->message->received += frame->length + 1; /* colon and CRLF for two NULs */
    if (!run->message->keeps_headers)
        return EVENTS_READY;
    event->header = headers_received(run->message, event->text, event->value, run->exact_values);
    if (event->header == NULL && errno == ENOMEM)
        return EVENTS_NO_ROOM;
    if (event->header == NULL) {
        /* One that is not kept cannot be taken out either. */
        errno = EMSGSIZE;
        if (run->chain->removes_forged && authres_forged(run, event->text, event->value))
            return EVENTS_NO_ROOM;
        return over_limit(run);
    }
    if (run->chain->removes_forged && authres_forged(run, event->text, event->value) &&
        headers_delete(run->message, LAYER_RECEIVED, event->header) != MILTER_OK)
        return no_memory();
    return EVENTS_READY;
}

static enum events_result
make_eoh(struct chain_run *run, const struct frame *frame, struct chain_event *event)
{
    (void)frame;
    (void)event;
    return headers_complete(run->message) == 0 ? EVENTS_READY : no_memory();
}

static enum events_result
make_body(struct chain_run *run, const struct frame *frame, struct chain_event *event)
{
    event->data = frame->data;
    event->length = frame->length;
    run->message->received += frame->length;
    if (run->message->keeps_body &&
        spool_append(&run->message->body, frame->data, frame->length) < 0)
        return EVENTS_NO_ROOM;
    return run->message->body.cut ? over_limit(run) : EVENTS_READY;
}

static enum events_result
make_unknown(struct chain_run *run, const struct frame *frame, struct chain_event *event)
{
    (void)run;
    if (decode_word(frame->data, frame->length, &event->text) < 0 || event->text == NULL)
        return EVENTS_MALFORMED;
    return EVENTS_READY;
}

static enum events_result
make_nothing(struct chain_run *run, const struct frame *frame, struct chain_event *event)
{
    (void)run;
    (void)frame;
    (void)event;
    return EVENTS_READY;
}

enum events_result
events_make(struct chain_run *run, const struct frame *frame, struct chain_event *event)
{
    static enum events_result (*const make[MILTER_EVENTS])(struct chain_run *, const struct frame *,
                                                           struct chain_event *) = {
        [MILTER_EVENT_CONNECT] = make_connect, [MILTER_EVENT_HELO] = make_helo,
        [MILTER_EVENT_MAIL] = make_mail,       [MILTER_EVENT_RCPT] = make_rcpt,
        [MILTER_EVENT_DATA] = make_nothing,    [MILTER_EVENT_HEADER] = make_header,
        [MILTER_EVENT_EOH] = make_eoh,         [MILTER_EVENT_BODY] = make_body,
        [MILTER_EVENT_EOM] = make_nothing,     [MILTER_EVENT_UNKNOWN] = make_unknown,
    };

    return make[event->event](run, frame, event);
}
