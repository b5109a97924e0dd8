/*
 * broken - plugins that the loader must refuse, or that look odd and are good; which
 * one it is, is defined by the name of the shared object: broken_abi.so is compiled
 * with -DBROKEN_ABI. Nothing of them may run before they are refused, so each callback
 * ends the process.
 */
#include <milterd/plugin.h>

#include <stdlib.h>

__attribute__((unused)) static int
on_load(milter_ctx *ctx)
{
#ifdef BROKEN_REQUIRED
    /* As an author may: it is required, so it is there. */
    return milter_option_string(ctx, "needed")[0] == '\0';
#else
    (void)ctx;
    abort();
#endif
}

__attribute__((unused)) static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    (void)ctx;
    abort();
}

#define USUAL .name = "broken", .version = "1.0", .on_load = on_load, .on_eom = on_eom

#if defined BROKEN_TABLE

/* No table at all. */
MILTER_API const int milter_plugin_tabel = 1;

#elif defined BROKEN_ABI

MILTER_PLUGIN = {.abi = 99, .size = 1, .option_size = 1};

#elif defined BROKEN_SYMBOL

void nowhere_defined(void);

static void
on_unload(milter_ctx *ctx)
{
    (void)ctx;
    nowhere_defined();
}

MILTER_PLUGIN = {MILTER_PLUGIN_HEAD, USUAL, .on_unload = on_unload};

#elif defined BROKEN_FUNCTION

/* Of a later milterd. */
void milter_from_the_future(milter_ctx *ctx);

static void
on_unload(milter_ctx *ctx)
{
    milter_from_the_future(ctx);
}

MILTER_PLUGIN = {MILTER_PLUGIN_HEAD, USUAL, .on_unload = on_unload};

#elif defined BROKEN_SIZE

MILTER_PLUGIN = {.abi = MILTER_ABI, .size = 16, .option_size = sizeof(struct milter_option), USUAL};

#elif defined BROKEN_HUGE

MILTER_PLUGIN = {
    .abi = MILTER_ABI, .size = 65537, .option_size = sizeof(struct milter_option), USUAL};

#elif defined BROKEN_ROWS

MILTER_PLUGIN = {.abi = MILTER_ABI, .size = sizeof(struct milter_plugin), .option_size = 8, USUAL};

#elif defined BROKEN_WIDE_ROWS

static const struct milter_option options[] = {{.name = "one", .help = "one"}, {.name = NULL}};

MILTER_PLUGIN = {.abi = MILTER_ABI,
                 .size = sizeof(struct milter_plugin),
                 .option_size = 0x10000000,
                 .options = options,
                 USUAL};

#elif defined BROKEN_NEWER || defined BROKEN_UNUSED

/* A table with a callback more than this version knows. */
struct newer_plugin {
    struct milter_plugin known;
    void (*on_something)(milter_ctx *ctx);
};

__attribute__((unused)) static void
on_something(milter_ctx *ctx)
{
    (void)ctx;
    abort();
}

extern MILTER_API const struct newer_plugin newer_table __asm__("milter_plugin_table");

const struct newer_plugin newer_table = {
    .known =
        {
            .abi = MILTER_ABI,
            .size = sizeof(struct newer_plugin),
            .option_size = sizeof(struct milter_option),
            .name = "broken",
            .version = "2.0",
            .on_eom = on_eom,
#ifdef BROKEN_NEWER
            .on_load = on_load,
        },
    .on_something = on_something,
#else
        },
#endif
};

#elif defined BROKEN_OLDER

/* Built when there was no on_eom yet: what lies where it is now is none of the table. */
MILTER_PLUGIN = {.abi = MILTER_ABI,
                 .size = offsetof(struct milter_plugin, on_eom),
                 .option_size = sizeof(struct milter_option),
                 .name = "broken",
                 .version = "0.1",
                 .on_eom = on_eom};

#elif defined BROKEN_RESERVED

static const struct milter_option options[] = {
    {.name = "fine", .help = "a name of its own"},
    {.name = "on_failure", .help = "a name of milterd's"},
    {.name = NULL},
};

MILTER_PLUGIN = {MILTER_PLUGIN_HEAD, USUAL, .options = options};

#elif defined BROKEN_OPTIONS

static const struct milter_option options[] = {
    {.name = "", .help = "no name"},
    {.name = "Capital", .help = "no good name"},
    {.name = "with space", .help = "no good name"},
    {.name = "twice", .help = "there are two"},
    {.name = "twice", .help = "there are two"},
    {.name = NULL},
};

MILTER_PLUGIN = {MILTER_PLUGIN_HEAD, USUAL, .options = options};

#elif defined BROKEN_INITIAL

static const struct milter_option options[] = {
    {.name = "number", .type = MILTER_INT, .initial = "many", .help = "a wrong default"},
    {.name = NULL},
};

MILTER_PLUGIN = {MILTER_PLUGIN_HEAD, USUAL, .options = options};

#elif defined BROKEN_REQUIRED

static const struct milter_option options[] = {
    {.name = "needed", .flags = MILTER_REQUIRED, .help = "what it cannot do without"},
    {.name = NULL},
};

MILTER_PLUGIN = {MILTER_PLUGIN_HEAD, USUAL, .options = options};

#elif defined BROKEN_MACROS

static const struct milter_macros macros[] = {
    {MILTER_EVENT_MAIL, "{fine}"}, {MILTER_EVENT_BODY, "{none_here}"}, {MILTER_EVENTS, NULL}};

MILTER_PLUGIN = {MILTER_PLUGIN_HEAD, USUAL, .macros = macros};

#elif defined BROKEN_STAGE

static const struct milter_macros macros[] = {{(enum milter_event)4711, "{nowhere}"},
                                              {MILTER_EVENT_MAIL, NULL}};

MILTER_PLUGIN = {MILTER_PLUGIN_HEAD, USUAL, .macros = macros};

#elif defined BROKEN_OBSERVES

MILTER_PLUGIN = {MILTER_PLUGIN_HEAD, USUAL, .observes = MILTER_OBSERVES(EOM)};

#elif defined BROKEN_NAME

MILTER_PLUGIN = {MILTER_PLUGIN_HEAD, .version = "1.0", .on_load = on_load, .on_eom = on_eom};

#elif defined BROKEN_ACTIONS

MILTER_PLUGIN = {MILTER_PLUGIN_HEAD, USUAL, .actions = 0x40000000};

#elif defined BROKEN_NEEDS

MILTER_PLUGIN = {MILTER_PLUGIN_HEAD, USUAL, .needs = 0x40000000};

#else
#error "which one?"
#endif
