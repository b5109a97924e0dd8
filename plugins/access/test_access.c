/*
 * test_access - access as a plugin: whole messages against lists, written as
 * the dialogue that comes of it, and what is said when it cannot be loaded.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_host.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void
say(char *dialogue, size_t size, const milter_ctx *ctx, const char *event,
    enum milter_verdict verdict)
{
    static const char *const names[] = {
        [MILTER_CONTINUE] = "continue", [MILTER_DONE] = "done",       [MILTER_ACCEPT] = "accept",
        [MILTER_DISCARD] = "discard",   [MILTER_FAILURE] = "failure",
    };
    size_t length = strlen(dialogue);

    snprintf(dialogue + length, size - length, "%s: %s\n", event,
             verdict == MILTER_REPLY ? ctx->reply : names[verdict]);
}

/* Sends a message and writes down the verdicts, as far as the plugin was asked. */
static void
converse(milter_ctx *ctx, const char *sender, const char *const *rcpts, char *dialogue, size_t size)
{
    *dialogue = '\0';
    say(dialogue, size, ctx, "MAIL", fake_host_mail(ctx, sender));
    for (size_t i = 0; rcpts[i] != NULL && !ctx->finished; i++)
        say(dialogue, size, ctx, "RCPT", fake_host_rcpt(ctx, rcpts[i]));
    if (!ctx->finished && ctx->nrcpts > 0)
        say(dialogue, size, ctx, "DATA", fake_host_data(ctx));
    fake_host_end(ctx);
}

