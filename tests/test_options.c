/* test_options - every type of option with good, bad and boundary values; tables that are wrong;
   what is printed and said. */
#define _GNU_SOURCE /* setresuid */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "config/option_types.h"
#include "config/options.h"
#include "config/tree.h"

static char *place; /* a directory of our own */

static char *
path_of(const char *name)
{
    return xprintf("%s/%s", place, name);
}

static void
write_file(const char *name, const char *text)
{
    char *path = path_of(name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static void
remove_file(const char *name)
{
    char *path = path_of(name);

    if (unlink(path) != 0)
        rmdir(path);
    free(path);
}

static int
make_place(void **state)
{
    const char *parent = getenv("TMPDIR");

    (void)state;
    place = xprintf("%s/milterd-options.XXXXXX", parent == NULL ? "/tmp" : parent);
    if (mkdtemp(place) == NULL)
        return -1;
    write_file("there", "x");
    return 0;
}

static int
remove_place(void **state)
{
    static const char *const names[] = {"there", "test.conf", "sub/part.conf", "sub/near", "sub"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        remove_file(names[i]);
    rmdir(place);
    free(place);
    return 0;
}

/* The text as test.conf, read by the table. Errors lose the directory's name. */
struct result {
    struct tree *tree;
    struct option_values *values;
    struct errors errors;
};

static struct result
read_text(const char *text, const struct milter_option *table, size_t size, const char *others,
          const char *what)
{
    struct result result = {0};
    char *path = path_of("test.conf");

    remove_file("test.conf");
    write_file("test.conf", text);
    result.tree = tree_read(path, &result.errors);
    free(path);
    if (result.tree == NULL)
        fail_msg("not parsed: %s", result.errors.lines[0]);
    result.values = options_read(table, size, tree_root(result.tree), others, what, &result.errors);
    for (size_t i = 0; i < result.errors.count; i++) {
        char *at, *line = result.errors.lines[i];
        size_t length = strlen(place) + 1;

        while ((at = strstr(line, place)) != NULL)
            memmove(at, at + length, strlen(at + length) + 1);
    }
    return result;
}

static void
free_result(struct result *result)
{
    options_free(result->values);
    tree_free(result->tree);
    errors_free(&result->errors);
}

static void
assert_errors(const struct errors *errors, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count && i < errors->count; i++)
        assert_string_equal(errors->lines[i], lines[i]);
    if (errors->count > count)
        fail_msg("one error too many: %s", errors->lines[count]);
    if (errors->count < count)
        fail_msg("not said: %s", lines[errors->count]);
}

/* What a printing function writes. */
static char *
printed(const struct option_value *value, const struct option_values *values)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    assert_non_null(out);
    if (value != NULL)
        options_print_value(value, out);
    else
        options_print(values, "  ", out);
    fclose(out);
    return text;
}

/* ---- text to numbers and back ---------------------------------------------- */

enum { NO = -1 };

static const struct {
    const char *text;
    int64_t is;
} sizes[] = {
    {"0", 0},
    {"1", 1},
    {"1024", 1024},
    {"1K", 1024},
    {"512k", 524288},
    {"10M", 10485760},
    {"3G", 3221225472},
    {"9223372036854775807", INT64_MAX},
    {"8589934591G", INT64_MAX - 1073741823},
    {"9223372036854775808", NO},
    {"8589934592G", NO},
    {"99999999999999999999999K", NO},
    {"", NO},
    {"K", NO},
    {"-1", NO},
    {"+1", NO},
    {" 1", NO},
    {"1 ", NO},
    {"1 K", NO},
    {"1KB", NO},
    {"1T", NO},
    {"1.5M", NO},
    {"0x10", NO},
    {"1K1", NO},
};

static void
sizes_from_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int64_t bytes = NO;
        int result = options_parse_size(sizes[i].text, &bytes);

        if (bytes != sizes[i].is || (result == 0) != (sizes[i].is != NO))
            fail_msg("\"%s\": %d, %" PRId64, sizes[i].text, result, bytes);
    }
}

static const struct {
    const char *text;
    int64_t is;
} durations[] = {
    {"0", 0},
    {"0s", 0},
    {"1ms", 1},
    {"200ms", 200},
    {"30s", 30000},
    {"5m", 300000},
    {"1h", 3600000},
    {"1h30m", 5400000},
    {"2d", 172800000},
    {"1d2h3m4s5ms", 93784005},
    {"1m5ms", 60005},
    {"90m", 5400000},
    {"9223372036854775807ms", INT64_MAX},
    {"9223372036854775808ms", NO},
    {"106751991168d", NO},
    {"106751991167d99999999h", NO},
    {"", NO},
    {"5", NO},
    {"00", NO},
    {"m", NO},
    {"5 m", NO},
    {" 5m", NO},
    {"5m ", NO},
    {"-5m", NO},
    {"1.5h", NO},
    {"30m1h", NO},
    {"1h1h", NO},
    {"1h30", NO},
    {"1M", NO},
    {"1w", NO},
    {"1min", NO},
    {"5mm", NO},
};

