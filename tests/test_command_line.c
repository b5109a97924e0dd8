/*
 * milterd's command line: what -t and -T print, what they call wrong, and every exit
 * status. No test of a configuration may bind a socket or leave a process behind.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "running.h"

static void
assert_in(const char *words, const char *text)
{
    if (!strstr(text, words))
        fail_msg("no \"%s\" in:\n%s", words, text);
}

/* Two listeners, and a chain that neither uses. */
static void
configure_well(struct running *running)
{
    running_configure(running,
                      "listeners = ( { socket = \"inet:%u@127.0.0.1\"; chain = \"in\"; },\n"
                      " { socket = \"inet6:%u@::1\"; chain = \"in\"; },\n"
                      " { socket = \"unix:%s\"; chain = \"out\"; } );\n"
                      "chains = { in = ( \"hello\",\n"
                      " { plugin = \"hello\"; name = \"again\"; header = \"X-Again\"; } );\n"
                      " out = ( \"hello\" ); spare = ( \"hello\" ); };\n",
                      running->port, running->port, running->socket);
}

static void
test_prints_lines_to_copy(void **state)
{
    struct running *running = *state;
    char line[256];

    configure_well(running);
    assert_int_equal(running_call(running, "-t", "-c", running->config, NULL), 0);
    assert_string_equal(running->errors, "");
    snprintf(line, sizeof line, "smtpd_milters = inet:127.0.0.1:%u\n", running->port);
    assert_in(line, running->output);
    snprintf(line, sizeof line, "smtpd_milters = inet:[::1]:%u\n", running->port);
    assert_in(line, running->output);
    snprintf(line, sizeof line, "smtpd_milters = unix:%s\n", running->socket);
    assert_in(line, running->output);
    snprintf(line, sizeof line, "INPUT_MAIL_FILTER(`milterd', `S=inet:%u@127.0.0.1, F=T, ",
             running->port);
    assert_in(line, running->output);
    snprintf(line, sizeof line, "INPUT_MAIL_FILTER(`milterd', `S=inet6:%u@::1, F=T, ",
             running->port);
    assert_in(line, running->output);
    snprintf(line, sizeof line, "INPUT_MAIL_FILTER(`milterd', `S=local:%s, F=T, ", running->socket);
    assert_in(line, running->output);
}

static void
test_prints_what_a_chrooted_smtpd_needs(void **state)
{
    struct running *running = *state;

    running_configure(running,
                      "listeners = ( { socket = \"unix:/var/spool/postfix/milterd/m.sock\"; } );\n"
                      "chains = { in = ( \"hello\" ); };\n");
    assert_int_equal(running_call(running, "-t", "-c", running->config, NULL), 0);
    assert_in("smtpd_milters = unix:/var/spool/postfix/milterd/m.sock\n", running->output);
    assert_in("main.cf, smtpd chrooted: smtpd_milters = unix:milterd/m.sock\n", running->output);
}

static void
test_prints_chains_in_order(void **state)
{
    struct running *running = *state;
    const char *first, *second;

    configure_well(running);
    assert_int_equal(running_call(running, "-t", "-c", running->config, NULL), 0);
    first = strstr(running->output, "1. hello");
    second = strstr(running->output, "2. again");
    assert_true(first && second && first < second);
    assert_in("chain spare is not used: no listener names it\n", running->output);
    assert_null(strstr(running->output, "chain out is not used"));
    assert_null(strstr(running->output, "X-Again"));
}

static void
test_binds_nothing(void **state)
{
    struct running *running = *state;

    running_configure(
        running, "listeners = ( { socket = \"unix:%s\"; } ); chains = { in = ( \"hello\" ); };",
        running->socket);
    assert_int_equal(running_call(running, "-t", "-c", running->config, NULL), 0);
    assert_int_equal(access(running->socket, F_OK), -1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);

    running_start(running); /* what serves already is no fault either */
    assert_int_equal(running_call(running, "-t", "-c", running->config, NULL), 0);
    assert_int_equal(access(running->socket, F_OK), 0);
    running_stop(running);
}

static void
settings_have_file_and_line(void **state)
{
    struct running *running = *state;
    char line[256];

    configure_well(running);
    assert_int_equal(running_call(running, "-T", "-c", running->config, NULL), 0);
    assert_in("smtpd_milters = inet:127.0.0.1:", running->output);
    assert_in("drain_timeout = \"30s\"   # default\n", running->output);
    snprintf(line, sizeof line, "plugin_dir = \"%s\"   # %s:1\n", running->plugins,
             running->config);
    assert_in(line, running->output);
    assert_in("X-Again", running->output);
}

static void
test_tells_all_errors(void **state)
{
    struct running *running = *state;

    running_configure(running, "drain_timeout = \"soon\";\n"
                               "listeners = ( { socket = \"carrier-pigeon\"; chain = \"in\"; } );\n"
                               "chains = { in = ( \"hello\" ); };\n"
                               "no_such_key = 1;\n");
    assert_int_equal(running_call(running, "-t", "-c", running->config, NULL), EX_CONFIG);
    assert_string_equal(running->output, "");
    assert_in("soon", running->errors);
    assert_in("carrier-pigeon", running->errors);
    assert_in("no_such_key", running->errors);
}

