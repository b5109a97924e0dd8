/*
 * test_rules - the list of access apart from the plugin: lines into rules and
 * what is said about wrong ones, addresses into one form, tables, and the index
 * against a plain walk through the list.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <milterd/plugin.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mailbox.h"
#include "match.h"
#include "rules.h"
#include "table.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* ---- lines ---------------------------------------------------------------------------- */

static const struct line_case {
    const char *line;
    enum rules_verdict verdict;
    enum rules_what what;
    enum rules_form form;
    const char *key; /* NULL: of an address */
    int code;
    const char *xcode, *text;
} line_cases[] = {
    {"accept client *", RULES_ACCEPT, RULES_CLIENT, RULES_ANY, "", 0, "", NULL},
    {"allow client 192.0.2.1", RULES_ACCEPT, RULES_CLIENT, RULES_NET, NULL, 0, "", NULL},
    {"ok client 2001:db8::/32", RULES_ACCEPT, RULES_CLIENT, RULES_NET, NULL, 0, "", NULL},
    {"continue client 0.0.0.0/0", RULES_CONTINUE, RULES_CLIENT, RULES_NET, NULL, 0, "", NULL},
    {"pass client ::/0", RULES_CONTINUE, RULES_CLIENT, RULES_NET, NULL, 0, "", NULL},
    {"discard name a.example", RULES_DISCARD, RULES_NAME, RULES_EXACT, "a.example", 0, "", NULL},
    {"\t REJECT \tName  A.Example. ", RULES_REJECT, RULES_NAME, RULES_EXACT, "a.example", 550,
     "5.7.1", NULL},
    {"reject name .A.example", RULES_REJECT, RULES_NAME, RULES_BELOW, "a.example", 550, "5.7.1",
     NULL},
    {"reject name unknown", RULES_REJECT, RULES_NAME, RULES_EXACT, "unknown", 550, "5.7.1", NULL},
    {"reject helo [192.0.2.1]", RULES_REJECT, RULES_HELO, RULES_EXACT, "[192.0.2.1]", 550, "5.7.1",
     NULL},
    {"reject helo 192.0.2.1", RULES_REJECT, RULES_HELO, RULES_EXACT, "192.0.2.1", 550, "5.7.1",
     NULL},
    {"reject helo localhost", RULES_REJECT, RULES_HELO, RULES_EXACT, "localhost", 550, "5.7.1",
     NULL},
    {"reject sender A@B.Example", RULES_REJECT, RULES_SENDER, RULES_EXACT, "a@b.example", 550,
     "5.7.1", NULL},
    {"reject sender <A@B.Example>", RULES_REJECT, RULES_SENDER, RULES_EXACT, "a@b.example", 550,
     "5.7.1", NULL},
    {"reject sender @B.Example.", RULES_REJECT, RULES_SENDER, RULES_DOMAIN, "b.example", 550,
     "5.7.1", NULL},
    {"reject sender @[192.0.2.1]", RULES_REJECT, RULES_SENDER, RULES_DOMAIN, "[192.0.2.1]", 550,
     "5.7.1", NULL},
    {"reject rcpt .B.Example", RULES_REJECT, RULES_RCPT, RULES_BELOW, "b.example", 550, "5.7.1",
     NULL},
    {"reject rcpt @.B.Example", RULES_REJECT, RULES_RCPT, RULES_BELOW, "b.example", 550, "5.7.1",
     NULL},
    {"reject rcpt PostMaster@", RULES_REJECT, RULES_RCPT, RULES_LOCAL, "postmaster", 550, "5.7.1",
     NULL},
    {"reject sender <>", RULES_REJECT, RULES_SENDER, RULES_EXACT, "", 550, "5.7.1", NULL},
    {"reject sender J\xc3\x96rg@\xc3\x84.example", RULES_REJECT, RULES_SENDER, RULES_EXACT,
     "j\xc3\x96rg@\xc3\x84.example", 550, "5.7.1", NULL},
    {"tempfail rcpt *", RULES_TEMPFAIL, RULES_RCPT, RULES_ANY, "", 451, "4.7.1", NULL},
    {"reject rcpt * no", RULES_REJECT, RULES_RCPT, RULES_ANY, "", 550, "5.7.1", "no"},
    {"reject rcpt *   two  words \t", RULES_REJECT, RULES_RCPT, RULES_ANY, "", 550, "5.7.1",
     "two  words"},
    {"reject rcpt * 5.1.1 gone", RULES_REJECT, RULES_RCPT, RULES_ANY, "", 550, "5.1.1", "gone"},
    {"reject rcpt * 5.1.1", RULES_REJECT, RULES_RCPT, RULES_ANY, "", 550, "5.1.1", NULL},
    {"reject rcpt * 554", RULES_REJECT, RULES_RCPT, RULES_ANY, "", 554, "5.7.1", NULL},
    {"reject rcpt * 554 gone", RULES_REJECT, RULES_RCPT, RULES_ANY, "", 554, "5.7.1", "gone"},
    {"reject rcpt * 554 5.1.100 gone ${rcpt} $${", RULES_REJECT, RULES_RCPT, RULES_ANY, "", 554,
     "5.1.100", "gone ${rcpt} $${"},
    {"tempfail rcpt * 421 4.3.2 later", RULES_TEMPFAIL, RULES_RCPT, RULES_ANY, "", 421, "4.3.2",
     "later"},
    {"reject rcpt * 5.7.1.2 is a version", RULES_REJECT, RULES_RCPT, RULES_ANY, "", 550, "5.7.1",
     "5.7.1.2 is a version"},
    {"reject rcpt * 5.07.1 is no code", RULES_REJECT, RULES_RCPT, RULES_ANY, "", 550, "5.7.1",
     "5.07.1 is no code"},
    {"reject rcpt * 5500 mails", RULES_REJECT, RULES_RCPT, RULES_ANY, "", 550, "5.7.1",
     "5500 mails"},
    {"reject rcpt * # 1", RULES_REJECT, RULES_RCPT, RULES_ANY, "", 550, "5.7.1", "# 1"},
};

