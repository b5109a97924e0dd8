/*
 * test_expand - ${...} in the texts of an administrator, asked in the callbacks of a
 * plugin on a session: every name, at every time; what is no reference; and that nothing
 * which comes from strangers does more than stand there.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "bare_chain.h"

struct expansion {
    const char *text, *expected;
};

static void
expect(milter_ctx *ctx, const char *when, const struct expansion *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *is = milter_expand(ctx, cases[i].text);

        if (is == NULL || strcmp(is, cases[i].expected) != 0)
            fail_msg("%s: \"%s\" gives \"%s\", not \"%s\"", when, cases[i].text,
                     is != NULL ? is : "(NULL)", cases[i].expected);
    }
}

#define EXPECT(ctx, when, ...)                                      \
    do {                                                            \
        static const struct expansion cases[] = {__VA_ARGS__};      \
        expect(ctx, when, cases, sizeof(cases) / sizeof(cases[0])); \
    } while (0)

static unsigned asked; /* callbacks that have looked */

static enum milter_verdict
on_connect(milter_ctx *ctx, const struct milter_client *client)
{
    (void)client;
    EXPECT(ctx, "connect", {"${client_addr} ${client_name}", "2001:db8::7 client.example.org"},
           {"[${sender}][${rcpt}][${helo}][${queue_id}]", "[][][][]"},
           {"${chain} ${j}", "bare mx"});
    asked++;
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_helo(milter_ctx *ctx, const char *name)
{
    (void)name;
    EXPECT(ctx, "helo", {"${helo}", "${sender}$${j}?x?"});
    asked++;
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_mail(milter_ctx *ctx, const char *sender, const char *const *args)
{
    (void)sender;
    (void)args;
    EXPECT(ctx, "mail", {"${sender}", "a@example.org"}, {"[${rcpt}]", "[]"},
           {"${queue_id}", "4XyZ1"}, {"${auth_authen}", "us?er"}, {"${mail_addr}", "a@macro"});
    asked++;
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_rcpt(milter_ctx *ctx, const char *rcpt, const char *const *args)
{
    (void)args;
    if (strcmp(rcpt, "<one@example.org>") == 0)
        EXPECT(ctx, "first rcpt", {"${rcpt}", "one@example.org"});
    else
        EXPECT(ctx, "second rcpt", {"${rcpt}", "\"t<w>o\"@example.org"});
    asked++;
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    char text[160], session[80];

    EXPECT(ctx, "eom",
           /* No references. */
           {"", ""}, {"plain", "plain"}, {"$", "$"}, {"$$", "$"}, {"$$$", "$$"}, {"$$$$", "$$"},
           {"5$", "5$"}, {"$x", "$x"}, {"$ {j}", "$ {j}"}, {"{j}", "{j}"}, {"$(j)", "$(j)"},
           {"%s %n", "%s %n"}, {"\303\244\n\t", "\303\244\n\t"},
           /* A doubled dollar is none either. */
           {"$${j}", "${j}"}, {"$$${j}", "$mx"}, {"$$$${j}", "$${j}"},
           /* Not closed. */
           {"${", "${"}, {"${j", "${j"}, {"a ${j and $$", "a ${j and $"},
           /* Unknown, or odd names. */
           {"[${nothing}]", "[]"}, {"[${}]", "[]"}, {"[${ j}]", "[]"}, {"[${j }]", "[]"},
           {"[${J}]", "[]"}, {"${${j}}", "}"}, {"${{j}}", "}"},
           /* Values. */
           {"${j}${j}", "mxmx"}, {"<${sender}>", "<a@example.org>"}, {"${rcpt}", "one@example.org"},
           {"${chain}", "bare"}, {"${_}", "client [192.0.2.9]"}, {"[${empty}]", "[]"},
           {"[${null}]", "[]"}, {"${open}", "<b"}, {"${close}", "b>"});

    snprintf(session, sizeof(session), "%s", milter_session_id(ctx));
    assert_string_equal(milter_expand(ctx, "${session_id}"), session);
    assert_null(milter_expand(ctx, NULL));

    /* The longest name, and one that is taken for text. */
    snprintf(text, sizeof(text), "[${%0127d}]", 0);
    assert_string_equal(milter_expand(ctx, text), "[]");
    snprintf(text, sizeof(text), "[${%0128d}]", 0);
    assert_string_equal(milter_expand(ctx, text), text);

    /* As edited so far. */
    assert_int_equal(milter_change_sender(ctx, "new@example.org", NULL), MILTER_OK);
    assert_int_equal(milter_delete_rcpt(ctx, "one@example.org"), MILTER_OK);
    EXPECT(ctx, "after edits", {"${sender} ${rcpt}", "new@example.org \"t<w>o\"@example.org"});
    assert_int_equal(milter_change_sender(ctx, "<>", NULL), MILTER_OK);
    EXPECT(ctx, "null sender", {"[${sender}]", "[]"});
    asked++;
    return MILTER_CONTINUE;
}

static void
names_at_events(void **unused)
{
    static const struct milter_plugin plugin = {
        .name = "expanding",
        .actions = MILTER_CHANGES_SENDER | MILTER_DELETES_RCPTS,
        .needs = MILTER_NEEDS_ENVELOPE,
        .on_connect = on_connect,
        .on_helo = on_helo,
        .on_mail = on_mail,
        .on_rcpt = on_rcpt,
        .on_eom = on_eom,
    };
    struct bare_chain bare;
    struct bare_dialogue d;

    (void)unused;
    asked = 0;
    bare_chain_init(&bare);
    bare_chain_add(&bare, &plugin);
    bare_dialogue_open(&d, &bare.chain);
    assert_string_equal(bare_dialogue_negotiate(&d, 6, 0x1fffff), "O");
    assert_string_equal(bare_dialogue_say_words(&d, 'D', "Cj", "mx", "_", "client [192.0.2.9]",
                                                "{empty}", "", "{html}", "<b>", "{null}", "<>",
                                                "{open}", "<b", "{close}", "b>", NULL),
                        "");
    assert_string_equal(bare_dialogue_say(&d, 'C',
                                          "client.example.org\0"
                                          "6\0\031IPv6:2001:DB8:0:0:0:0:0:7",
                                          48),
                        "c");
    assert_string_equal(bare_dialogue_say_words(&d, 'H', "${sender}$${j}\tx\x7f", NULL), "c");
    assert_string_equal(bare_dialogue_say_words(&d, 'D', "Mi", "4XyZ1", "{auth_authen}", "us\ner",
                                                "{mail_addr}", "a@macro", NULL),
                        "");
    assert_string_equal(bare_dialogue_say_words(&d, 'M', "<a@example.org>", NULL), "c");
    assert_string_equal(bare_dialogue_say_words(&d, 'R', "<one@example.org>", NULL), "c");
    assert_string_equal(bare_dialogue_say_words(&d, 'R', "<\"t<w>o\"@example.org>", NULL), "c");
    assert_string_equal(bare_dialogue_say(&d, 'E', "", 0), "e-c");
    assert_int_equal(asked, 6);
    bare_dialogue_close(&d);
    bare_chain_fini(&bare);
}

/* A chain that asks for the end of message alone has these from macros. */
static enum milter_verdict
on_eom_alone(milter_ctx *ctx)
{
    EXPECT(ctx, "eom alone", {"${sender}", "a@macro"}, {"${client_addr}", "192.0.2.9"},
           {"${client_name}", "name.macro"}, {"[${helo}]", "[]"});
    asked++;
    return MILTER_CONTINUE;
}

static void
names_from_macros(void **unused)
{
    static const struct milter_plugin plugin = {.name = "expanding", .on_eom = on_eom_alone};
    struct bare_chain bare;
    struct bare_dialogue d;

    (void)unused;
    asked = 0;
    bare_chain_init(&bare);
    bare_chain_add(&bare, &plugin);
    bare_dialogue_open(&d, &bare.chain);
    assert_string_equal(bare_dialogue_negotiate(&d, 6, 0x1fffff), "O");
    bare_dialogue_say_words(&d, 'D', "C{client_addr}", "192.0.2.9", "{client_name}", "name.macro",
                            NULL);
    bare_dialogue_say_words(&d, 'D', "M{mail_addr}", "a@macro", NULL);
    assert_string_equal(bare_dialogue_say(&d, 'E', "", 0), "c");
    assert_int_equal(asked, 1);
    bare_dialogue_close(&d);
    bare_chain_fini(&bare);
}

/* In on_load there is no connection yet: names give nothing, text stands. */
static void
before_any_connection(void **unused)
{
    static const struct milter_plugin plugin = {.name = "expanding"};
    struct bare_chain bare;

    (void)unused;
    bare_chain_init(&bare);
    struct milter_ctx ctx = {.link = bare_chain_add(&bare, &plugin)};
    assert_string_equal(milter_expand(&ctx, "a ${sender}${rcpt}${j}${session_id} $$ ${"),
                        "a  $ ${");
    bare_chain_fini(&bare);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_at_events),
        cmocka_unit_test(names_from_macros),
        cmocka_unit_test(before_any_connection),
    };
    const struct log_settings quiet = {.target = LOG_TO_STDERR, .level = MILTER_LOG_WARNING};

    log_open(&quiet);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
