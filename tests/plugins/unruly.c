/*
 * unruly - a plugin that misbehaves while it is loaded, as its option `does` says:
 * but only while the file of its option `if_there` exists, where that is set.
 */
#include <milterd/plugin.h>

#include <stdlib.h>
#include <unistd.h>

static const struct milter_option options[] = {
    {.name = "does",
     .type = MILTER_ENUM,
     .initial = "nothing",
     .values = "nothing crash hang exit fail crash_at_unload",
     .help = "what it does in on_load"},
    {.name = "if_there", .type = MILTER_STRING, .help = "a file that must exist for it"},
    {.name = NULL},
};

enum what { NOTHING, CRASH, HANG, EXIT, FAIL, CRASH_AT_UNLOAD };

static int
on_load(milter_ctx *ctx)
{
    const char *file = milter_option_string(ctx, "if_there");

    if (file && access(file, F_OK) < 0)
        return 0;
    switch ((enum what)milter_option_int(ctx, "does")) {
    case NOTHING:
    case CRASH_AT_UNLOAD:
        return 0;
    case CRASH:
        abort();
    case HANG:
        milter_log(ctx, MILTER_LOG_INFO, "hanging");
        while (pause() < 0)
            ;
        return 0;
    case EXIT:
        exit(3);
    case FAIL:
        return milter_option_error(ctx, "does", 0, "it fails because it is told to");
    }
    return 0;
}

static void
on_unload(milter_ctx *ctx)
{
    if (milter_option_int(ctx, "does") == CRASH_AT_UNLOAD)
        abort();
}

static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    (void)ctx;
    return MILTER_CONTINUE;
}

MILTER_PLUGIN = {
    MILTER_PLUGIN_HEAD,     .name = "unruly",
    .version = "1.0",       .description = "misbehaves while it is loaded",
    .options = options,     .on_load = on_load,
    .on_unload = on_unload, .on_eom = on_eom,
};