static void
lines_into_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(line_cases); i++) {
        const struct line_case *row = &line_cases[i];
        char err[400] = "";
        struct rule rule;

        if (rules_parse(row->line, &rule, err, sizeof(err)) != 0)
            fail_msg("\"%s\": %s", row->line, err);
        if (rule.verdict != row->verdict || rule.what != row->what || rule.form != row->form ||
            rule.code != row->code)
            fail_msg("\"%s\": verdict %d what %d form %d code %d", row->line, rule.verdict,
                     rule.what, rule.form, rule.code);
        assert_string_equal(rule.xcode, row->xcode);
        if (row->key != NULL) {
            assert_string_equal(rule.key, row->key);
            assert_int_equal(rule.key_length, strlen(row->key));
        } else {
            assert_int_equal(rule.key_length, RULES_NET_KEY);
        }
        if (row->text == NULL)
            assert_null(rule.text);
        else
            assert_string_equal(rule.text, row->text);
        rules_fini(&rule);
    }
}

static const struct error_case {
    const char *line, *error; /* a part of what is said */
} error_cases[] = {
    {"", "the rule is empty; an example: reject client"},
    {"  \t", "the rule is empty"},
    {"rejct client 192.0.2.1", "or discard, not \"rejct\"; an example"},
    {"# accept client *", "not \"#\""},
    {"reject", "reject is followed by client, name, helo, sender or rcpt, not \"\""},
    {"reject 192.0.2.1", "sender or rcpt, not \"192.0.2.1\"; an example"},
    {"allow from a@b.example", "accept is followed by client, name, helo, sender or rcpt"},
    {"reject client", "reject client is followed by a pattern, * for everything"},
    {"reject client 192.0.2.1/24", "\"192.0.2.1/24\" is no address or network"},
    {"reject client 192.0.2.0/33", "\"192.0.2.0/33\" is no address"},
    {"reject client 192.0.2", "\"192.0.2\" is no address or network (192.0.2.7"},
    {"reject client 2001:db8::1/32", "no bits set beyond the prefix"},
    {"reject client a.example", "host names are matched with name instead of client"},
    {"reject client 192.0.2.*", "* stands alone"},
    {"reject name 192.0.2.1", "is an address; for those write client instead of name"},
    {"reject name 192.0.2.0/24", "is an address; for those write client instead of name"},
    {"reject helo 192.0.2.0/24", "is an address; for those write client instead of helo"},
    {"reject name *.example.com", "a domain and all below it is written .example.com"},
    {"reject name a@b.example", "is a mail address; name takes host names"},
    {"reject helo .", "a part of the domain is empty"},
    {"reject helo ..example", "a part of the domain is empty"},
    {"reject helo a..example", "a part of the domain is empty"},
    {"reject sender example.com", "\"example.com\" is no address; write user@example.com, user@"},
    {"reject sender user", "is no address"},
    {"reject sender @", "a part of the domain is empty"},
    {"reject sender .", "a part of the domain is empty"},
    {"reject sender @.", "a part of the domain is empty"},
    {"reject sender a@b..example", "a part of the domain is empty"},
    {"reject sender a@.b.example", "a part of the domain is empty"},
    {"reject sender *@b.example", "* stands alone"},
    {"reject sender \"a\"@b.example", "without quotes"},
    {"reject sender a\\b@b.example", "without quotes"},
    {"reject rcpt * 450 no", "reject takes a code of 5xx, not 450"},
    {"reject rcpt * 250 yes", "reject takes a code of 5xx, not 250"},
    {"tempfail rcpt * 550 no", "tempfail takes a code of 4xx, not 550"},
    {"tempfail rcpt * 999 mails", "a text that begins with a number needs a code before it"},
    {"reject rcpt * 4.7.1 no", "reject takes an enhanced code of 5.x.x, not 4.7.1"},
    {"reject rcpt * 550 4.7.1 no", "reject takes an enhanced code of 5.x.x, not 4.7.1"},
    {"tempfail rcpt * 450 5.7.1 no", "tempfail takes an enhanced code of 4.x.x, not 5.7.1"},
    {"reject rcpt * no ${rcpt", "${ without its }"},
    {"reject rcpt * no\r", "a control character (0x0d)"},
    {"reject rcpt * a\nb", "a control character (0x0a)"},
    {"reject rcpt * \x7f", "a control character (0x7f)"},
    {"accept client 192.0.2.1 192.0.2.2",
     "accept takes one pattern and no text, but \"192.0.2.2\""},
    {"discard rcpt a@b.example # trap", "discard takes one pattern and no text, but \"# trap\""},
    {"continue rcpt * on", "continue takes one pattern and no text"},
};

