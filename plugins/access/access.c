/*
 * access - the administrator's list of who may send what to whom, read like
 * the rules of a firewall: for each recipient from the top, the first rule that
 * matches decides.
 *
 * Client, name, helo and sender are known at MAIL, and the first of their rules
 * that matches is found there, once. Where it stands above every rule for
 * recipients no recipient can change it, so it decides at MAIL for the whole
 * message; else it waits for RCPT, where whichever stands higher decides.
 * Accept is the message's and not a recipient's: below a rule for recipients it
 * is given at DATA, and only if it was the answer for all of them.
 *
 * The index lives as long as the worker, struct message as long as the message.
 */
#include <milterd/plugin.h>

#include <stdlib.h>
#include <string.h>

#include "mailbox.h"
#include "match.h"
#include "rules.h"
#include "table.h"

enum { REPORTS_MAX = 20 }; /* wrong lines of a table that are told one by one */

struct message {
    uint32_t found;               /* first rule that does not need a recipient */
    unsigned accepted, undecided; /* recipients that were not refused, by their answer */
};

/* ---- deciding -------------------------------------------------------------------------- */

/* Without a text of its own: says what matched, as the client gave it. */
static const char *const default_texts[RULES_WHATS] = {
    [RULES_CLIENT] = "Access denied: client ${client_addr}",
    [RULES_NAME] = "Access denied: client ${client_name}",
    [RULES_HELO] = "Access denied: HELO ${helo}",
    [RULES_SENDER] = "Access denied: sender <${sender}>",
    [RULES_RCPT] = "Access denied: recipient <${rcpt}>",
};

static enum milter_verdict
refuse(milter_ctx *ctx, const struct rule *rule)
{
    const char *text = rule->text != NULL ? rule->text : default_texts[rule->what];

    text = milter_expand(ctx, text);
    if (text == NULL)
        return MILTER_FAILURE;
    return milter_replyf(ctx, rule->code, rule->xcode, "%s", text);
}

/* Tells the administrator which line it was. */
static void
log_rule(milter_ctx *ctx, const struct match *match, uint32_t position)
{
    const struct rule *rule = &match->rules[position];
    bool passes = rule->verdict == RULES_ACCEPT || rule->verdict == RULES_CONTINUE;
    enum milter_level level = passes ? MILTER_LOG_DEBUG : MILTER_LOG_INFO;
    const char *verdict = rules_verdict_name(rule->verdict);
    const char *what = rules_what_name(rule->what);

    if (rule->line > 0)
        milter_log(ctx, level, "%s %s by line %u of %s", verdict, what, rule->line,
                   milter_option_string(ctx, "table"));
    else
        milter_log(ctx, level, "%s %s by rule %u of milter.conf", verdict, what,
                   (unsigned)position + 1);
}

/* The first matching rule among those that need no recipient. -1: no memory. */
static int
match_envelope(milter_ctx *ctx, const struct match *match, const char *sender, uint32_t *found)
{
    const struct milter_client *client = milter_client(ctx);
    const char *name = client != NULL ? client->name : "";
    const char *address = client != NULL ? client->address : "";
    const char *helo = milter_helo(ctx);
    struct mailbox mailbox;
    uint32_t candidates[5];
    size_t length, longest;
    char *room;

    if (helo == NULL)
        helo = "";
    longest = strlen(name) > strlen(helo) ? strlen(name) : strlen(helo);
    longest = strlen(sender) > longest ? strlen(sender) : longest;
    room = milter_alloc(ctx, longest + 1);
    if (room == NULL)
        return -1;

    candidates[0] = match_client(match, address);
    length = mailbox_host(name, room);
    candidates[1] = match_host(match, RULES_NAME, room, length);
    /* A client without a name comes as its address in []. */
    candidates[2] = length == 0 || room[0] == '['
                        ? match_host(match, RULES_NAME, "unknown", strlen("unknown"))
                        : MATCH_NONE;
    length = mailbox_host(helo, room);
    candidates[3] = match_host(match, RULES_HELO, room, length);
    mailbox_read(&mailbox, sender, room);
    candidates[4] = match_mailbox(match, RULES_SENDER, &mailbox);

    *found = MATCH_NONE;
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        if (candidates[i] < *found)
            *found = candidates[i];
    }
    return 0;
}

static enum milter_verdict
on_mail(milter_ctx *ctx, const char *sender, const char *const *args)
{
    const struct match *match = milter_data(ctx, MILTER_WORKER);
    struct message *message;
    uint32_t found;

    (void)args;
    if (match_envelope(ctx, match, sender, &found) != 0)
        return MILTER_FAILURE;

    if (found > match->first_rcpt) {
        message = milter_alloc(ctx, sizeof(*message));
        if (message == NULL || milter_set_data(ctx, MILTER_MESSAGE, message, NULL) != MILTER_OK)
            return MILTER_FAILURE;
        message->found = found;
        return MILTER_CONTINUE;
    }
    if (found == MATCH_NONE)
        return MILTER_DONE;

    log_rule(ctx, match, found);
    switch (match->rules[found].verdict) {
    case RULES_CONTINUE:
        return MILTER_DONE;
    case RULES_ACCEPT:
        return MILTER_ACCEPT;
    case RULES_REJECT:
    case RULES_TEMPFAIL:
        return refuse(ctx, &match->rules[found]);
    case RULES_DISCARD:
        return MILTER_DISCARD;
    }
    return MILTER_FAILURE;
}

