/* test_config - milter.conf as a whole: sockets, chains, every fault with its line, includes, and
   that nothing that is fed to it breaks it. */
#define _GNU_SOURCE /* memmem */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "config/config.h"
#include "config/keys.h"

/* libconfig 1.5 forgets the string that a syntax error stands at. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char minimal[] = "chains = { incoming = ( ); };\n";

static char *place;    /* a directory of our own, which is the working directory */
static char *top_conf; /* milter.conf of the source */

static int
make_place(void **state)
{
    const char *parent = getenv("TMPDIR"), *top = getenv("top_srcdir");
    char *relative = xprintf("%s/milter.conf", top == NULL ? "." : top);

    (void)state;
    top_conf = realpath(relative, NULL);
    free(relative);
    place = xprintf("%s/milterd-config.XXXXXX", parent == NULL ? "/tmp" : parent);
    if (mkdtemp(place) == NULL || chdir(place) != 0)
        return -1;
    free(place);
    place = getcwd(NULL, 0); /* without symbolic links */
    return mkdir("sub", 0700) == 0 && mkdir("other", 0700) == 0 ? 0 : -1;
}

static int
remove_place(void **state)
{
    static const char *const names[] = {"a.conf",     "b.conf",    "sub/a.conf",
                                        "sub/b.conf", "sub/part",  "sub/more",
                                        "sub/x.so",   "fuzz.conf", "printed.conf"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        unlink(names[i]);
    rmdir("sub");
    rmdir("other");
    if (chdir("/") != 0 || rmdir(place) != 0)
        fprintf(stderr, "%s stays\n", place);
    free(place);
    free(top_conf);
    return 0;
}

static void
write_bytes(const char *name, const void *data, size_t length)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void
write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

static struct config *
load_text(const char *text, struct errors *errors)
{
    write_text("a.conf", text);
    return config_load("a.conf", errors);
}

/* Exactly these, ended by NULL. */
static void
assert_errors(struct errors *errors, const char *const *lines)
{
    for (size_t i = 0; i < errors->count; i++) {
        if (lines[i] == NULL)
            fail_msg("one error too many: %s", errors->lines[i]);
        assert_string_equal(errors->lines[i], lines[i]);
    }
    if (lines[errors->count] != NULL)
        fail_msg("not said: %s", lines[errors->count]);
    errors_free(errors);
}

static void
assert_no_errors(struct errors *errors)
{
    static const char *const none[] = {NULL};

    assert_errors(errors, none);
}

/* ---- sockets ------------------------------------------------------------------ */

/* A unix path that is the longest, and one byte longer. */
#define TEN    "/xxxxxxxxx"
#define PATH90 TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct {
    const char *socket;
    enum config_socket kind;
    const char *path, *host;
    unsigned port;
    const char *mta; /* NULL: refused, for `reason` */
    const char *reason;
} sockets[] = {
    {"inet:8891@127.0.0.1", SOCKET_INET, NULL, "127.0.0.1", 8891, "inet:127.0.0.1:8891", NULL},
    {"inet:127.0.0.1:8891", SOCKET_INET, NULL, "127.0.0.1", 8891, "inet:127.0.0.1:8891", NULL},
    {"inet:8891", SOCKET_INET, NULL, "*", 8891, "inet:127.0.0.1:8891", NULL},
    {"inet:8891@*", SOCKET_INET, NULL, "*", 8891, "inet:127.0.0.1:8891", NULL},
    {"inet:*:8891", SOCKET_INET, NULL, "*", 8891, "inet:127.0.0.1:8891", NULL},
    {"inet:8891@0.0.0.0", SOCKET_INET, NULL, "*", 8891, "inet:127.0.0.1:8891", NULL},
    {"inet:8891@localhost", SOCKET_INET, NULL, "127.0.0.1", 8891, "inet:127.0.0.1:8891", NULL},
    {"inet:localhost:8891", SOCKET_INET, NULL, "127.0.0.1", 8891, "inet:127.0.0.1:8891", NULL},
    {"inet:1@192.0.2.9", SOCKET_INET, NULL, "192.0.2.9", 1, "inet:192.0.2.9:1", NULL},
    {"inet:65535@192.0.2.9", SOCKET_INET, NULL, "192.0.2.9", 65535, "inet:192.0.2.9:65535", NULL},
    {"inet6:8891@::1", SOCKET_INET6, NULL, "::1", 8891, "inet:[::1]:8891", NULL},
    {"inet6:8891@[::1]", SOCKET_INET6, NULL, "::1", 8891, "inet:[::1]:8891", NULL},
    {"inet6:[::1]:8891", SOCKET_INET6, NULL, "::1", 8891, "inet:[::1]:8891", NULL},
    {"inet6:::1:8891", SOCKET_INET6, NULL, "::1", 8891, "inet:[::1]:8891", NULL},
    {"inet6:2001:DB8:0::7:25", SOCKET_INET6, NULL, "2001:db8::7", 25, "inet:[2001:db8::7]:25",
     NULL},
    {"inet6:8891", SOCKET_INET6, NULL, "*", 8891, "inet:[::1]:8891", NULL},
    {"inet6:8891@*", SOCKET_INET6, NULL, "*", 8891, "inet:[::1]:8891", NULL},
    {"inet6:[::]:8891", SOCKET_INET6, NULL, "*", 8891, "inet:[::1]:8891", NULL},
    {"inet6:8891@localhost", SOCKET_INET6, NULL, "::1", 8891, "inet:[::1]:8891", NULL},
    {"unix:/run/milterd.sock", SOCKET_UNIX, "/run/milterd.sock", NULL, 0, "unix:/run/milterd.sock",
     NULL},
    {"local:/run/milterd.sock", SOCKET_UNIX, "/run/milterd.sock", NULL, 0, "unix:/run/milterd.sock",
     NULL},
    {"unix:" PATH90 TEN "/123456", SOCKET_UNIX, PATH90 TEN "/123456", NULL, 0,
     "unix:" PATH90 TEN "/123456", NULL},

    {.socket = "unix:" PATH90 TEN "/1234567",
     .reason = "the path must be shorter than 108 bytes, not 108"},
    {.socket = "unix:run/x", .reason = "the path must be absolute, begin with /"},
    {.socket = "unix:", .reason = "the path must be absolute, begin with /"},
    {.socket = "unix:/run/", .reason = "the path must name a file, not a directory"},
    {.socket = "inet:", .reason = "the port must be 1 to 65535, not \"\""},
    {.socket = "inet:0@127.0.0.1", .reason = "the port must be 1 to 65535, not \"0\""},
    {.socket = "inet:65536", .reason = "the port must be 1 to 65535, not \"65536\""},
    {.socket = "inet:000025", .reason = "the port must be 1 to 65535, not \"000025\""},
    {.socket = "inet:18446744073709551641",
     .reason = "the port must be 1 to 65535, not \"18446744073709551641\""},
    {.socket = "inet:-1", .reason = "the port must be 1 to 65535, not \"-1\""},
    {.socket = "inet:smtp@127.0.0.1", .reason = "the port must be 1 to 65535, not \"smtp\""},
    {.socket = "inet:127.0.0.1@8891", .reason = "the port must be 1 to 65535, not \"127.0.0.1\""},
    {.socket = "inet:127.0.0.1", .reason = "the port must be 1 to 65535, not \"127.0.0.1\""},
    {.socket = "inet:8891@", .reason = "the host must be an address, * or localhost, not \"\""},
    {.socket = "inet::8891", .reason = "the host must be an address, * or localhost, not \"\""},
    {.socket = "inet:8891@mail.example.com",
     .reason = "the host must be an address, * or localhost, not \"mail.example.com\""},
    {.socket = "inet:8891@127.1",
     .reason = "the host must be an address, * or localhost, not \"127.1\""},
    {.socket = "inet:8891@::1", .reason = "::1 is an IPv6 address: use inet6:"},
    {.socket = "inet:[::1]:8891", .reason = "::1 is an IPv6 address: use inet6:"},
    {.socket = "inet6:8891@127.0.0.1", .reason = "127.0.0.1 is an IPv4 address: use inet:"},
    {.socket = "inet6:::1", .reason = "the host must be an address, * or localhost, not \":\""},
    {.socket = "inet6:fe80::1%eth0:8891",
     .reason = "the host must be an address, * or localhost, not \"fe80::1%eth0\""},
    {.socket = "", .reason = "it must begin with inet:, inet6:, unix: or local:"},
    {.socket = "tcp:25", .reason = "it must begin with inet:, inet6:, unix: or local:"},
    {.socket = "INET:25", .reason = "it must begin with inet:, inet6:, unix: or local:"},
    {.socket = "8891@127.0.0.1", .reason = "it must begin with inet:, inet6:, unix: or local:"},
    {.socket = "/run/x",
     .reason = "it must begin with inet:, inet6:, unix: or local:, such as "
               "unix:/run/milterd/milterd.sock"},
};