static void
wrong_lines_are_explained(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(error_cases); i++) {
        struct rule rule;
        char err[400] = "";

        if (rules_parse(error_cases[i].line, &rule, err, sizeof(err)) == 0)
            fail_msg("\"%s\" is taken", error_cases[i].line);
        if (strstr(err, error_cases[i].error) == NULL)
            fail_msg("\"%s\": %s", error_cases[i].line, err);
    }
}

static void
lines_have_a_limit(void **state)
{
    static const char begin[] = "reject rcpt * ";
    char line[RULES_LINE_MAX + 2], err[20];
    struct rule rule;

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line, begin, strlen(begin));
    line[RULES_LINE_MAX + 1] = '\0';
    assert_int_equal(rules_parse(line, &rule, err, sizeof(err)), -1);
    assert_string_equal(err, "the line is longer "); /* cut, and terminated */
    line[RULES_LINE_MAX] = '\0';
    assert_int_equal(rules_parse(line, &rule, err, sizeof(err)), 0);
    assert_int_equal(strlen(rule.text), RULES_LINE_MAX - strlen(begin));
    rules_fini(&rule);

    /* The longest patterns of each kind. */
    for (unsigned what = RULES_CLIENT; what < RULES_WHATS; what++) {
        int length = snprintf(line, sizeof(line), "reject %s ", rules_what_name(what));

        memset(line + length, 'a', (size_t)(RULES_LINE_MAX - length));
        line[RULES_LINE_MAX - 1] = '@';
        line[RULES_LINE_MAX] = '\0';
        if (rules_parse(line, &rule, err, sizeof(err)) == 0)
            rules_fini(&rule);
    }
}

/* ---- addresses -------------------------------------------------------------------------- */

