/*
 * test_reply - which replies of a plugin are let through, and what they become: every
 * code, enhanced codes, every control character, % doubled, several lines, each limit
 * exactly and one beyond it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/reply.h"

static struct arena arena;

static int
reset(void **unused)
{
    (void)unused;
    arena_reset(&arena);
    return 0;
}

/* Whether it is made; never with a reason as well, and always with one where it is not. */
static bool
made(struct reply *reply, int code, const char *xcode, const char *text)
{
    char why[200] = "";

    *reply = (struct reply){0};
    int result = reply_make(reply, &arena, code, xcode, text, why, sizeof(why));
    if (result == 0) {
        assert_non_null(reply->wire);
        assert_non_null(reply->text);
        assert_string_equal(why, "");
        return true;
    }
    assert_int_equal(result, -1);
    assert_null(reply->wire);
    assert_string_not_equal(why, "");
    return false;
}

static void
forms(void **unused)
{
    static const struct {
        const char *name;
        int code;
        const char *xcode, *text, *wire, *plain;
    } cases[] = {
        {"one line", 550, "5.7.1", "no", "550 5.7.1 no", "550 5.7.1 no"},
        {"no enhanced code", 451, NULL, "later", "451 later", "451 later"},
        {"two lines", 550, "5.7.1", "one\ntwo", "550-5.7.1 one\r\n550 5.7.1 two",
         "550 5.7.1 one two"},
        {"three lines, no enhanced code", 421, NULL, "a\nb\nc", "421-a\r\n421-b\r\n421 c",
         "421 a b c"},
        {"an empty line between", 550, NULL, "a\n\nb", "550-a\r\n550-\r\n550 b", "550 a  b"},
        {"a line end at the end", 550, NULL, "a\n", "550-a\r\n550 ", "550 a "},
        {"no text", 550, "5.7.1", "", "550 5.7.1 ", "550 5.7.1 "},
        {"percent", 550, NULL, "100% of %s %%", "550 100%% of %%s %%%%", "550 100% of %s %%"},
        {"percent in each line", 550, "5.1.1", "%\n%", "550-5.1.1 %%\r\n550 5.1.1 %%",
         "550 5.1.1 % %"},
        {"tab and 8-bit bytes", 550, NULL, "a\tb \303\244", "550 a\tb \303\244",
         "550 a\tb \303\244"},
        {"longest enhanced code", 599, "5.123.456", "x", "599 5.123.456 x", "599 5.123.456 x"},
    };
    struct reply reply;

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!made(&reply, cases[i].code, cases[i].xcode, cases[i].text))
            fail_msg("%s: refused", cases[i].name);
        if (strcmp(reply.wire, cases[i].wire) != 0 || strcmp(reply.text, cases[i].plain) != 0)
            fail_msg("%s: \"%s\" and \"%s\"", cases[i].name, reply.wire, reply.text);
    }
}

static void
codes(void **unused)
{
    struct reply reply;

    (void)unused;
    for (int code = -1; code <= 1000; code++) {
        bool good = code >= 400 && code <= 599;
        char start[16];

        if (made(&reply, code, NULL, "x") != good)
            fail_msg("code %d is %s", code, good ? "refused" : "let through");
        snprintf(start, sizeof(start), "%d x", code);
        if (good)
            assert_string_equal(reply.wire, start);
    }
    assert_false(made(&reply, 2147483647, NULL, "x"));
    assert_false(made(&reply, -2147483647 - 1, NULL, "x"));
}

static void
xcodes(void **unused)
{
    static const struct {
        int code;
        const char *xcode;
        bool good;
    } cases[] = {
        {550, "5.0.0", true},      {550, "5.7.1", true},     {550, "5.999.999", true},
        {450, "4.7.1", true},      {421, "4.3.2", true},     {550, "4.7.1", false},
        {450, "5.7.1", false},     {550, "2.0.0", false},    {550, "3.0.0", false},
        {550, "6.0.0", false},     {550, "", false},         {550, "5", false},
        {550, "5.", false},        {550, "5.7", false},      {550, "5.7.", false},
        {550, "5..1", false},      {550, ".7.1", false},     {550, "5.7.1.", false},
        {550, "5.7.1.1", false},   {550, "5.1000.1", false}, {550, "5.1.1000", false},
        {550, " 5.7.1", false},    {550, "5.7.1 ", false},   {550, "5.7.x", false},
        {550, "5.-7.1", false},    {550, "5,7,1", false},    {550, "55.7.1", false},
        {550, "5.7.1\r\n", false},
    };
    struct reply reply;

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (made(&reply, cases[i].code, cases[i].xcode, "x") != cases[i].good)
            fail_msg("%d \"%s\" is %s", cases[i].code, cases[i].xcode,
                     cases[i].good ? "refused" : "let through");
}

