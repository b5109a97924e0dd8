/*
 * test_log - what a line looks like on standard error and in a file: escaping,
 * cutting, levels, roles; and that nothing about the other end can end the process.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

static char folder[512];      /* a temporary one */
static char path[600];        /* of a log file in there */
static char stderr_path[600]; /* what goes to standard error while it is caught */
static int real_stderr = -1;
static char text[65536]; /* what was read last */

static void
catch_stderr(void)
{
    int fd = open(stderr_path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);

    assert_true(fd >= 0);
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static void
release_stderr(void)
{
    dup2(real_stderr, STDERR_FILENO);
}

static const char *
contents(const char *of)
{
    int fd = open(of, O_RDONLY);
    ssize_t n;

    text[0] = '\0';
    if (fd < 0)
        return text;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static int
begin(void **state)
{
    (void)state;
    log_open(&(struct log_settings){.target = LOG_TO_STDERR, .level = MILTER_LOG_INFO});
    log_role(NULL);
    catch_stderr();
    return 0;
}

static int
end(void **state)
{
    (void)state;
    release_stderr();
    unlink(path);
    return 0;
}

/* "milterd[PID]: " and more */
static const char *
expected(const char *rest)
{
    static char line[9000];

    snprintf(line, sizeof line, "milterd[%ld]: %s", (long)getpid(), rest);
    return line;
}

static const struct {
    const char *name, *text, *as;
} escapes[] = {
    {"plain", "plain text ~", "plain text ~"},
    {"empty", "", ""},
    {"line feed", "a\nmilterd[1]: forged", "a\\x0amilterd[1]: forged"},
    {"carriage return", "a\r\nb", "a\\x0d\\x0ab"},
    {"tab", "a\tb", "a\\x09b"},
    {"escape sequence", "\033[31mred", "\\x1b[31mred"},
    {"lowest and highest control", "\x01\x1f\x7f", "\\x01\\x1f\\x7f"},
    {"backslash is kept", "a\\x0ab\\", "a\\x0ab\\"},
    {"percent from outside", "%s%n%%", "%s%n%%"},
    {"two bytes", "\xc2\xa0\xc3\xa9\xdf\xbf", "\xc2\xa0\xc3\xa9\xdf\xbf"},
    {"three bytes", "\xe0\xa0\x80\xe2\x82\xac\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
     "\xe0\xa0\x80\xe2\x82\xac\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"},
    {"four bytes", "\xf0\x90\x80\x80\xf0\x9f\x93\xa7\xf4\x8f\xbf\xbf",
     "\xf0\x90\x80\x80\xf0\x9f\x93\xa7\xf4\x8f\xbf\xbf"},
    {"C1 control as UTF-8", "\xc2\x80\xc2\x9b\xc2\x9f", "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f"},
    {"latin 1", "caf\xe9!", "caf\\xe9!"},
    {"latin 1 at the end", "caf\xe9", "caf\\xe9"},
    {"lone continuation", "\x80\xbf", "\\x80\\xbf"},
    {"overlong two", "\xc0\x8a\xc1\xbf", "\\xc0\\x8a\\xc1\\xbf"},
    {"overlong three", "\xe0\x80\x8a\xe0\x9f\xbf", "\\xe0\\x80\\x8a\\xe0\\x9f\\xbf"},
    {"overlong four", "\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf"},
    {"surrogate", "\xed\xa0\x80\xed\xbf\xbf", "\\xed\\xa0\\x80\\xed\\xbf\\xbf"},
    {"beyond Unicode", "\xf4\x90\x80\x80\xf5\xff", "\\xf4\\x90\\x80\\x80\\xf5\\xff"},
    {"cut short", "\xe2\x82", "\\xe2\\x82"},
    {"cut short by a line feed", "\xe2\x82\n", "\\xe2\\x82\\x0a"},
    {"newline inside a character", "\xc3\n", "\\xc3\\x0a"},
};

static void
escaping(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        char line[200];

        catch_stderr();
        log_info("%s", escapes[i].text);
        contents(stderr_path);
        snprintf(line, sizeof line, "milterd[%ld]: %s\n", (long)getpid(), escapes[i].as);
        if (strcmp(text, line) != 0)
            fail_msg("%s: %s", escapes[i].name, text);
    }
}

static void
levels_and_roles(void **state)
{
    (void)state;
    log_error("disk %d", 1);
    log_warning("two");
    log_info("three");
    log_debug("four");
    contents(stderr_path);
    assert_non_null(strstr(text, expected("error: disk 1\n")));
    assert_non_null(strstr(text, expected("warning: two\n")));
    assert_non_null(strstr(text, expected("three\n")));
    assert_null(strstr(text, "four"));
    assert_true(log_wants(MILTER_LOG_INFO));
    assert_false(log_wants(MILTER_LOG_DEBUG));

    catch_stderr();
    log_role("worker 2");
    log_error("one");
    log_info("two");
    log_role("a role of more than sixty letters, which is cut so that the text has room");
    log_info("three");
    log_role("");
    log_info("four");
    contents(stderr_path);
    assert_non_null(strstr(text, expected("error: worker 2: one\n")));
    assert_non_null(strstr(text, expected("worker 2: two\n")));
    assert_non_null(strstr(text, expected("a role of more than sixty")));
    assert_non_null(strstr(text, ": three\n"));
    assert_non_null(strstr(text, expected("four\n")));
}

static void
least_level(void **state)
{
    static const enum milter_level all[] = {MILTER_LOG_ERROR, MILTER_LOG_WARNING, MILTER_LOG_INFO,
                                            MILTER_LOG_DEBUG};

    (void)state;
    for (int least = 0; least < 4; least++) {
        size_t lines = 0;

        log_open(&(struct log_settings){.target = LOG_TO_STDERR, .level = all[least]});
        catch_stderr();
        for (int i = 0; i < 4; i++)
            log_line(all[i], "x");
        log_debug("again");
        for (const char *at = contents(stderr_path); (at = strchr(at, '\n')); at++)
            lines++;
        assert_int_equal(lines, (size_t)least + 1 + (least == 3));
    }
    contents(stderr_path);
    assert_non_null(strstr(text, expected("debug: again\n")));
}

/* Lines around the limit, of bytes, of escapes and of characters. */
static void
long_lines(void **state)
{
    static const struct {
        const char *name, *unit, *as;
    } units[] = {
        {"letters", "x", "x"},
        {"escapes", "\n", "\\x0a"},
        {"characters of two bytes", "\xc3\xa9", "\xc3\xa9"},
        {"characters of four bytes", "\xf0\x9f\x93\xa7", "\xf0\x9f\x93\xa7"},
    };
    static char given[20100];

    (void)state;
    for (size_t u = 0; u < 4; u++) {
        for (size_t size = 7900; size < 20000; size = size < 8400 ? size + 1 : size * 2) {
            size_t n = 0, length, step = strlen(units[u].as), head = strlen(expected(""));
            const char *at;

            while (n < size)
                n += (size_t)sprintf(given + n, "%s", units[u].unit);
            catch_stderr();
            log_info("%s", given);
            contents(stderr_path);
            length = strlen(text);
            assert_in_range(length, 7900, 8192);
            assert_int_equal(text[length - 1], '\n');
            assert_ptr_equal(strchr(text, '\n'), text + length - 1);
            for (at = text + head; strncmp(at, units[u].as, step) == 0;)
                at += step;
            if (strcmp(at, "\n") == 0)
                assert_int_equal((size_t)(at - text) - head, n / strlen(units[u].unit) * step);
            else if (strcmp(at, "...\n") != 0)
                fail_msg("%s, %zu: %s", units[u].name, size, at);
            else
                assert_true(length > 8192 - 2 * 4 - 1 || n > 8170);
        }
    }
}

static void
errno_is_kept(void **state)
{
    (void)state;
    errno = ENOENT;
    log_error("%m");
    assert_int_equal(errno, ENOENT);
    assert_string_equal(contents(stderr_path), expected("error: No such file or directory\n"));
    close(STDERR_FILENO);
    errno = ENOENT;
    log_error("lost");
    assert_int_equal(errno, ENOENT);
}

static void
to_a_file(void **state)
{
    static const char form[] = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}"
                               "[+-][0-9]{2}:[0-9]{2} milterd\\[[0-9]+\\]: warning: test: one$";
    struct log_settings settings = {LOG_TO_FILE, path, 0, MILTER_LOG_WARNING};
    char old[640], line[300];
    regex_t regex;

    (void)state;
    assert_int_equal(log_open(&settings), 0);
    log_role("test");
    log_warning("one");
    log_info("not wanted");
    contents(path);
    assert_int_equal(strchr(text, '\n') - text, (ptrdiff_t)strlen(text) - 1);
    snprintf(line, sizeof line, "%.*s", (int)strlen(text) - 1, text);
    assert_int_equal(regcomp(&regex, form, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, line, 0, NULL, 0) != 0)
        fail_msg("%s", line);
    regfree(&regex);
    assert_string_equal(contents(stderr_path), "");

    snprintf(old, sizeof old, "%s.1", path);
    assert_int_equal(rename(path, old), 0);
    log_warning("two");
    assert_non_null(strstr(contents(old), "two"));
    log_reopen();
    log_warning("three");
    assert_null(strstr(contents(old), "three"));
    assert_non_null(strstr(contents(path), "three"));
    assert_null(strstr(text, "two"));

    log_reopen(); /* without a rotation: appended */
    log_warning("four");
    assert_non_null(strstr(contents(path), "three"));
    assert_non_null(strstr(text, "four"));
    assert_int_equal(unlink(old), 0);
}

