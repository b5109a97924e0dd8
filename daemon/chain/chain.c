/*
 * Walking the plugins for one event: in the order of milter.conf, those that
 * have the callback and have not said that they are done, until one decides. A
 * verdict that the event cannot carry is that plugin's failure: its on_failure
 * answers, its edits are taken out of the message, nobody else is touched.
 *
 * A context lives as long as the connection; message and scratch memory are
 * given back at the end of the message and at the next event.
 */
#include "chain/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "chain/headers.h"
#include "chain/verdict.h"

enum {
    SESSION_EVENTS = 1U << MILTER_EVENT_CONNECT | 1U << MILTER_EVENT_HELO,
    ALL_EVENTS = (1U << MILTER_EVENTS) - 1,
};

struct chain_run *
chain_run_new(struct chain *chain, const struct chain_host *host, void *arg)
{
    struct chain_run *run = calloc(1, sizeof(*run) + chain->count * sizeof(run->contexts[0]));

    if (run == NULL)
        return NULL;
    run->chain = chain;
    run->host = host;
    run->host_arg = arg;
    for (size_t i = 0; i < chain->count; i++) {
        run->contexts[i].run = run;
        run->contexts[i].link = &chain->links[i];
    }
    return run;
}

void
chain_run_free(struct chain_run *run)
{
    if (run == NULL)
        return;
    chain_connection_end(run);
    free(run);
}

struct arena *
chain_arena(struct chain_run *run)
{
    return run->message != NULL ? &run->message_arena : &run->scratch;
}

const char *
chain_queue_id(const struct chain_run *run)
{
    const char *id = macros_find(&run->macros, "i");

    return id != NULL ? id : "NOQUEUE";
}

const char *
chain_session_id(struct chain_run *run)
{
    static uint64_t worker_began, number;

    if (run->id == NULL) {
        if (worker_began == 0) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            worker_began = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
        }
        run->id = arena_printf(&run->arena, "%llx-%x-%llx", (unsigned long long)worker_began,
                               (unsigned)getpid(), (unsigned long long)++number);
    }
    return run->id;
}

/* ---- data and ends ------------------------------------------------------ */

static void
destroy(struct chain_data *data)
{
    struct chain_data old = *data;

    *data = (struct chain_data){0};
    if (old.destroy != NULL)
        old.destroy(old.data);
}

int
chain_message_begin(struct chain_run *run)
{
    if (run->message != NULL)
        return 0;
    run->message = message_new(&run->message_arena, &run->chain->limits);
    if (run->message == NULL)
        return -1;
    run->message->keeps_headers = run->chain->needs & MILTER_NEEDS_HEADERS;
    run->message->keeps_body = run->chain->needs & MILTER_NEEDS_BODY;
    return 0;
}

void
chain_message_end(struct chain_run *run, enum milter_end end, const struct chain_outcome *outcome)
{
    if (run->message == NULL)
        return;

    const struct milter_outcome told = {
        .end = end,
        .event = outcome != NULL ? outcome->event : MILTER_EVENT_EOM,
        .plugin = outcome != NULL && outcome->by != NULL ? outcome->by->name : NULL,
        .reply = outcome != NULL ? outcome->reply.text : NULL,
    };
    run->event = NULL;
    for (size_t i = 0; i < run->chain->count; i++) {
        struct milter_ctx *ctx = &run->contexts[i];
        const struct milter_plugin *plugin = &ctx->link->plugin;

        if (ctx->saw_message && end == MILTER_END_ABORTED && plugin->on_abort != NULL)
            plugin->on_abort(ctx);
        if (ctx->saw_message && plugin->on_end != NULL)
            plugin->on_end(ctx, &told);
        destroy(&ctx->message);
        ctx->saw_message = false;
        ctx->quiet_message = 0;
        ctx->applies = CONDITION_OPEN;
        ctx->judged_late = false;
    }
    message_free(run->message);
    run->message = NULL;
    macros_end_message(&run->macros);
    arena_reset(&run->message_arena);
}

void
chain_connection_end(struct chain_run *run)
{
    chain_message_end(run, MILTER_END_ABORTED, NULL);
    run->event = NULL;
    for (size_t i = 0; i < run->chain->count; i++) {
        struct milter_ctx *ctx = &run->contexts[i];

        if (ctx->saw_connection && ctx->link->plugin.on_close != NULL)
            ctx->link->plugin.on_close(ctx);
        destroy(&ctx->connection);
        ctx->saw_connection = false;
        ctx->quiet_connection = 0;
        ctx->quiet_message = 0;
        ctx->applies = CONDITION_OPEN;
        ctx->judged_late = false;
    }
    run->client = NULL;
    run->helo = NULL;
    run->helo_room = 0;
    run->id = NULL;
    run->macros = (struct macros){0};
    arena_reset(&run->message_arena);
    arena_reset(&run->scratch);
    arena_reset(&run->arena);
}

