/*
 * test_macros - looking up the mail server's macros: with and without braces, the later
 * event first, a list that replaces the last one of its event in place, walking, and
 * what the end of a message forgets.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "chain/macros.h"

/* Strings with a NUL between them as data and length, the last NUL included. */
#define PAIRS(text) (text), sizeof(text)

struct fixture {
    struct macros macros;
    struct arena arena;
};

static int
set_up(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){0};
    *state = &fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    arena_reset(&f->arena);
    return 0;
}

static void
set(struct fixture *f, enum milter_event event, const char *pairs, size_t length)
{
    assert_int_equal(macros_set(&f->macros, &f->arena, event, pairs, length), 0);
}

static void
expect(struct fixture *f, const char *name, const char *value)
{
    const char *is = macros_find(&f->macros, name);

    if (value == NULL && is != NULL)
        fail_msg("%s is \"%s\", and should not be defined", name, is);
    if (value != NULL && (is == NULL || strcmp(is, value) != 0))
        fail_msg("%s is \"%s\", not \"%s\"", name, is != NULL ? is : "(undefined)", value);
}

static void
names(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"j", "mx.example.org"},
        {"{j}", "mx.example.org"},
        {"{daemon_name}", "smtpd"},
        {"daemon_name", "smtpd"},
        {"_", "client [192.0.2.1]"},
        {"{_}", "client [192.0.2.1]"},
        {"empty", ""},
        {"{empty}", ""},
        {"J", NULL},
        {"Daemon_name", NULL},
        {"daemon", NULL},
        {"daemon_name2", NULL},
        {"{daemon_name", NULL},
        {"daemon_name}", NULL},
        {"", NULL},
        {"{}", NULL},
        {"{", NULL},
        {"}", NULL},
        {"{{daemon_name}}", NULL},
        {"smtpd", NULL},
        {"unknown", NULL},
    };

    expect(f, "j", NULL);
    set(f, MILTER_EVENT_CONNECT,
        PAIRS("j\0mx.example.org\0{daemon_name}\0smtpd\0_\0client [192.0.2.1]\0{empty}\0"));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(f, cases[i].name, cases[i].value);
}

/* Names that come twice in a list: the first counts. Unpaired braces are part of a name. */
static void
odd_lists(void **state)
{
    struct fixture *f = *state;

    set(f, MILTER_EVENT_MAIL, PAIRS("a\0one\0a\0two\0{b\0three\0{}\0four"));
    expect(f, "a", "one");
    expect(f, "{b", "three");
    expect(f, "b", NULL);
    set(f, MILTER_EVENT_MAIL, "", 0);
    expect(f, "a", NULL);
}

static void
later_event_first(void **state)
{
    static const enum milter_event order[] = {
        MILTER_EVENT_CONNECT, MILTER_EVENT_HELO, MILTER_EVENT_MAIL,
        MILTER_EVENT_RCPT,    MILTER_EVENT_DATA, MILTER_EVENT_HEADER,
        MILTER_EVENT_EOH,     MILTER_EVENT_BODY, MILTER_EVENT_EOM,
    };
    struct fixture *f = *state;
    char pairs[] = "i\0#\0only#\0#";

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        char name[] = {'o', 'n', 'l', 'y', (char)('0' + i), '\0'}, value[] = {name[4], '\0'};

        pairs[2] = pairs[8] = pairs[10] = name[4];
        set(f, order[i], PAIRS(pairs));
        expect(f, "i", value);
        expect(f, name, value);
    }
    /* An earlier event that comes again (a second recipient) does not hide a later one. */
    set(f, MILTER_EVENT_RCPT, PAIRS("i\0again"));
    expect(f, "i", "8");
    assert_string_equal(macros_find_at(&f->macros, MILTER_EVENT_RCPT, "i"), "again");
    assert_string_equal(macros_find_at(&f->macros, MILTER_EVENT_MAIL, "{i}"), "2");
    assert_null(macros_find_at(&f->macros, MILTER_EVENT_UNKNOWN, "i"));
    assert_null(macros_find_at(&f->macros, MILTER_EVENT_RCPT, "only3"));
}

/* What is known of an event is replaced whole, not merged. */
static void
replaced(void **state)
{
    struct fixture *f = *state;

    set(f, MILTER_EVENT_RCPT, PAIRS("{rcpt_addr}\0one@example.org\0{rcpt_mailer}\0error"));
    set(f, MILTER_EVENT_RCPT, PAIRS("{rcpt_addr}\0two@example.org"));
    expect(f, "rcpt_addr", "two@example.org");
    expect(f, "rcpt_mailer", NULL);
}