static void
file_that_cannot_be_opened(void **state)
{
    char missing[700], too_long[5000], inner[600], moved[640];
    struct log_settings settings = {LOG_TO_FILE, missing, 0, MILTER_LOG_DEBUG};

    (void)state;
    snprintf(missing, sizeof missing, "%s/none/log", folder);
    assert_int_equal(log_open(&settings), -1);
    assert_int_equal(errno, ENOENT);
    memset(too_long, 'x', sizeof too_long);
    too_long[sizeof too_long - 1] = '\0';
    settings.path = too_long;
    assert_int_equal(log_open(&settings), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    log_info("still here"); /* target and level are the old ones */
    log_debug("not wanted");
    assert_string_equal(contents(stderr_path), expected("still here\n"));

    /* The folder goes away: reopening fails and says so in the file that is still open. */
    snprintf(inner, sizeof inner, "%s/inner", folder);
    snprintf(missing, sizeof missing, "%s/log", inner);
    snprintf(moved, sizeof moved, "%s-moved", inner);
    assert_int_equal(mkdir(inner, 0700), 0);
    settings.path = missing;
    assert_int_equal(log_open(&settings), 0);
    assert_int_equal(rename(inner, moved), 0);
    log_reopen();
    log_info("goes on");
    snprintf(missing, sizeof missing, "%s/log", moved);
    contents(missing);
    assert_non_null(strstr(text, "inner/log anew: No such file or directory"));
    assert_non_null(strstr(text, "goes on"));
    assert_int_equal(unlink(missing), 0);
    assert_int_equal(rmdir(moved), 0);
}

/* Runs in a child with default signals; its exit status or -signal. */
static int
in_child(void (*deed)(void))
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        deed();
        _exit(7);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
write_to_closed_pipe(void)
{
    int ends[2];

    signal(SIGPIPE, SIG_DFL);
    if (pipe(ends) < 0)
        _exit(1);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    log_error("nobody reads this");
    log_error("nor this");
}

static void
write_beyond_file_limit(void)
{
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){10, 10});
    log_error("cut at ten bytes");
    log_error("nothing of this");
}

