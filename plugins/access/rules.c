/*
 * rules - reads one line of the access list and says what is wrong with it.
 *
 * Decides what a verdict, a pattern and a reply may look like, and turns the
 * pattern into the key that match.c looks up. Whatever can never match, or
 * would be refused when the mail is there, is refused here, with the form that
 * was probably meant. Knows neither files nor the host; the only function
 * called from it is milter_net_parse(). A rule owns its key and text.
 */
#include "rules.h"
#include "mailbox.h"

#include <milterd/plugin.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BLANKS  " \t"
#define EXAMPLE "; an example: reject client 192.0.2.0/24 550 5.7.1 no mail from you"

static const struct {
    const char *word;
    enum rules_verdict verdict;
} verdicts[] = {
    {"continue", RULES_CONTINUE}, {"accept", RULES_ACCEPT},   {"reject", RULES_REJECT},
    {"tempfail", RULES_TEMPFAIL}, {"discard", RULES_DISCARD}, {"pass", RULES_CONTINUE},
    {"allow", RULES_ACCEPT},      {"ok", RULES_ACCEPT},
};

static const struct {
    char class;
    int code;
    const char *xcode;
} replies[] = {
    [RULES_REJECT] = {'5', 550, "5.7.1"},
    [RULES_TEMPFAIL] = {'4', 451, "4.7.1"},
};

/* Where the line is being read, and where the reason goes. */
struct reading {
    const char *at;
    char *err;
    size_t errsize;
};

static int complain(const struct reading *reading, const char *format, ...) MILTER_PRINTF(2, 3);

static int
complain(const struct reading *reading, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reading->err, reading->errsize, format, arguments);
    va_end(arguments);
    return -1;
}

/* The word at the reading point, behind which it moves. Its length; 0 at the end. */
static size_t
next_word(struct reading *reading, const char **word)
{
    size_t length;

    reading->at += strspn(reading->at, BLANKS);
    length = strcspn(reading->at, BLANKS);
    *word = reading->at;
    reading->at += length;
    return length;
}

static bool
is_word(const char *word, size_t length, const char *known)
{
    return strlen(known) == length && strncasecmp(word, known, length) == 0;
}

/* ---- verdict and what ------------------------------------------------------------ */

static int
read_verdict(struct reading *reading, struct rule *rule)
{
    const char *word;
    size_t length = next_word(reading, &word);

    if (length == 0)
        return complain(reading, "the rule is empty" EXAMPLE);
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        if (is_word(word, length, verdicts[i].word)) {
            rule->verdict = verdicts[i].verdict;
            return 0;
        }
    }
    return complain(reading,
                    "a rule begins with accept, continue, reject, tempfail or discard, not "
                    "\"%.*s\"" EXAMPLE,
                    length < 40 ? (int)length : 40, word);
}

static int
read_what(struct reading *reading, struct rule *rule)
{
    const char *word;
    size_t length = next_word(reading, &word);

    for (unsigned what = 0; what < RULES_WHATS; what++) {
        if (is_word(word, length, rules_what_name(what))) {
            rule->what = what;
            return 0;
        }
    }
    return complain(reading,
                    "%s is followed by client, name, helo, sender or rcpt, not \"%.*s\"" EXAMPLE,
                    rules_verdict_name(rule->verdict), length < 40 ? (int)length : 40, word);
}

/* ---- pattern ----------------------------------------------------------------------- */

static int
set_key(const struct reading *reading, struct rule *rule, enum rules_form form, const void *key,
        size_t length)
{
    rule->form = form;
    rule->key = malloc(length + 1);
    if (rule->key == NULL)
        return complain(reading, "no memory");
    memcpy(rule->key, key, length);
    rule->key[length] = '\0';
    rule->key_length = length;
    return 0;
}

static int
read_client(const struct reading *reading, struct rule *rule, const char *pattern)
{
    struct milter_net net = {0};
    char key[RULES_NET_KEY];

    if (milter_net_parse(&net, pattern) != 0)
        return complain(reading,
                        "\"%.60s\" is no address or network (192.0.2.7, 192.0.2.0/24, "
                        "2001:db8::/32, no bits set beyond the prefix)%s",
                        pattern,
                        pattern[strspn(pattern, "0123456789abcdefABCDEF:./")] == '\0'
                            ? ""
                            : "; host names are matched with name instead of client");
    key[0] = (char)net.family;
    key[1] = (char)net.bits;
    memcpy(key + 2, net.address, sizeof(net.address));
    return set_key(reading, rule, RULES_NET, key, sizeof(key));
}