static void
every_form_of_socket(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sockets); i++) {
        char *text =
            xprintf("listeners = ( { socket = \"%s\"; } );\n%s", sockets[i].socket, minimal);
        struct errors errors = {0};
        struct config *config = load_text(text, &errors);

        assert_non_null(config);
        if (sockets[i].reason != NULL) {
            char *error = xprintf("a.conf:1: listener.socket \"%s\": %s", sockets[i].socket,
                                  sockets[i].reason);
            const char *lines[] = {error, NULL};

            assert_errors(&errors, lines);
            assert_int_equal(config->listener_count, 0);
            free(error);
        } else {
            const struct config_listener *listener = &config->listeners[0];
            char mta[200];

            assert_no_errors(&errors);
            assert_int_equal(config->listener_count, 1);
            assert_string_equal(listener->socket, sockets[i].socket);
            assert_int_equal(listener->kind, sockets[i].kind);
            assert_int_equal(listener->port, sockets[i].port);
            if (sockets[i].kind == SOCKET_UNIX)
                assert_string_equal(listener->path, sockets[i].path);
            else
                assert_string_equal(listener->host, sockets[i].host);
            config_mta_socket(listener, mta, sizeof(mta));
            assert_string_equal(mta, sockets[i].mta);
        }
        config_free(config);
        free(text);
    }
}

static void
permissions_of_a_unix_socket(void **state)
{
    struct errors errors = {0};
    struct config *config = load_text("listeners = (\n"
                                      "{ socket = \"unix:/a\"; mode = \"0660\"; owner = \"root\"; "
                                      "group = \"0\"; },\n"
                                      "{ socket = \"unix:/b\"; });\n"
                                      "chains = { incoming = ( ); };",
                                      &errors);

    (void)state;
    assert_no_errors(&errors);
    assert_true(config->listeners[0].has_mode);
    assert_int_equal(config->listeners[0].mode, 0660);
    assert_string_equal(config->listeners[0].owner, "root");
    assert_string_equal(config->listeners[0].group, "0");
    assert_false(config->listeners[1].has_mode);
    assert_null(config->listeners[1].owner);
    assert_null(config->listeners[1].group);
    assert_int_equal(config->listeners[1].place.line, 3);
    config_free(config);
}

/* Which of two cannot be opened beside the other. */
static const struct {
    const char *first, *second;
    bool collide;
} pairs[] = {
    {"inet:8891@127.0.0.1", "inet:127.0.0.1:8891", true},
    {"inet:8891@127.0.0.1", "inet:8891@localhost", true},
    {"inet:8891@127.0.0.1", "inet:8891", true},
    {"inet:8891", "inet:8891@127.0.0.1", true},
    {"inet6:8891@::1", "inet6:[0:0::1]:8891", true},
    {"unix:/run/x", "local:/run/x", true},
    {"inet:8891@127.0.0.1", "inet:8892@127.0.0.1", false},
    {"inet:8891@127.0.0.1", "inet:8891@127.0.0.2", false},
    {"inet:8891@127.0.0.1", "inet6:8891@::1", false},
    {"inet:8891", "inet6:8891", false},
    {"unix:/run/x", "unix:/run/y", false},
};

static void
sockets_that_collide(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        char *text = xprintf("listeners = (\n{ socket = \"%s\"; },\n{\nsocket = \"%s\"; } );\n%s",
                             pairs[i].first, pairs[i].second, minimal);
        char *error = xprintf(
            "a.conf:4: listener.socket \"%s\" is taken by the listener at a.conf:2 (\"%s\")",
            pairs[i].second, pairs[i].first);
        const char *lines[] = {pairs[i].collide ? error : NULL, NULL};
        struct errors errors = {0};
        struct config *config = load_text(text, &errors);

        assert_errors(&errors, lines);
        config_free(config);
        free(text);
        free(error);
    }
}

/* ---- a good one --------------------------------------------------------------------- */