static void
durations_from_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        int64_t milliseconds = NO;
        int result = options_parse_duration(durations[i].text, &milliseconds);

        if (milliseconds != durations[i].is || (result == 0) != (durations[i].is != NO))
            fail_msg("\"%s\": %d, %" PRId64, durations[i].text, result, milliseconds);
    }
}

static const struct {
    const char *text;
    int is;
} modes[] = {{"0660", 0660}, {"660", 0660},   {"0", 0},     {"0777", 0777}, {"0000", 0},
             {"1777", NO},   {"", NO},        {"0668", NO}, {"rw-rw", NO},  {"00660", NO},
             {"0x1b0", NO},  {"-660", NO},    {" 660", NO}, {"4755", NO},   {"+660", NO},
             {"u=rw", NO},   {"77777777", NO}};

static void
modes_from_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        unsigned mode = (unsigned)NO;
        int result = options_parse_mode(modes[i].text, &mode);

        if ((int)mode != modes[i].is || (result == 0) != (modes[i].is != NO))
            fail_msg("\"%s\": %d, %o", modes[i].text, result, mode);
    }
}

static const struct {
    enum milter_option_type type;
    int64_t number;
    const char *text;
} formats[] = {
    {MILTER_SIZE, 0, "0"},
    {MILTER_SIZE, 1023, "1023"},
    {MILTER_SIZE, 1024, "1K"},
    {MILTER_SIZE, 10485760, "10M"},
    {MILTER_SIZE, 1073741824, "1G"},
    {MILTER_SIZE, 1099511627776, "1024G"},
    {MILTER_SIZE, 1073741825, "1073741825"},
    {MILTER_SIZE, INT64_MAX, "9223372036854775807"},
    {MILTER_DURATION, 0, "0s"},
    {MILTER_DURATION, 1, "1ms"},
    {MILTER_DURATION, 300000, "5m"},
    {MILTER_DURATION, 5400000, "1h30m"},
    {MILTER_DURATION, 93784005, "1d2h3m4s5ms"},
    {MILTER_DURATION, INT64_MAX, "106751991167d7h12m55s807ms"},
    {MILTER_INT, INT64_MIN, "-9223372036854775808"},
    {MILTER_BOOL, 0, "false"},
    {MILTER_BOOL, 1, "true"},
};

static void
numbers_as_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        char text[OPTIONS_NUMBER];
        int64_t back = formats[i].number;

        assert_string_equal(options_format_number(formats[i].type, formats[i].number, text),
                            formats[i].text);
        if (formats[i].type == MILTER_SIZE)
            assert_int_equal(options_parse_size(text, &back), 0);
        if (formats[i].type == MILTER_DURATION)
            assert_int_equal(options_parse_duration(text, &back), 0);
        assert_true(back == formats[i].number);
    }
}

/* ---- did you mean ------------------------------------------------------------ */

static const struct {
    const char *word, *words, *alike; /* NULL: none */
} misspelt[] = {
    {"proceses", "processes connections", "processes"},
    {"Processes", "processes connections", "processes"},
    {"conections", "processes connections", "connections"},
    {"lgo", "listeners log chains", "log"},
    {"listener", "workers log listeners chains", "listeners"},
    {"rule", "rules table", "rules"},
    {"tabel", "rules  table ", "table"},
    {"zzz", "rules table", NULL},
    {"x", "a b c", NULL},
    {"ab", "cd", NULL},
    {"", "rules", NULL},
    {"rules", "", NULL},
    {"rules", "   ", NULL},
};

static void
misspelt_words(void **state)
{
    char into[64], small[5], many[300];

    (void)state;
    for (size_t i = 0; i < sizeof(misspelt) / sizeof(misspelt[0]); i++) {
        const char *alike = errors_alike(misspelt[i].word, misspelt[i].words, into, sizeof(into));

        if ((alike == NULL) != (misspelt[i].alike == NULL) ||
            (alike != NULL && strcmp(alike, misspelt[i].alike) != 0))
            fail_msg("\"%s\": %s", misspelt[i].word, alike == NULL ? "none" : alike);
    }
    assert_null(errors_alike("rule", "rules", small, sizeof(small)));
    memset(many, 'a', sizeof(many) - 1);
    many[sizeof(many) - 1] = '\0';
    assert_null(errors_alike(many, "aaa", into, sizeof(into)));
    assert_null(errors_alike("aaa", many, into, sizeof(into)));
}

static void
one_error_is_one_line(void **state)
{
    struct errors errors = {0};
    static const char *const lines[] = {"a.conf:3: x\\x0ab: forged\\x1b \xc3\xa9", "a.conf: y",
                                        "z"};

    (void)state;
    errors_add(&errors, (struct config_place){"a.conf", 3}, "%s", "x\nb: forged\033 \xc3\xa9");
    errors_add(&errors, (struct config_place){"a.conf", 0}, "y");
    errors_add(&errors, (struct config_place){NULL, 0}, "%c", 'z');
    assert_errors(&errors, lines, 3);
    errors_free(&errors);
    assert_int_equal(errors.count, 0);
}