/* A domain that names could lie in. */
static int
check_domain(const struct reading *reading, const char *domain, const char *pattern)
{
    if (domain[0] == '\0' || domain[0] == '.' || strstr(domain, "..") != NULL)
        return complain(reading, "\"%.60s\": a part of the domain is empty", pattern);
    return 0;
}

/* name and helo: host, .domain */
static int
read_host(const struct reading *reading, struct rule *rule, const char *pattern)
{
    bool below = pattern[0] == '.';
    char host[RULES_LINE_MAX + 1];
    size_t length = mailbox_host(pattern + below, host);
    struct milter_net net;

    if (check_domain(reading, host, pattern) != 0)
        return -1;
    if (strchr(host, '@') != NULL)
        return complain(reading, "\"%.60s\" is a mail address; %s takes host names", pattern,
                        rules_what_name(rule->what));
    if (milter_net_parse(&net, host) == 0 && (rule->what == RULES_NAME || strchr(host, '/')))
        return complain(reading, "\"%.60s\" is an address; for those write client instead of %s",
                        pattern, rules_what_name(rule->what));
    return set_key(reading, rule, below ? RULES_BELOW : RULES_EXACT, host, length);
}

/* sender and rcpt: user@domain, user@, @domain, .domain, @.domain, <> */
static int
read_address(const struct reading *reading, struct rule *rule, const char *pattern)
{
    char room[RULES_LINE_MAX + 1];
    struct mailbox mailbox;
    const char *domain;
    size_t length;

    if (strpbrk(pattern, "\"\\") != NULL)
        return complain(reading, "\"%.60s\": write the address without quotes and backslashes",
                        pattern);
    if (strcmp(pattern, "<>") == 0)
        return set_key(reading, rule, RULES_EXACT, "", 0);
    if (pattern[0] == '.') {
        length = mailbox_host(pattern + 1, room);
        if (check_domain(reading, room, pattern) != 0)
            return -1;
        return set_key(reading, rule, RULES_BELOW, room, length);
    }

    mailbox_read(&mailbox, pattern, room);
    if (!mailbox.has_domain)
        return complain(reading,
                        "\"%.60s\" is no address; write user@example.com, user@, @example.com "
                        "(that domain), .example.com (it and all below), <> or *",
                        pattern);
    domain = mailbox_domain(&mailbox, &length);
    if (length == 0 && mailbox.local > 0)
        return set_key(reading, rule, RULES_LOCAL, mailbox.text, mailbox.local);
    if (mailbox.local > 0) {
        if (check_domain(reading, domain, pattern) != 0)
            return -1;
        return set_key(reading, rule, RULES_EXACT, mailbox.text, mailbox.length);
    }
    if (domain[0] == '.') {
        if (check_domain(reading, domain + 1, pattern) != 0)
            return -1;
        return set_key(reading, rule, RULES_BELOW, domain + 1, length - 1);
    }
    if (check_domain(reading, domain, pattern) != 0)
        return -1;
    return set_key(reading, rule, RULES_DOMAIN, domain, length);
}

static const struct {
    const char *word;
    int (*read)(const struct reading *reading, struct rule *rule, const char *pattern);
} whats[RULES_WHATS] = {
    [RULES_CLIENT] = {"client", read_client}, [RULES_NAME] = {"name", read_host},
    [RULES_HELO] = {"helo", read_host},       [RULES_SENDER] = {"sender", read_address},
    [RULES_RCPT] = {"rcpt", read_address},
};

static int
read_pattern(struct reading *reading, struct rule *rule)
{
    char pattern[RULES_LINE_MAX + 1];
    const char *word;
    size_t length = next_word(reading, &word);

    if (length == 0)
        return complain(reading, "%s %s is followed by a pattern, * for everything" EXAMPLE,
                        rules_verdict_name(rule->verdict), rules_what_name(rule->what));
    memcpy(pattern, word, length);
    pattern[length] = '\0';
    if (strcmp(pattern, "*") == 0)
        return set_key(reading, rule, RULES_ANY, "", 0);
    if (strchr(pattern, '*') != NULL)
        return complain(reading,
                        "\"%.60s\": * stands alone, for everything; a domain and all below it is "
                        "written .example.com",
                        pattern);
    return whats[rule->what].read(reading, rule, pattern);
}