static void
everything_set(void **state)
{
    static const char text[] = "user = \"root\"; group = \"root\";\n"
                               "plugin_dir = \"sub\";\n"
                               "drain_timeout = \"1m\";\n"
                               "workers = { processes = 3; connections = 7; };\n"
                               "log = { target = \"file\"; file = \"log\"; facility = \"local3\";\n"
                               "        level = \"debug\"; };\n"
                               "listeners = ( { socket = \"inet:1\"; chain = \"two\"; },\n"
                               "              { socket = \"inet:2\"; chain = \"one\"; } );\n"
                               "chains = {\n"
                               "    one = ( \"access\",\n"
                               "            { plugin = \"access\"; name = \"again\";\n"
                               "              on_failure = \"reject\"; rules = 1; },\n"
                               "            { plugin = \"./x/y.so\"; order = 1; },\n"
                               "            \"/abs/z.so\" );\n"
                               "    two = [ \"hello\" ];\n"
                               "    none = ( );\n"
                               "};\n";
    static const char *const lines[] = {
        "a.conf:13: plugin y: \"order\" is reserved for a later version of milterd", NULL};
    struct errors errors = {0};
    struct config *config = load_text(text, &errors);
    char *here = getcwd(NULL, 0), *path = xprintf("%s/log", here);
    const struct config_chain *one;

    (void)state;
    assert_errors(&errors, lines);
    assert_string_equal(config->file, "a.conf");
    assert_string_equal(config->user, "root");
    assert_string_equal(config->group, "root");
    assert_int_equal(config->drain_timeout, 60000);
    assert_int_equal(config->processes, 3);
    assert_int_equal(config->connections, 7);
    assert_int_equal(config->log.target, LOG_TO_FILE);
    assert_int_equal(config->log.facility, LOG_LOCAL3);
    assert_int_equal(config->log.level, MILTER_LOG_DEBUG);
    assert_string_equal(config->log.path, path);
    assert_int_equal(config->chain_count, 3);
    assert_ptr_equal(config->listeners[0].chain, &config->chains[1]);
    assert_ptr_equal(config->listeners[1].chain, &config->chains[0]);
    assert_int_equal(config->chains[2].count, 0);

    one = &config->chains[0];
    assert_string_equal(one->name, "one");
    assert_int_equal(one->count, 4);
    assert_string_equal(one->links[0].name, "access");
    assert_string_equal(one->links[0].plugin, "access");
    assert_int_equal(one->links[0].on_failure, ON_FAILURE_TEMPFAIL);
    assert_int_equal(one->links[0].place.line, 10);
    assert_string_equal(one->links[1].name, "again");
    assert_string_equal(one->links[1].plugin, "access");
    assert_int_equal(one->links[1].on_failure, ON_FAILURE_REJECT);
    assert_int_equal(one->links[1].place.line, 11);
    assert_string_equal(one->links[2].name, "y");
    assert_string_equal(one->links[3].name, "z");
    assert_string_equal(one->links[3].path, "/abs/z.so");
    assert_int_equal(one->links[3].place.line, 14);
    free(path);
    path = xprintf("%s/sub/access.so", here);
    assert_string_equal(one->links[0].path, path);
    free(path);
    path = xprintf("%s/x/y.so", here);
    assert_string_equal(one->links[2].path, path);
    free(path);
    free(here);
    config_free(config);
}

static void
nothing_set(void **state)
{
    struct errors errors = {0};
    struct config *config =
        load_text("listeners = ( { socket = \"inet:1\"; } ); chains = { c = ( ); };", &errors);

    (void)state;
    assert_no_errors(&errors);
    assert_null(config->user);
    assert_null(config->group);
    assert_int_equal(config->plugin_dir[0], '/');
    assert_int_equal(config->drain_timeout, 30000);
    assert_true(config->processes >= 1);
    assert_int_equal(config->connections, 1000);
    assert_int_equal(config->log.target, LOG_TO_SYSLOG);
    assert_int_equal(config->log.facility, LOG_MAIL);
    assert_int_equal(config->log.level, MILTER_LOG_INFO);
    assert_null(config->log.path);
    assert_true(config->over_limit_tempfail);
    assert_int_equal(config->body_limit, 0);
    assert_string_equal(config->spool_dir, "/tmp");
    assert_null(config->authserv_id);
    assert_ptr_equal(config->listeners[0].chain, &config->chains[0]);
    config_free(config);
}

static void
conditions_of_a_link(void **state)
{
    struct errors errors = {0};
    struct config *config = load_text(
        "listeners = ( { socket = \"inet:1\"; name = \"mx\"; }, { socket = \"inet:2\"; } );\n"
        "chains = { c = ( {\nplugin = \"x\"; mode = \"observe\";\n"
        "only = ( { listener = \"mx\"; },\n{ listener = ( \"inet:2\" ); larger = \"1K\"; } );\n"
        "unless = { authenticated = true; }; }, \"y\" ); };\n",
        &errors);
    const struct config_link *links = config->chains[0].links;

    (void)state;
    assert_no_errors(&errors);
    assert_string_equal(config->listeners[0].name, "mx");
    assert_string_equal(config->listeners[1].name, "inet:2");
    assert_true(links[0].observe);
    assert_int_equal(links[0].only_count, 2);
    assert_int_equal(links[0].only[0].place.line, 4);
    assert_int_equal(links[0].only[1].place.line, 5);
    assert_int_equal(options_number(links[0].only[1].values, "larger"), 1024);
    assert_int_equal(links[0].unless_count, 1);
    assert_int_equal(links[0].unless[0].place.line, 6);
    assert_int_equal(options_number(links[0].unless[0].values, "authenticated"), 1);
    assert_false(links[1].observe);
    assert_int_equal(links[1].only_count + links[1].unless_count, 0);
    config_free(config);
}

static void
limits(void **state)
{
    struct errors errors = {0};
    struct config *config =
        load_text("headers_limit = { count = 5; bytes = \"6K\"; };\nbody_memory = \"7K\";\n"
                  "body_limit = \"8M\"; over_limit = \"continue\"; spool_dir = \"/var/tmp\";\n"
                  "authserv_id = \"mx.example.org\";\n"
                  "listeners = ( { socket = \"inet:1\"; } );\n"
                  "chains = { c = ( ); };\n",
                  &errors);

    (void)state;
    assert_no_errors(&errors);
    assert_int_equal(config->headers_count, 5);
    assert_int_equal(config->headers_bytes, 6 << 10);
    assert_int_equal(config->body_memory, 7 << 10);
    assert_int_equal(config->body_limit, 8 << 20);
    assert_false(config->over_limit_tempfail);
    assert_string_equal(config->spool_dir, "/var/tmp");
    assert_string_equal(config->authserv_id, "mx.example.org");
    config_free(config);
}

/* The loader reads a plugin's options out of the link's group. */
static void
options_of_a_link(void **state)
{
    static const struct milter_option table[] = {
        {.name = "rules", .type = MILTER_LIST, .flags = MILTER_REQUIRED, .help = "what to do"},
        {0}};
    static const char *const lines[] = {
        "a.conf:5: plugin bare: \"rules\" must be set: what to do",
        "a.conf:3: plugin tag: unknown key \"rulse\", did you mean \"rules\"?",
        "a.conf:3: plugin tag: unknown key \"nane\", did you mean \"name\"?",
        "a.conf:2: plugin tag: \"rules\" must be set: what to do", NULL};
    struct errors errors = {0};
    struct config *config = load_text(
        "chains = { c = (\n{ plugin = \"headers\"; name = \"tag\"; on_failure = \"continue\";\n"
        "rulse = 1; nane = 2; },\n"
        "{ plugin = \"headers\"; rules = ( \"a\",\n \"bare\" ) },\n\"bare\"\n); };\n"
        "listeners = ( { socket = \"inet:1\"; } );",
        &errors);
    const struct config_link *links = config->chains[0].links;
    struct option_values *values;

    (void)state;
    assert_no_errors(&errors);
    assert_int_equal(links[2].place.line, 6);
    values = options_read(table, sizeof(table[0]), links[1].group, config_link_keys,
                          "plugin headers", &errors);
    assert_no_errors(&errors);
    assert_int_equal(options_place(options_find(values, "rules"), 1).line, 5);
    options_free(values);
    values = options_read(table, sizeof(table[0]), links[2].group, config_link_keys, "plugin bare",
                          &errors);
    options_free(values);
    assert_string_equal(errors.lines[0],
                        "a.conf:6: plugin bare: \"rules\" must be set: what to do");
    errors_free(&errors);
    values = options_read(table, sizeof(table[0]), links[0].group, config_link_keys, "plugin tag",
                          &errors);
    options_free(values);
    assert_errors(&errors, lines + 1);
    config_free(config);
}