/* ---- values ------------------------------------------------------------------- */

static const struct milter_option all_types[] = {
    {.name = "text", .type = MILTER_STRING},
    {.name = "list", .type = MILTER_LIST, .min = 1, .max = 3},
    {.name = "words", .type = MILTER_LIST},
    {.name = "flag", .type = MILTER_BOOL},
    {.name = "count", .type = MILTER_INT, .min = 1, .max = 100},
    {.name = "any", .type = MILTER_INT},
    {.name = "least", .type = MILTER_INT, .min = -5, .max = INT64_MAX},
    {.name = "most", .type = MILTER_INT, .min = INT64_MIN, .max = 5},
    {.name = "size", .type = MILTER_SIZE, .min = 1024, .max = 1 << 30},
    {.name = "ttl", .type = MILTER_DURATION, .min = 1000, .max = 3600000},
    {.name = "nets", .type = MILTER_ADDRESSES, .min = 0, .max = 2},
    {.name = "file", .type = MILTER_FILE},
    {.name = "word", .type = MILTER_ENUM, .values = "one two  three"},
    {.name = NULL},
};

/* `is` as options_print_value() has it, or the error behind "test.conf:1: plugin x: ". */
static const struct {
    const char *setting, *name, *is, *error;
} values[] = {
    {"text = \"\"", "text", "\"\"", NULL},
    {"text = \"a b\"", "text", "\"a b\"", NULL},
    {"text = \"a\" \"b\"", "text", "\"ab\"", NULL},
    {"text = \"q\\\"b\\\\n\\n\\t\\x01 # no \"", "text", "\"q\\\"b\\\\n\\n\\t\\x01 # no \"", NULL},
    {"text = 5", "text", NULL, "\"text\" must be a string in quotes, not a number"},
    {"text = 5.5", "text", NULL, "\"text\" must be a string in quotes, not a number"},
    {"text = true", "text", NULL, "\"text\" must be a string in quotes, not true"},
    {"text = { }", "text", NULL, "\"text\" must be a string in quotes, not a group"},
    {"text = ( )", "text", NULL, "\"text\" must be a string in quotes, not a list"},
    {"text = [ ]", "text", NULL, "\"text\" must be a string in quotes, not a list"},

    {"list = \"a\"", "list", "( \"a\" )", NULL},
    {"list = ( \"a\", \"b c\" )", "list", "( \"a\", \"b c\" )", NULL},
    {"list = [ \"a\", \"b\", \"c\" ]", "list", "( \"a\", \"b\", \"c\" )", NULL},
    {"list = ( \"a\", )", "list", "( \"a\" )", NULL},
    {"list = ( )", "list", NULL, "\"list\" must have 1 to 3 items, not 0"},
    {"list = ( \"1\", \"2\", \"3\", \"4\" )", "list", NULL,
     "\"list\" must have 1 to 3 items, not 4"},
    {"list = 1", "list", NULL,
     "\"list\" must be a list of strings, ( \"...\", \"...\" ), not a number"},
    {"list = { a = \"b\"; }", "list", NULL,
     "\"list\" must be a list of strings, ( \"...\", \"...\" ), not a group"},
    {"list = ( \"a\", 2 )", "list", NULL,
     "\"list\", item 2, must be a string in quotes, not a number"},
    {"list = ( ( \"a\" ) )", "list", NULL,
     "\"list\", item 1, must be a string in quotes, not a list"},
    {"words = ( )", "words", "( )", NULL},

    {"flag = true", "flag", "true", NULL},
    {"flag = FALSE", "flag", "false", NULL},
    {"flag = 1", "flag", NULL, "\"flag\" must be true or false, not a number"},
    {"flag = \"true\"", "flag", NULL,
     "\"flag\" must be true or false, not \"true\": drop the quotes"},
    {"flag = \"yes\"", "flag", NULL, "\"flag\" must be true or false, not \"yes\""},

    {"count = 1", "count", "1", NULL},
    {"count = 100", "count", "100", NULL},
    {"count = 0x10", "count", "16", NULL},
    {"count = 0", "count", NULL, "\"count\" must be 1 to 100, not 0"},
    {"count = 101", "count", NULL, "\"count\" must be 1 to 100, not 101"},
    {"count = -1", "count", NULL, "\"count\" must be 1 to 100, not -1"},
    {"count = 4294967297", "count", NULL, "\"count\" must be 1 to 100, not 4294967297"},
    {"count = 0x100000001", "count", NULL, "\"count\" must be 1 to 100, not 4294967297"},
    {"count = 4294967297L", "count", NULL, "\"count\" must be 1 to 100, not 4294967297"},
    {"count = \"42\"", "count", NULL, "\"count\" must be a number, not \"42\": drop the quotes"},
    {"count = \"many\"", "count", NULL, "\"count\" must be a number, not \"many\""},
    {"count = \"\"", "count", NULL, "\"count\" must be a number, not \"\""},
    {"count = 1.0", "count", NULL, "\"count\" must be a whole number"},
    {"count = false", "count", NULL, "\"count\" must be a number, not false"},
    {"any = 2147483647", "any", "2147483647", NULL},
    {"any = 2147483648", "any", "2147483648", NULL},
    {"any = -2147483648", "any", "-2147483648", NULL},
    {"any = -2147483649", "any", "-2147483649", NULL},
    {"any = 0xffffffff", "any", "4294967295", NULL},
    {"any = 9223372036854775807", "any", "9223372036854775807", NULL},
    {"any = -9223372036854775808", "any", "-9223372036854775808", NULL},
    {"least = -5", "least", "-5", NULL},
    {"least = -6", "least", NULL, "\"least\" must be at least -5, not -6"},
    {"most = 5", "most", "5", NULL},
    {"most = 6", "most", NULL, "\"most\" must be at most 5, not 6"},

    {"size = \"1K\"", "size", "\"1K\"", NULL},
    {"size = \"1024\"", "size", "\"1K\"", NULL},
    {"size = \"1024M\"", "size", "\"1G\"", NULL},
    {"size = \"1023\"", "size", NULL, "\"size\" must be 1K to 1G, not 1023"},
    {"size = \"1025M\"", "size", NULL, "\"size\" must be 1K to 1G, not 1025M"},
    {"size = \"10 MB\"", "size", NULL,
     "\"size\" must be a size such as \"10M\" (units are K, M, G), not \"10 MB\""},
    {"size = 10", "size", NULL,
     "\"size\" must be a size such as \"10M\", not a number; put it in quotes, with its unit"},
    {"size = true", "size", NULL, "\"size\" must be a size such as \"10M\", not true"},

    {"ttl = \"1s\"", "ttl", "\"1s\"", NULL},
    {"ttl = \"60m\"", "ttl", "\"1h\"", NULL},
    {"ttl = \"999ms\"", "ttl", NULL, "\"ttl\" must be 1s to 1h, not 999ms"},
    {"ttl = \"1h1ms\"", "ttl", NULL, "\"ttl\" must be 1s to 1h, not 1h1ms"},
    {"ttl = \"0\"", "ttl", NULL, "\"ttl\" must be 1s to 1h, not 0s"},
    {"ttl = \"300\"", "ttl", NULL,
     "\"ttl\" must be a duration such as \"5m\" (units are d, h, m, s, ms), not \"300\"; give it a "
     "unit"},
    {"ttl = \"soon\"", "ttl", NULL,
     "\"ttl\" must be a duration such as \"5m\" (units are d, h, m, s, ms), not \"soon\""},
    {"ttl = 300", "ttl", NULL,
     "\"ttl\" must be a duration such as \"5m\", not a number; put it in quotes, with its unit"},

    {"nets = \"192.0.2.9\"", "nets", "( \"192.0.2.9\" )", NULL},
    {"nets = ( \"192.0.2.0/24\", \"2001:db8::/32\" )", "nets",
     "( \"192.0.2.0/24\", \"2001:db8::/32\" )", NULL},
    {"nets = ( \"::1\", \"192.0.2.1/24\" )", "nets", NULL,
     "\"nets\", item 2, must be an address or a network such as 192.0.2.0/24 or 2001:db8::/32 with "
     "no bits set beyond its prefix, not \"192.0.2.1/24\""},
    {"nets = \"example.com\"", "nets", NULL,
     "\"nets\" must be an address or a network such as 192.0.2.0/24 or 2001:db8::/32 with no bits "
     "set beyond its prefix, not \"example.com\""},
    {"nets = ( \"::1\", \"::2\", \"::3\" )", "nets", NULL,
     "\"nets\" must have 0 to 2 items, not 3"},
    {"nets = 1", "nets", NULL,
     "\"nets\" must be a list of addresses and networks, ( \"192.0.2.0/24\", \"::1\" ), not a "
     "number"},

    {"file = \"\"", "file", NULL, "\"file\" must be the name of a file, not empty"},
    {"file = \"gone\"", "file", NULL, "\"file\": gone cannot be read: No such file or directory"},
    {"file = \"/dev/null\"", "file", NULL,
     "\"file\": /dev/null cannot be read: it is not a regular file"},
    {"file = \"/tmp\"", "file", NULL, "\"file\": /tmp cannot be read: it is a directory"},
    {"file = 3", "file", NULL, "\"file\" must be the name of a file in quotes, not a number"},

    {"word = \"one\"", "word", "\"one\"", NULL},
    {"word = \"three\"", "word", "\"three\"", NULL},
    {"word = \"four\"", "word", NULL, "\"word\" must be one of one, two, three, not \"four\""},
    {"word = \"on\"", "word", NULL, "\"word\" must be one of one, two, three, not \"on\""},
    {"word = \"\"", "word", NULL, "\"word\" must be one of one, two, three, not \"\""},
    {"word = \"one two\"", "word", NULL,
     "\"word\" must be one of one, two, three, not \"one two\""},
    {"word = 1", "word", NULL, "\"word\" must be one of one, two, three, not a number"},
};

