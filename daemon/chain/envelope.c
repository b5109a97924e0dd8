/*
 * Addresses are compared without their <>, as written; a deletion that matches
 * no recipient so is tried once more without regard to case, because Postfix's
 * macros give addresses in lower case. What is sent to the mail server is
 * always its own spelling.
 */
#include "chain/envelope.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* With its <>; Postfix gives locally submitted addresses without. */
static const char *
bracketed(struct arena *arena, const char *address)
{
    size_t length = strlen(address);

    if (address[0] == '<')
        return arena_copy(arena, address, length);
    char *copy = arena_alloc(arena, length + 3);
    if (copy != NULL) {
        copy[0] = '<';
        memcpy(copy + 1, address, length);
        copy[length + 1] = '>';
    }
    return copy;
}

static const char *const *
copy_list(struct arena *arena, const char *const *args)
{
    size_t count = 0;

    while (args[count] != NULL)
        count++;
    const char **list = arena_alloc(arena, (count + 1) * sizeof(*list));
    for (size_t i = 0; list != NULL && i < count; i++)
        if ((list[i] = arena_strdup(arena, args[i])) == NULL)
            return NULL;
    return list;
}

/* "NOTIFY=NEVER ORCPT=x" into its words. */
static const char *const *
split_list(struct arena *arena, const char *args)
{
    char *words = arena_strdup(arena, args != NULL ? args : "");
    const char **list =
        arena_alloc(arena, (strlen(args != NULL ? args : "") / 2 + 2) * sizeof(*list));
    char *rest;
    size_t count = 0;

    if (words == NULL || list == NULL)
        return NULL;
    for (char *word = strtok_r(words, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        list[count++] = word;
    return list;
}

int
envelope_mail(struct message *message, const char *address, const char *const *args)
{
    message->sender = bracketed(message->arena, address);
    message->sender_args = copy_list(message->arena, args);
    return message->sender != NULL && message->sender_args != NULL ? 0 : -1;
}

static milter_rcpt *
append(struct message *message, int layer, const char *address)
{
    milter_rcpt *rcpt = arena_alloc(message->arena, sizeof(*rcpt));

    if (rcpt == NULL)
        return NULL;
    rcpt->layer = layer;
    rcpt->wire = arena_strdup(message->arena, address);
    rcpt->address = bracketed(message->arena, address);
    if (rcpt->wire == NULL || rcpt->address == NULL)
        return NULL;
    return rcpt;
}

static void
link_rcpt(struct message *message, milter_rcpt *rcpt)
{
    if (message->last_rcpt != NULL)
        message->last_rcpt->next = rcpt;
    else
        message->rcpts = rcpt;
    message->last_rcpt = rcpt;
    message->rcpt_count++;
}

int
envelope_rcpt(struct message *message, const char *address, const char *const *args)
{
    milter_rcpt *rcpt = append(message, LAYER_RECEIVED, address);

    if (rcpt == NULL || (rcpt->list = copy_list(message->arena, args)) == NULL)
        return -1;
    link_rcpt(message, rcpt);
    message->last_received = rcpt;
    return 0;
}

bool
envelope_give_up(milter_rcpt *rcpt)
{
    static const char *const none[] = {NULL};
    const struct version *wish = NULL;

    for (const struct version *at = rcpt->versions; at != NULL; at = at->below)
        if (!at->deleted)
            wish = at;
    if (wish == NULL)
        return false;
    rcpt->layer = wish->layer;
    rcpt->args = NULL;
    rcpt->list = none;
    return true;
}

void
envelope_refuse_last(struct message *message)
{
    milter_rcpt *last = message->last_received;

    message->last_received = NULL;
    if (last != NULL && !envelope_give_up(last))
        last->refused = true;
}

const char *
envelope_sender(const struct message *message, int layer)
{
    const struct version *version = version_at(message->senders, layer);

    return version != NULL ? version->text : message->sender;
}

const char *const *
envelope_sender_args(const struct message *message, int layer)
{
    const struct version *version = version_at(message->senders, layer);

    return version != NULL ? version->list : message->sender_args;
}

static bool
visible(const milter_rcpt *rcpt, int layer)
{
    const struct version *version = version_at(rcpt->versions, layer);

    return !rcpt->refused && rcpt->layer <= layer && (version == NULL || !version->deleted);
}

milter_rcpt *
envelope_next_rcpt(const struct message *message, int layer, const milter_rcpt *rcpt)
{
    milter_rcpt *next = rcpt != NULL ? rcpt->next : message->rcpts;

    while (next != NULL && !visible(next, layer))
        next = next->next;
    return next;
}

int
envelope_change_sender(struct message *message, int layer, const char *address, const char *args)
{
    struct arena *arena = message->arena;
    const char *text = bracketed(arena, address);
    const char *wire = arena_strdup(arena, address[0] != '\0' ? address : "<>");
    const char *copy = args != NULL ? arena_strdup(arena, args) : NULL;
    const char *const *list = split_list(arena, args);

    if (text == NULL || wire == NULL || list == NULL || (args != NULL && copy == NULL))
        return MILTER_ERR_MEMORY;
    struct version *version = message_edit(message, &message->senders, layer);
    if (version == NULL)
        return MILTER_ERR_MEMORY;
    version->text = text;
    version->wire = wire;
    version->args = copy;
    version->list = list;
    return MILTER_OK;
}

/* Compares what is between the <>. */
static bool
same_address(const char *bracketed_address, const char *address, bool any_case)
{
    size_t length = strlen(bracketed_address), other = strlen(address);

    bracketed_address++;
    length -= 2;
    if (other >= 2 && address[0] == '<' && address[other - 1] == '>') {
        address++;
        other -= 2;
    }
    return length == other && (any_case ? strncasecmp(bracketed_address, address, length)
                                        : strncmp(bracketed_address, address, length)) == 0;
}

static milter_rcpt *
find(const struct message *message, int layer, const char *address, bool any_case)
{
    milter_rcpt *rcpt = envelope_next_rcpt(message, layer, NULL);

    while (rcpt != NULL && !same_address(rcpt->address, address, any_case))
        rcpt = envelope_next_rcpt(message, layer, rcpt);
    return rcpt;
}

/* Every recipient of that address from this one on: deleted by a layer, or wanted by it. */
static int
mark(struct message *message, int layer, milter_rcpt *rcpt, const char *address, bool any_case,
     bool deleted)
{
    for (; rcpt != NULL; rcpt = envelope_next_rcpt(message, layer, rcpt)) {
        if (!same_address(rcpt->address, address, any_case))
            continue;
        struct version *version = message_edit(message, &rcpt->versions, layer);
        if (version == NULL)
            return MILTER_ERR_MEMORY;
        version->deleted = deleted;
    }
    return MILTER_OK;
}

int
envelope_add_rcpt(struct message *message, int layer, const char *address, const char *args)
{
    milter_rcpt *rcpt = args == NULL ? find(message, layer, address, false) : NULL;

    /* Postfix would deliver twice to a recipient that is added twice. That it is wanted is
       noted, for the case that an earlier plugin deletes it yet. */
    if (rcpt != NULL)
        return mark(message, layer, rcpt, address, false, false);
    rcpt = append(message, layer, address);
    if (rcpt == NULL || (rcpt->list = split_list(message->arena, args)) == NULL)
        return MILTER_ERR_MEMORY;
    if (args != NULL && (rcpt->args = arena_strdup(message->arena, args)) == NULL)
        return MILTER_ERR_MEMORY;
    link_rcpt(message, rcpt);
    message->edits++;
    return MILTER_OK;
}

int
envelope_delete_rcpt(struct message *message, int layer, const char *address)
{
    bool any_case = find(message, layer, address, false) == NULL;
    milter_rcpt *rcpt = find(message, layer, address, any_case);

    if (rcpt == NULL)
        return MILTER_ERR_VALUE;
    return mark(message, layer, rcpt, address, any_case, true);
}

bool
envelope_good_address(const char *address, bool null)
{
    size_t length = address != NULL ? strlen(address) : 0;
    bool quoted = false, escaped = false;

    if (address == NULL || length > 1000)
        return false;
    if (address[0] == '<') {
        if (length < 2 || address[length - 1] != '>')
            return false;
        address++;
        length -= 2;
    }
    if (length == 0)
        return null;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)address[i];
        if (c < ' ' || c == 0x7f)
            return false;
        if (escaped)
            escaped = false;
        else if (c == '\\' && quoted)
            escaped = true;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == ' ' || c == '<' || c == '>'))
            return false;
    }
    return !quoted;
}