/* ---- faults ----------------------------------------------------------------------- */

#define LISTENERS "listeners = ( { socket = \"inet:1\"; } );\n"
#define CHAINS    "chains = { c = ( ); };\n"

/* Each text ends with what makes it whole otherwise. */
static const struct {
    const char *name, *text;
    const char *lines[6];
} faults[] = {
    {"nothing at all",
     "",
     {"a.conf: there are no chains; add chains = { incoming = ( \"hello\" ); };",
      "a.conf: there are no listeners; add listeners = ( { socket = \"inet:8891@127.0.0.1\"; chain "
      "= \"incoming\"; } );"}},
    {"comments alone",
     "# x\n/* y\n*/ // z",
     {"a.conf: there are no chains; add chains = { incoming "
      "= ( \"hello\" ); };",
      "a.conf: there are no listeners; add listeners = ( { socket = \"inet:8891@127.0.0.1\"; chain "
      "= \"incoming\"; } );"}},
    {"empty lists",
     "chains = { };\nlisteners = ( );\n",
     {"a.conf:1: chains is empty; write chains = { incoming = ( \"hello\" ); };",
      "a.conf:2: listeners is empty; write listeners = ( { socket = \"inet:8891@127.0.0.1\"; chain "
      "= \"incoming\"; } );"}},
    {"numbers everywhere",
     "user = 1;\nworkers = 2;\nlog = 3;\nlisteners = 4;\nchains = 5;\nplugin_dir = 6;\n",
     {"a.conf:1: user must be a string in quotes, not a number",
      "a.conf:6: plugin_dir must be a string in quotes, not a number",
      "a.conf:2: workers must be a group, workers = { processes = ...; }, not a number",
      "a.conf:3: log must be a group, log = { target = ...; }, not a number",
      "a.conf:5: chains must be a group of lists, not a number: chains = { incoming = ( \"hello\" "
      "); "
      "};",
      "a.conf:4: listeners must be a list of groups, not a number: listeners = ( { socket = "
      "\"inet:8891@127.0.0.1\"; chain = \"incoming\"; } );"}},
    {"unknown keys",
     "plugindir = \"x\";\nworker = { };\nworkers = { proceses = 1; };\n" LISTENERS CHAINS,
     {"a.conf:1: unknown key \"plugindir\", did you mean \"plugin_dir\"?",
      "a.conf:2: unknown key \"worker\", did you mean \"workers\"?",
      "a.conf:3: workers: unknown key \"proceses\", did you mean \"processes\"?"}},
    {"bounds",
     "workers = {\nprocesses = 1025;\nconnections = 0; };\ndrain_timeout = \"25h\";\n" LISTENERS
         CHAINS,
     {"a.conf:4: drain_timeout must be 0s to 1d, not 1d1h",
      "a.conf:2: workers.processes must be 0 to 1024, not 1025",
      "a.conf:3: workers.connections must be 1 to 100000, not 0"}},
    {"over 32 bits",
     "workers = { processes = 4294967296; connections = 4294967297; };\n" LISTENERS CHAINS,
     {"a.conf:1: workers.processes must be 0 to 1024, not 4294967296",
      "a.conf:1: workers.connections must be 1 to 100000, not 4294967297"}},
    {"over 64 bits",
     "workers = { processes = 9223372036854775808;\nconnections = 0x10000000000000000; };\n",
     {"a.conf:1: the number 9223372036854775808 is too large",
      "a.conf:2: the number 0x10000000000000000 is too large"}},
    {"log to a file without one",
     "log = {\ntarget = \"file\"; };\n" LISTENERS CHAINS,
     {"a.conf:2: log.file must be set where log.target is \"file\""}},
    {"a log file that is not used",
     "log = {\nfile = \"x\"; };\n" LISTENERS CHAINS,
     {"a.conf:2: log.file is set, but log.target is \"syslog\"; set it to \"file\""}},
    {"an empty log file",
     "log = {\nfile = \"\"; target = \"file\"; };\n" LISTENERS CHAINS,
     {"a.conf:2: log.file must not be empty"}},
    {"a wrong target says nothing about the file",
     "log = { file = \"x\"; target = \"disk\"; };\n" LISTENERS CHAINS,
     {"a.conf:1: log.target must be one of stderr, syslog, file, not \"disk\""}},
    {"accounts",
     "user = \"no such user\";\ngroup = \"\";\nplugin_dir = \"\";\n" LISTENERS CHAINS,
     {"a.conf:1: user: unknown user \"no such user\"; create it or name another",
      "a.conf:2: group: unknown group \"\"; create it or name another",
      "a.conf:3: plugin_dir must not be empty"}},
    {"listeners that are none",
     "listeners = ( 1, \"inet:1\", ( ), { } );\n" CHAINS,
     {"a.conf:1: listeners: entry 1 must be a group { socket = \"...\"; }, not a number",
      "a.conf:1: listeners: entry 2 must be a group { socket = \"...\"; }, not a string",
      "a.conf:1: listeners: entry 3 must be a group { socket = \"...\"; }, not a list",
      "a.conf:1: listener.socket must be set: where the mail server connects: inet:PORT@ADDRESS, "
      "inet6:PORT@ADDRESS, unix:/PATH"}},
    {"a listener as a group",
     "listeners = { socket = \"inet:1\"; };\n" CHAINS,
     {"a.conf:1: listeners must be a list of groups, not a group: listeners = ( { socket = "
      "\"inet:8891@127.0.0.1\"; chain = \"incoming\"; } );"}},
    {"keys of a listener",
     "listeners = ( {\nsocket = \"unix:/x\";\nmode = \"0668\";\nowner = \"no such\";\ngroup = \"no "
     "such\";\nport = 1; } );\n" CHAINS,
     {"a.conf:6: listener: unknown key \"port\"; the keys are socket, name, mode, owner, group, "
      "chain",
      "a.conf:3: listener.mode must be permissions in octal such as \"0660\", not \"0668\"",
      "a.conf:4: listener.owner: unknown user \"no such\"; create it or name another",
      "a.conf:5: listener.group: unknown group \"no such\"; create it or name another"}},
    {"a mode without quotes",
     "listeners = ( { socket = \"unix:/x\"; mode = 0660; } );\n" CHAINS,
     {"a.conf:1: listener.mode must be a string in quotes, not a number"}},
    {"keys that are for unix sockets",
     "listeners = ( { socket = \"inet:1\";\nmode = \"0660\";\nowner = \"root\";\ngroup = \"root\"; "
     "} );\n" CHAINS,
     {"a.conf:2: listener.mode is for unix sockets only",
      "a.conf:3: listener.owner is for unix sockets only",
      "a.conf:4: listener.group is for unix sockets only"}},
    {"chains that do not exist",
     "listeners = ( { socket = \"inet:1\"; chain = \"incomming\"; },\n{ socket = "
     "\"inet:2\";\nchain "
     "= \"zzz\"; },\n{ socket = \"inet:3\"; },\n{ socket = \"inet:4\"; chain = 4; } );\n"
     "chains = { incoming = ( ); outgoing = ( ); };",
     {"a.conf:1: listener.chain: there is no chain \"incomming\", did you mean \"incoming\"?",
      "a.conf:3: listener.chain: there is no chain \"zzz\"; the chains are: incoming, outgoing",
      "a.conf:4: listener.chain must be set where there is more than one: incoming, outgoing",
      "a.conf:5: listener.chain must be a string in quotes, not a number"}},
    {"a chain where there is none",
     "listeners = ( { socket = \"inet:1\"; chain = \"x\"; } );",
     {"a.conf: there are no chains; add chains = { incoming = ( \"hello\" ); };",
      "a.conf:1: listener.chain: there is no chain \"x\""}},
    {"chains that are none",
     "chains = { a = \"hello\";\nb = { plugin = \"hello\"; };\nc = true;\nd* = ( ); };\n"
     "listeners = ( { socket = \"inet:1\"; chain = \"a\"; } );",
     {"a.conf:1: chain a must be a list of plugins, ( \"access\", \"hello\" ), not a string",
      "a.conf:2: chain b must be a list of plugins, ( \"access\", \"hello\" ), not a group",
      "a.conf:3: chain c must be a list of plugins, ( \"access\", \"hello\" ), not true",
      "a.conf:4: chain \"d*\": a name has letters, digits, - and _"}},
    {"entries that are none",
     "chains = { c = (\n1,\n( \"x\" ),\ntrue,\n{ }\n); };\n" LISTENERS,
     {"a.conf:2: chain c: entry 1 must be a plugin's name or a group { plugin = \"NAME\"; }, not a "
      "number",
      "a.conf:3: chain c: entry 2 must be a plugin's name or a group { plugin = \"NAME\"; }, not a "
      "list",
      "a.conf:4: chain c: entry 3 must be a plugin's name or a group { plugin = \"NAME\"; }, not "
      "true",
      "a.conf:5: chain c: \"plugin\" must be set: the plugin's name, or the path of its shared "
      "object"}},
    {"names of plugins",
     "chains = { c = (\n\"\",\n\"a b\",\n\"hello.so\",\n\"/x/\",\n\"/x/a b.so\"\n); };\n" LISTENERS,
     {"a.conf:2: plugin : plugin = \"\": a name has letters, digits, - and _; a path has a slash",
      "a.conf:3: plugin a b: plugin = \"a b\": a name has letters, digits, - and _; a path has a "
      "slash",
      "a.conf:4: plugin hello.so: plugin = \"hello.so\": write \"hello\", or a path with a slash",
      "a.conf:5: plugin : plugin = \"/x/\" is a directory, not a file",
      "a.conf:6: plugin a b: \"a b\" is no good name; set name, of letters, digits, - and _"}},
    {"the same name twice",
     "chains = { c = (\n\"hello\",\n{ plugin = \"hello\"; },\n{ plugin = \"access\"; name = "
     "\"hello\"; },\n{ plugin = \"hello\"; name = \"\"; } );\nd = ( \"hello\" ); };\n"
     "listeners = ( { socket = \"inet:1\"; chain = \"d\"; } );",
     {"a.conf:3: chain c: \"hello\" is there already, at a.conf:2; set name = \"...\" in one of "
      "them",
      "a.conf:4: chain c: \"hello\" is there already, at a.conf:2; set name = \"...\" in one of "
      "them",
      "a.conf:5: plugin : name = \"\": a name has letters, digits, - and _"}},
    {"host keys of a plugin",
     "chains = { c = ( { plugin = \"x\"; on_failure = \"ignore\";\ntimeout = 1;\nmode = "
     "\"test\";\norder = 5; anything = 6; } ); };\n" LISTENERS,
     {"a.conf:1: plugin x: \"on_failure\" must be one of tempfail, continue, reject, not "
      "\"ignore\"",
      "a.conf:3: plugin x: \"mode\" must be one of enforce, observe, not \"test\"",
      "a.conf:2: plugin x: \"timeout\" is reserved for a later version of milterd",
      "a.conf:4: plugin x: \"order\" is reserved for a later version of milterd"}},
    {"conditions that are none",
     "chains = { c = ( { plugin = \"x\"; only = 3;\nunless = ( \"x\", { } ); },\n"
     "{ plugin = \"y\"; only = ( ); unless = { }; } ); };\n" LISTENERS,
     {"a.conf:1: plugin x: only must be a group, only = { client = ( \"192.0.2.0/24\" ); }, or a "
      "list of groups, not a number",
      "a.conf:2: plugin x: entry 1 of unless must be a group, not a string",
      "a.conf:2: plugin x: unless is empty; write unless = { client = ( \"192.0.2.0/24\" ); }",
      "a.conf:3: plugin y: only is empty; write only = { client = ( \"192.0.2.0/24\" ); }",
      "a.conf:3: plugin y: unless is empty; write unless = { client = ( \"192.0.2.0/24\" ); }"}},
    {"keys of a condition",
     "chains = { c = ( { plugin = \"x\"; only = {\nclient = \"here\";\nlistner = \"inet:1\"; };\n"
     "unless = ( { authenticated = \"yes\"; },\n{ larger = 100;\nlistener = \"inet:2\"; } ); } ); "
     "};\n" LISTENERS,
     {"a.conf:3: plugin x: only: unknown key \"listner\", did you mean \"listener\"?",
      "a.conf:2: plugin x: only: \"client\" must be an address or a network such as 192.0.2.0/24 "
      "or 2001:db8::/32 with no bits set beyond its prefix, not \"here\"",
      "a.conf:4: plugin x: unless: \"authenticated\" must be true or false, not \"yes\"",
      "a.conf:5: plugin x: unless: \"larger\" must be a size such as \"10M\", not a number; put it "
      "in quotes, with its unit",
      "a.conf:6: there is no listener \"inet:2\"; a listener is called by its `name`, or by its "
      "socket as written"}},
    {"limits",
     "headers_limit = { count = -1;\nbytes = 5; byte = \"5K\"; };\nspool_dir = \"x\";\n"
     "over_limit = \"reject\";\n" LISTENERS CHAINS,
     {"a.conf:4: over_limit must be one of tempfail, continue, not \"reject\"",
      "a.conf:2: headers_limit: unknown key \"byte\", did you mean \"bytes\"?",
      "a.conf:1: headers_limit.count must be 0 to 10000000, not -1",
      "a.conf:2: headers_limit.bytes must be a size such as \"10M\", not a number; put it in "
      "quotes, "
      "with its unit",
      "a.conf:3: spool_dir must be an absolute path, such as \"/tmp\""}},
    {"a key twice",
     "user = \"root\";\nuser = \"root\";\n",
     {"a.conf:2: duplicate setting name: this group has a setting of that name already"}},
    {"no syntax",
     "user = \"root\";\n\nworkers = { processes 3; };\n",
     {"a.conf:3: syntax error: look here and just above for a missing quote, comma, = or bracket"}},
    {"types mixed in an array",
     "chains = { c = [ \"x\",\n1 ]; };",
     {"a.conf:2: mismatched element type in array: values between [ and ] must be of one type"}},
    {"a string without end",
     "user = \"root\";\nplugin_dir = \"x;\n" LISTENERS "user = x",
     {"a.conf:3: the string that begins here never ends: \" is missing"}},
    {"a comment without end",
     "user = \"root\";\n/* x\n/* y\n",
     {"a.conf:2: the comment that begins here never ends: */ is missing"}},
    {"includes",
     "@include \"gone.conf\"\n  @include sub\n@include \"\"\n@include \"sub\"\n@include "
     "\"/dev/null\"\n@include \"open\n",
     {"a.conf:1: gone.conf cannot be included: No such file or directory",
      "a.conf:2: @include needs the name of a file in quotes",
      "a.conf:3: @include needs the name of a file in quotes",
      "a.conf:4: sub cannot be included: Is a directory",
      "a.conf:5: /dev/null cannot be included: it is not a regular file",
      "a.conf:6: @include needs the name of a file in quotes"}},
    {"an include that is no line of its own",
     "user = \"root\"; @include \"b.conf\"\n",
     {"a.conf:1: syntax error: look here and just above for a missing quote, comma, = or bracket"}},
    {"itself",
     "\n@include \"a.conf\"\n",
     {"a.conf:2: a.conf cannot be included: more than 10 files deep"}},
    {"a forged line",
     "plugin_dir = true;\nuser = \"x\\nb.conf:1: y\\x1b\";\n" LISTENERS CHAINS,
     {"a.conf:1: plugin_dir must be a string in quotes, not true",
      "a.conf:2: user: unknown user \"x\\x0ab.conf:1: y\\x1b\"; create it or name another"}},
};