static const struct mailbox_case {
    const char *address, *text, *domain; /* domain NULL: has none */
} mailbox_cases[] = {
    {"<>", "", NULL},
    {"", "", NULL},
    {"<", "<", NULL},
    {"<Joe@Example.COM>", "joe@example.com", "example.com"},
    {"Joe@Example.COM", "joe@example.com", "example.com"},
    {"<joe@example.com.>", "joe@example.com", "example.com"},
    {"<joe@example.com...>", "joe@example.com", "example.com"},
    {"<joe.@example.com>", "joe.@example.com", "example.com"},
    {"<postmaster>", "postmaster", NULL},
    {"<postmaster.>", "postmaster.", NULL},
    {"<joe@>", "joe@", ""},
    {"<joe@.>", "joe@", ""},
    {"<@>", "@", ""},
    {"<\"joe\"@example.com>", "joe@example.com", "example.com"},
    {"<\"j\\oe\"@example.com>", "joe@example.com", "example.com"},
    {"<j\\oe@example.com>", "joe@example.com", "example.com"},
    {"<\"a@b\"@example.com>", "a@b@example.com", "example.com"},
    {"<\"a\\\"@b\"@example.com>", "a\"@b@example.com", "example.com"},
    {"<a@b@example.com>", "a@b@example.com", "example.com"},
    {"<\"joe@example.com>", "joe@example.com", NULL},
    {"<joe\\>", "joe\\", NULL},
    {"<@relay.example:joe@example.com>", "joe@example.com", "example.com"},
    {"<@a.example,@b.example:joe@example.com>", "joe@example.com", "example.com"},
    {"<@[IPv6:2001:db8::1]:joe@example.com>", "joe@example.com", "example.com"},
    {"<joe@[IPv6:2001:DB8::1]>", "joe@[ipv6:2001:db8::1]", "[ipv6:2001:db8::1]"},
    {"<@relay.example:>", "", NULL},
    {"<j\xc3\x96@example.com>", "j\xc3\x96@example.com", "example.com"},
};

static void
addresses_into_one_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(mailbox_cases); i++) {
        const struct mailbox_case *row = &mailbox_cases[i];
        /* Exactly as much room as is promised, for the sanitizers. */
        char *room = malloc(strlen(row->address) + 1);
        struct mailbox mailbox;
        size_t length;

        assert_non_null(room);
        mailbox_read(&mailbox, row->address, room);
        assert_string_equal(mailbox.text, row->text);
        assert_int_equal(mailbox.length, strlen(row->text));
        assert_int_equal(mailbox.has_domain, row->domain != NULL);
        if (row->domain != NULL) {
            assert_string_equal(mailbox_domain(&mailbox, &length), row->domain);
            assert_int_equal(length, strlen(row->domain));
        } else {
            assert_int_equal(mailbox.local, mailbox.length);
        }
        free(room);
    }
}

/* ---- the index ---------------------------------------------------------------------------- */

static void
add(struct match *match, const char *line)
{
    struct rule rule;
    char err[400];

    if (rules_parse(line, &rule, err, sizeof(err)) != 0)
        fail_msg("\"%s\": %s", line, err);
    assert_int_equal(match_add(match, &rule), 0);
}

static uint32_t
ask(const struct match *match, enum rules_what what, const char *text)
{
    char room[1024];
    struct mailbox mailbox;

    assert_true(strlen(text) < sizeof(room));
    switch (what) {
    case RULES_CLIENT:
        return match_client(match, text);
    case RULES_NAME:
    case RULES_HELO:
        return match_host(match, what, room, mailbox_host(text, room));
    case RULES_SENDER:
    case RULES_RCPT:
        mailbox_read(&mailbox, text, room);
        return match_mailbox(match, what, &mailbox);
    case RULES_WHATS:
        break;
    }
    fail();
    return MATCH_NONE;
}

