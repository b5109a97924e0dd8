/*
 * privileges: whom milter.conf means, and that a worker becomes it for good. Each case
 * runs in a child, which may give up whatever it wants to. As an ordinary user the
 * cases that take root are skipped; as root the others become an ordinary user first.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/identity.h"
#include "process/privileges.h"

enum { NOBODY = 65534 };

/* A child must not use asserts: it would go on with the other tests. */
#define NEED(condition)                                             \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            return 1;                                               \
        }                                                           \
    } while (0)

static void
in_child(int (*test)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(test());
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void
as_root(int (*test)(void))
{
    if (geteuid() != 0)
        skip();
    in_child(test);
}

/* Whether we are not root now. */
static bool
become_ordinary(void)
{
    return geteuid() != 0 ||
           (setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

static int
check_good_names(void)
{
    struct privileges who;
    char reason[256];

    NEED(privileges_find(&who, NULL, NULL, reason, sizeof reason) == 0);
    NEED(!who.change && who.user == 0);
    NEED(privileges_find(&who, "daemon", NULL, reason, sizeof reason) == 0);
    NEED(who.change && who.user == 1 && who.group == 1 && strcmp(who.name, "daemon") == 0);
    NEED(privileges_find(&who, "daemon", "0", reason, sizeof reason) == 0);
    NEED(who.change && who.user == 1 && who.group == 0);
    NEED(privileges_find(&who, "4000000", NULL, reason, sizeof reason) == 0);
    NEED(who.change && who.user == 4000000 && who.group == 4000000);
    NEED(privileges_find(&who, NULL, "4000000", reason, sizeof reason) == 0);
    NEED(who.change && who.user == 0 && who.group == 4000000);
    return 0;
}

static void
names_and_numbers_are_found(void **state)
{
    uid_t user;
    gid_t group;
    char reason[256];

    (void)state;
    if (identity_user("daemon", &user, &group, reason, sizeof reason) < 0 || user != 1)
        skip(); /* not a Debian */
    as_root(check_good_names);
}

static void
unknown_names_are_refused(void **state)
{
    static const struct {
        const char *user, *group, *reason;
    } cases[] = {
        {"no such user", NULL, "unknown user \"no such user\""},
        {"", NULL, "unknown user \"\""},
        {"-1", NULL, "unknown user \"-1\""},
        {"1x", NULL, "unknown user \"1x\""},
        {"4294967295", NULL, "unknown user \"4294967295\""}, /* setuid() takes it for "as it is" */
        {"99999999999", NULL, "unknown user \"99999999999\""},
        {NULL, "no such group", "unknown group \"no such group\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct privileges who;
        char reason[256] = "";

        assert_int_equal(
            privileges_find(&who, cases[i].user, cases[i].group, reason, sizeof reason), -1);
        if (!strstr(reason, cases[i].reason))
            fail_msg("no \"%s\" in: %s", cases[i].reason, reason);
    }
}

static int
check_ordinary(void)
{
    struct privileges who;
    char own[32], own_group[32], reason[256] = "";

    NEED(become_ordinary());
    snprintf(own, sizeof own, "%ld", (long)geteuid());
    snprintf(own_group, sizeof own_group, "%ld", (long)getegid());
    NEED(privileges_find(&who, NULL, NULL, reason, sizeof reason) == 0 && !who.change);
    NEED(privileges_find(&who, own, own_group, reason, sizeof reason) == 0 && !who.change);
    NEED(privileges_drop(&who, reason, sizeof reason) == 0);
    NEED(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);

    NEED(privileges_find(&who, "0", NULL, reason, sizeof reason) < 0);
    NEED(strstr(reason, "only root can become \"0\": start milterd as root"));
    NEED(privileges_find(&who, NULL, "0", reason, sizeof reason) < 0);
    NEED(strstr(reason, "only root can become group \"0\""));
    return 0;
}

static void
ordinary_user_stays_what_he_is(void **state)
{
    (void)state;
    in_child(check_ordinary);
}

static int
check_drop(void)
{
    struct privileges who;
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group, groups[8];
    const gid_t before[] = {0, 7, 8};
    char reason[256] = "";

    NEED(setgroups(3, before) == 0);
    NEED(privileges_find(&who, "4000000", "4000001", reason, sizeof reason) == 0);
    NEED(privileges_drop(&who, reason, sizeof reason) == 0);
    NEED(getresuid(&real, &effective, &saved) == 0);
    NEED(real == 4000000 && effective == 4000000 && saved == 4000000);
    NEED(getresgid(&real_group, &effective_group, &saved_group) == 0);
    NEED(real_group == 4000001 && effective_group == 4000001 && saved_group == 4000001);
    NEED(getgroups(8, groups) == 1 && groups[0] == 4000001);
    NEED(setuid(0) < 0 && seteuid(0) < 0 && setgid(0) < 0);
    NEED(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    return 0;
}

static void
root_becomes_the_user_for_good(void **state)
{
    (void)state;
    as_root(check_drop);
}

static int
check_group_alone(void)
{
    struct privileges who;
    gid_t groups[8];
    char reason[256] = "";

    NEED(privileges_find(&who, NULL, "4000001", reason, sizeof reason) == 0);
    NEED(privileges_drop(&who, reason, sizeof reason) == 0);
    NEED(getuid() == 0 && getegid() == 4000001);
    NEED(getgroups(8, groups) == 1 && groups[0] == 4000001);
    return 0;
}

static void
group_without_user(void **state)
{
    (void)state;
    as_root(check_group_alone);
}

/* Half a drop must be an error, whatever the reason. */
static int
check_failing_drop(void)
{
    const struct privileges who = {.change = true, .name = NULL, .user = 4000000, .group = 4000000};
    char reason[256] = "";

    NEED(become_ordinary());
    NEED(privileges_drop(&who, reason, sizeof reason) < 0);
    NEED(strstr(reason, "cannot drop privileges: setgroups: "));
    return 0;
}

static void
failing_drop_says_why(void **state)
{
    (void)state;
    in_child(check_failing_drop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_are_found),
        cmocka_unit_test(unknown_names_are_refused),
        cmocka_unit_test(ordinary_user_stays_what_he_is),
        cmocka_unit_test(root_becomes_the_user_for_good),
        cmocka_unit_test(group_without_user),
        cmocka_unit_test(failing_drop_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