/* Every byte in the text, alone and inside. */
static void
bytes(void **unused)
{
    struct reply reply;

    (void)unused;
    for (int c = 1; c < 256; c++) {
        bool control = (c < ' ' && c != '\t' && c != '\n') || c == 0x7f;
        char alone[] = {(char)c, '\0'}, inside[] = {'a', (char)c, 'b', '\0'};

        if (made(&reply, 550, NULL, alone) == control || made(&reply, 550, NULL, inside) == control)
            fail_msg("byte 0x%02x is %s", c, control ? "let through" : "refused");
    }
    assert_false(made(&reply, 550, NULL, "a\r\nb"));
    assert_false(made(&reply, 550, NULL, "250 ok\r"));
    assert_false(made(&reply, 550, NULL, NULL));
}

/* n times c. */
static char *
repeat(char c, size_t n)
{
    char *text = malloc(n + 1);

    memset(text, c, n);
    text[n] = '\0';
    return text;
}

static void
line_length(void **unused)
{
    struct reply reply;
    char *line = repeat('x', REPLY_LINE_MAX + 1), *percent = repeat('%', REPLY_LINE_MAX);
    char *two = malloc(2 * REPLY_LINE_MAX + 3);

    (void)unused;
    assert_false(made(&reply, 550, "5.7.1", line));
    line[REPLY_LINE_MAX] = '\0';
    assert_true(made(&reply, 550, "5.7.1", line));
    assert_int_equal(strlen(reply.wire), 10 + REPLY_LINE_MAX);

    /* The limit is of the text, not of what doubling makes of it. */
    assert_true(made(&reply, 550, NULL, percent));
    assert_int_equal(strlen(reply.wire), 4 + 2 * REPLY_LINE_MAX);
    assert_int_equal(strlen(reply.text), 4 + REPLY_LINE_MAX);

    /* Each line anew. */
    sprintf(two, "%s\n%s", line, line);
    assert_true(made(&reply, 550, NULL, two));
    sprintf(two, "%s\n%sx", line, line);
    assert_false(made(&reply, 550, NULL, two));
    free(line);
    free(percent);
    free(two);
}

static void
line_count(void **unused)
{
    struct reply reply;
    char *ends = repeat('\n', REPLY_LINES_MAX);
    size_t lines = 0;

    (void)unused;
    /* As many line ends are one line more. */
    assert_false(made(&reply, 550, "5.777.777", ends));
    ends[REPLY_LINES_MAX - 1] = '\0';
    assert_true(made(&reply, 550, "5.777.777", ends));
    for (const char *at = reply.wire; (at = strstr(at, "\r\n")) != NULL; at += 2)
        lines++;
    assert_int_equal(lines, REPLY_LINES_MAX - 1);
    assert_int_equal(strlen(reply.wire), REPLY_LINES_MAX * 14 + (REPLY_LINES_MAX - 1) * 2);
    free(ends);
}

/* Lines and bytes at both limits together: the largest reply there is. */
static void
largest(void **unused)
{
    struct reply reply;
    char *text = repeat('%', (REPLY_LINE_MAX + 1) * REPLY_LINES_MAX - 1);

    (void)unused;
    for (size_t i = 1; i < REPLY_LINES_MAX; i++)
        text[i * (REPLY_LINE_MAX + 1) - 1] = '\n';
    assert_true(made(&reply, 550, "5.777.777", text));
    assert_int_equal(strlen(reply.wire),
                     REPLY_LINES_MAX * (14 + 2 * REPLY_LINE_MAX) + (REPLY_LINES_MAX - 1) * 2);
    free(text);
}

/* A reason is cut to its room and ended. */
static void
reasons(void **unused)
{
    struct reply reply = {0};
    char why[24], *long_xcode = repeat('5', 3000);

    (void)unused;
    memset(why, 'x', sizeof(why));
    assert_int_equal(reply_make(&reply, &arena, 550, long_xcode, "x", why, sizeof(why)), -1);
    assert_int_equal(strlen(why), sizeof(why) - 1);
    free(long_xcode);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(forms, reset),       cmocka_unit_test_teardown(codes, reset),
        cmocka_unit_test_teardown(xcodes, reset),      cmocka_unit_test_teardown(bytes, reset),
        cmocka_unit_test_teardown(line_length, reset), cmocka_unit_test_teardown(line_count, reset),
        cmocka_unit_test_teardown(largest, reset),     cmocka_unit_test_teardown(reasons, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
