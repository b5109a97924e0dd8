/*
 * probe - a plugin that does what a test tells it, and says in the log what it
 * has seen. This file has the events; what is to be done at them is probe_script's,
 * and how the host is asked for it is probe_requests'.
 */
#include "probe.h"

#include <stdio.h>
#include <string.h>

#define SAW(...)                                           \
    do {                                                   \
        if (!milter_option_int(ctx, "quiet"))              \
            milter_log(ctx, MILTER_LOG_INFO, __VA_ARGS__); \
    } while (0)

static enum milter_verdict
on_connect(milter_ctx *ctx, const struct milter_client *client)
{
    static const char *const families[] = {
        [MILTER_FAMILY_UNKNOWN] = "unknown",
        [MILTER_FAMILY_UNIX] = "unix",
        [MILTER_FAMILY_INET] = "inet",
        [MILTER_FAMILY_INET6] = "inet6",
    };

    SAW("connect [%s] %s [%s] %u", client->name, families[client->family], client->address,
        client->port);
    return probe_script_act(ctx, MILTER_EVENT_CONNECT, client->name);
}

static enum milter_verdict
on_helo(milter_ctx *ctx, const char *name)
{
    SAW("helo [%s]", name);
    return probe_script_act(ctx, MILTER_EVENT_HELO, name);
}

static enum milter_verdict
on_mail(milter_ctx *ctx, const char *sender, const char *const *args)
{
    SAW("mail %s%s", sender, probe_requests_joined(ctx, args));
    return probe_script_act(ctx, MILTER_EVENT_MAIL, sender);
}

static enum milter_verdict
on_rcpt(milter_ctx *ctx, const char *rcpt, const char *const *args)
{
    SAW("rcpt %s%s%s", rcpt, probe_requests_joined(ctx, args),
        milter_rcpt_rejected(ctx) ? " (rejected)" : "");
    return probe_script_act(ctx, MILTER_EVENT_RCPT, rcpt);
}

static enum milter_verdict
on_data(milter_ctx *ctx)
{
    SAW("data");
    return probe_script_act(ctx, MILTER_EVENT_DATA, milter_sender(ctx));
}

static enum milter_verdict
on_header(milter_ctx *ctx, const char *name, const char *value)
{
    SAW("header %s:[%s]", name, value);
    return probe_script_act(ctx, MILTER_EVENT_HEADER, name);
}

static enum milter_verdict
on_eoh(milter_ctx *ctx)
{
    SAW("eoh");
    return probe_script_act(ctx, MILTER_EVENT_EOH, milter_sender(ctx));
}

static enum milter_verdict
on_body(milter_ctx *ctx, const void *chunk, size_t length)
{
    char line[64];

    snprintf(line, sizeof(line), "%.*s", (int)(length < 64 ? length : 63), (const char *)chunk);
    line[strcspn(line, "\r\n")] = '\0';
    SAW("body, %zu bytes: [%s]", length, line);
    return probe_script_act(ctx, MILTER_EVENT_BODY, line);
}

static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    SAW("eom");
    return probe_script_act(ctx, MILTER_EVENT_EOM, milter_sender(ctx));
}

static enum milter_verdict
on_unknown(milter_ctx *ctx, const char *command)
{
    SAW("unknown [%s]", command);
    return probe_script_act(ctx, MILTER_EVENT_UNKNOWN, command);
}

static void
on_abort(milter_ctx *ctx)
{
    SAW("abort");
}

static void
on_end(milter_ctx *ctx, const struct milter_outcome *outcome)
{
    static const char *const ends[] = {
        [MILTER_END_ACCEPTED] = "accepted",       [MILTER_END_REJECTED] = "rejected",
        [MILTER_END_TEMPFAILED] = "tempfailed",   [MILTER_END_DISCARDED] = "discarded",
        [MILTER_END_QUARANTINED] = "quarantined", [MILTER_END_ABORTED] = "aborted",
    };

    SAW("end: %s at %s by %s%s%s", ends[outcome->end], probe_script_event_name(outcome->event),
        outcome->plugin != NULL ? outcome->plugin : "nobody", outcome->reply != NULL ? ": " : "",
        outcome->reply != NULL ? outcome->reply : "");
}

static void
on_close(milter_ctx *ctx)
{
    SAW("close");
}

static void
on_error(milter_ctx *ctx, const char *reason)
{
    SAW("told: %s", reason);
}

#ifdef PROBE_MACROS
static const struct milter_macros macros[] = {
    {MILTER_EVENT_CONNECT, "{client_ptr} {client_port}"},
    {MILTER_EVENT_MAIL, "{client_addr}"},
    {MILTER_EVENT_EOM, "{nrcpts} i"},
    {MILTER_EVENT_EOM, NULL},
};
#else
static const struct milter_macros macros[] = {{MILTER_EVENT_EOM, NULL}};
#endif

static const struct milter_option options[] = {
    {.name = "script", .type = MILTER_LIST, .help = "rules: EVENT [PATTERN]: WHAT [ARGUMENTS]"},
    {.name = "quiet", .type = MILTER_BOOL, .help = "does not log what it sees"},
    {.name = NULL},
};

#define WANTED(event, callback) (EVENTS & AT(event) ? (callback) : NULL)

MILTER_PLUGIN = {
    MILTER_PLUGIN_HEAD,
    .name = NAME,
    .version = "1",
    .description = "does what a test tells it",
    .actions = ACTIONS,
    .needs = NEEDS,
    .observes = OBSERVES,
    .macros = macros,
    .options = options,
    .on_load = probe_script_load,
    .on_connect = WANTED(CONNECT, on_connect),
    .on_helo = WANTED(HELO, on_helo),
    .on_mail = WANTED(MAIL, on_mail),
    .on_rcpt = WANTED(RCPT, on_rcpt),
    .on_data = WANTED(DATA, on_data),
    .on_header = WANTED(HEADER, on_header),
    .on_eoh = WANTED(EOH, on_eoh),
    .on_body = WANTED(BODY, on_body),
    .on_eom = WANTED(EOM, on_eom),
    .on_unknown = WANTED(UNKNOWN, on_unknown),
    .on_abort = on_abort,
    .on_end = on_end,
    .on_close = on_close,
    .on_error = on_error,
};