static void
every_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct result result =
            read_text(values[i].setting, all_types, sizeof(all_types[0]), NULL, "plugin x");
        const struct option_value *value = options_find(result.values, values[i].name);
        char *text = printed(value, NULL);

        if (values[i].error != NULL) {
            char *error = xprintf("test.conf:1: plugin x: %s", values[i].error);

            assert_errors(&result.errors, (const char *const *)&error, 1);
            assert_null(value->text);
            assert_int_equal(value->count, 0);
            free(error);
        } else {
            assert_errors(&result.errors, NULL, 0);
            if (strcmp(text, values[i].is) != 0)
                fail_msg("%s: %s", values[i].setting, text);
            assert_int_equal(value->place.line, 1);
        }
        assert_true(value->set);
        free(text);
        free_result(&result);
    }
}

static void
positions_and_nets(void **state)
{
    struct result result =
        read_text("word = \"three\"; nets = ( \"192.0.2.0/24\", \"2001:db8::/32\" );", all_types,
                  sizeof(all_types[0]), NULL, "plugin x");
    const struct option_value *nets = options_find(result.values, "nets");

    (void)state;
    assert_errors(&result.errors, NULL, 0);
    assert_int_equal(options_number(result.values, "word"), 2);
    assert_string_equal(options_text(result.values, "word"), "three");
    assert_int_equal(nets->nets[0].bits, 24);
    assert_int_equal(nets->nets[0].family, MILTER_FAMILY_INET);
    assert_int_equal(nets->nets[1].bits, 32);
    assert_int_equal(nets->nets[1].family, MILTER_FAMILY_INET6);
    assert_null(options_find(result.values, "nothing"));
    free_result(&result);
}

