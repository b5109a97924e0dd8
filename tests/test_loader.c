/*
 * test_loader - plugins into chains: what is refused and in which words, each with file
 * and line; several faults at once; options; places; what follows for the chain; and that
 * on_load, on_unload and destructors are called once each. The plugins are copied into a
 * directory of the test's own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "chain/chain.h"
#include "chain/loader.h"
#include "config/config.h"

/* As in plugins/counted.c. */
struct counted {
    int loads, unloads, destroyed, wrong_order;
};

static const char *modules; /* where they have been built */
static char *place;         /* the directory */
static char *conf;          /* milter.conf in it */

static void
write_file(const char *path, const void *data, size_t length, mode_t mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* tests/plugins/FROM.so to TO.so in our directory. */
static void
copy_module(const char *from, const char *to)
{
    static char data[4 << 20];
    char *source = xprintf("%s/%s.so", modules, from), *target = xprintf("%s/%s.so", place, to);
    FILE *file = fopen(source, "r");

    if (file == NULL)
        fail_msg("%s: %s (TEST_PLUGINS says where they are)", source, strerror(errno));
    size_t length = fread(data, 1, sizeof(data), file);
    assert_true(length > 0 && length < sizeof(data));
    fclose(file);
    unlink(target);
    write_file(target, data, length, 0644);
    free(source);
    free(target);
}

static int
make_place(void **unused)
{
    const char *parent = getenv("TMPDIR");

    (void)unused;
    modules = getenv("TEST_PLUGINS");
    if (modules == NULL)
        modules = "tests/plugins";
    place = xprintf("%s/milterd-loader.XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(place) == NULL)
        return -1;
    conf = xprintf("%s/milter.conf", place);
    return 0;
}

static int
remove_place(void **unused)
{
    char *command = xprintf("rm -rf '%s'", place);
    int result = system(command);

    (void)unused;
    free(command);
    free(place);
    free(conf);
    return result;
}

/* ---- one configuration -------------------------------------------------------------------- */

struct loading {
    struct errors errors;
    struct config *config;
    struct chain_set *set;
};

/* Chains as they stand in milter.conf, from its line 3 on. */
static void
load(struct loading *loading, const char *chains)
{
    const char *first = chains + strspn(chains, "\n");
    char *text = xprintf("plugin_dir = \"%s\";\nchains = {\n%s};\n"
                         "listeners = ( { socket = \"unix:%s/socket\"; chain = \"%.*s\"; } );\n",
                         place, chains, place, (int)strcspn(first, " "), first);

    memset(loading, 0, sizeof(*loading));
    write_file(conf, text, strlen(text), 0644);
    free(text);
    loading->config = config_load(conf, &loading->errors);
    for (size_t i = 0; i < loading->errors.count; i++)
        print_error("%s\n", loading->errors.lines[i]);
    assert_int_equal(loading->errors.count, 0);
    loading->set = loader_load(loading->config, &loading->errors);
    assert_int_equal(loading->set == NULL, loading->errors.count > 0);
}

static void
unload(struct loading *loading)
{
    loader_unload(loading->set);
    errors_free(&loading->errors);
    config_free(loading->config);
}

/* One error line with all of these words, in this order. */
static void
expect_error(const struct loading *loading, const char *name, unsigned line,
             const char *const *words)
{
    char *start = xprintf("%s:%u: ", conf, line);
    size_t found = 0;

    for (size_t i = 0; i < loading->errors.count; i++) {
        const char *at = loading->errors.lines[i];

        if (strncmp(at, start, strlen(start)) != 0)
            continue;
        at += strlen(start);
        for (size_t k = 0; at != NULL && words[k] != NULL; k++)
            if ((at = strstr(at, words[k])) != NULL)
                at += strlen(words[k]);
        found += at != NULL;
    }
    free(start);
    if (found == 1)
        return;
    for (size_t i = 0; i < loading->errors.count; i++)
        print_error("    %s\n", loading->errors.lines[i]);
    fail_msg("%s: %zu errors at line %u with \"%s\"", name, found, line, words[0]);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- files that are refused ------------------------------------------------------------------ */

static void
missing_file(void **unused)
{
    struct loading loading;

    (void)unused;
    load(&loading, "c = (\n\"nowhere\",\n{ plugin = \"./nowhere/x.so\"; } );\n");
    assert_int_equal(loading.errors.count, 2);
    expect_error(&loading, "by name", 4,
                 WORDS("plugin nowhere: there is no file ", "/nowhere.so", "plugin_dir"));
    expect_error(&loading, "by path", 5, WORDS("there is no file ", place, "/nowhere/x.so"));
    unload(&loading);
}

static void
no_file(void **unused)
{
    struct loading loading;
    char *path = xprintf("%s/folder.so", place);

    (void)unused;
    assert_int_equal(mkdir(path, 0755), 0);
    load(&loading, "c = ( \"folder\" );\n");
    assert_int_equal(loading.errors.count, 1);
    expect_error(&loading, "a directory", 3, WORDS("plugin folder: ", path, "is not a file"));
    unload(&loading);
    free(path);
}

static void
text_file(void **unused)
{
    static const char *const contents[] = {"", "#!/bin/sh\nexit 0\n", "\177ELF"};
    struct loading loading;
    char *path = xprintf("%s/text.so", place);

    (void)unused;
    for (size_t i = 0; i < 3; i++) {
        write_file(path, contents[i], strlen(contents[i]), 0755);
        load(&loading, "c = ( \"text\" );\n");
        assert_int_equal(loading.errors.count, 1);
        expect_error(&loading, "a text file", 3,
                     WORDS("plugin text: ", path, "cannot be loaded: "));
        unload(&loading);
    }
    free(path);
}

static void
world_writable(void **unused)
{
    struct loading loading;
    char *path = xprintf("%s/writable.so", place);

    (void)unused;
    copy_module("counted", "writable");
    assert_int_equal(chmod(path, 0646), 0);
    load(&loading, "c = ( \"writable\" );\n");
    assert_int_equal(loading.errors.count, 1);
    expect_error(&loading, "world-writable", 3,
                 WORDS("plugin writable: everybody can write to ", "chmod o-w ", path));
    unload(&loading);
    assert_int_equal(chmod(path, 0664), 0);
    load(&loading, "c = ( \"writable\" );\n");
    unload(&loading);
    free(path);
}

static void
owner(void **unused)
{
    struct loading loading;
    char *path = xprintf("%s/owned.so", place);

    (void)unused;
    copy_module("counted", "owned");
    if (geteuid() != 0 || chown(path, 12345, (gid_t)-1) != 0) {
        free(path);
        skip();
    }
    load(&loading, "c = ( \"owned\" );\n");
    assert_int_equal(loading.errors.count, 1);
    expect_error(&loading, "owner", 3,
                 WORDS("plugin owned: ", "belongs to user 12345", "chown root ", path));
    unload(&loading);
    free(path);
}

/* What a plugin's table or code is refused for. None of these may run. */
static void
broken_plugins(void **unused)
{
    static const struct {
        const char *name;
        const char *words[4];
        size_t errors;
    } cases[] = {
        {"broken_table", {"does not define milter_plugin_table", "MILTER_PLUGIN"}, 1},
        {"broken_abi", {"was built for plugin ABI 99, this milterd has 1", "build it again"}, 1},
        {"broken_symbol", {"needs the symbol nowhere_defined, which nothing defines", "link"}, 1},
        {"broken_function",
         {"needs the symbol milter_from_the_future, which this version of milterd does not have",
          "plugin.h"},
         1},
        {"broken_size", {"no valid sizes", "MILTER_PLUGIN_HEAD"}, 1},
        {"broken_huge", {"no valid sizes", "MILTER_PLUGIN_HEAD"}, 1},
        {"broken_rows", {"no valid sizes", "MILTER_PLUGIN_HEAD"}, 1},
        {"broken_wide_rows", {"no valid sizes", "MILTER_PLUGIN_HEAD"}, 1},
        {"broken_newer", {"uses what only a newer milterd has", "install"}, 1},
        {"broken_reserved", {"its option \"on_failure\"", "milterd's own", "another"}, 1},
        {"broken_options", {"its option \"\"", "no good name", "small letters"}, 4},
        {"broken_options", {"its option \"Capital\"", "no good name"}, 4},
        {"broken_options", {"its option \"with space\"", "no good name"}, 4},
        {"broken_options", {"two options \"twice\""}, 4},
        {"broken_macros", {"macros at an event that has none", "connect, helo, mail"}, 1},
        {"broken_stage", {"macros at an event that has none", "connect, helo, mail"}, 1},
        {"broken_observes", {"observes an event that cannot be observed"}, 1},
        {"broken_name", {"needs a name and a version"}, 1},
        {"broken_actions", {"does not know", "install a later one"}, 1},
        {"broken_needs", {"does not know", "install a later one"}, 1},
    };
    struct loading loading;

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *chains = xprintf("\nc = (\n\n\"%s\" );\n", cases[i].name);
        char *start = xprintf("plugin %s: ", cases[i].name);

        copy_module(cases[i].name, cases[i].name);
        load(&loading, chains);
        if (loading.errors.count != cases[i].errors)
            for (size_t k = 0; k < loading.errors.count; k++)
                print_error("%s\n", loading.errors.lines[k]);
        assert_int_equal(loading.errors.count, cases[i].errors);
        expect_error(&loading, cases[i].name, 6,
                     WORDS(start, cases[i].words[0],
                           cases[i].words[1] != NULL ? cases[i].words[1] : "",
                           cases[i].words[2] != NULL ? cases[i].words[2] : ""));
        unload(&loading);
        free(chains);
        free(start);
    }
}

/* A wrong default is the plugin's fault and has no line; on_load is not called either. */
static void
broken_default(void **unused)
{
    struct loading loading;

    (void)unused;
    copy_module("broken_initial", "broken_initial");
    load(&loading, "c = ( \"broken_initial\" );\n");
    assert_int_equal(loading.errors.count, 1);
    assert_non_null(strstr(loading.errors.lines[0], "broken_initial"));
    assert_non_null(strstr(loading.errors.lines[0], "number"));
    unload(&loading);
}

/* A later plugin's table whose additions are not used, and an earlier one's that is shorter. */
static void
other_sizes(void **unused)
{
    struct loading loading;

    (void)unused;
    copy_module("broken_unused", "broken_unused");
    copy_module("broken_older", "broken_older");
    load(&loading, "newer = ( \"broken_unused\" );\nolder = ( \"broken_older\" );\n");
    assert_int_equal(loading.errors.count, 0);
    assert_int_equal(loader_chain(loading.set, "newer")->wanted, 1U << MILTER_EVENT_EOM);
    assert_int_equal(loader_chain(loading.set, "older")->wanted, 0);
    assert_null(loader_chain(loading.set, "older")->links[0].plugin.on_eom);
    assert_null(loader_chain(loading.set, "other"));
    unload(&loading);
}

/* ---- options and on_load ----------------------------------------------------------------------- */

/* The counters of a copy of counted.so, set to zero. */
static struct counted *
counters(const char *name)
{
    char *path = xprintf("%s/%s.so", place, name);
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (object == NULL)
        fail_msg("%s", dlerror());
    struct counted *counted = dlsym(object, "counted");
    assert_non_null(counted);
    memset(counted, 0, sizeof(*counted));
    free(path);
    return counted;
}

/* Of a plugin that relies on its option, and of two plugins at once; each with its line. */
static void
option_errors(void **unused)
{
    struct loading loading;

    (void)unused;
    copy_module("broken_required", "broken_required");
    copy_module("counted", "options");
    struct counted *counted = counters("options");
    load(&loading, "c = (\n"
                   "{ plugin = \"broken_required\"; },\n"
                   "{ plugin = \"options\";\n"
                   "  number = 6;\n"
                   "  wrods = \"x\";\n"
                   "  does = \"dance\"; },\n"
                   "{ plugin = \"nowhere\"; },\n"
                   "{ plugin = \"options\"; name = \"second\"; number = \"x\"; }\n"
                   ");\n");
    assert_int_equal(loading.errors.count, 6);
    expect_error(&loading, "required", 4, WORDS("plugin broken_required", "needed", "must be set"));
    expect_error(&loading, "bounds", 6, WORDS("plugin options", "number", "5"));
    expect_error(&loading, "unknown", 7, WORDS("plugin options", "wrods", "words"));
    expect_error(&loading, "enum", 8, WORDS("plugin options", "does", "dance"));
    expect_error(&loading, "missing", 9, WORDS("plugin nowhere", "no file"));
    expect_error(&loading, "type", 10, WORDS("plugin second", "number"));
    assert_int_equal(counted->loads, 0);
    assert_int_equal(counted->unloads, 0);
    unload(&loading);
}

static void
on_load_fails(void **unused)
{
    struct loading loading;

    (void)unused;
    copy_module("counted", "failing");
    struct counted *counted = counters("failing");
    load(&loading, "c = (\n"
                   "{ plugin = \"failing\"; does = \"fail\"; },\n"
                   "{ plugin = \"failing\"; name = \"talks\"; does = \"complain\"; number = 2;\n"
                   "  words = ( \"a\",\n"
                   "            \"b\" ); },\n"
                   "{ plugin = \"failing\"; name = \"destroys\"; does = \"destroy_and_fail\"; },\n"
                   "{ plugin = \"failing\"; name = \"fine\"; }\n"
                   ");\n");
    assert_int_equal(loading.errors.count, 4);
    expect_error(&loading, "without a message", 4,
                 WORDS("plugin failing: it refuses to start", "-1", "log"));
    expect_error(&loading, "with its own", 5, WORDS("plugin talks: number: 2 is too few"));
    expect_error(&loading, "at a list's item", 7,
                 WORDS("plugin talks: words: \"b\" is a bad word"));
    expect_error(&loading, "another result", 8, WORDS("plugin destroys: it refuses to start", "7"));
    /* on_unload is for those that were loaded; data is destroyed for all. */
    assert_int_equal(counted->loads, 4);
    assert_int_equal(counted->unloads, 1);
    assert_int_equal(counted->destroyed, 2);
    assert_int_equal(counted->wrong_order, 0);
    unload(&loading);
    assert_int_equal(counted->unloads, 1);
    assert_int_equal(counted->destroyed, 2);
}

/* One object at several places and in several chains: each with its options and data. */
static void
places(void **unused)
{
    struct loading loading;

    (void)unused;
    copy_module("counted", "placed");
    struct counted *counted = counters("placed");
    load(&loading, "a = ( \"placed\", { plugin = \"placed\"; name = \"again\"; number = 3; } );\n"
                   "b = ( { plugin = \"placed\"; number = 4; on_failure = \"reject\"; } );\n"
                   "empty = ( );\n");
    assert_int_equal(loading.errors.count, 0);
    const struct chain *a = loader_chain(loading.set, "a"), *b = loader_chain(loading.set, "b");
    assert_int_equal(a->count, 2);
    assert_string_equal(a->links[0].name, "placed");
    assert_string_equal(a->links[1].name, "again");
    assert_int_equal(a->links[0].layer, 0);
    assert_int_equal(a->links[1].layer, 1);
    assert_int_equal(options_number(a->links[0].options, "number"), 1);
    assert_int_equal(options_number(a->links[1].options, "number"), 3);
    assert_int_equal(options_number(b->links[0].options, "number"), 4);
    assert_int_equal(a->links[0].on_failure, ON_FAILURE_TEMPFAIL);
    assert_int_equal(b->links[0].on_failure, ON_FAILURE_REJECT);
    assert_ptr_not_equal(a->links[0].data.data, a->links[1].data.data);
    assert_int_equal(loader_chain(loading.set, "empty")->count, 0);
    assert_int_equal(loader_chain(loading.set, "empty")->wanted, 0);

    assert_int_equal(counted->loads, 3);
    assert_int_equal(counted->unloads, 0);
    assert_int_equal(counted->destroyed, 0);
    unload(&loading);
    assert_int_equal(counted->unloads, 3);
    assert_int_equal(counted->destroyed, 3);
    assert_int_equal(counted->wrong_order, 0);
}

/* What a chain's plugins want together. */
static void
derived(void **unused)
{
    struct loading loading;

    (void)unused;
    copy_module("counted", "derived");
    load(&loading, "c = ( \"derived\", { plugin = \"derived\"; name = \"again\"; } );\n");
    const struct chain *chain = loader_chain(loading.set, "c");
    assert_int_equal(chain->actions, MILTER_ADDS_RCPTS);
    assert_int_equal(chain->needs, MILTER_NEEDS_ENVELOPE);
    assert_int_equal(chain->wanted,
                     1U << MILTER_EVENT_MAIL | 1U << MILTER_EVENT_RCPT | 1U << MILTER_EVENT_HEADER);
    assert_int_equal(chain->decides, 1U << MILTER_EVENT_MAIL);
    assert_int_equal(chain->caller_count[MILTER_EVENT_MAIL], 2);
    assert_int_equal(chain->callers[MILTER_EVENT_MAIL][0], 0);
    assert_int_equal(chain->callers[MILTER_EVENT_MAIL][1], 1);
    assert_int_equal(chain->caller_count[MILTER_EVENT_RCPT], 0);
    assert_string_equal(chain->macros[MILTER_EVENT_MAIL], "{one} {two}");
    assert_string_equal(chain->macros[MILTER_EVENT_EOM], "{one}");
    assert_null(chain->macros[MILTER_EVENT_CONNECT]);
    unload(&loading);
}

/* For milterd -t and -T. */
static void
printed(void **unused)
{
    struct loading loading;
    char *text = NULL;
    size_t length;

    (void)unused;
    copy_module("counted", "printed");
    load(&loading, "c = ( { plugin = \"printed\"; number = 5; } );\nnone = ( );\n");
    FILE *out = open_memstream(&text, &length);
    loader_print(loading.set, true, out);
    fclose(out);
    static const char *const expected[] = {
        "chain c:\n",
        "1. printed (plugin counted)",
        "/printed.so 1.0: counts\n",
        "number = 5",
        "milter.conf:3",
        "chain none:",
        "empty",
    };
    const char *at = text;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        at = strstr(at, expected[i]);
        if (at == NULL)
            fail_msg("\"%s\" is not in\n%s", expected[i], text);
    }
    free(text);
    unload(&loading);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_file),   cmocka_unit_test(no_file),
        cmocka_unit_test(text_file),      cmocka_unit_test(world_writable),
        cmocka_unit_test(owner),          cmocka_unit_test(broken_plugins),
        cmocka_unit_test(broken_default), cmocka_unit_test(other_sizes),
        cmocka_unit_test(option_errors),  cmocka_unit_test(on_load_fails),
        cmocka_unit_test(places),         cmocka_unit_test(derived),
        cmocka_unit_test(printed),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
