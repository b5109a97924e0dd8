/*
 * probe - a plugin that does what a test tells it, and says in the log what it
 * has seen.
 *
 * Its option `script` is a list of rules, EVENT [PATTERN]: WHAT [ARGUMENTS]. At
 * an event the rules for it are carried out in their order, up to the first with
 * a verdict. A PATTERN is compared with what the event is about: client name,
 * HELO name, address with its <>, header name, unknown command, the first line
 * of a body chunk; at data, eoh and eom with the sender.
 *
 * One source makes several plugins: a table is constant, so what differs between
 * them (events, actions, needs) is chosen when they are compiled.
 */
#include <milterd/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define AT(event) (1U << MILTER_EVENT_##event)

enum {
    ALL_EVENTS = (1U << MILTER_EVENTS) - 1,
    ALL_ACTIONS = 0xff,
    ALL_BUT_EOM = ALL_EVENTS & ~AT(EOM),
};

#if defined(PROBE_MIN)
#define NAME "probe_min"
enum { EVENTS = AT(EOM), ACTIONS = MILTER_ADDS_HEADERS, NEEDS = 0, OBSERVES = 0 };
#elif defined(PROBE_LIGHT)
#define NAME "probe_light"
enum { EVENTS = ALL_EVENTS, ACTIONS = MILTER_ADDS_HEADERS, NEEDS = 0, OBSERVES = 0 };
#elif defined(PROBE_OBSERVE)
#define NAME "probe_observe"
enum { EVENTS = ALL_EVENTS, ACTIONS = MILTER_ADDS_HEADERS, NEEDS = 0, OBSERVES = ALL_BUT_EOM };
#elif defined(PROBE_EXACT)
#define NAME "probe_exact"
enum {
    EVENTS = AT(HEADER) | AT(EOM),
    ACTIONS = MILTER_ADDS_HEADERS | MILTER_CHANGES_HEADERS,
    NEEDS = MILTER_NEEDS_EXACT_VALUES,
    OBSERVES = 0,
};
#elif defined(PROBE_REJECTED)
#define NAME "probe_rejected"
enum {
    EVENTS = AT(MAIL) | AT(RCPT) | AT(EOM),
    ACTIONS = MILTER_ADDS_RCPTS,
    NEEDS = MILTER_NEEDS_REJECTED_RCPTS,
    OBSERVES = 0,
};
#elif defined(PROBE_LARGE)
#define NAME "probe_large"
enum {
    EVENTS = AT(BODY) | AT(EOM),
    ACTIONS = MILTER_REPLACES_BODY,
    NEEDS = MILTER_NEEDS_BODY | MILTER_NEEDS_LARGE_CHUNKS,
    OBSERVES = 0,
};
#elif defined(PROBE_MACROS)
#define NAME   "probe_macros"
enum { EVENTS = AT(MAIL) | AT(EOM), ACTIONS = 0, NEEDS = 0, OBSERVES = 0 };
static const struct milter_macros macros[] = {
    {MILTER_EVENT_CONNECT, "{client_ptr} {client_port}"},
    {MILTER_EVENT_MAIL, "{client_addr}"},
    {MILTER_EVENT_EOM, "{nrcpts} i"},
    {MILTER_EVENT_EOM, NULL},
};
#define MACROS macros
#else
#define NAME "probe"
enum {
    EVENTS = ALL_EVENTS,
    ACTIONS = ALL_ACTIONS,
    NEEDS = MILTER_NEEDS_HEADERS | MILTER_NEEDS_BODY,
    OBSERVES = 0,
};
#endif

#ifndef MACROS
#define MACROS NULL
#endif

struct rule {
    enum milter_event event;
    const char *pattern; /* NULL: always */
    const char *what;
    const char *arguments; /* "" where there are none */
};

struct script {
    struct rule *rules;
    size_t count;
    bool quiet;
};