/* A string's line is where it ends, whatever comes behind it. */
static void
each_item_has_its_line(void **state)
{
    static const char text[] = "words = (\n" /* 1 */
                               "  \"a\", \"b\",\n"
                               "  \"c\"\n" /* 3 */
                               "  , # not here: )\n"
                               "  \"d\" /* nor\n" /* 5 */
                               "  here: , */\n"
                               "  , \"e\",\n"
                               "\n"
                               "  \"f\"\n" /* 9 */
                               "  \"g\" // as one\n"
                               "\n"
                               "); nets = [ \"::1\", \"bad\"\n" /* 12 */
                               "\n"
                               "]; count =\n" /* 14 */
                               "\n"
                               "0";
    static const unsigned lines[] = {2, 2, 3, 5, 7, 10};
    static const char *const errors[] = {
        "test.conf:14: plugin x: \"count\" must be 1 to 100, not 0",
        "test.conf:12: plugin x: \"nets\", item 2, must be an address or a network such as "
        "192.0.2.0/24 or 2001:db8::/32 with no bits set beyond its prefix, not \"bad\"",
    };
    struct result result = read_text(text, all_types, sizeof(all_types[0]), NULL, "plugin x");
    const struct option_value *words = options_find(result.values, "words");

    (void)state;
    assert_errors(&result.errors, errors, 2);
    assert_int_equal(words->count, 6);
    for (size_t i = 0; i < words->count; i++)
        assert_int_equal(options_place(words, i).line, lines[i]);
    assert_string_equal(words->items[5], "fg");
    assert_int_equal(options_place(words, 6).line, 1);
    assert_int_equal(options_place(options_find(result.values, "text"), 0).line, 0);
    free_result(&result);
}

static void
files_are_relative_to_their_milter_conf(void **state)
{
    char *sub = path_of("sub"), *near = path_of("sub/near"), *there = path_of("there");
    static const struct milter_option table[] = {
        {.name = "file", .type = MILTER_FILE}, {.name = "other", .type = MILTER_FILE}, {0}};
    struct result result;

    (void)state;
    assert_int_equal(mkdir(sub, 0700), 0);
    write_file("sub/near", "x");
    write_file("sub/part.conf", "file = \"near\";\n");
    result = read_text("@include \"sub/part.conf\"\nother = \"./there\";", table, sizeof(table[0]),
                       NULL, "plugin x");
    assert_errors(&result.errors, NULL, 0);
    assert_string_equal(options_text(result.values, "file"), near);
    assert_string_equal(options_text(result.values, "other"), there);
    free_result(&result);
    free(sub);
    free(near);
    free(there);
}

enum { NOBODY = 65534 };