/* One rule, and what it does and does not match. */
static const struct match_case {
    const char *rule, *yes[4], *no[7];
} match_cases[] = {
    {"reject client 192.0.2.7", {"192.0.2.7"}, {"192.0.2.6", "2001:db8::7", "/run/x", ""}},
    {"reject client 192.0.2.0/24", {"192.0.2.0", "192.0.2.255"}, {"192.0.3.0", "192.0.1.255"}},
    {"reject client 192.0.2.128/25", {"192.0.2.128", "192.0.2.255"}, {"192.0.2.127"}},
    {"reject client 192.0.2.4/31", {"192.0.2.4", "192.0.2.5"}, {"192.0.2.6", "192.0.2.3"}},
    {"reject client 0.0.0.0/0", {"0.0.0.0", "255.255.255.255"}, {"::1", "", "here"}},
    {"reject client ::/0", {"::", "2001:db8::1"}, {"192.0.2.1", ""}},
    {"reject client 2001:db8::/33", {"2001:db8:7fff::"}, {"2001:db8:8000::", "2001:db9::"}},
    {"reject client 2001:db8::7", {"2001:db8::7", "2001:DB8:0::0007"}, {"2001:db8::8"}},
    {"reject client *", {"192.0.2.1", "::1", "/run/x", ""}, {NULL}},
    {"reject name example.com",
     {"example.com", "EXAMPLE.com."},
     {"a.example.com", "xexample.com", "com", "example.com.au", ""}},
    {"reject name .example.com",
     {"example.com", "a.example.com", "A.B.Example.COM."},
     {"xexample.com", "com", "example.com.au", ".com", "example", ""}},
    {"reject name .com", {"com", "example.com"}, {"example.net", "com.example"}},
    {"reject helo *", {"a", "", "[192.0.2.1]"}, {NULL}},
    {"reject helo [192.0.2.1]", {"[192.0.2.1]"}, {"192.0.2.1", "[192.0.2.2]"}},
    {"reject sender joe@example.com",
     {"<joe@example.com>", "<JOE@example.com.>", "<\"joe\"@example.com>",
      "<@a.example:joe@example.com>"},
     {"<joe@a.example.com>", "<ann@example.com>", "<xjoe@example.com>", "<joe>", "<>"}},
    {"reject sender @example.com",
     {"<joe@example.com>", "<a@b@EXAMPLE.COM>"},
     {"<joe@a.example.com>", "<joe@xexample.com>", "<example.com>", "<joe@example>", "<>"}},
    {"reject sender .example.com",
     {"<joe@example.com>", "<joe@a.b.example.com>"},
     {"<joe@xexample.com>", "<joe.example.com>", "<joe@example.net>", "<>", "<\"@example.com\">"}},
    {"reject rcpt joe@",
     {"<joe@example.com>", "<joe@b.example>", "<Joe>", "<joe@>"},
     {"<joey@example.com>", "<ann@joe>", "<>"}},
    {"reject sender <>", {"<>", ""}, {"<joe>", "<@>", "<joe@example.com>"}},
    {"reject rcpt *", {"<>", "<joe>", "<joe@example.com>"}, {NULL}},
};

static void
patterns_match(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(match_cases); i++) {
        const struct match_case *row = &match_cases[i];
        struct match match;

        match_init(&match);
        add(&match, row->rule);
        for (size_t k = 0; k < COUNT(row->yes) && row->yes[k] != NULL; k++) {
            if (ask(&match, match.rules[0].what, row->yes[k]) != 0)
                fail_msg("%s does not match %s", row->rule, row->yes[k]);
        }
        for (size_t k = 0; k < COUNT(row->no) && row->no[k] != NULL; k++) {
            if (ask(&match, match.rules[0].what, row->no[k]) != MATCH_NONE)
                fail_msg("%s matches %s", row->rule, row->no[k]);
        }
        match_fini(&match);
    }
}

static void
kinds_are_apart(void **state)
{
    struct match match;

    (void)state;
    match_init(&match);
    add(&match, "reject helo a.example");
    add(&match, "reject sender @a.example");
    assert_int_equal(ask(&match, RULES_NAME, "a.example"), MATCH_NONE);
    assert_int_equal(ask(&match, RULES_RCPT, "<joe@a.example>"), MATCH_NONE);
    assert_int_equal(match.first_rcpt, MATCH_NONE);
    add(&match, "reject rcpt .example");
    add(&match, "reject rcpt *");
    assert_int_equal(match.first_rcpt, 2);
    assert_int_equal(ask(&match, RULES_RCPT, "<joe@a.example>"), 2);
    match_fini(&match);
    assert_int_equal(ask(&match, RULES_RCPT, "<joe@a.example>"), MATCH_NONE);
}

/* What the index must find, the slow way: does this one rule match? Written from the
   patterns' text, without the index's keys. */