/* ---- errors --------------------------------------------------------------- */

static void
tell(struct milter_ctx *ctx, const char *reason)
{
    if (ctx->link->plugin.on_error == NULL || ctx->in_error)
        return;
    ctx->in_error = true;
    ctx->link->plugin.on_error(ctx, reason);
    ctx->in_error = false;
}

void
chain_fail(struct milter_ctx *ctx, const char *format, ...)
{
    const struct chain_run *run = ctx->run;
    char reason[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    log_warning("%s: plugin=%s chain=%s event=%s: %s", chain_queue_id(run), ctx->link->name,
                run->chain->name,
                run->event != NULL ? verdict_event_name(run->event->event) : "none", reason);
    tell(ctx, reason);
}

int
chain_refuse(struct milter_ctx *ctx, int error, const char *format, ...)
{
    char reason[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    if (ctx->run != NULL)
        chain_fail(ctx, "%s", reason);
    else
        log_warning("plugin=%s chain=%s: %s", ctx->link->name, ctx->link->chain->name, reason);
    return error;
}

void
chain_connection_broken(struct chain_run *run, const char *reason)
{
    for (size_t i = 0; i < run->chain->count; i++)
        if (run->contexts[i].saw_connection)
            tell(&run->contexts[i], reason);
}

/* ---- one event -------------------------------------------------------------- */

static enum milter_verdict
call_connect(milter_ctx *ctx, const struct chain_event *event)
{
    (void)event;
    return ctx->link->plugin.on_connect(ctx, ctx->run->client);
}

static enum milter_verdict
call_helo(milter_ctx *ctx, const struct chain_event *event)
{
    return ctx->link->plugin.on_helo(ctx, event->text);
}

static enum milter_verdict
call_mail(milter_ctx *ctx, const struct chain_event *event)
{
    return ctx->link->plugin.on_mail(ctx, event->text, event->args);
}

static enum milter_verdict
call_rcpt(milter_ctx *ctx, const struct chain_event *event)
{
    return ctx->link->plugin.on_rcpt(ctx, event->text, event->args);
}

static enum milter_verdict
call_data(milter_ctx *ctx, const struct chain_event *event)
{
    (void)event;
    return ctx->link->plugin.on_data(ctx);
}

/* A plugin gets the value as those before it have edited it, in the form it asked for. */
static enum milter_verdict
call_header(milter_ctx *ctx, const struct chain_event *event)
{
    bool exact = ctx->link->plugin.needs & MILTER_NEEDS_EXACT_VALUES;
    const char *value = event->value;

    if (event->header != NULL) {
        value = headers_raw(event->header, ctx->link->layer);
        if (!exact && value[0] == ' ')
            value++;
    } else if (ctx->run->exact_values && !exact) {
        value += value[0] == ' ';
    } else if (!ctx->run->exact_values && exact) {
        if (ctx->run->spaced == NULL)
            ctx->run->spaced = arena_printf(&ctx->run->scratch, " %s", value);
        value = ctx->run->spaced;
        if (value == NULL)
            return MILTER_FAILURE;
    }
    return ctx->link->plugin.on_header(ctx, event->text, value);
}

static enum milter_verdict
call_eoh(milter_ctx *ctx, const struct chain_event *event)
{
    (void)event;
    return ctx->link->plugin.on_eoh(ctx);
}

static enum milter_verdict
call_body(milter_ctx *ctx, const struct chain_event *event)
{
    return ctx->link->plugin.on_body(ctx, event->data, event->length);
}

static enum milter_verdict
call_eom(milter_ctx *ctx, const struct chain_event *event)
{
    (void)event;
    return ctx->link->plugin.on_eom(ctx);
}

static enum milter_verdict
call_unknown(milter_ctx *ctx, const struct chain_event *event)
{
    return ctx->link->plugin.on_unknown(ctx, event->text);
}

static enum milter_verdict (*const calls[MILTER_EVENTS])(milter_ctx *,
                                                         const struct chain_event *) = {
    [MILTER_EVENT_CONNECT] = call_connect, [MILTER_EVENT_HELO] = call_helo,
    [MILTER_EVENT_MAIL] = call_mail,       [MILTER_EVENT_RCPT] = call_rcpt,
    [MILTER_EVENT_DATA] = call_data,       [MILTER_EVENT_HEADER] = call_header,
    [MILTER_EVENT_EOH] = call_eoh,         [MILTER_EVENT_BODY] = call_body,
    [MILTER_EVENT_EOM] = call_eom,         [MILTER_EVENT_UNKNOWN] = call_unknown,
};

/* Whether a plugin has nothing more to be asked of the present message. */
static bool
finished(const struct milter_ctx *ctx, uint32_t events)
{
    return ((ctx->quiet_message | ctx->quiet_connection) & events) == events;
}

/* A plugin is done: with the connection when it says so at connect or helo. */
static void
set_done(struct milter_ctx *ctx, enum milter_event event)
{
    if (SESSION_EVENTS & 1U << event)
        ctx->quiet_connection = ALL_EVENTS;
    else
        ctx->quiet_message = ALL_EVENTS;
}

/* A plugin failed in this event: says so, undoes what it did, and gives what answers. */
static enum milter_verdict
failed(struct milter_ctx *ctx, enum milter_event event, enum milter_verdict verdict)
{
    struct chain_run *run = ctx->run;
    enum milter_verdict answer = verdict_on_failure(ctx->link->on_failure);

    if (verdict == MILTER_FAILURE)
        chain_fail(ctx, "failed; on_failure answers %s", verdict_name(answer));
    else
        chain_fail(ctx, "the verdict %s (%d) is not possible here; on_failure answers %s",
                   verdict_name(verdict), (int)verdict, verdict_name(answer));
    if (run->message != NULL)
        message_drop_layer(run->message, ctx->link->layer);
    /* Half of what it would have done to this message is worse than nothing. */
    if (answer == MILTER_CONTINUE && run->message != NULL)
        set_done(ctx, event);
    return answer;
}

/* What a plugin in mode "observe" would have done is said; its edits are undone by weigh(). */
static void
observe(struct milter_ctx *ctx, enum milter_event event, enum milter_verdict verdict,
        enum verdict_effect effect)
{
    struct chain_run *run = ctx->run;

    if (effect != VERDICT_DECIDES && effect != VERDICT_FAILS)
        return;
    if (effect == VERDICT_FAILS)
        chain_fail(ctx, "would fail with the verdict %s (%d)", verdict_name(verdict), (int)verdict);
    else
        log_info("%s: plugin=%s chain=%s event=%s mode=observe would %s%s%s", chain_queue_id(run),
                 ctx->link->name, run->chain->name, verdict_event_name(event),
                 verdict_name(verdict), verdict == MILTER_REPLY ? " " : "",
                 verdict == MILTER_REPLY ? run->reply.text : "");
    /* It would have seen no more of this message; at RCPT other recipients follow. */
    if (event != MILTER_EVENT_RCPT && event != MILTER_EVENT_UNKNOWN)
        set_done(ctx, event);
}

/* What comes of a plugin's answer. `edits`: how many there were before it. True: *outcome is
   decided. */
static bool
weigh(struct milter_ctx *ctx, const struct chain_event *event, enum milter_verdict verdict,
      size_t edits, struct chain_outcome *outcome)
{
    struct chain_run *run = ctx->run;
    bool observed = ctx->link->plugin.observes & 1U << event->event;
    enum verdict_effect effect = verdict_effect(event->event, verdict, observed);

    if (ctx->incomplete || (verdict == MILTER_REPLY && run->reply_by != ctx)) {
        effect = VERDICT_FAILS;
        verdict = MILTER_FAILURE;
    }
    if (ctx->link->observes) {
        observe(ctx, event->event, verdict, effect);
        /* Its on_error may have edited as well. */
        if (run->message != NULL && run->message->edits != edits)
            message_drop_layer(run->message, ctx->link->layer);
        if (effect == VERDICT_DECIDES || effect == VERDICT_FAILS)
            return false;
    }

    switch (effect) {
    case VERDICT_NEXT:
        return false;
    case VERDICT_QUIET:
        ctx->quiet_message |= 1U << event->event;
        return false;
    case VERDICT_DONE:
        set_done(ctx, event->event);
        return false;
    case VERDICT_FAILS:
        verdict = failed(ctx, event->event, verdict);
        if (verdict == MILTER_CONTINUE)
            return false;
        break;
    case VERDICT_DECIDES:
        /* The mail server has refused this recipient already: there is nothing to decide. */
        if (event->rejected)
            return false;
        break;
    }
    outcome->verdict = verdict;
    outcome->by = ctx->link;
    if (verdict == MILTER_REPLY)
        outcome->reply = run->reply;
    return true;
}

/* Asks one plugin. True: *outcome is decided. */
static bool
ask(struct milter_ctx *ctx, const struct chain_event *event, struct chain_outcome *outcome)
{
    struct chain_run *run = ctx->run;
    size_t edits = 0;

    ctx->saw_connection = true;
    ctx->body_begun = ctx->incomplete = false;
    run->reply_by = NULL;
    if (run->message != NULL) {
        ctx->saw_message |= event->event != MILTER_EVENT_UNKNOWN;
        edits = run->message->edits;
    }
    enum milter_verdict verdict = calls[event->event](ctx, event);
    /* Nearly always. */
    if (verdict == MILTER_CONTINUE && !ctx->incomplete && !ctx->link->observes)
        return false;
    return weigh(ctx, event, verdict, edits, outcome);
}

/* Whether a plugin is to be called; where its condition says no it is as if done. */
static bool
applies(struct milter_ctx *ctx, enum milter_event event)
{
    if (ctx->link->condition == NULL || ctx->applies == CONDITION_YES)
        return true;
    /* From the first event after the recipients to the last nothing new is known. */
    if (event >= MILTER_EVENT_DATA && event < MILTER_EVENT_EOM) {
        if (ctx->judged_late)
            return false;
        ctx->judged_late = true;
    }
    ctx->applies = condition_judge(ctx->link->condition, ctx->run, event);
    if (ctx->applies == CONDITION_NO)
        ctx->quiet_message = ALL_EVENTS;
    return ctx->applies == CONDITION_YES;
}

bool
chain_has_edits(const struct chain_run *run)
{
    return run->chain->removes_forged || (run->message != NULL && message_edited(run->message));
}

/* Whether no plugin is left that has anything to say until the end of the message. */
static bool
all_done(const struct chain_run *run)
{
    for (size_t i = 0; i < run->chain->count; i++)
        if (!finished(&run->contexts[i], ALL_EVENTS))
            return false;
    return run->chain->count > 0;
}

/* Whether every plugin that has on_body is finished with it. */
static bool
body_skipped(const struct chain_run *run)
{
    const struct chain *chain = run->chain;

    if (run->message->keeps_body || chain->needs & CONDITION_NEEDS_SIZE)
        return false;
    for (size_t i = 0; i < chain->caller_count[MILTER_EVENT_BODY]; i++)
        if (!finished(&run->contexts[chain->callers[MILTER_EVENT_BODY][i]],
                      1U << MILTER_EVENT_BODY))
            return false;
    return true;
}

/* Whether an event is there at all for a plugin: a recipient that the mail server has refused
   for those that ask for such, a header field unless a plugin before it has deleted it. */
static bool
wants(const struct milter_ctx *ctx, const struct chain_event *event)
{
    if (event->event == MILTER_EVENT_BODY && event->length == 0)
        return false;
    if (event->rejected && (ctx->link->plugin.needs & MILTER_NEEDS_REJECTED_RCPTS) == 0)
        return false;
    return event->header == NULL || headers_raw(event->header, ctx->link->layer) != NULL;
}

struct chain_outcome
chain_walk(struct chain_run *run, const struct chain_event *event)
{
    const struct chain *chain = run->chain;
    const enum milter_event number = event->event;
    struct chain_outcome outcome = {.verdict = MILTER_CONTINUE, .event = number};
    bool decided = false, asked = false, changed = false;

    if (run->message == NULL || number == MILTER_EVENT_HEADER)
        arena_reset(&run->scratch);
    run->spaced = NULL;
    run->event = event;
    const uint16_t *at = chain->callers[number], *end = at + chain->caller_count[number];
    for (; at < end && !decided; at++) {
        struct milter_ctx *ctx = &run->contexts[*at];
        uint32_t quiet = ctx->quiet_message | ctx->quiet_connection;

        if ((quiet & 1U << number) != 0)
            continue;
        if (applies(ctx, number) && wants(ctx, event)) {
            asked = true;
            decided = ask(ctx, event, &outcome);
        }
        changed |= (ctx->quiet_message | ctx->quiet_connection) != quiet;
    }
    run->event = NULL;

    /* Only a plugin that has just become quiet can have been the last one. */
    if (!decided && changed && number != MILTER_EVENT_UNKNOWN && !event->rejected &&
        all_done(run) && !chain_has_edits(run))
        outcome.verdict = MILTER_ACCEPT;
    else if (!decided && number == MILTER_EVENT_BODY && (changed || !asked) && body_skipped(run))
        outcome.verdict = MILTER_SKIP;
    return outcome;
}