/* The client is 192.0.2.9, mail.example.com, and says HELO mail.example.com. */
static const struct {
    const char *name, *rules[5], *sender, *rcpts[4], *dialogue;
} cases[] = {
    {"no rule", {NULL}, "<a@b.example>", {"<x@y.example>"}, "MAIL: done\n"},
    {"nothing matches, no rule for recipients",
     {"reject client 192.0.2.8", "reject name b.example", "reject helo b.example",
      "reject sender @c.example"},
     "<a@b.example>",
     {"<x@y.example>"},
     "MAIL: done\n"},
    {"nothing matches",
     {"reject client 192.0.2.8", "reject rcpt @z.example"},
     "<a@b.example>",
     {"<x@y.example>"},
     "MAIL: continue\nRCPT: continue\nDATA: continue\n"},

    /* Each verdict at MAIL, each kind, each default text. */
    {"accept client", {"accept client 192.0.2.0/24"}, "<a@b.example>", {NULL}, "MAIL: accept\n"},
    {"continue client", {"continue client 192.0.2.9"}, "<a@b.example>", {NULL}, "MAIL: done\n"},
    {"discard client", {"discard client *"}, "<a@b.example>", {NULL}, "MAIL: discard\n"},
    {"reject client",
     {"reject client 192.0.2.9"},
     "<a@b.example>",
     {NULL},
     "MAIL: 550 5.7.1 Access denied: client 192.0.2.9\n"},
    {"tempfail client",
     {"tempfail client 192.0.2.9"},
     "<a@b.example>",
     {NULL},
     "MAIL: 451 4.7.1 Access denied: client 192.0.2.9\n"},
    {"reject name",
     {"reject name .example.com"},
     "<a@b.example>",
     {NULL},
     "MAIL: 550 5.7.1 Access denied: client mail.example.com\n"},
    {"reject helo",
     {"reject helo MAIL.example.com"},
     "<a@b.example>",
     {NULL},
     "MAIL: 550 5.7.1 Access denied: HELO mail.example.com\n"},
    {"reject sender",
     {"reject sender @b.example"},
     "<A@B.example>",
     {NULL},
     "MAIL: 550 5.7.1 Access denied: sender <A@B.example>\n"},
    {"reject the null sender",
     {"reject sender <>"},
     "<>",
     {NULL},
     "MAIL: 550 5.7.1 Access denied: sender <>\n"},
    {"own reply",
     {"reject sender * 554 5.1.8 ${sender} from ${client_addr} (${helo}) 100% $$"},
     "<a@b.example>",
     {NULL},
     "MAIL: 554 5.1.8 a@b.example from 192.0.2.9 (mail.example.com) 100% $\n"},

    /* First match wins, whatever its kind. */
    {"exception above the rule",
     {"continue client 192.0.2.9", "reject client 192.0.2.0/24"},
     "<a@b.example>",
     {NULL},
     "MAIL: done\n"},
    {"exception below the rule",
     {"reject client 192.0.2.0/24 first", "continue client 192.0.2.9"},
     "<a@b.example>",
     {NULL},
     "MAIL: 550 5.7.1 first\n"},
    {"sender above client",
     {"reject sender * first", "accept client *"},
     "<a@b.example>",
     {NULL},
     "MAIL: 550 5.7.1 first\n"},
    {"client above sender",
     {"reject helo other", "accept client *", "reject sender *"},
     "<a@b.example>",
     {NULL},
     "MAIL: accept\n"},

    /* Recipients. */
    {"some of several recipients",
     {"reject rcpt @n.example 5.1.1 no ${rcpt}", "tempfail rcpt slow@"},
     "<a@b.example>",
     {"<x@n.example>", "<ann@y.example>", "<slow@y.example>"},
     "MAIL: continue\nRCPT: 550 5.1.1 no x@n.example\nRCPT: continue\n"
     "RCPT: 451 4.7.1 Access denied: recipient <slow@y.example>\nDATA: continue\n"},
    {"discard rcpt is the message's",
     {"discard rcpt trap@"},
     "<a@b.example>",
     {"<ann@y.example>", "<trap@y.example>", "<joe@y.example>"},
     "MAIL: continue\nRCPT: continue\nRCPT: discard\n"},

    /* A rule below one for recipients waits for them. */
    {"postmaster is reached by refused clients",
     {"continue rcpt postmaster@", "reject client 192.0.2.0/24 blocked"},
     "<a@b.example>",
     {"<joe@y.example>", "<postmaster@y.example>", "<ann@y.example>"},
     "MAIL: continue\nRCPT: 550 5.7.1 blocked\nRCPT: continue\nRCPT: 550 5.7.1 blocked\n"
     "DATA: continue\n"},
    {"all recipients refused",
     {"continue rcpt postmaster@", "reject client 192.0.2.0/24 blocked"},
     "<a@b.example>",
     {"<joe@y.example>"},
     "MAIL: continue\nRCPT: 550 5.7.1 blocked\n"},
    {"continue above a rule for recipients",
     {"continue client 192.0.2.9", "reject rcpt *"},
     "<a@b.example>",
     {"<joe@y.example>"},
     "MAIL: done\n"},
    {"continue between rules for recipients",
     {"reject rcpt joe@ no", "continue client 192.0.2.9", "reject rcpt *"},
     "<a@b.example>",
     {"<joe@y.example>", "<ann@y.example>"},
     "MAIL: continue\nRCPT: 550 5.7.1 no\nRCPT: continue\nDATA: continue\n"},
    {"discard below a rule for recipients",
     {"continue rcpt postmaster@", "discard sender *"},
     "<a@b.example>",
     {"<postmaster@y.example>", "<joe@y.example>"},
     "MAIL: continue\nRCPT: continue\nRCPT: discard\n"},

    /* Accept is the message's. */
    {"accept above rules for recipients",
     {"accept client 192.0.2.9", "reject rcpt *"},
     "<a@b.example>",
     {"<joe@y.example>"},
     "MAIL: accept\n"},
    {"accept below: a refused recipient stays refused, the rest is accepted",
     {"reject rcpt joe@ no", "accept client 192.0.2.9"},
     "<a@b.example>",
     {"<joe@y.example>", "<ann@y.example>", "<eve@y.example>"},
     "MAIL: continue\nRCPT: 550 5.7.1 no\nRCPT: continue\nRCPT: continue\nDATA: accept\n"},
    {"accept rcpt for every recipient",
     {"accept rcpt @y.example", "reject rcpt @z.example no"},
     "<a@b.example>",
     {"<joe@y.example>", "<eve@z.example>", "<ann@y.example>"},
     "MAIL: continue\nRCPT: continue\nRCPT: 550 5.7.1 no\nRCPT: continue\nDATA: accept\n"},
    {"accept rcpt for one of two",
     {"accept rcpt @y.example"},
     "<a@b.example>",
     {"<joe@y.example>", "<ann@z.example>"},
     "MAIL: continue\nRCPT: continue\nRCPT: continue\nDATA: continue\n"},
    {"accept rcpt for one of two, the other first",
     {"accept rcpt @y.example"},
     "<a@b.example>",
     {"<ann@z.example>", "<joe@y.example>"},
     "MAIL: continue\nRCPT: continue\nRCPT: continue\nDATA: continue\n"},
    {"accept rcpt for one, continue for the other",
     {"continue rcpt postmaster@", "accept rcpt @y.example"},
     "<a@b.example>",
     {"<joe@y.example>", "<postmaster@y.example>"},
     "MAIL: continue\nRCPT: continue\nRCPT: continue\nDATA: continue\n"},
};

static milter_ctx *
loaded(const char *const rules[5])
{
    milter_ctx *ctx = fake_host_new();
    const char *five[5] = {0};

    for (size_t i = 0; i < 5 && rules[i] != NULL; i++)
        five[i] = rules[i];
    fake_host_set(ctx, "rules", five[0], five[1], five[2], five[3], five[4], NULL);
    if (fake_host_load(ctx) != 0)
        fail_msg("%s", ctx->log);
    return ctx;
}