static bool
plain_ends(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool
plain_domain(const char *pattern, const char *domain)
{
    return strcmp(pattern + 1, domain) == 0 || plain_ends(domain, pattern);
}

static bool
plain_match(enum rules_what what, const char *pattern, const char *text)
{
    const char *at = strchr(text, '@');
    struct milter_net net;

    if (strcmp(pattern, "*") == 0)
        return true;
    switch (what) {
    case RULES_CLIENT:
        return milter_net_parse(&net, pattern) == 0 && milter_net_contains(&net, text);
    case RULES_NAME:
    case RULES_HELO:
        return pattern[0] == '.' ? plain_domain(pattern, text) : strcmp(pattern, text) == 0;
    case RULES_SENDER:
    case RULES_RCPT:
        if (strcmp(pattern, "<>") == 0)
            return text[0] == '\0';
        if (at == NULL)
            return false;
        if (pattern[0] == '.')
            return plain_domain(pattern, at + 1);
        if (pattern[0] == '@')
            return strcmp(pattern + 1, at + 1) == 0;
        if (plain_ends(pattern, "@"))
            return strncmp(pattern, text, strlen(pattern)) == 0;
        return strcmp(pattern, text) == 0;
    case RULES_WHATS:
        break;
    }
    return false;
}

static unsigned
roll(uint32_t *seed, unsigned below)
{
    *seed = *seed * 1664525U + 1013904223U;
    return (unsigned)(((uint64_t)*seed * below) >> 32);
}

/* Names from so few letters that patterns meet often. */
static void
roll_host(uint32_t *seed, char *into)
{
    unsigned labels = 1 + roll(seed, 3);

    *into = '\0';
    for (unsigned i = 0; i < labels; i++) {
        char label[] = {i > 0 ? '.' : 'a', (char)('a' + roll(seed, 2)), '\0'};

        strcat(into, label + (i == 0));
    }
}

static void
roll_subject(uint32_t *seed, enum rules_what what, char *into)
{
    switch (what) {
    case RULES_CLIENT:
        if (roll(seed, 2))
            sprintf(into, "10.%u.0.%u", roll(seed, 2) * 128, roll(seed, 4));
        else
            sprintf(into, "2001:db8:%x::%x", roll(seed, 2) * 0x8000, roll(seed, 4));
        return;
    case RULES_NAME:
    case RULES_HELO:
        roll_host(seed, into);
        return;
    case RULES_SENDER:
    case RULES_RCPT:
        *into = '\0';
        if (roll(seed, 10) > 0) {
            sprintf(into, "%c@", 'x' + (int)roll(seed, 2));
            roll_host(seed, into + 2);
        }
        return;
    case RULES_WHATS:
        fail();
    }
}

static void
roll_pattern(uint32_t *seed, enum rules_what what, char *into)
{
    char text[64];

    roll_subject(seed, what, text);
    if (roll(seed, 20) == 0)
        strcpy(into, "*");
    else if (what == RULES_CLIENT && roll(seed, 2))
        sprintf(into, "%s",
                (const char *[]){"10.0.0.0/8", "10.128.0.0/9", "10.0.0.2/31", "2001:db8::/32",
                                 "2001:db8:8000::/33", "2001:db8::2/127", "0.0.0.0/0",
                                 "::/0"}[roll(seed, 8)]);
    else if ((what == RULES_NAME || what == RULES_HELO) && roll(seed, 2))
        sprintf(into, ".%s", text);
    else if (what < RULES_SENDER)
        strcpy(into, text);
    else if (*text == '\0')
        strcpy(into, "<>");
    else if (roll(seed, 4) == 0)
        sprintf(into, "%.2s", text);
    else if (roll(seed, 3) == 0)
        strcpy(into, text + 1);
    else if (roll(seed, 2) == 0)
        sprintf(into, ".%s", text + 2);
    else
        strcpy(into, text);
}

static void
the_index_agrees_with_a_plain_walk(void **state)
{
    enum { LISTS = 300, RULES = 12, QUESTIONS = 40 };
    static struct {
        enum rules_what what;
        char pattern[80];
    } rules[RULES];
    uint32_t seed = 20240229;
    unsigned found = 0;

    (void)state;
    for (unsigned list = 0; list < LISTS; list++) {
        struct match match;

        match_init(&match);
        for (unsigned i = 0; i < RULES; i++) {
            char line[120];

            rules[i].what = roll(&seed, RULES_WHATS);
            roll_pattern(&seed, rules[i].what, rules[i].pattern);
            sprintf(line, "reject %s %s", rules_what_name(rules[i].what), rules[i].pattern);
            add(&match, line);
        }
        for (unsigned question = 0; question < QUESTIONS; question++) {
            enum rules_what what = roll(&seed, RULES_WHATS);
            uint32_t expected = MATCH_NONE, got;
            char text[64];

            roll_subject(&seed, what, text);
            for (uint32_t i = RULES; i-- > 0;) {
                if (rules[i].what == what && plain_match(what, rules[i].pattern, text))
                    expected = i;
            }
            got = ask(&match, what, text);
            found += expected != MATCH_NONE;
            if (got != expected)
                fail_msg("list %u, %s %s: rule %d, not %d", list, rules_what_name(what), text,
                         (int)got, (int)expected);
        }
        match_fini(&match);
    }
    /* Else the test says little. */
    assert_in_range(found, LISTS * QUESTIONS / 10, LISTS * QUESTIONS * 9 / 10);
}

/* 100,000 rules; a walk through them for each question would take minutes. */
static void
long_lists_are_fast(void **state)
{
    enum { RULES = 100000, QUESTIONS = 40000 };
    clock_t start = clock();
    struct match match;
    char text[100];

    (void)state;
    match_init(&match);
    for (unsigned i = 0; i < RULES / 4; i++) {
        sprintf(text, "reject sender user%u@example%u.com no", i, i);
        add(&match, text);
        sprintf(text, "reject rcpt .domain%u.example", i);
        add(&match, text);
        sprintf(text, "reject client 10.%u.%u.0/24", i / 256, i % 256);
        add(&match, text);
        sprintf(text, "reject client 2001:db8:%x::/48", i);
        add(&match, text);
    }
    for (unsigned i = 0; i < QUESTIONS / 4; i++) {
        sprintf(text, "<user%u@example%u.com>", i, i);
        assert_int_equal(ask(&match, RULES_SENDER, text), 4 * i);
        sprintf(text, "<joe@a.b.c.domain%u.example>", i);
        assert_int_equal(ask(&match, RULES_RCPT, text), 4 * i + 1);
        sprintf(text, "10.%u.%u.7", i / 256, i % 256);
        assert_int_equal(ask(&match, RULES_CLIENT, text), 4 * i + 2);
        sprintf(text, "2001:db8:%x::7", i);
        assert_int_equal(ask(&match, RULES_CLIENT, text), 4 * i + 3);
    }
    match_fini(&match);
    assert_true((clock() - start) / CLOCKS_PER_SEC < 10);
}

/* A client can make a name of many parts; its cost must not grow with their square. */
static void
long_names_are_fast(void **state)
{
    enum { LENGTH = 60001 };
    char *name = malloc(LENGTH + 1);
    clock_t start = clock();
    struct match match;

    (void)state;
    assert_non_null(name);
    for (size_t i = 0; i < LENGTH; i++)
        name[i] = i % 2 ? '.' : 'a';
    name[LENGTH] = '\0';
    match_init(&match);
    add(&match, "reject helo .a.a");
    add(&match, "reject helo .b.example.com");
    for (int i = 0; i < 20; i++)
        assert_int_equal(match_host(&match, RULES_HELO, name, LENGTH), 0);
    match_fini(&match);
    free(name);
    assert_true((clock() - start) / CLOCKS_PER_SEC < 10);
}

/* ---- tables ------------------------------------------------------------------------------- */

static char reports[1000];

static void
note(void *arg, unsigned line, const char *reason)
{
    size_t length = strlen(reports);

    assert_ptr_equal(arg, reports);
    snprintf(reports + length, sizeof(reports) - length, "%u: %s\n", line, reason);
}

static int
parse(struct match *match, const char *text, size_t length)
{
    FILE *file = tmpfile();
    int result;

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    rewind(file);
    reports[0] = '\0';
    match_init(match);
    result = table_parse(file, match, note, reports);
    fclose(file);
    return result;
}

static const struct table_case {
    const char *name, *text;
    unsigned count, last_line; /* of the last rule */
} table_cases[] = {
    {"empty", "", 0, 0},
    {"one line", "accept client *\n", 1, 1},
    {"no newline at the end", "accept client *\nreject rcpt *", 2, 2},
    {"comments and blank lines", "# a\n\n \t\n  # b\n#\nreject rcpt * # text\n\n", 1, 6},
    {"CRLF", "# a\r\n\r\naccept client *\r\nreject rcpt *\r\n", 2, 4},
    {"CRLF, cut at the end", "accept client *\r\nreject rcpt *\r", 2, 2},
    {"byte order mark",
     "\xef\xbb\xbf"
     "accept client *\n",
     1, 1},
    {"byte order mark alone", "\xef\xbb\xbf", 0, 0},
    {"UTF-8", "reject sender j\xc3\xb6rg@example.com gr\xc3\xbc\xc3\x9f\n", 1, 1},
};

static void
tables_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(table_cases); i++) {
        const struct table_case *row = &table_cases[i];
        struct match match;

        if (parse(&match, row->text, strlen(row->text)) != 0)
            fail_msg("%s: %s", row->name, reports);
        assert_int_equal(match.count, row->count);
        if (row->count > 0) {
            const struct rule *last = &match.rules[row->count - 1];

            assert_int_equal(last->line, row->last_line);
            if (last->text != NULL)
                assert_null(strchr(last->text, '\r'));
        }
        match_fini(&match);
    }
}