static void
unreadable_file(void **state)
{
    char *path = path_of("there");
    static const char *const error[] = {
        "test.conf:1: plugin x: \"file\": there cannot be read: Permission denied"};
    uid_t user = geteuid();
    struct result result;

    (void)state;
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(chmod(place, 0777), 0);
    /* root may read everything */
    if (user == 0)
        assert_int_equal(setresuid(NOBODY, NOBODY, 0), 0);
    result = read_text("file = \"there\";", all_types, sizeof(all_types[0]), NULL, "plugin x");
    if (user == 0)
        assert_int_equal(setresuid(0, 0, 0), 0);
    assert_int_equal(chmod(place, 0700), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_errors(&result.errors, error, 1);
    free_result(&result);
    free(path);
}

/* ---- defaults, tables -------------------------------------------------------------- */

static const struct milter_option defaults[] = {
    {.name = "text", .type = MILTER_STRING, .initial = "a b"},
    {.name = "list", .type = MILTER_LIST, .initial = " a  b "},
    {.name = "flag", .type = MILTER_BOOL, .initial = "true"},
    {.name = "count", .type = MILTER_INT, .initial = "-7"},
    {.name = "size", .type = MILTER_SIZE, .initial = "10M"},
    {.name = "ttl", .type = MILTER_DURATION, .initial = "1h30m"},
    {.name = "nets", .type = MILTER_ADDRESSES, .initial = "127.0.0.0/8 ::1"},
    {.name = "word", .type = MILTER_ENUM, .initial = "b", .values = "a b"},
    {.name = "none", .type = MILTER_INT},
    {.name = "file", .type = MILTER_FILE},
    {.name = NULL},
};

static void
all_defaults(void **state)
{
    struct errors errors = {0};
    struct option_values *read =
        options_read(defaults, sizeof(defaults[0]), NULL, NULL, "plugin x", &errors);
    char *text = printed(NULL, read);

    (void)state;
    assert_errors(&errors, NULL, 0);
    assert_string_equal(text, "  text = \"a b\"   # default\n"
                              "  list = ( \"a\", \"b\" )   # default\n"
                              "  flag = true   # default\n"
                              "  count = -7   # default\n"
                              "  size = \"10M\"   # default\n"
                              "  ttl = \"1h30m\"   # default\n"
                              "  nets = ( \"127.0.0.0/8\", \"::1\" )   # default\n"
                              "  word = \"b\"   # default\n"
                              "  # none is not set\n"
                              "  # file is not set\n");
    assert_int_equal(options_number(read, "word"), 1);
    for (size_t i = 0; i < read->count; i++) {
        assert_false(read->values[i].set);
        assert_null(read->values[i].place.file);
    }
    free(text);
    options_free(read);
}

/* A value that is wrong leaves the default. */
static void
default_stays(void **state)
{
    static const char *const error[] = {"test.conf:1: plugin x: \"count\" must be a whole number"};
    struct result result =
        read_text("count = 1.5; size = \"20M\"", defaults, sizeof(defaults[0]), NULL, "plugin x");

    (void)state;
    assert_errors(&result.errors, error, 1);
    assert_int_equal(options_number(result.values, "count"), -7);
    assert_int_equal(options_number(result.values, "size"), 20 << 20);
    free_result(&result);
}

static void
wrong_defaults_are_the_plugins_fault(void **state)
{
    static const struct milter_option table[] = {
        {.name = "flag", .type = MILTER_BOOL, .initial = "yes"},
        {.name = "count", .type = MILTER_INT, .initial = "0", .min = 1, .max = 9},
        {.name = "number", .type = MILTER_INT, .initial = "1x"},
        {.name = "size", .type = MILTER_SIZE, .initial = "1B"},
        {.name = "word", .type = MILTER_ENUM, .initial = "c", .values = "a b"},
        {.name = "empty", .type = MILTER_ENUM, .initial = "c"},
        {.name = "nets", .type = MILTER_ADDRESSES, .initial = "::1 x"},
        {.name = "file", .type = MILTER_FILE, .initial = "relative"},
        {.name = "odd", .type = (enum milter_option_type)99, .initial = "x"},
        {.name = NULL},
    };
    static const char *const lines[] = {
        "plugin x: its default for \"flag\" is wrong: must be true or false, not \"yes\"",
        "plugin x: its default for \"count\" is wrong: must be 1 to 9, not 0",
        "plugin x: its default for \"number\" is wrong: must be a number, not \"1x\"",
        "plugin x: its default for \"size\" is wrong: must be a size such as \"10M\" (units are K, "
        "M, G), not \"1B\"",
        "plugin x: its default for \"word\" is wrong: must be one of a, b, not \"c\"",
        "plugin x: its default for \"empty\" is wrong: must be one of , not \"c\"",
        "plugin x: its default for \"nets\" is wrong: must be an address or a network such as "
        "192.0.2.0/24 or 2001:db8::/32 with no bits set beyond its prefix, not \"x\"",
        "plugin x: its default for \"file\" is wrong: must be an absolute path, not \"relative\"",
        "plugin x: its option \"odd\" is of an unknown type (99)",
    };
    struct errors errors = {0};
    struct option_values *read =
        options_read(table, sizeof(table[0]), NULL, NULL, "plugin x", &errors);
    char *text = printed(NULL, read);

    (void)state;
    assert_errors(&errors, lines, sizeof(lines) / sizeof(lines[0]));
    free(text);
    options_free(read);
    errors_free(&errors);
}

static void
default_file_need_not_be_there_when_another_is_set(void **state)
{
    static const struct milter_option table[] = {
        {.name = "file", .type = MILTER_FILE, .initial = "/nowhere/at/all"}, {.name = NULL}};
    static const char *const error[] = {
        "test.conf: plugin x: \"file\": it is not set and its default /nowhere/at/all cannot be "
        "read: No such file or directory"};
    struct result result =
        read_text("file = \"there\";", table, sizeof(table[0]), NULL, "plugin x");

    (void)state;
    assert_errors(&result.errors, NULL, 0);
    free_result(&result);
    result = read_text("", table, sizeof(table[0]), NULL, "plugin x");
    assert_errors(&result.errors, error, 1);
    free_result(&result);
}

static void
required(void **state)
{
    static const struct milter_option table[] = {
        {.name = "must", .type = MILTER_STRING, .flags = MILTER_REQUIRED, .help = "what it is"},
        {.name = "bare", .type = MILTER_INT, .flags = MILTER_REQUIRED},
        {.name = "given", .type = MILTER_INT, .flags = MILTER_REQUIRED, .initial = "1"},
        {.name = NULL},
    };
    static const char *const lines[] = {"test.conf: plugin x: \"must\" must be set: what it is",
                                        "test.conf: plugin x: \"bare\" must be set"};
    struct result result = read_text("", table, sizeof(table[0]), NULL, "plugin x");

    (void)state;
    assert_errors(&result.errors, lines, 2);
    free_result(&result);
    result = read_text("must = \"\"; bare = 0", table, sizeof(table[0]), NULL, "plugin x");
    assert_errors(&result.errors, NULL, 0);
    free_result(&result);
}

static void
unknown_keys(void **state)
{
    static const struct milter_option table[] = {
        {.name = "rules", .type = MILTER_LIST}, {.name = "table", .type = MILTER_INT}, {0}};
    static const char text[] = "rule = \"x\";\nplugin = 3;\nnmae = 1;\nfoobar = ( );\nTable = 2;";
    static const char *const lines[] = {
        "test.conf:1: plugin x: unknown key \"rule\", did you mean \"rules\"?",
        "test.conf:3: plugin x: unknown key \"nmae\", did you mean \"name\"?",
        "test.conf:4: plugin x: unknown key \"foobar\"; the keys are rules, table",
        "test.conf:5: plugin x: unknown key \"Table\", did you mean \"table\"?",
    };
    static const char *const none[] = {
        "test.conf:1: plugin x: unknown key \"a\"; it has no options"};
    struct result result = read_text(text, table, sizeof(table[0]), "plugin name", "plugin x");

    (void)state;
    assert_errors(&result.errors, lines, 4);
    free_result(&result);
    result = read_text(text, table, sizeof(table[0]), "*", "plugin x");
    assert_errors(&result.errors, NULL, 0);
    free_result(&result);
    result = read_text("a = 1;", NULL, sizeof(table[0]), NULL, "plugin x");
    assert_errors(&result.errors, none, 1);
    assert_int_equal(result.values->count, 0);
    free_result(&result);
}

/* How a group is called decides how its keys are. */
static void
names_in_messages(void **state)
{
    static const struct milter_option table[] = {{.name = "count", .type = MILTER_INT}, {0}};
    static const struct {
        const char *what, *wrong, *unknown;
    } cases[] = {
        {"", "test.conf:1: count must be a whole number",
         "test.conf:2: unknown key \"cuont\", did you mean \"count\"?"},
        {"workers", "test.conf:1: workers.count must be a whole number",
         "test.conf:2: workers: unknown key \"cuont\", did you mean \"count\"?"},
        {"plugin x", "test.conf:1: plugin x: \"count\" must be a whole number",
         "test.conf:2: plugin x: unknown key \"cuont\", did you mean \"count\"?"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *lines[] = {cases[i].unknown, cases[i].wrong};
        struct result result =
            read_text("count = 0.5;\ncuont = 1;", table, sizeof(table[0]), NULL, cases[i].what);

        assert_errors(&result.errors, lines, 2);
        free_result(&result);
    }
}

/* A plugin that was built with a longer or a shorter row. */
static void
rows_of_another_size(void **state)
{
    static const struct {
        struct milter_option option;
        void *later[3];
    } longer[] = {
        {{.name = "count", .type = MILTER_INT, .initial = "3"}, {"x", "y", "z"}},
        {{.name = "text", .type = MILTER_STRING, .initial = "t"}, {"x", "y", "z"}},
        {{.name = NULL}, {"x", "y", "z"}},
    };
    enum { SHORT = offsetof(struct milter_option, min) };
    _Alignas(struct milter_option) char shorter[3 * SHORT] = {0};
    static const struct milter_option count = {
        .name = "count", .type = MILTER_INT, .initial = "3", .min = 90, .max = 99, .help = "far"};
    struct errors errors = {0};
    struct option_values *read;

    (void)state;
    read = options_read(&longer[0].option, sizeof(longer[0]), NULL, NULL, "plugin x", &errors);
    assert_int_equal(read->count, 2);
    assert_int_equal(options_number(read, "count"), 3);
    assert_string_equal(options_text(read, "text"), "t");
    options_free(read);

    memcpy(shorter, &count, SHORT);
    memcpy(shorter + SHORT, &count, SHORT);
    read =
        options_read((const struct milter_option *)shorter, SHORT, NULL, NULL, "plugin x", &errors);
    assert_int_equal(read->count, 2);
    assert_int_equal(read->values[0].number, 3);
    assert_null(read->values[1].option->help);
    options_free(read);
    assert_errors(&errors, NULL, 0);

    read = options_read(&count, 0, NULL, NULL, "plugin x", &errors);
    assert_int_equal(read->count, 0);
    options_free(read);
}

/* ---- printing ---------------------------------------------------------------------- */

static void
what_is_printed_can_be_read(void **state)
{
    static const char text[] =
        "text = \"a\\\"\\n\\\\\";\nlist = ( \"x\", \"y\" );\nflag = true;\ncount = 7;\n"
        "size = \"3K\";\nttl = \"90s\";\nnets = \"::1\";\nfile = \"there\";\nword = \"two\";\n";
    struct result first = read_text(text, all_types, sizeof(all_types[0]), NULL, "plugin x");
    char *once = printed(NULL, first.values), *twice, *place_of_text, *file = path_of("test.conf");
    struct result second = read_text(once, all_types, sizeof(all_types[0]), NULL, "plugin x");

    (void)state;
    assert_errors(&second.errors, NULL, 0);
    place_of_text = xprintf("  text = \"a\\\"\\n\\\\\"   # %s:1\n", file);
    assert_memory_equal(once, place_of_text, strlen(place_of_text));
    for (size_t i = 0; i < first.values->count; i++) {
        char *a = printed(&first.values->values[i], NULL);
        char *b = printed(&second.values->values[i], NULL);

        assert_string_equal(a, b);
        free(a);
        free(b);
    }
    twice = printed(NULL, second.values);
    assert_non_null(strstr(twice, "# least is not set"));
    free(once);
    free(twice);
    free(place_of_text);
    free(file);
    free_result(&first);
    free_result(&second);
}

static void
table_as_documentation(void **state)
{
    static const struct milter_option table[] = {
        {.name = "count",
         .type = MILTER_INT,
         .initial = "3",
         .min = 1,
         .max = 9,
         .help = "how many"},
        {.name = "ttl", .type = MILTER_DURATION, .min = 1000, .max = INT64_MAX, .help = "how long"},
        {.name = "least", .type = MILTER_SIZE, .min = INT64_MIN, .max = 1024},
        {.name = "rules", .type = MILTER_LIST, .flags = MILTER_REQUIRED, .min = 1, .max = 5},
        {.name = "word", .type = MILTER_ENUM, .values = "a b", .initial = "b", .help = "which"},
        {.name = "file", .type = MILTER_FILE, .initial = "/etc/x", .help = "where"},
        {.name = "odd", .type = (enum milter_option_type)77},
        {.name = NULL},
    };
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    (void)state;
    assert_non_null(out);
    options_describe(table, sizeof(table[0]), out);
    fclose(out);
    assert_string_equal(text, "count: number, 1 to 9, default 3\n    how many\n"
                              "ttl: duration, at least 1s\n    how long\n"
                              "least: size, at most 1K\n    \n"
                              "rules: list, 1 to 5 items, required\n    \n"
                              "word: word of a, b, default \"b\"\n    which\n"
                              "file: file, default \"/etc/x\"\n    where\n"
                              "odd: of an unknown type\n    \n");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_from_text),
        cmocka_unit_test(durations_from_text),
        cmocka_unit_test(modes_from_text),
        cmocka_unit_test(numbers_as_text),
        cmocka_unit_test(misspelt_words),
        cmocka_unit_test(one_error_is_one_line),
        cmocka_unit_test(every_type),
        cmocka_unit_test(positions_and_nets),
        cmocka_unit_test(each_item_has_its_line),
        cmocka_unit_test(files_are_relative_to_their_milter_conf),
        cmocka_unit_test(unreadable_file),
        cmocka_unit_test(all_defaults),
        cmocka_unit_test(default_stays),
        cmocka_unit_test(wrong_defaults_are_the_plugins_fault),
        cmocka_unit_test(default_file_need_not_be_there_when_another_is_set),
        cmocka_unit_test(required),
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(names_in_messages),
        cmocka_unit_test(rows_of_another_size),
        cmocka_unit_test(what_is_printed_can_be_read),
        cmocka_unit_test(table_as_documentation),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