static void
lists_decide(void **state)
{
    char dialogue[1000];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        milter_ctx *ctx = loaded(cases[i].rules);

        print_message("         %s\n", cases[i].name);
        /* Twice: nothing of a message is left for the next. */
        for (int message = 0; message < 2; message++) {
            converse(ctx, cases[i].sender, cases[i].rcpts, dialogue, sizeof(dialogue));
            assert_string_equal(dialogue, cases[i].dialogue);
        }
        fake_host_free(ctx);
    }
}

/* What was counted for one message must not count for the next. */
static void
messages_are_apart(void **state)
{
    static const char *const rules[5] = {"accept rcpt @y.example"};
    static const char *const good[] = {"<joe@y.example>", NULL}, *const other[] = {"<z@z.example>",
                                                                                   NULL};
    milter_ctx *ctx = loaded(rules);
    char dialogue[1000];

    (void)state;
    converse(ctx, "<>", good, dialogue, sizeof(dialogue));
    assert_string_equal(dialogue, "MAIL: continue\nRCPT: continue\nDATA: accept\n");
    converse(ctx, "<>", other, dialogue, sizeof(dialogue));
    assert_string_equal(dialogue, "MAIL: continue\nRCPT: continue\nDATA: continue\n");
    converse(ctx, "<>", good, dialogue, sizeof(dialogue));
    assert_string_equal(dialogue, "MAIL: continue\nRCPT: continue\nDATA: accept\n");
    fake_host_free(ctx);
}

static const struct {
    const char *name, *address, *helo, *rule;
    bool matches;
} client_cases[] = {
    {"[192.0.2.9]", "192.0.2.9", "a", "reject name unknown", true},
    {"", "192.0.2.9", "a", "reject name unknown", true},
    {"a.example", "192.0.2.9", "a", "reject name unknown", false},
    {"[192.0.2.9]", "192.0.2.9", "a", "reject name [192.0.2.9]", true},
    {"[2001:db8::9]", "2001:db8::9", "a", "reject client 2001:db8::/32", true},
    {"localhost", "/run/smtp", "a", "reject client 0.0.0.0/0", false},
    {"localhost", "/run/smtp", "a", "reject client *", true},
    {NULL, "", "a", "reject client *", true},
    {NULL, "", "a", "reject client ::/0", false},
    {"a", "", NULL, "reject helo *", true},
    {"a", "", NULL, "reject helo .example", false},
    {"a.example.", "192.0.2.9", "B.Example.", "reject name a.example", true},
    {"a.example.", "192.0.2.9", "B.Example.", "reject helo b.example", true},
};

static void
clients_of_all_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(client_cases); i++) {
        const char *rules[5] = {client_cases[i].rule};
        milter_ctx *ctx = loaded(rules);

        ctx->client.name = client_cases[i].name;
        ctx->client.address = client_cases[i].address;
        ctx->helo = client_cases[i].helo;
        if (fake_host_mail(ctx, "<>") != (client_cases[i].matches ? MILTER_REPLY : MILTER_DONE))
            fail_msg("%s %s %s: %s", client_cases[i].name, client_cases[i].address,
                     client_cases[i].helo, client_cases[i].rule);
        fake_host_free(ctx);
    }
}

static void
no_memory_is_a_failure(void **state)
{
    static const char *const rules[5] = {"reject rcpt *"};
    milter_ctx *ctx = loaded(rules);
    long most;

    (void)state;
    for (most = 0; most < 100; most++) {
        enum milter_verdict mail, rcpt = MILTER_FAILURE;

        ctx->allocations_left = most;
        mail = fake_host_mail(ctx, "<a@b.example>");
        if (mail == MILTER_CONTINUE)
            rcpt = fake_host_rcpt(ctx, "<x@y.example>");
        if (rcpt == MILTER_REPLY)
            break;
        assert_true(mail == MILTER_FAILURE || rcpt == MILTER_FAILURE);
    }
    assert_in_range(most, 3, 99);
    fake_host_free(ctx);
}

/* ---- tables and loading --------------------------------------------------------------------- */