static void
every_wrong_line_is_told(void **state)
{
    static const char text[] = "accept client *\nrejct rcpt *\n\naccept\0client *\n"
                               "accept client \r *\nreject rcpt *\n\xef\xbb\xbfreject rcpt *\n";
    struct match match;

    (void)state;
    assert_int_equal(parse(&match, text, sizeof(text) - 1), -1);
    assert_non_null(strstr(reports, "2: a rule begins with"));
    assert_non_null(strstr(reports, "\n4: a NUL byte in the line"));
    assert_non_null(strstr(reports, "\n5: a control character"));
    assert_non_null(strstr(reports, "\n7: a rule begins with"));
    assert_null(strstr(reports, "1: "));
    assert_null(strstr(reports, "3: "));
    assert_null(strstr(reports, "6: "));
    assert_int_equal(match.count, 2);
    match_fini(&match);
}

static void
long_lines_of_tables(void **state)
{
    char text[5000];
    struct match match;

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "reject rcpt * ", 14);
    text[RULES_LINE_MAX] = '\r';
    text[RULES_LINE_MAX + 1] = '\n';
    text[RULES_LINE_MAX + 2] = '#'; /* a comment may be longer */
    assert_int_equal(parse(&match, text, sizeof(text)), 0);
    assert_int_equal(match.count, 1);
    match_fini(&match);
    text[RULES_LINE_MAX] = 'x';
    assert_int_equal(parse(&match, text, sizeof(text)), -1);
    assert_string_equal(reports, "1: the line is longer than 1000 bytes\n");
    match_fini(&match);
}