static void
write_to_closed_descriptor(void)
{
    close(STDERR_FILENO);
    log_error("nobody reads this");
}

static void
raise_pipe_later(void)
{
    write_to_closed_pipe();
    raise(SIGPIPE); /* held back for the write only */
}

static void
nothing_kills(void **state)
{
    (void)state;
    assert_int_equal(in_child(write_to_closed_pipe), 7);
    assert_int_equal(in_child(write_to_closed_descriptor), 7);
    assert_int_equal(in_child(write_beyond_file_limit), 7);
    assert_int_equal(strlen(contents(stderr_path)), 10);
    assert_int_equal(in_child(raise_pipe_later), -SIGPIPE);
}

static void
fork_and_say_pid(void)
{
    char line[100];

    log_role("worker 1");
    log_info("x");
    snprintf(line, sizeof line, "milterd[%ld]: worker 1: x\n", (long)getpid());
    _exit(strcmp(contents(stderr_path), line) == 0 ? 7 : 1);
}

static void
pid_after_fork(void **state)
{
    (void)state;
    assert_int_equal(in_child(fork_and_say_pid), 7);
}

static volatile int nought;

static void
meet_a_bug(void)
{
    log_role(NULL);
    ALWAYS(nought == 0);
    ALWAYS(nought % 2 == 1);
}