/* The plugins' own options are known only to the child. */
static void
test_tells_all_errors_of_plugins(void **state)
{
    struct running *running = *state;
    char line[256];

    running_configure(running,
                      "workers = { processes = 1; }; log = { };\n"
                      "listeners = ( { socket = \"unix:%s\"; chain = \"in\"; } );\n"
                      "chains = { in = ( \"no-such-plugin\",\n"
                      " { plugin = \"hello\"; heeder = \"X\"; } ); };\n",
                      running->socket);
    assert_int_equal(running_call(running, "-t", "-c", running->config, NULL), EX_CONFIG);
    assert_string_equal(running->output, "");
    snprintf(line, sizeof line, "%s/no-such-plugin.so", running->plugins);
    assert_in(line, running->errors);
    snprintf(line, sizeof line, "%s:%d: ", running->config, geteuid() == 0 ? 6 : 5);
    assert_in(line, running->errors);
    assert_in("heeder", running->errors);
}

/* A crash is an error like any other, at the end as well. */
static void
test_survives_plugins(void **state)
{
    static const struct {
        const char *does, *words;
    } cases[] = {
        {"crash", "the process that loads the plugins (pid "},
        {"crash", ") killed by SIGABRT"},
        {"exit", ") exited with status 3\n"},
        {"crash_at_unload", "after the plugins were loaded\n"},
    };
    struct running *running = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        running_configure(running,
                          "listeners = ( { socket = \"unix:%s\"; } );\n"
                          "chains = { in = ( { plugin = \"unruly\"; does = \"%s\"; } ); };\n",
                          running->socket, cases[i].does);
        assert_int_equal(running_call(running, "-t", "-c", running->config, NULL), EX_CONFIG);
        assert_in(cases[i].words, running->errors);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    }
}

static void
ordinary_user_may_test(void **state)
{
    struct running *running = *state;

    if (geteuid() != 0)
        skip();
    configure_well(running); /* with a user, as for root */
    running->ordinary = true;
    assert_int_equal(running_call(running, "-t", "-c", running->config, NULL), 0);
    assert_string_equal(running->errors, "");
}

static void
exit_statuses(void **state)
{
    static const struct {
        const char *name;
        const char *arguments[4];
        int status;
        const char *output, *errors; /* something in it; NULL: nothing at all */
    } cases[] = {
        {"version", {"-V"}, 0, "milterd ", NULL},
        {"version with the ABI", {"-V"}, 0, " (plugin ABI 1, libconfig ", NULL},
        {"help", {"-h"}, 0, "usage: milterd [-c FILE] [-f] [-t] [-T] [-V] [-h]\n", NULL},
        {"unknown option", {"-x"}, EX_USAGE, NULL, "there is no option -x\nusage: milterd "},
        {"option without its file", {"-c"}, EX_USAGE, NULL, "option -c wants a file\nusage: "},
        {"argument", {"-t", "file"}, EX_USAGE, NULL, "too many arguments\nusage: "},
        {"missing file", {"-t", "-c", "/no/such/file"}, EX_CONFIG, NULL, "/no/such/file: "},
        {"folder as file", {"-t", "-c", "/"}, EX_CONFIG, NULL, "/: "},
        {"missing file, not a test",
         {"-f", "-c", "/no/such/file"},
         EX_CONFIG,
         NULL,
         "/no/such/file: "},
        {"missing file, in the background",
         {"-c", "/no/such/file"},
         EX_CONFIG,
         NULL,
         "/no/such/file: "},
    };
    struct running *running = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const *arguments = cases[i].arguments;

        print_message("%s\n", cases[i].name);
        assert_int_equal(running_call(running, arguments[0], arguments[1], arguments[2], NULL),
                         cases[i].status);
        if (cases[i].output)
            assert_in(cases[i].output, running->output);
        else
            assert_string_equal(running->output, "");
        if (cases[i].errors)
            assert_in(cases[i].errors, running->errors);
        else
            assert_string_equal(running->errors, "");
    }
}

static void
log_file_that_cannot_be_opened(void **state)
{
    struct running *running = *state;

    running_configure(
        running,
        "listeners = ( { socket = \"unix:%s\"; } ); chains = { in = ( \"hello\" ); };\n"
        "log = { target = \"file\"; file = \"%s/no/folder\"; };\n",
        running->socket, running->folder);
    assert_int_equal(running_call(running, "-c", running->config, NULL), EX_CONFIG);
    assert_in("cannot open the log file", running->errors);
    assert_in("milter.conf:", running->errors);
    assert_int_equal(access(running->socket, F_OK), -1);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, running_set_up, running_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_prints_lines_to_copy),        CASE(test_prints_what_a_chrooted_smtpd_needs),
        CASE(test_prints_chains_in_order),      CASE(test_binds_nothing),
        CASE(settings_have_file_and_line),      CASE(test_tells_all_errors),
        CASE(test_tells_all_errors_of_plugins), CASE(test_survives_plugins),
        CASE(ordinary_user_may_test),           CASE(exit_statuses),
        CASE(log_file_that_cannot_be_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