static void
files_that_are_no_tables(void **state)
{
    char directory[] = "/tmp/test_rules.XXXXXX", path[100];
    struct match match;

    (void)state;
    assert_non_null(mkdtemp(directory));
    match_init(&match);
    snprintf(path, sizeof(path), "%s/table", directory);

    reports[0] = '\0';
    assert_int_equal(table_read(path, &match, note, reports), -1);
    assert_string_equal(reports, "0: No such file or directory\n");
    reports[0] = '\0';
    assert_int_equal(table_read(directory, &match, note, reports), -1);
    assert_string_equal(reports, "0: not a regular file\n");
    assert_int_equal(mkfifo(path, 0600), 0);
    reports[0] = '\0';
    assert_int_equal(table_read(path, &match, note, reports), -1);
    assert_string_equal(reports, "0: not a regular file\n");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
    match_fini(&match);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_into_rules),
        cmocka_unit_test(wrong_lines_are_explained),
        cmocka_unit_test(lines_have_a_limit),
        cmocka_unit_test(addresses_into_one_form),
        cmocka_unit_test(patterns_match),
        cmocka_unit_test(kinds_are_apart),
        cmocka_unit_test(the_index_agrees_with_a_plain_walk),
        cmocka_unit_test(long_lists_are_fast),
        cmocka_unit_test(long_names_are_fast),
        cmocka_unit_test(tables_are_read),
        cmocka_unit_test(every_wrong_line_is_told),
        cmocka_unit_test(long_lines_of_tables),
        cmocka_unit_test(files_that_are_no_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