static void
every_fault_has_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(faults); i++) {
        struct errors errors = {0};
        struct config *config = load_text(faults[i].text, &errors);
        const char *lines[COUNT(faults[i].lines) + 1] = {NULL};

        memcpy(lines, faults[i].lines, sizeof(faults[i].lines));
        for (size_t k = 0; k < errors.count || lines[k] != NULL; k++)
            if (lines[k] == NULL || k >= errors.count || strcmp(errors.lines[k], lines[k]) != 0)
                fail_msg("%s, error %zu: %s", faults[i].name, k + 1,
                         k < errors.count ? errors.lines[k] : "not said");
        errors_free(&errors);
        config_free(config);
    }
}

static void
what_cannot_be_read(void **state)
{
    static const char nul[] = "user = \"root\";\ngroup = \"ro\0ot\";\n";
    static const char *const lines[] = {
        "gone.conf: cannot be read: No such file or directory",
        "sub: cannot be read: Is a directory",
        "b.conf:2: here is a NUL character: this is not a text file",
        "b.conf: cannot be read: File too large", NULL};
    struct errors errors = {0};
    char *large = xcalloc(5 << 20, 1);

    (void)state;
    memset(large, '\n', 5 << 20);
    assert_null(config_load("gone.conf", &errors));
    assert_null(config_load("sub", &errors));
    write_bytes("b.conf", nul, sizeof(nul) - 1);
    assert_null(config_load("b.conf", &errors));
    write_bytes("b.conf", large, 5 << 20);
    assert_null(config_load("b.conf", &errors));
    assert_errors(&errors, lines);
    free(large);
}

