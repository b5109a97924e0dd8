/*
 * Each key of a condition is one small function that answers yes, no or open.
 * Recipients are judged as a whole, once all of them are there, so that their
 * order does not matter: for `only` one of them must match, for `unless` all of
 * them. So in a message for several domains a filter rather runs than not.
 */
#include "chain/condition.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/memory.h"
#include "chain/chain.h"
#include "chain/envelope.h"

struct condition {
    const struct config_condition *only, *unless;
    size_t only_count, unless_count;
};

/* One question: a key's value, asked of a connection at an event. */
struct question {
    const struct option_value *value;
    const struct chain_run *run;
    enum milter_event event;
    bool for_unless;
};

static enum condition_answer
answer(bool yes)
{
    return yes ? CONDITION_YES : CONDITION_NO;
}

static enum condition_answer
client(const struct question *q)
{
    struct milter_net address;

    if (q->run->client == NULL)
        return q->event == MILTER_EVENT_EOM ? CONDITION_NO : CONDITION_OPEN;
    if (address_parse(&address, q->run->client->address) < 0)
        return CONDITION_NO;
    for (size_t i = 0; i < q->value->count; i++)
        if (address_in_net(&address, &q->value->nets[i]))
            return CONDITION_YES;
    return CONDITION_NO;
}

static enum condition_answer
listener(const struct question *q)
{
    for (size_t i = 0; i < q->value->count; i++)
        if (q->run->listener != NULL && strcmp(q->run->listener, q->value->items[i]) == 0)
            return CONDITION_YES;
    return CONDITION_NO;
}

/* {auth_authen} comes with MAIL. */
static enum condition_answer
authenticated(const struct question *q)
{
    if (q->run->message == NULL)
        return CONDITION_OPEN;
    const char *user = macros_find(&q->run->macros, "auth_authen");
    return answer((user != NULL && user[0] != '\0') == (q->value->number != 0));
}

/* "example.com" is that domain, ".example.com" also everything below it. */
static bool
domain_matches(const char *address, const struct option_value *value)
{
    const char *at = strrchr(address, '@');
    if (at == NULL)
        return false;
    at++;
    size_t length = strcspn(at, ">");

    for (size_t i = 0; i < value->count; i++) {
        const char *item = value->items[i];
        size_t n = strlen(item);
        if (item[0] == '.' && length >= n && strncasecmp(at + length - n, item, n) == 0)
            return true;
        if (item[0] == '.') {
            item++;
            n--;
        }
        if (length == n && strncasecmp(at, item, n) == 0)
            return true;
    }
    return false;
}

static enum condition_answer
sender_domain(const struct question *q)
{
    if (q->run->message == NULL || q->run->message->sender == NULL)
        return q->event == MILTER_EVENT_EOM ? CONDITION_NO : CONDITION_OPEN;
    return answer(domain_matches(q->run->message->sender, q->value));
}

static enum condition_answer
rcpt_domain(const struct question *q)
{
    size_t rcpts = 0, matches = 0;

    if (q->run->message == NULL || q->event < MILTER_EVENT_DATA || q->event > MILTER_EVENT_EOM)
        return CONDITION_OPEN;
    for (const milter_rcpt *rcpt = q->run->message->rcpts; rcpt != NULL; rcpt = rcpt->next) {
        if (rcpt->layer != LAYER_RECEIVED || rcpt->refused)
            continue;
        rcpts++;
        matches += domain_matches(rcpt->address, q->value);
    }
    return answer(q->for_unless ? rcpts > 0 && matches == rcpts : matches > 0);
}

/* "name=value", or "name" for a macro that is defined and not empty. */
static bool
macro_matches(const struct chain_run *run, const char *item)
{
    char name[128];
    size_t length = strcspn(item, "=");

    if (length >= sizeof(name))
        return false;
    memcpy(name, item, length);
    name[length] = '\0';
    const char *value = macros_find(&run->macros, name);
    if (value == NULL)
        return false;
    return item[length] == '=' ? strcmp(value, item + length + 1) == 0 : value[0] != '\0';
}

static enum condition_answer
macro(const struct question *q)
{
    for (size_t i = 0; i < q->value->count; i++)
        if (macro_matches(q->run, q->value->items[i]))
            return CONDITION_YES;
    /* A macro may come with a later command of the envelope. */
    return q->run->message == NULL ? CONDITION_OPEN : CONDITION_NO;
}