static const char *const event_names[MILTER_EVENTS] = {
    [MILTER_EVENT_CONNECT] = "connect", [MILTER_EVENT_HELO] = "helo",
    [MILTER_EVENT_MAIL] = "mail",       [MILTER_EVENT_RCPT] = "rcpt",
    [MILTER_EVENT_DATA] = "data",       [MILTER_EVENT_HEADER] = "header",
    [MILTER_EVENT_EOH] = "eoh",         [MILTER_EVENT_BODY] = "body",
    [MILTER_EVENT_EOM] = "eom",         [MILTER_EVENT_UNKNOWN] = "unknown",
};

/* ---- words of a rule ---------------------------------------------------------- */

/* The first word of *text, copied; *text moves behind it and the space. NULL: there is none. */
static char *
next_word(milter_ctx *ctx, const char **text)
{
    size_t length = strcspn(*text, " ");
    char *word = length > 0 ? milter_printf(ctx, "%.*s", (int)length, *text) : NULL;

    *text += length;
    *text += **text == ' ';
    return word;
}

static unsigned
next_number(milter_ctx *ctx, const char **text)
{
    const char *word = next_word(ctx, text);

    return word != NULL ? (unsigned)strtoul(word, NULL, 0) : 0;
}

/* "NAME: value": the name, copied. *value is NULL where there is no colon; the space
   behind it belongs to the value only for a plugin that wants exact values. */
static char *
split_field(milter_ctx *ctx, const char *field, const char **value)
{
    const char *colon = strchr(field, ':');

    if (colon == NULL) {
        *value = NULL;
        return milter_strdup(ctx, field);
    }
    *value = colon + 1;
    if ((NEEDS & MILTER_NEEDS_EXACT_VALUES) == 0 && **value == ' ')
        ++*value;
    return milter_printf(ctx, "%.*s", (int)(colon - field), field);
}

/* ---- requests: 0 or an enum milter_error --------------------------------------- */

static int
add(milter_ctx *ctx, const char *arguments)
{
    const char *value, *name = split_field(ctx, arguments, &value);

    return milter_add_header(ctx, name, value);
}

static int
insert(milter_ctx *ctx, const char *arguments)
{
    unsigned position = next_number(ctx, &arguments);
    const char *value, *name = split_field(ctx, arguments, &value);

    return milter_insert_header(ctx, position, name, value);
}

static int
change(milter_ctx *ctx, const char *arguments)
{
    unsigned index = next_number(ctx, &arguments);
    const char *value, *name = split_field(ctx, arguments, &value);

    return milter_change_header(ctx, name, index, value);
}

static int
replace(milter_ctx *ctx, const char *arguments)
{
    const char *value, *name = split_field(ctx, arguments, &value);

    return milter_header_replace(ctx, milter_header_find(ctx, name, NULL), value);
}

/* Every field of that name. */
static int delete (milter_ctx *ctx, const char *name)
{
    milter_header *next, *h = milter_header_find(ctx, name, NULL);
    int error = h != NULL ? MILTER_OK : milter_header_delete(ctx, NULL);

    for (; h != NULL && error == MILTER_OK; h = next) {
        next = milter_header_find(ctx, name, h);
        error = milter_header_delete(ctx, h);
    }
    return error;
}

static int
before(milter_ctx *ctx, const char *arguments)
{
    milter_header *h = milter_header_find(ctx, next_word(ctx, &arguments), NULL);
    const char *value, *name = split_field(ctx, arguments, &value);

    return milter_header_insert_before(ctx, h, name, value);
}

static int
after(milter_ctx *ctx, const char *arguments)
{
    milter_header *h = milter_header_find(ctx, next_word(ctx, &arguments), NULL);
    const char *value, *name = split_field(ctx, arguments, &value);

    return milter_header_insert_after(ctx, h, name, value);
}

static int
add_rcpt(milter_ctx *ctx, const char *arguments)
{
    const char *address = next_word(ctx, &arguments);

    return milter_add_rcpt(ctx, address, arguments[0] != '\0' ? arguments : NULL);
}

static int
delete_rcpt(milter_ctx *ctx, const char *address)
{
    return milter_delete_rcpt(ctx, address);
}

