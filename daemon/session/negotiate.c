/*
 * One offer, one answer. libmilter reads an offer of no actions as those of the
 * first protocol version, and so do we. A list of macros replaces the mail
 * server's own for that stage, so what a plugin asks for is sent together with
 * the usual names of both mail servers; names that one of them does not know
 * do no harm.
 */
#include "session/negotiate.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "session/states.h"
#include "wire/frame.h"
#include "wire/protocol.h"

enum { ACTIONS_VERSION_1 = 0x0f, PROTOCOL_VERSION_1 = 0x3f };

/* The macros that Postfix and Sendmail send by themselves, by stage. */
static const struct {
    enum wire_stage stage;
    enum milter_event event;
    const char *usual;
} stages[] = {
    {STAGE_CONNECT, MILTER_EVENT_CONNECT, "j _ {daemon_name} {daemon_addr} {if_name} {if_addr} v"},
    {STAGE_HELO, MILTER_EVENT_HELO,
     "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}"},
    {STAGE_MAIL, MILTER_EVENT_MAIL,
     "i {auth_type} {auth_authen} {auth_ssf} {auth_author} {mail_mailer} {mail_host} {mail_addr}"},
    {STAGE_RCPT, MILTER_EVENT_RCPT, "i {rcpt_mailer} {rcpt_host} {rcpt_addr}"},
    {STAGE_DATA, MILTER_EVENT_DATA, "i"},
    {STAGE_EOM, MILTER_EVENT_EOM, "i {msg_id}"},
    {STAGE_EOH, MILTER_EVENT_EOH, "i"},
};

/* One row for each action, for the log. */
static const struct {
    uint32_t action;
    const char *name;
} actions[] = {
    {ACTION_ADD_HEADERS, "add headers"},
    {ACTION_REPLACE_BODY, "replace the body"},
    {ACTION_ADD_RCPT, "add recipients"},
    {ACTION_DELETE_RCPT, "delete recipients"},
    {ACTION_CHANGE_HEADERS, "change headers"},
    {ACTION_QUARANTINE, "quarantine"},
    {ACTION_CHANGE_SENDER, "change the sender"},
    {ACTION_ADD_RCPT_ARGS, "add recipients with arguments"},
};

static uint32_t
wanted_protocol(const struct chain *chain)
{
    uint32_t protocol = 0;

    for (int event = 0; event < MILTER_EVENTS; event++) {
        const struct states_command *command = states_event((enum milter_event)event);
        if ((chain->wanted & 1U << event) == 0)
            protocol |= command->left_out;
        else if ((chain->decides & 1U << event) == 0)
            protocol |= command->no_reply;
    }
    if (chain->caller_count[MILTER_EVENT_BODY] > 0 &&
        (chain->needs & (MILTER_NEEDS_BODY | CONDITION_NEEDS_SIZE)) == 0)
        protocol |= PROTOCOL_SKIP;
    if (chain->needs & MILTER_NEEDS_REJECTED_RCPTS)
        protocol |= PROTOCOL_REJECTED_RCPTS;
    if (chain->needs & MILTER_NEEDS_EXACT_VALUES)
        protocol |= PROTOCOL_LEADING_SPACE;
    if (chain->needs & MILTER_NEEDS_LARGE_CHUNKS)
        protocol |= PROTOCOL_DATA_256K | PROTOCOL_DATA_1M;
    return protocol;
}

/* Says which plugin will miss what. Once for each connection, as the mail server says it. */
static void
log_missing(const struct chain *chain, uint32_t missing)
{
    for (size_t i = 0; i < chain->count; i++)
        for (size_t k = 0; k < sizeof(actions) / sizeof(actions[0]); k++)
            if (chain->links[i].plugin.actions & missing & actions[k].action)
                log_warning("plugin=%s chain=%s: the mail server does not offer to %s; such "
                            "requests will be refused (Postfix: milter_protocol = 6)",
                            chain->links[i].name, chain->name, actions[k].name);
}

/* Whether a list of names holds this one. */
static bool
has_name(const char *names, const char *name, size_t length)
{
    for (const char *at = names; *at != '\0'; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        if (n == length && memcmp(at, name, n) == 0)
            return true;
        at += n;
    }
    return false;
}

/* Adds the names that are not there yet. False: they do not fit. */
static bool
add_names(char *names, size_t size, const char *more)
{
    size_t length = strlen(names), n;

    for (; *more != '\0'; more += n, more += strspn(more, " ")) {
        n = strcspn(more, " ");
        if (has_name(names, more, n))
            continue;
        if (length + 1 + n >= size)
            return false;
        length += (size_t)sprintf(names + length, " %.*s", (int)n, more);
    }
    return true;
}

static void
encode_macros(const struct chain *chain, struct encode *out)
{
    char names[4096];

    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        const char *more = chain->macros[stages[i].event];
        if (more == NULL)
            continue;
        snprintf(names, sizeof(names), "%s", stages[i].usual);
        if (!add_names(names, sizeof(names), more))
            log_warning("chain=%s: more macros are asked for than fit into a packet; the last "
                        "ones are left out",
                        chain->name);
        encode_u32(out, stages[i].stage);
        encode_string(out, names);
    }
}

static bool
asks_for_macros(const struct chain *chain)
{
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
        if (chain->macros[stages[i].event] != NULL)
            return true;
    return false;
}

int
negotiate(const struct chain *chain, const struct decode_negotiate *offer,
          struct negotiated *agreed, struct encode *out)
{
    uint32_t offered = offer->actions != 0 ? offer->actions : ACTIONS_VERSION_1;
    uint32_t protocol = offer->protocol != 0 ? offer->protocol : PROTOCOL_VERSION_1;

    if (offer->version < PROTOCOL_VERSION_MIN)
        return -1;
    agreed->version = offer->version < PROTOCOL_VERSION_MAX ? offer->version : PROTOCOL_VERSION_MAX;
    agreed->actions = chain->actions & offered;
    agreed->protocol = wanted_protocol(chain) & protocol;
    if (agreed->protocol & PROTOCOL_DATA_1M)
        agreed->protocol &= ~(uint32_t)PROTOCOL_DATA_256K;
    if (chain->actions & ~offered)
        log_missing(chain, chain->actions & ~offered);

    bool macros = asks_for_macros(chain) && agreed->version >= 6 && offered & ACTION_SET_MACROS;
    if (macros)
        agreed->actions |= ACTION_SET_MACROS;
    encode_begin(out, REPLY_NEGOTIATE);
    encode_u32(out, agreed->version);
    encode_u32(out, agreed->actions);
    encode_u32(out, agreed->protocol);
    if (macros)
        encode_macros(chain, out);
    encode_end(out);
    return 0;
}

size_t
negotiate_data_limit(const struct negotiated *agreed)
{
    if (agreed->protocol & PROTOCOL_DATA_1M)
        return FRAME_DATA_1M;
    if (agreed->protocol & PROTOCOL_DATA_256K)
        return FRAME_DATA_256K;
    return FRAME_DATA_DEFAULT;
}
