/*
 * test_mta - which mail server is told from which macros, and what it does its own way.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "chain/mta.h"

enum { PAIRS_MAX = 8 };

static void
set(struct macros *macros, struct arena *arena, enum milter_event event, const char *const *pairs)
{
    char text[256];
    size_t length = 0;

    for (; *pairs != NULL; pairs++) {
        memcpy(text + length, *pairs, strlen(*pairs) + 1);
        length += strlen(*pairs) + 1;
    }
    assert_int_equal(macros_set(macros, arena, event, text, length), 0);
}

static void
told_from_macros(void **unused)
{
    static const struct {
        const char *name;
        const char *at_connect[PAIRS_MAX], *at_end[PAIRS_MAX];
        const char *mta;
    } cases[] = {
        {"Postfix",
         {"j", "mx", "{daemon_name}", "mx", "v", "Postfix 3.7.11"},
         {"i", "1"},
         "Postfix"},
        {"Postfix asked for more", {"{if_name}", "mx", "v", "Postfix 3.12"}, {NULL}, "Postfix"},
        {"a Postfix that does not say v", {"j", "mx"}, {"i", "1"}, "Postfix"},
        {"Sendmail",
         {"j", "mx", "_", "x", "{daemon_name}", "MTA", "{if_name}", "mx"},
         {NULL},
         "Sendmail"},
        {"Sendmail asked for v", {"v", "8.17.1.9", "j", "mx"}, {NULL}, "Sendmail"},
        {"Sendmail without an interface", {"j", "mx"}, {"{msg_id}", "<1@mx>"}, "Sendmail"},
        {"somebody else", {"v", "other 8.1", "j", "mx"}, {"i", "1"}, "Postfix"},
        {"nobody", {NULL}, {NULL}, "Postfix"},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct macros macros = {0};
        struct arena arena = {0};

        set(&macros, &arena, MILTER_EVENT_CONNECT, cases[i].at_connect);
        set(&macros, &arena, MILTER_EVENT_EOM, cases[i].at_end);
        if (strcmp(mta_of(&macros)->name, cases[i].mta) != 0)
            fail_msg("%s is taken for %s", cases[i].name, mta_of(&macros)->name);
        arena_reset(&arena);
    }
}

static void
fields_of_its_own(void **unused)
{
    static const char *const at_connect[] = {"{if_name}", "mx", NULL}, *const none[] = {NULL};
    struct macros macros = {0}, nothing = {0};
    struct arena arena = {0};

    (void)unused;
    set(&macros, &arena, MILTER_EVENT_CONNECT, at_connect);
    set(&nothing, &arena, MILTER_EVENT_CONNECT, none);
    assert_true(mta_writes(mta_of(&macros), "Date"));
    assert_true(mta_writes(mta_of(&macros), "message-ID"));
    assert_false(mta_writes(mta_of(&macros), "Subject"));
    assert_false(mta_writes(mta_of(&macros), "Dat"));
    assert_false(mta_writes(mta_of(&nothing), "Date"));
    arena_reset(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_from_macros),
        cmocka_unit_test(fields_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