static int
change_sender(milter_ctx *ctx, const char *arguments)
{
    const char *address = next_word(ctx, &arguments);

    return milter_change_sender(ctx, address != NULL ? address : "",
                                arguments[0] != '\0' ? arguments : NULL);
}

static int
body(milter_ctx *ctx, const char *text)
{
    return milter_replace_body(ctx, text, strlen(text));
}

/* That many lines of 64 bytes, each in a call of its own. */
static int
body_lines(milter_ctx *ctx, const char *arguments)
{
    unsigned count = next_number(ctx, &arguments);
    char line[65];
    int error = MILTER_OK;

    for (unsigned i = 0; i < count && error == MILTER_OK; i++) {
        snprintf(line, sizeof(line), "%061u.\r\n", i);
        error = milter_replace_body(ctx, line, strlen(line));
    }
    return error;
}

static int
body_null(milter_ctx *ctx, const char *arguments)
{
    (void)arguments;
    return milter_replace_body(ctx, NULL, 1);
}

static int
quarantine(milter_ctx *ctx, const char *reason)
{
    return milter_quarantine(ctx, reason);
}

static int
progress(milter_ctx *ctx, const char *arguments)
{
    (void)arguments;
    return milter_progress(ctx);
}

/* A reply that is made and not returned. */
static int
prepare(milter_ctx *ctx, const char *text)
{
    milter_reply(ctx, 550, "5.7.1", text);
    return MILTER_OK;
}

/* ---- requests that log what the plugin can see ----------------------------------- */

static int
say_macro(milter_ctx *ctx, const char *name)
{
    const char *value = milter_macro(ctx, name);

    milter_log(ctx, MILTER_LOG_INFO, "macro %s%s%s", name, value != NULL ? " = " : " is not known",
               value != NULL ? value : "");
    return MILTER_OK;
}

static int
say_macros(milter_ctx *ctx, const char *arguments)
{
    const char *name, *value;
    size_t at = 0;

    (void)arguments;
    while (milter_macro_next(ctx, &at, &name, &value))
        milter_log(ctx, MILTER_LOG_INFO, "macros: %s = %s", name, value);
    return MILTER_OK;
}

/* Strings and a NULL, each with a space before it. */
static const char *
joined(milter_ctx *ctx, const char *const *list)
{
    char *text = milter_strdup(ctx, "");

    for (; list != NULL && *list != NULL && text != NULL; list++)
        text = milter_printf(ctx, "%s %s", text, *list);
    return text;
}

static int
say_envelope(milter_ctx *ctx, const char *arguments)
{
    const char *sender = milter_sender(ctx);

    (void)arguments;
    milter_log(ctx, MILTER_LOG_INFO, "sender: %s%s", sender != NULL ? sender : "unknown",
               joined(ctx, milter_sender_args(ctx)));
    for (milter_rcpt *rcpt = NULL; (rcpt = milter_rcpt_next(ctx, rcpt)) != NULL;)
        milter_log(ctx, MILTER_LOG_INFO, "recipient: %s%s", milter_rcpt_address(rcpt),
                   joined(ctx, milter_rcpt_args(rcpt)));
    return MILTER_OK;
}

static int
say_headers(milter_ctx *ctx, const char *arguments)
{
    (void)arguments;
    for (milter_header *h = NULL; (h = milter_header_next(ctx, h)) != NULL;)
        milter_log(ctx, MILTER_LOG_INFO, "field: %s:[%s] raw [%s]", milter_header_name(h),
                   milter_header_value(ctx, h), milter_header_raw(ctx, h));
    if (milter_headers_cut(ctx))
        milter_log(ctx, MILTER_LOG_INFO, "the header is cut");
    return MILTER_OK;
}

static int
say_body(milter_ctx *ctx, const char *arguments)
{
    char begin[64];
    uint64_t size = milter_body_size(ctx);
    ptrdiff_t n = milter_body_read(ctx, 0, begin, sizeof(begin));

    (void)arguments;
    milter_log(ctx, MILTER_LOG_INFO, "body: %llu bytes%s: %.*s", (unsigned long long)size,
               milter_body_cut(ctx) ? ", cut" : "", n > 0 ? (int)n : 0, begin);
    return MILTER_OK;
}

