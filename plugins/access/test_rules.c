/*
 * test_rules - what access reads: lines into rules and what is said about wrong
 * ones, addresses into one form, tables.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* ---- the README -------------------------------------------------------------------------- */

/* Whether a line shows a rule: it begins with a verdict and a kind. */
static bool
shows_rule(const char *line)
{
    char verdict[20], what[20];

    if (sscanf(line, "%19s %19s", verdict, what) != 2)
        return false;
    for (unsigned i = RULES_CONTINUE; i <= RULES_DISCARD; i++) {
        for (unsigned k = 0; k < RULES_WHATS; k++) {
            if (strcmp(verdict, rules_verdict_name(i)) == 0 &&
                strcmp(what, rules_what_name(k)) == 0)
                return true;
        }
    }
    return false;
}

static void
the_readme_is_true(void **state)
{
    const char *top = getenv("top_srcdir");
    char path[1000], line[200], err[400];
    unsigned found = 0;
    FILE *file;

    (void)state;
    snprintf(path, sizeof(path), "%s/plugins/access/README", top != NULL ? top : ".");
    file = fopen(path, "r");
    if (file == NULL)
        fail_msg("cannot read %s; is top_srcdir set?", path);
    while (fgets(line, sizeof(line), file) != NULL) {
        char *start = line + strspn(line, " \"");
        struct rule rule;

        start[strcspn(start, "\"\n")] = '\0';
        if (start == line || !shows_rule(start))
            continue;
        if (rules_parse(start, &rule, err, sizeof(err)) != 0)
            fail_msg("%s: %s", start, err);
        rules_fini(&rule);
        found++;
    }
    fclose(file);
    assert_int_equal(found, 14);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_into_rules),     cmocka_unit_test(wrong_lines_are_explained),
        cmocka_unit_test(lines_have_a_limit),   cmocka_unit_test(addresses_into_one_form),
        cmocka_unit_test(tables_are_read),      cmocka_unit_test(every_wrong_line_is_told),
        cmocka_unit_test(long_lines_of_tables), cmocka_unit_test(files_that_are_no_tables),
        cmocka_unit_test(the_readme_is_true),
    };

    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