/* ---- includes --------------------------------------------------------------------- */

static void
includes_from_another_directory(void **state)
{
    static const char *const lines[] = {
        "../sub/more:2: workers.connections must be 1 to 100000, not 0",
        "../sub/a.conf:6: chain c: \"hello\" is there already, at ../sub/part:2; set name = "
        "\"...\" "
        "in one of them",
        NULL};
    struct errors errors = {0};
    struct config *config;
    char *expected = xprintf("%s/sub/x.so", place), *absolute, *line;

    (void)state;
    write_text("sub/a.conf", "@include \"./more\" // here\n" LISTENERS "chains = { c = (\n"
                             "  @include \"part\"\n"
                             "  ,\n"
                             "  \"hello\" ) };\n");
    write_text("sub/more", "workers = {\nconnections = 0; };");
    write_text("sub/part", "\"access\",\n\"hello\"\n, \"./x.so\"\n# the end");
    assert_int_equal(chdir("other"), 0);
    config = config_load("../sub/a.conf", &errors);
    assert_int_equal(chdir(".."), 0);
    assert_int_equal(errors.count, 2);
    line = errors.lines[0];
    /* "./" of the name is kept as it was written */
    assert_string_equal(line, "../sub/./more:2: workers.connections must be 1 to 100000, not 0");
    assert_string_equal(errors.lines[1], lines[1]);
    errors_free(&errors);
    assert_int_equal(config->chains[0].count, 4);
    assert_string_equal(config->chains[0].links[1].place.file, "../sub/part");
    assert_int_equal(config->chains[0].links[1].place.line, 2);
    assert_int_equal(config->chains[0].links[2].place.line, 3);
    assert_int_equal(config->chains[0].links[3].place.line, 6);
    absolute = realpath("sub", NULL);
    free(expected);
    expected = xprintf("%s/other/../sub/x.so", place);
    assert_string_equal(config->chains[0].links[2].path, expected);
    config_free(config);

    /* an absolute name is taken as such, and a line end behind it is not needed */
    free(expected);
    expected = xprintf(LISTENERS CHAINS "@include \"%s/more\"", absolute);
    config = load_text(expected, &errors);
    assert_int_equal(errors.count, 1);
    assert_memory_equal(errors.lines[0], absolute, strlen(absolute));
    errors_free(&errors);
    config_free(config);
    free(absolute);
    free(expected);
}

/* Files that include each other in many ways must not take all memory or time. */
static void
includes_that_grow(void **state)
{
    struct errors errors = {0};
    char *many = xcalloc(200, 40), *at = many;

    (void)state;
    write_text("sub/b.conf", "\n\n\n\n");
    for (int i = 0; i < 200; i++)
        at += sprintf(at, "@include \"sub/part\"\n");
    write_text("b.conf", many);
    at = many;
    for (int i = 0; i < 200; i++)
        at += sprintf(at, "@include \"more\"\n");
    write_text("sub/part", many);
    at = many;
    for (int i = 0; i < 200; i++)
        at += sprintf(at, "@include \"b.conf\"\n");
    write_text("sub/more", many);
    assert_null(config_load("b.conf", &errors));
    assert_int_equal(errors.count, 1);
    assert_non_null(strstr(errors.lines[0], " cannot be included: more than 1000 includes"));
    errors_free(&errors);
    free(many);
}

/* ---- printing ------------------------------------------------------------------------- */

static char *
printed(const struct config *config)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    assert_non_null(out);
    config_print(config, out);
    fclose(out);
    return text;
}