static int
say_connection(milter_ctx *ctx, const char *arguments)
{
    const struct milter_client *client = milter_client(ctx);
    const char *helo = milter_helo(ctx), *id = milter_queue_id(ctx);

    (void)arguments;
    milter_log(ctx, MILTER_LOG_INFO, "client %s helo %s version %u chain %s queue id %s session %s",
               client != NULL ? client->name : "unknown", helo != NULL ? helo : "unknown",
               milter_protocol_version(ctx), milter_chain_name(ctx), id != NULL ? id : "unknown",
               milter_session_id(ctx));
    return MILTER_OK;
}

static int
say_expand(milter_ctx *ctx, const char *text)
{
    milter_log(ctx, MILTER_LOG_INFO, "expanded: %s", milter_expand(ctx, text));
    return MILTER_OK;
}

static const struct {
    const char *word;
    int (*run)(milter_ctx *ctx, const char *arguments);
} requests[] = {
    {"add", add},
    {"insert", insert},
    {"change", change},
    {"replace", replace},
    {"delete", delete},
    {"before", before},
    {"after", after},
    {"add-rcpt", add_rcpt},
    {"delete-rcpt", delete_rcpt},
    {"sender", change_sender},
    {"body", body},
    {"body-lines", body_lines},
    {"body-null", body_null},
    {"quarantine", quarantine},
    {"progress", progress},
    {"prepare-reply", prepare},
    {"say-macro", say_macro},
    {"say-macros", say_macros},
    {"say-envelope", say_envelope},
    {"say-headers", say_headers},
    {"say-body", say_body},
    {"say-connection", say_connection},
    {"say-expand", say_expand},
};

static const char *const error_names[] = {
    [-MILTER_ERR_NOT_DECLARED] = "not declared", [-MILTER_ERR_NOT_OFFERED] = "not offered",
    [-MILTER_ERR_STAGE] = "wrong stage",         [-MILTER_ERR_VALUE] = "wrong value",
    [-MILTER_ERR_MEMORY] = "no memory",          [-MILTER_ERR_LIMIT] = "over a limit",
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
    int code = (int)next_number(ctx, &arguments);
    const char *xcode = next_word(ctx, &arguments);

    if (xcode != NULL && strcmp(xcode, "-") == 0)
        xcode = NULL;
    if (formatted)
        return milter_replyf(ctx, code, xcode, "%s", arguments);
    return milter_reply(ctx, code, xcode, arguments);
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

static const struct script *
script_of(milter_ctx *ctx)
{
    return milter_data(ctx, MILTER_WORKER);
}

static void
request(milter_ctx *ctx, const struct rule *rule)
{
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        if (strcmp(rule->what, requests[i].word) != 0)
            continue;
        int error = requests[i].run(ctx, rule->arguments);
        if (error != MILTER_OK)
            milter_log(ctx, MILTER_LOG_INFO, "%s: refused, %s", rule->what, error_names[-error]);
        return;
    }
}

static enum milter_verdict
act(milter_ctx *ctx, enum milter_event event, const char *about)
{
    const struct script *script = script_of(ctx);
    enum milter_verdict verdict;

    for (size_t i = 0; i < script->count; i++) {
        const struct rule *rule = &script->rules[i];

        if (rule->event != event ||
            (rule->pattern != NULL && (about == NULL || strcasecmp(rule->pattern, about) != 0)))
            continue;
        if (decide(ctx, rule, &verdict))
            return verdict;
        request(ctx, rule);
    }
    return MILTER_CONTINUE;
}

#define SAW(...)                                           \
    do {                                                   \
        if (!script_of(ctx)->quiet)                        \
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

    SAW("connect %s %s [%s] %u", client->name, families[client->family], client->address,
        client->port);
    return act(ctx, MILTER_EVENT_CONNECT, client->name);
}