static void
bugs(void **state)
{
    (void)state;
    assert_int_equal(in_child(meet_a_bug), -SIGABRT);
    contents(stderr_path);
    assert_non_null(strstr(text, "error: bug: nought % 2 == 1 at "));
    assert_non_null(strstr(text, "test_log.c:"));
    assert_non_null(strstr(text, ", please report\n"));
}

/* Two processes, one file: no line is torn. */
static void
write_many(void)
{
    for (int i = 0; i < 500; i++)
        log_info("%0*d", 300, 0);
}

static void
lines_do_not_mix(void **state)
{
    struct log_settings settings = {LOG_TO_FILE, path, 0, MILTER_LOG_INFO};
    char *line = NULL;
    size_t size = 0, lines = 0, length = 0;
    pid_t child;
    FILE *in;
    int status;

    (void)state;
    assert_int_equal(log_open(&settings), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        write_many();
        _exit(0);
    }
    write_many();
    assert_int_equal(waitpid(child, &status, 0), child);
    in = fopen(path, "r");
    assert_non_null(in);
    while (getline(&line, &size, in) > 0) {
        if (!length)
            length = strlen(line);
        assert_int_equal(strlen(line), length);
        lines++;
    }
    assert_int_equal(lines, 1000);
    free(line);
    fclose(in);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(escaping, begin, end),
        cmocka_unit_test_setup_teardown(levels_and_roles, begin, end),
        cmocka_unit_test_setup_teardown(least_level, begin, end),
        cmocka_unit_test_setup_teardown(long_lines, begin, end),
        cmocka_unit_test_setup_teardown(errno_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(to_a_file, begin, end),
        cmocka_unit_test_setup_teardown(file_that_cannot_be_opened, begin, end),
        cmocka_unit_test_setup_teardown(nothing_kills, begin, end),
        cmocka_unit_test_setup_teardown(pid_after_fork, begin, end),
        cmocka_unit_test_setup_teardown(bugs, begin, end),
        cmocka_unit_test_setup_teardown(lines_do_not_mix, begin, end),
    };
    const char *tmp = getenv("TMPDIR");
    int failed;

    snprintf(folder, sizeof folder, "%.400s/milterd-log-XXXXXX", tmp ? tmp : "/tmp");
    real_stderr = dup(STDERR_FILENO);
    if (!mkdtemp(folder) || real_stderr < 0) {
        perror(folder);
        return 1;
    }
    snprintf(path, sizeof path, "%s/log", folder);
    snprintf(stderr_path, sizeof stderr_path, "%s/stderr", folder);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    unlink(stderr_path);
    rmdir(folder);
    return failed;
}