/* Comments say where a value comes from, which differs. */
static void
strip_comments(char *text)
{
    char *to = text;

    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        char *comment = memmem(text, length, "# ", 2);
        size_t keep = comment == NULL ? length : (size_t)(comment - text);

        while (keep > 0 && text[keep - 1] == ' ')
            keep--;
        memmove(to, text, keep);
        to += keep;
        text += length + (text[length] == '\n');
        if (keep > 0)
            *to++ = '\n';
    }
    *to = '\0';
}

static void
what_is_printed_can_be_read(void **state)
{
    static const char text[] =
        "user = \"root\";\nworkers = { connections = 7; };\n"
        "log = { target = \"file\"; file = \"/tmp/\\\"x\\\\\"; };\n"
        "listeners = ( { socket = \"inet:1\"; },\n"
        "  { socket = \"unix:/x\"; mode = \"0600\"; } );\n"
        "chains = { c = ( \"hello\", { plugin = \"a\"; name = \"b\"; mode =\n"
        "\"observe\"; only = ( { client = \"::1\"; larger = \"5K\"; }, { authenticated = false; } "
        "); } ) };";
    struct errors errors = {0};
    struct config *first = load_text(text, &errors), *second;
    char *once = printed(first), *twice;

    (void)state;
    assert_no_errors(&errors);
    assert_non_null(strstr(once, "# a.conf\nuser = \"root\"   # a.conf:1\n# group is not set\n"));
    assert_non_null(strstr(once, "    processes = 0   # default\n"
                                 "    connections = 7   # a.conf:2\n"
                                 "    # in effect: "));
    assert_non_null(strstr(once, "    {   # a.conf:4\n"
                                 "        socket = \"inet:1\"   # a.conf:4\n"
                                 "        # name is not set\n"
                                 "        # mode is not set\n"
                                 "        # owner is not set\n"
                                 "        # group is not set\n"
                                 "        # chain is not set\n"
                                 "        # in effect: c, the only chain\n"
                                 "    },\n"));
    assert_non_null(strstr(once, "    c = (   # a.conf:6\n"
                                 "        {   # a.conf:6\n"
                                 "            plugin = \"hello\"   # a.conf:6\n"
                                 "            # name is not set\n"
                                 "            on_failure = \"tempfail\"   # default\n"
                                 "            mode = \"enforce\"   # default\n"
                                 "            # the file: "));
    write_text("printed.conf", once);
    second = config_load("printed.conf", &errors);
    assert_no_errors(&errors);
    twice = printed(second);
    strip_comments(once);
    strip_comments(twice);
    assert_string_equal(once, twice);
    assert_int_equal(second->processes, first->processes);
    free(once);
    free(twice);
    config_free(first);
    config_free(second);
}

/* ---- keys and the sample -------------------------------------------------------------- */

static void
tables_are_sound(void **state)
{
    (void)state;
    for (const struct keys_table *keys = keys_tables; keys->name != NULL; keys++) {
        struct errors errors = {0};
        struct option_values *values =
            options_read(keys->table, sizeof(keys->table[0]), NULL, NULL, "plugin x", &errors);

        for (size_t i = 0; i < errors.count; i++)
            if (strstr(errors.lines[i], "must be set") == NULL)
                fail_msg("%s", errors.lines[i]);
        for (size_t i = 0; i < values->count; i++) {
            assert_non_null(values->table[i].help);
            assert_true(strlen(values->table[i].help) > 0);
        }
        errors_free(&errors);
        options_free(values);
    }
}

static void
assert_has_word(const char *words, const char *word)
{
    char *list = xprintf(" %s ", words), *one = xprintf(" %s ", word);

    if (strstr(list, one) == NULL)
        fail_msg("%s is not in \"%s\"", word, words);
    free(list);
    free(one);
}

/* A key of a link that is not in config_link_keys would be an unknown option of the plugin. */
static void
host_keys_are_kept_from_plugins(void **state)
{
    char *reserved = xstrdup(keys_reserved), *rest = reserved, *word;

    (void)state;
    for (const struct milter_option *row = keys_link; row->name != NULL; row++)
        assert_has_word(config_link_keys, row->name);
    while ((word = strsep(&rest, " ")) != NULL)
        assert_has_word(config_link_keys, word);
    free(reserved);
}

static void
facilities_have_their_words(void **state)
{
    static const struct {
        const char *word;
        int facility;
    } expected[] = {
        {"mail", LOG_MAIL},         {"daemon", LOG_DAEMON}, {"user", LOG_USER},
        {"auth", LOG_AUTH},         {"local0", LOG_LOCAL0}, {"local7", LOG_LOCAL7},
        {"authpriv", LOG_AUTHPRIV},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++) {
        char *text = xprintf("log = { facility = \"%s\"; };" LISTENERS CHAINS, expected[i].word);
        struct errors errors = {0};
        struct config *config = load_text(text, &errors);

        assert_no_errors(&errors);
        assert_int_equal(config->log.facility, expected[i].facility);
        config_free(config);
        free(text);
    }
}

static void
sample_is_right(void **state)
{
    struct errors errors = {0};
    struct config *config;

    (void)state;
    if (top_conf == NULL)
        fail_msg("there is no milter.conf in top_srcdir");
    config = config_load(top_conf, &errors);
    assert_no_errors(&errors);
    assert_int_equal(config->listener_count, 1);
    assert_int_equal(config->chain_count, 1);
    assert_string_equal(config->listeners[0].socket, "inet:8891@127.0.0.1");
    assert_string_equal(config->chains[0].name, "incoming");
    assert_int_equal(config->chains[0].count, 3);
    assert_string_equal(config->chains[0].links[0].name, "access");
    assert_string_equal(config->chains[0].links[1].name, "headers");
    assert_string_equal(config->chains[0].links[2].name, "hello");
    config_free(config);
}

static char *
read_whole(const char *name, size_t *length)
{
    FILE *file = fopen(name, "r");
    char *text = xcalloc(1 << 16, 1);

    assert_non_null(file);
    *length = fread(text, 1, (1 << 16) - 1, file);
    fclose(file);
    return text;
}

/* Every key, set or in a comment with its default. */
static void
sample_is_complete(void **state)
{
    size_t length;
    char *text = read_whole(top_conf, &length);

    (void)state;
    for (const struct keys_table *keys = keys_tables; keys->name != NULL; keys++) {
        for (const struct milter_option *row = keys->table; row->name != NULL; row++) {
            char *set = xprintf("%s = ", row->name), *value;

            if (strstr(text, set) == NULL && strstr(text, row->name) == NULL)
                fail_msg("milter.conf does not have %s", row->name);
            free(set);
            if (row->initial == NULL || strcmp(row->name, "plugin_dir") == 0)
                continue;
            if (row->type == MILTER_INT)
                value = xprintf("#%s = %s;", row->name, row->initial);
            else
                value = xprintf("#%s = \"%s\";", row->name, row->initial);
            if (strstr(text, value) == NULL)
                fail_msg("milter.conf does not have %s", value);
            free(value);
        }
    }
    free(text);
}

/* ---- whatever comes ------------------------------------------------------------------- */