/* A table of that text in a new file, whose path it is. The caller unlinks it. */
static char *
write_table(const char *text)
{
    static char path[40];
    FILE *file;
    int fd;

    strcpy(path, "/tmp/test_access.XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    file = fdopen(fd, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void
rules_come_before_the_table(void **state)
{
    char *path = write_table("# ours\nreject sender * from the table\nreject client * never\n");
    milter_ctx *ctx = fake_host_new();

    (void)state;
    fake_host_set(ctx, "rules", "reject sender @b.example from milter.conf", NULL);
    fake_host_set(ctx, "table", path, NULL);
    assert_int_equal(fake_host_load(ctx), 0);
    unlink(path);

    assert_int_equal(fake_host_mail(ctx, "<a@b.example>"), MILTER_REPLY);
    assert_string_equal(ctx->reply, "550 5.7.1 from milter.conf");
    assert_int_equal(fake_host_mail(ctx, "<a@c.example>"), MILTER_REPLY);
    assert_string_equal(ctx->reply, "550 5.7.1 from the table");

    /* The log says which line it was. */
    assert_non_null(strstr(ctx->log, "info: reject sender by rule 1 of milter.conf\n"));
    assert_non_null(strstr(ctx->log, "info: reject sender by line 2 of /tmp/test_access."));
    fake_host_free(ctx);
}

static void
passing_is_logged_for_debugging(void **state)
{
    static const char *const rules[5] = {"continue sender <>", "discard sender *"};
    milter_ctx *ctx = loaded(rules);

    (void)state;
    fake_host_mail(ctx, "<>");
    assert_string_equal(ctx->log, "debug: continue sender by rule 1 of milter.conf\n");
    fake_host_mail(ctx, "<a@b.example>");
    assert_non_null(strstr(ctx->log, "info: discard sender by rule 2 of milter.conf\n"));
    fake_host_free(ctx);
}

static void
no_rules_is_a_warning(void **state)
{
    milter_ctx *ctx = fake_host_new();

    (void)state;
    assert_int_equal(fake_host_load(ctx), 0);
    assert_string_equal(ctx->log, "warning: no rules: everything passes; set rules or table\n");
    fake_host_free(ctx);
}

/* Those of milter.conf and those of the table, at once. */
static void
all_mistakes_are_told(void **state)
{
    char *path = write_table("accept client *\nreject client 300.0.0.1\n");
    milter_ctx *ctx = fake_host_new();
    char expected[100];

    (void)state;
    fake_host_set(ctx, "rules", "accept client *", "reject sender a", "reject name b", "reject",
                  NULL);
    fake_host_set(ctx, "table", path, NULL);
    assert_int_equal(fake_host_load(ctx), -1);
    unlink(path);
    assert_null(strstr(ctx->log, "rules[0]: "));
    assert_non_null(strstr(ctx->log, "rules[1]: \"a\" is no address"));
    assert_null(strstr(ctx->log, "rules[2]: "));
    assert_non_null(strstr(ctx->log, "rules[3]: reject is followed by"));
    snprintf(expected, sizeof(expected), "table[0]: %s:2: \"300.0.0.1\" is no address", path);
    assert_non_null(strstr(ctx->log, expected));
    fake_host_free(ctx);
}

static unsigned
lines_of(const char *text)
{
    unsigned count = 0;

    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

static void
many_mistakes_are_counted(void **state)
{
    static const struct {
        unsigned wrong, told;
        const char *end;
    } rows[] = {
        {20, 20, NULL},
        {21, 21, ": and 1 more\n"},
        {500, 21, ": and 480 more\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        milter_ctx *ctx = fake_host_new();
        char text[8000] = "", *path;

        for (unsigned k = 0; k < rows[i].wrong; k++)
            strcat(text, "no\n");
        path = write_table(text);
        fake_host_set(ctx, "table", path, NULL);
        assert_int_equal(fake_host_load(ctx), -1);
        unlink(path);
        assert_int_equal(lines_of(ctx->log), rows[i].told);
        if (rows[i].end != NULL)
            assert_non_null(strstr(ctx->log, rows[i].end));
        else
            assert_null(strstr(ctx->log, " more\n"));
        fake_host_free(ctx);
    }
}

static void
a_table_that_is_gone(void **state)
{
    milter_ctx *ctx = fake_host_new();

    (void)state;
    fake_host_set(ctx, "table", "/nonexistent/table", NULL);
    assert_int_equal(fake_host_load(ctx), -1);
    assert_string_equal(ctx->log, "table[0]: /nonexistent/table: No such file or directory\n");
    fake_host_free(ctx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_decide),
        cmocka_unit_test(messages_are_apart),
        cmocka_unit_test(clients_of_all_kinds),
        cmocka_unit_test(no_memory_is_a_failure),
        cmocka_unit_test(rules_come_before_the_table),
        cmocka_unit_test(passing_is_logged_for_debugging),
        cmocka_unit_test(no_rules_is_a_warning),
        cmocka_unit_test(all_mistakes_are_told),
        cmocka_unit_test(many_mistakes_are_counted),
        cmocka_unit_test(a_table_that_is_gone),
    };

    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