static enum milter_verdict
on_helo(milter_ctx *ctx, const char *name)
{
    SAW("helo %s", name);
    return act(ctx, MILTER_EVENT_HELO, name);
}

static enum milter_verdict
on_mail(milter_ctx *ctx, const char *sender, const char *const *args)
{
    SAW("mail %s%s", sender, joined(ctx, args));
    return act(ctx, MILTER_EVENT_MAIL, sender);
}

static enum milter_verdict
on_rcpt(milter_ctx *ctx, const char *rcpt, const char *const *args)
{
    SAW("rcpt %s%s%s", rcpt, joined(ctx, args), milter_rcpt_rejected(ctx) ? " (rejected)" : "");
    return act(ctx, MILTER_EVENT_RCPT, rcpt);
}

static enum milter_verdict
on_data(milter_ctx *ctx)
{
    SAW("data");
    return act(ctx, MILTER_EVENT_DATA, milter_sender(ctx));
}

static enum milter_verdict
on_header(milter_ctx *ctx, const char *name, const char *value)
{
    SAW("header %s:[%s]", name, value);
    return act(ctx, MILTER_EVENT_HEADER, name);
}

static enum milter_verdict
on_eoh(milter_ctx *ctx)
{
    SAW("eoh");
    return act(ctx, MILTER_EVENT_EOH, milter_sender(ctx));
}

static enum milter_verdict
on_body(milter_ctx *ctx, const void *chunk, size_t length)
{
    char line[64];

    snprintf(line, sizeof(line), "%.*s", (int)(length < 64 ? length : 63), (const char *)chunk);
    line[strcspn(line, "\r\n")] = '\0';
    SAW("body, %zu bytes: %s", length, line);
    return act(ctx, MILTER_EVENT_BODY, line);
}

static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    SAW("eom");
    return act(ctx, MILTER_EVENT_EOM, milter_sender(ctx));
}

static enum milter_verdict
on_unknown(milter_ctx *ctx, const char *command)
{
    SAW("unknown %s", command);
    return act(ctx, MILTER_EVENT_UNKNOWN, command);
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

    SAW("end: %s at %s by %s%s%s", ends[outcome->end], event_names[outcome->event],
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

/* ---- the script ----------------------------------------------------------------------- */

static bool
known(const char *what)
{
    for (int i = 0; i < VERDICT_WORDS; i++)
        if (strcmp(what, verdict_words[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        if (strcmp(what, requests[i].word) == 0)
            return true;
    return strcmp(what, "reply") == 0 || strcmp(what, "replyf") == 0;
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
    rule->what = next_word(ctx, &rule->arguments);
    if (rule->what == NULL || !known(rule->what))
        return "there is no such verdict or request";

    const char *head = milter_printf(ctx, "%.*s", (int)(colon - text), text);
    const char *name = next_word(ctx, &head);
    while (event < MILTER_EVENTS && (name == NULL || strcmp(name, event_names[event]) != 0))
        event++;
    if (event == MILTER_EVENTS)
        return "there is no such event";
    rule->event = (enum milter_event)event;
    rule->pattern = head[0] != '\0' ? head : NULL;
    return NULL;
}

static int
on_load(milter_ctx *ctx)
{
    struct script *script = milter_alloc(ctx, sizeof(*script));
    size_t count = milter_option_count(ctx, "script");
    int result = 0;

    script->rules = milter_alloc(ctx, (count + 1) * sizeof(*script->rules));
    script->quiet = milter_option_int(ctx, "quiet");
    for (; script->count < count; script->count++) {
        const char *wrong = read_rule(ctx, milter_option_item(ctx, "script", script->count),
                                      &script->rules[script->count]);
        if (wrong != NULL)
            result = milter_option_error(ctx, "script", script->count, "%s", wrong);
    }
    milter_set_data(ctx, MILTER_WORKER, script, NULL);
    return result;
}

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
    .macros = MACROS,
    .options = options,
    .on_load = on_load,
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
