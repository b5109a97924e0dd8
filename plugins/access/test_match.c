/*
 * test_match - the index of access: what each pattern matches, the index against
 * a plain walk through the list, and its cost.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <milterd/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mailbox.h"
#include "match.h"
#include "rules.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match),
        cmocka_unit_test(kinds_are_apart),
        cmocka_unit_test(the_index_agrees_with_a_plain_walk),
        cmocka_unit_test(long_lists_are_fast),
        cmocka_unit_test(long_names_are_fast),
    };

    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