/* A list before each header and chunk, as Postfix sends them, takes no memory. */
static void
replaced_in_place(void **state)
{
    struct fixture *f = *state;
    char long_one[300] = "i\0";

    set(f, MILTER_EVENT_HEADER, PAIRS("i\0004XyZ1"));
    const char *where = macros_find(&f->macros, "i");
    size_t total = f->arena.total;
    for (int i = 0; i < 100000; i++)
        set(f, MILTER_EVENT_HEADER, PAIRS("i\0004XyZ2"));
    assert_int_equal(f->arena.total, total);
    assert_ptr_equal(macros_find(&f->macros, "i"), where);
    expect(f, "i", "4XyZ2");

    set(f, MILTER_EVENT_HEADER, "", 0);
    expect(f, "i", NULL);
    set(f, MILTER_EVENT_HEADER, PAIRS("i\0004XyZ3"));
    assert_int_equal(f->arena.total, total);

    /* Longer lists make room, and a little more than that. */
    for (size_t n = 10; n < sizeof(long_one) - 1; n++) {
        memset(long_one + 2, 'q', n);
        long_one[2 + n] = '\0';
        set(f, MILTER_EVENT_HEADER, long_one, n + 3);
        assert_int_equal(strlen(macros_find(&f->macros, "i")), n);
        if (n + 4 >= sizeof(long_one))
            break;
    }
    assert_true(f->arena.total < total + 3 * sizeof(long_one) + 1000);
}

static void
walk(void **state)
{
    struct fixture *f = *state;
    static const char *const expected[][2] = {
        {"i", "later"}, {"{rcpt_addr}", "b@example.org"},
        {"i", "early"}, {"{mail_addr}", ""},
        {"j", "mx"},    {"v", "Postfix"},
    };
    const char *name, *value;
    size_t at = 0, n = 0;

    assert_int_equal(macros_next(&f->macros, &at, &name, &value), 0);
    set(f, MILTER_EVENT_CONNECT, PAIRS("j\0mx\0v\0Postfix"));
    set(f, MILTER_EVENT_HELO, "", 0);
    set(f, MILTER_EVENT_MAIL, PAIRS("i\0early\0{mail_addr}\0"));
    set(f, MILTER_EVENT_RCPT, PAIRS("{rcpt_addr}\0b@example.org"));
    set(f, MILTER_EVENT_EOM, PAIRS("i\0later"));
    for (at = 0; macros_next(&f->macros, &at, &name, &value) == 1; n++) {
        assert_true(n < sizeof expected / sizeof expected[0]);
        assert_string_equal(name, expected[n][0]);
        assert_string_equal(value, expected[n][1]);
    }
    assert_int_equal(n, sizeof expected / sizeof expected[0]);
    assert_int_equal(macros_next(&f->macros, &at, &name, &value), 0);
    assert_int_equal(macros_next(&f->macros, &at, &name, &value), 0);
}

/* A list as long as the largest packet holds: many short pairs, and one long value. */
static void
largest_list(void **state)
{
    enum { LARGEST = 1048574 };
    static char pairs[LARGEST];
    struct fixture *f = *state;
    const char *name, *value;
    size_t at = 0, n = 0;

    for (size_t i = 0; i + 2 <= LARGEST; i += 2)
        memcpy(pairs + i, "x", 2);
    set(f, MILTER_EVENT_EOM, pairs, LARGEST - 2);
    set(f, MILTER_EVENT_CONNECT, PAIRS("j\0mx"));
    while (macros_next(&f->macros, &at, &name, &value) == 1)
        n++;
    assert_int_equal(n, (LARGEST - 2) / 4 + 1);
    assert_string_equal(name, "j");

    memset(pairs, 'v', LARGEST);
    memcpy(pairs, "big", 4);
    pairs[LARGEST - 1] = '\0';
    set(f, MILTER_EVENT_EOM, pairs, LARGEST);
    assert_int_equal(strlen(macros_find(&f->macros, "big")), LARGEST - 5);
    at = 0;
    assert_int_equal(macros_next(&f->macros, &at, &name, &value), 1);
    assert_string_equal(name, "big");
    assert_int_equal(macros_next(&f->macros, &at, &name, &value), 1);
    assert_string_equal(name, "j");
    assert_int_equal(macros_next(&f->macros, &at, &name, &value), 0);
}

static void
end_of_message(void **state)
{
    struct fixture *f = *state;
    struct arena message = {0};

    set(f, MILTER_EVENT_CONNECT, PAIRS("j\0mx"));
    set(f, MILTER_EVENT_HELO, PAIRS("{cipher}\0TLS"));
    for (int event = MILTER_EVENT_MAIL; event < MILTER_EVENTS; event++)
        assert_int_equal(
            macros_set(&f->macros, &message, (enum milter_event)event, PAIRS("i\0queue\0j\0x")), 0);
    macros_end_message(&f->macros);
    arena_reset(&message);
    expect(f, "i", NULL);
    expect(f, "j", "mx");
    expect(f, "cipher", "TLS");

    /* The next one begins with nothing, in memory of its own. */
    assert_int_equal(macros_set(&f->macros, &message, MILTER_EVENT_MAIL, PAIRS("i\0next")), 0);
    expect(f, "i", "next");
    macros_end_message(&f->macros);
    arena_reset(&message);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(names),        TEST(odd_lists),         TEST(later_event_first),
        TEST(replaced),     TEST(replaced_in_place), TEST(walk),
        TEST(largest_list), TEST(end_of_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