/* ---- reply --------------------------------------------------------------------------- */

/* Digits of one part of an enhanced code: one to three, no leading zero. */
static size_t
part_length(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits > 3 || (digits > 1 && text[0] == '0') ? 0 : digits;
}

/* "5.7.1": three numbers and nothing else. */
static bool
is_xcode(const char *word, size_t length)
{
    const char *at = word;

    for (int part = 0; part < 3; part++) {
        size_t digits = part_length(at);

        if (digits == 0 || (part == 0 && digits > 1))
            return false;
        at += digits;
        if (part < 2 && *at++ != '.')
            return false;
    }
    return at == word + length;
}

static int
check_text(const struct reading *reading, const char *text)
{
    for (const char *at = text; (at = strchr(at, '$')) != NULL; at++) {
        if (at[1] == '$')
            at++;
        else if (at[1] == '{' && strchr(at, '}') == NULL)
            return complain(reading, "${ without its } in the text (a plain $ is written $$)");
    }
    return 0;
}

static int
read_reply(struct reading *reading, struct rule *rule)
{
    char class = replies[rule->verdict].class;
    const char *word, *text;
    size_t length;

    rule->code = replies[rule->verdict].code;
    strcpy(rule->xcode, replies[rule->verdict].xcode);

    length = next_word(reading, &word);
    if (length == 3 && strspn(word, "0123456789") >= 3) {
        if (word[0] != class)
            return complain(reading,
                            "%s takes a code of %cxx, not %.3s (a text that begins with a number "
                            "needs a code before it)",
                            rules_verdict_name(rule->verdict), class, word);
        rule->code = atoi(word);
        length = next_word(reading, &word);
    }
    if (length > 0 && length < sizeof(rule->xcode) && is_xcode(word, length)) {
        if (word[0] != class)
            return complain(reading, "%s takes an enhanced code of %c.x.x, not %.*s",
                            rules_verdict_name(rule->verdict), class, (int)length, word);
        memcpy(rule->xcode, word, length);
        rule->xcode[length] = '\0';
        length = next_word(reading, &word);
    }
    if (length == 0)
        return 0;

    text = word;
    length = strlen(text);
    while (strchr(BLANKS, text[length - 1]) != NULL)
        length--;
    if (check_text(reading, text) != 0)
        return -1;
    rule->text = strndup(text, length);
    return rule->text != NULL ? 0 : complain(reading, "no memory");
}

/* ---- the whole line -------------------------------------------------------------------- */

int
rules_parse(const char *line, struct rule *rule, char *err, size_t errsize)
{
    struct reading reading = {.at = line, .err = err, .errsize = errsize};
    const char *rest;

    *rule = (struct rule){0};
    if (strlen(line) > RULES_LINE_MAX)
        return complain(&reading, "the line is longer than %d bytes", RULES_LINE_MAX);
    for (const char *at = line; *at != '\0'; at++) {
        if (((unsigned char)*at < ' ' && *at != '\t') || *at == 127)
            return complain(&reading, "a control character (0x%02x) in the line",
                            (unsigned char)*at);
    }

    if (read_verdict(&reading, rule) != 0 || read_what(&reading, rule) != 0 ||
        read_pattern(&reading, rule) != 0)
        goto fail;
    if (rule->verdict == RULES_REJECT || rule->verdict == RULES_TEMPFAIL) {
        if (read_reply(&reading, rule) != 0)
            goto fail;
    } else if (next_word(&reading, &rest) > 0) {
        complain(&reading,
                 "%s takes one pattern and no text, but \"%.40s\" follows (a comment stands on a "
                 "line of its own)",
                 rules_verdict_name(rule->verdict), rest);
        goto fail;
    }
    return 0;

fail:
    rules_fini(rule);
    return -1;
}

void
rules_fini(struct rule *rule)
{
    free(rule->key);
    free(rule->text);
    *rule = (struct rule){0};
}

const char *
rules_verdict_name(enum rules_verdict verdict)
{
    return verdicts[verdict].word; /* the first rows are in the order of the enum */
}

const char *
rules_what_name(enum rules_what what)
{
    return whats[what].word;
}