static const char *const pieces[] = {
    "listeners",
    "chains",
    "workers",
    "log",
    " = ",
    " : ",
    ";",
    ",",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "\"inet:1\"",
    "5",
    "-1",
    "1.5",
    "true",
    "\n",
    "#",
    "//",
    "/*",
    "*/",
    "@include",
    "@include \"sub\"\n",
    "\n@include \"b.conf\"\n",
    "4294967296",
    "0xffffffffff",
    "5L",
    "plugin",
    "name",
    "hello",
    "../",
    "on_failure",
    "socket",
    "mode",
    "\"0660\"",
    "( { ( {",
    "\"\"",
    "\xff\xfe",
    "\r",
    "\t",
    "\\x00",
    "e99999999",
    "chain",
    "user",
    "\"root\"",
    "99999999999999999999",
    "drain_timeout",
};

/* Something of every type, to stand where something else should. */
static const char *const odd_values[] = {
    "5",
    "-5",
    "0",
    "4294967297",
    "1.5",
    "true",
    "\"\"",
    "\"x\"",
    "\"30s\"",
    "( )",
    "[ ]",
    "{ }",
    "( 1, \"x\" )",
    "( { } )",
    "{ a = 1; }",
    "{ plugin = 1; }",
    "( ( \"hello\" ) )",
    "[ \"hello\", \"hello\" ]",
    "\"/\"",
    "( \"/\", \"//\" )",
    "{ c = ( \"hello\" ); d = ( ); }",
    "\"unix:/\"",
    "\"inet6:1\"",
};

static uint32_t
next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* One value, up to its semicolon or line end, becomes another. The new length. */
static size_t
replace_value(char *text, size_t length, size_t room, uint32_t *seed)
{
    size_t at = next_random(seed) % (length + 1), end;
    const char *value = odd_values[next_random(seed) % COUNT(odd_values)];
    const char *equals = memmem(text + at, length - at, "= ", 2);

    if (equals == NULL || length + strlen(value) > room)
        return length;
    at = (size_t)(equals - text) + 2;
    for (end = at; end < length && text[end] != ';' && text[end] != '\n';)
        end++;
    memmove(text + at + strlen(value), text + end, length - end);
    memcpy(text + at, value, strlen(value));
    return length - (end - at) + strlen(value);
}

/* Cuts a part out, puts a piece in, doubles a part, changes a byte or a value. The new length. */
static size_t
mutate(char *text, size_t length, size_t room, uint32_t *seed)
{
    size_t at = next_random(seed) % (length + 1), part = next_random(seed) % 30;
    const char *piece = pieces[next_random(seed) % COUNT(pieces)];

    if (part > length - at)
        part = length - at;
    switch (next_random(seed) % 12) {
    case 0:
        memmove(text + at, text + at + part, length - at - part);
        return length - part;
    case 1:
        part = strlen(piece);
        if (length + part > room)
            return length;
        memmove(text + at + part, text + at, length - at);
        memcpy(text + at, piece, part);
        return length + part;
    case 2:
        if (length + part > room)
            return length;
        memmove(text + at + part, text + at, length - at);
        return length + part;
    case 3:
        if (at < length)
            text[at] = (char)next_random(seed);
        return length;
    default:
        return replace_value(text, length, room, seed);
    }
}

static double
now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* At most 4000 and at most two seconds; what is printed of them, too. */
static void
nothing_breaks_it(void **state)
{
    static const char start[] =
        "user = \"root\";\nworkers = { processes = 2; connections = 5; };\n"
        "log = { target = \"file\"; file = \"x\"; level = \"debug\"; };\n"
        "drain_timeout = \"30s\";\n@include \"b.conf\"\n"
        "listeners = ( { socket = \"inet:8891@127.0.0.1\"; chain = \"incoming\"; },\n"
        "  { socket = \"unix:/run/x\"; mode = \"0660\"; owner = \"root\"; chain = \"incoming\"; } "
        ");\n"
        "chains = { incoming = ( { plugin = \"access\"; rules = ( \"a b\", \"c\" ); },\n"
        "  { plugin = \"headers\"; name = \"tag\"; on_failure = \"continue\";\n"
        "    only = { client = \"::1\";\n listener = \"inet:8891@127.0.0.1\"; };\n"
        "    unless = ( { authenticated = true; } ); }, \"hello\" ); };\n";
    enum { ROOM = 4096 };
    char text[ROOM];
    double end = now() + 2;
    uint32_t seed = 20240501;
    unsigned good = 0, parsed = 0, runs = 0;

    (void)state;
    write_text("b.conf", "group = \"root\";\n");
    for (; runs < 4000 && now() < end; runs++) {
        size_t length = sizeof(start) - 1;
        struct errors errors = {0};
        struct config *config;

        memcpy(text, start, length);
        for (unsigned changes = 1 + next_random(&seed) % 4; changes > 0; changes--)
            length = mutate(text, length, ROOM, &seed);
        write_bytes("fuzz.conf", text, length);
        config = config_load("fuzz.conf", &errors);
        assert_true(config != NULL || errors.count > 0);
        if (config != NULL) {
            char mta[200], *output = printed(config);

            for (size_t i = 0; i < config->listener_count; i++)
                config_mta_socket(&config->listeners[i], mta, sizeof(mta));
            free(output);
            parsed++;
        }
        good += errors.count == 0;
        for (size_t i = 0; i < errors.count; i++)
            assert_null(strchr(errors.lines[i], '\n'));
        errors_free(&errors);
        config_free(config);
    }
    print_message("%u configurations, %u parsed, %u good\n", runs, parsed, good);
    assert_true(parsed > 0 && good > 0);
}

static void
deep_nesting(void **state)
{
    enum { DEPTH = 100000 };
    char *text = xcalloc(4 * DEPTH, 1);

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct errors errors = {0};
        char *at = text;

        for (int k = 0; k < (i == 0 ? 2000 : DEPTH); k++)
            at += sprintf(at, k == 0 ? "a=" : i == 0 ? "(" : "{a=");
        if (i == 0)
            for (int k = 1; k < 2000; k++)
                at += sprintf(at, ")");
        config_free(load_text(text, &errors));
        assert_true(errors.count > 0);
        errors_free(&errors);
    }
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_socket),
        cmocka_unit_test(permissions_of_a_unix_socket),
        cmocka_unit_test(sockets_that_collide),
        cmocka_unit_test(everything_set),
        cmocka_unit_test(nothing_set),
        cmocka_unit_test(conditions_of_a_link),
        cmocka_unit_test(limits),
        cmocka_unit_test(options_of_a_link),
        cmocka_unit_test(every_fault_has_its_line),
        cmocka_unit_test(what_cannot_be_read),
        cmocka_unit_test(includes_from_another_directory),
        cmocka_unit_test(includes_that_grow),
        cmocka_unit_test(what_is_printed_can_be_read),
        cmocka_unit_test(tables_are_sound),
        cmocka_unit_test(host_keys_are_kept_from_plugins),
        cmocka_unit_test(facilities_have_their_words),
        cmocka_unit_test(sample_is_right),
        cmocka_unit_test(sample_is_complete),
        cmocka_unit_test(nothing_breaks_it),
        cmocka_unit_test(deep_nesting),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
