/*
 * The option `script` is a list of rules, EVENT [PATTERN]: WHAT [ARGUMENTS]. At an
 * event the rules for it are carried out in their order, up to the first with a
 * verdict. A PATTERN is compared with what the event is about: client name, HELO
 * name, address with its <>, header name, unknown command, the first line of a body
 * chunk; at data, eoh and eom with the sender.
 */
#include "probe.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct rule {
    enum milter_event event;
    const char *pattern; /* NULL: always */
    const char *what;
    const char *arguments; /* "" where there are none */
};

struct script {
    struct rule *rules;
    size_t count;
};

static const char *const event_names[MILTER_EVENTS] = {
    [MILTER_EVENT_CONNECT] = "connect", [MILTER_EVENT_HELO] = "helo",
    [MILTER_EVENT_MAIL] = "mail",       [MILTER_EVENT_RCPT] = "rcpt",
    [MILTER_EVENT_DATA] = "data",       [MILTER_EVENT_HEADER] = "header",
    [MILTER_EVENT_EOH] = "eoh",         [MILTER_EVENT_BODY] = "body",
    [MILTER_EVENT_EOM] = "eom",         [MILTER_EVENT_UNKNOWN] = "unknown",
};

/* ---- verdicts ------------------------------------------------------------------- */

static const char *const verdict_words[] = {
    [MILTER_CONTINUE] = "continue", [MILTER_SKIP] = "skip",         [MILTER_DONE] = "done",
    [MILTER_ACCEPT] = "accept",     [MILTER_REJECT] = "reject",     [MILTER_TEMPFAIL] = "tempfail",
    [MILTER_DISCARD] = "discard",   [MILTER_REPLY] = "bare-reply",  [MILTER_SUSPEND] = "suspend",
    [MILTER_FAILURE] = "failure",   [MILTER_FAILURE + 1] = "wrong",
};

enum { VERDICT_WORDS = sizeof(verdict_words) / sizeof(verdict_words[0]) };

/* "550 5.7.1 text", - for no enhanced code. */
static enum milter_verdict
reply(milter_ctx *ctx, const char *arguments, bool formatted)
{
    const char *code = probe_requests_word(ctx, &arguments);
    const char *xcode = probe_requests_word(ctx, &arguments);

    if (code == NULL)
        return MILTER_FAILURE;
    if (xcode != NULL && strcmp(xcode, "-") == 0)
        xcode = NULL;
    if (formatted)
        return milter_replyf(ctx, atoi(code), xcode, "%s", arguments);
    return milter_reply(ctx, atoi(code), xcode, arguments);
}

/* Whether the rule is a verdict. */
static bool
decide(milter_ctx *ctx, const struct rule *rule, enum milter_verdict *verdict)
{
    if (strcmp(rule->what, "reply") == 0 || strcmp(rule->what, "replyf") == 0) {
        *verdict = reply(ctx, rule->arguments, rule->what[5] == 'f');
        return true;
    }
    for (int i = 0; i < VERDICT_WORDS; i++) {
        if (strcmp(rule->what, verdict_words[i]) == 0) {
            *verdict = (enum milter_verdict)i;
            return true;
        }
    }
    return false;
}

/* ---- an event --------------------------------------------------------------------- */

enum milter_verdict
probe_script_act(milter_ctx *ctx, enum milter_event event, const char *about)
{
    const struct script *script = milter_data(ctx, MILTER_WORKER);
    enum milter_verdict verdict;

    for (size_t i = 0; i < script->count; i++) {
        const struct rule *rule = &script->rules[i];

        if (rule->event != event ||
            (rule->pattern != NULL && (about == NULL || strcasecmp(rule->pattern, about) != 0)))
            continue;
        if (decide(ctx, rule, &verdict))
            return verdict;
        probe_requests_run(ctx, rule->what, rule->arguments);
    }
    return MILTER_CONTINUE;
}

/* ---- the script ----------------------------------------------------------------------- */

static bool
known(const char *what)
{
    for (int i = 0; i < VERDICT_WORDS; i++)
        if (strcmp(what, verdict_words[i]) == 0)
            return true;
    return strcmp(what, "reply") == 0 || strcmp(what, "replyf") == 0 || probe_requests_has(what);
}

/* NULL, or what is wrong. */
static const char *
read_rule(milter_ctx *ctx, const char *text, struct rule *rule)
{
    const char *colon = strstr(text, ": ");
    int event = 0;

    if (colon == NULL)
        return "a rule is EVENT [PATTERN]: WHAT [ARGUMENTS]";
    rule->arguments = colon + 2;
    rule->what = probe_requests_word(ctx, &rule->arguments);
    if (rule->what == NULL || !known(rule->what))
        return "there is no such verdict or request";

    const char *head = milter_printf(ctx, "%.*s", (int)(colon - text), text);
    const char *name = probe_requests_word(ctx, &head);
    while (event < MILTER_EVENTS && (name == NULL || strcmp(name, event_names[event]) != 0))
        event++;
    if (event == MILTER_EVENTS)
        return "there is no such event";
    rule->event = (enum milter_event)event;
    rule->pattern = head[0] != '\0' ? head : NULL;
    return NULL;
}

int
probe_script_load(milter_ctx *ctx)
{
    struct script *script = milter_alloc(ctx, sizeof(*script));
    size_t count = milter_option_count(ctx, "script");
    int result = 0;

    script->rules = milter_alloc(ctx, (count + 1) * sizeof(*script->rules));
    for (; script->count < count; script->count++) {
        const char *wrong = read_rule(ctx, milter_option_item(ctx, "script", script->count),
                                      &script->rules[script->count]);
        if (wrong != NULL)
            result = milter_option_error(ctx, "script", script->count, "%s", wrong);
    }
    milter_set_data(ctx, MILTER_WORKER, script, NULL);
    return result;
}

const char *
probe_script_event_name(enum milter_event event)
{
    return event_names[event];
}