static enum milter_verdict
on_rcpt(milter_ctx *ctx, const char *rcpt, const char *const *args)
{
    const struct match *match = milter_data(ctx, MILTER_WORKER);
    struct message *message = milter_data(ctx, MILTER_MESSAGE);
    char *room = milter_alloc(ctx, strlen(rcpt) + 1);
    struct mailbox mailbox;
    uint32_t found;

    (void)args;
    if (message == NULL || room == NULL)
        return MILTER_FAILURE;
    mailbox_read(&mailbox, rcpt, room);
    found = match_mailbox(match, RULES_RCPT, &mailbox);
    if (message->found < found)
        found = message->found;
    if (found == MATCH_NONE) {
        message->undecided++;
        return MILTER_CONTINUE;
    }

    log_rule(ctx, match, found);
    switch (match->rules[found].verdict) {
    case RULES_CONTINUE:
        message->undecided++;
        return MILTER_CONTINUE;
    case RULES_ACCEPT:
        message->accepted++;
        return MILTER_CONTINUE;
    case RULES_REJECT:
    case RULES_TEMPFAIL:
        return refuse(ctx, &match->rules[found]);
    case RULES_DISCARD:
        return MILTER_DISCARD;
    }
    return MILTER_FAILURE;
}

static enum milter_verdict
on_data(milter_ctx *ctx)
{
    const struct message *message = milter_data(ctx, MILTER_MESSAGE);

    if (message != NULL && message->accepted > 0 && message->undecided == 0)
        return MILTER_ACCEPT;
    return MILTER_CONTINUE;
}

/* ---- loading --------------------------------------------------------------------------- */

struct reporter {
    milter_ctx *ctx;
    const char *path;
    size_t count;
};

static void
report(void *arg, unsigned line, const char *reason)
{
    struct reporter *reporter = arg;

    if (++reporter->count > REPORTS_MAX)
        return;
    if (line == 0)
        milter_option_error(reporter->ctx, "table", 0, "%s: %s", reporter->path, reason);
    else
        milter_option_error(reporter->ctx, "table", 0, "%s:%u: %s", reporter->path, line, reason);
}

static int
load_table(milter_ctx *ctx, struct match *match)
{
    struct reporter reporter = {.ctx = ctx, .path = milter_option_string(ctx, "table")};

    if (reporter.path == NULL || table_read(reporter.path, match, report, &reporter) == 0)
        return 0;
    if (reporter.count > REPORTS_MAX)
        milter_option_error(ctx, "table", 0, "%s: and %zu more", reporter.path,
                            reporter.count - REPORTS_MAX);
    return -1;
}

static int
load_rules(milter_ctx *ctx, struct match *match)
{
    size_t count = milter_option_count(ctx, "rules");
    int result = 0;

    for (size_t i = 0; i < count; i++) {
        struct rule rule;
        char err[400];

        if (rules_parse(milter_option_item(ctx, "rules", i), &rule, err, sizeof(err)) != 0) {
            result = milter_option_error(ctx, "rules", i, "%s", err);
        } else if (match_add(match, &rule) != 0) {
            rules_fini(&rule);
            return milter_option_error(ctx, "rules", i, "no memory for the rule");
        }
    }
    return result;
}

static void
free_match(void *data)
{
    match_fini(data);
    free(data);
}

static int
on_load(milter_ctx *ctx)
{
    struct match *match = malloc(sizeof(*match));
    int result;

    if (match == NULL) {
        milter_log(ctx, MILTER_LOG_ERROR, "no memory for the rules");
        return -1;
    }
    match_init(match);
    result = load_rules(ctx, match);
    if (load_table(ctx, match) != 0)
        result = -1;
    if (result != 0) {
        free_match(match);
        return -1;
    }
    if (match->count == 0)
        milter_log(ctx, MILTER_LOG_WARNING, "no rules: everything passes; set rules or table");
    if (milter_set_data(ctx, MILTER_WORKER, match, free_match) != MILTER_OK) {
        free_match(match);
        milter_log(ctx, MILTER_LOG_ERROR, "no memory for the rules");
        return -1;
    }
    return 0;
}

static const struct milter_option options[] = {
    {.name = "rules",
     .type = MILTER_LIST,
     .help = "VERDICT WHAT PATTERN [TEXT] each: \"reject client 192.0.2.0/24 5.7.1 not you\""},
    {.name = "table",
     .type = MILTER_FILE,
     .help = "a file of further rules, one a line, behind those of `rules`"},
    {.name = NULL},
};

MILTER_PLUGIN = {
    MILTER_PLUGIN_HEAD,
    .name = "access",
    .version = "1.0",
    .description = "accepts and refuses by client, HELO, sender and recipient",
    .needs = MILTER_NEEDS_CLIENT,
    .options = options,
    .on_load = on_load,
    .on_mail = on_mail,
    .on_rcpt = on_rcpt,
    .on_data = on_data,
};