/* What MAIL announces; -1 where it does not. */
static int64_t
announced(const struct message *message)
{
    const char *const *args = message->sender_args;

    for (size_t i = 0; args != NULL && args[i] != NULL; i++)
        if (strncasecmp(args[i], "SIZE=", 5) == 0)
            return strtoll(args[i] + 5, NULL, 10);
    return -1;
}

/* What the client announces is believed where a plugin runs because of it; that it does not
   is decided by what has come, at the end of message. */
static enum condition_answer
judge_size(const struct question *q, bool larger)
{
    const struct message *message = q->run->message;

    if (message == NULL)
        return CONDITION_OPEN;
    int64_t size = q->event == MILTER_EVENT_EOM ? (int64_t)message->received : announced(message);
    bool yes = larger ? size > q->value->number : size < q->value->number;
    if (q->event != MILTER_EVENT_EOM && (size < 0 || yes == q->for_unless))
        return CONDITION_OPEN;
    return answer(yes);
}

static enum condition_answer
larger(const struct question *q)
{
    return judge_size(q, true);
}

static enum condition_answer
smaller(const struct question *q)
{
    return judge_size(q, false);
}

/* One row for each key of keys_condition. */
static const struct {
    const char *key;
    enum condition_answer (*ask)(const struct question *q);
    uint32_t needs;
} keys[] = {
    {"client", client, MILTER_NEEDS_CLIENT},
    {"listener", listener, 0},
    {"authenticated", authenticated, 0},
    {"sender_domain", sender_domain, MILTER_NEEDS_ENVELOPE},
    {"rcpt_domain", rcpt_domain, MILTER_NEEDS_ENVELOPE},
    {"macro", macro, 0},
    {"larger", larger, MILTER_NEEDS_ENVELOPE | CONDITION_NEEDS_SIZE},
    {"smaller", smaller, MILTER_NEEDS_ENVELOPE | CONDITION_NEEDS_SIZE},
};

struct condition *
condition_new(const struct config_link *link)
{
    if (link->only_count == 0 && link->unless_count == 0)
        return NULL;
    struct condition *condition = xcalloc(1, sizeof(*condition));
    condition->only = link->only;
    condition->only_count = link->only_count;
    condition->unless = link->unless;
    condition->unless_count = link->unless_count;
    return condition;
}

void
condition_free(struct condition *condition)
{
    free(condition);
}

static uint32_t
needs_of(const struct config_condition *list, size_t count)
{
    uint32_t needs = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
            if (options_find(list[i].values, keys[k].key)->set)
                needs |= keys[k].needs;
    return needs;
}

uint32_t
condition_needs(const struct condition *condition)
{
    if (condition == NULL)
        return 0;
    return needs_of(condition->only, condition->only_count) |
           needs_of(condition->unless, condition->unless_count);
}

/* All keys of one condition. */
static enum condition_answer
all_keys(const struct option_values *values, struct question *q)
{
    enum condition_answer result = CONDITION_YES;

    for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
        q->value = options_find(values, keys[k].key);
        if (!q->value->set)
            continue;
        enum condition_answer one = keys[k].ask(q);
        if (one == CONDITION_NO)
            return CONDITION_NO;
        if (one == CONDITION_OPEN)
            result = CONDITION_OPEN;
    }
    return result;
}

/* One condition of a list. */
static enum condition_answer
any_of(const struct config_condition *list, size_t count, struct question *q)
{
    enum condition_answer result = CONDITION_NO;

    for (size_t i = 0; i < count; i++) {
        enum condition_answer one = all_keys(list[i].values, q);
        if (one == CONDITION_YES)
            return CONDITION_YES;
        if (one == CONDITION_OPEN)
            result = CONDITION_OPEN;
    }
    return result;
}

enum condition_answer
condition_judge(const struct condition *condition, const struct chain_run *run,
                enum milter_event event)
{
    struct question q = {.run = run, .event = event};
    enum condition_answer only = CONDITION_YES, unless = CONDITION_NO;

    if (condition->only_count > 0)
        only = any_of(condition->only, condition->only_count, &q);
    if (only == CONDITION_NO)
        return CONDITION_NO;
    q.for_unless = true;
    if (condition->unless_count > 0)
        unless = any_of(condition->unless, condition->unless_count, &q);
    if (unless == CONDITION_YES)
        return CONDITION_NO;
    return only == CONDITION_OPEN || unless == CONDITION_OPEN ? CONDITION_OPEN : CONDITION_YES;
}
