/*
 * counted - counts what the loader calls of it, in a variable that the test finds with
 * dlsym(), and fails in on_load where its option `does` says so.
 */
#include <milterd/plugin.h>

#include <stdlib.h>

/* The same declaration is in test_loader.c. */
struct counted {
    int loads, unloads, destroyed, wrong_order;
};

extern MILTER_API struct counted counted;
struct counted counted;

static const struct milter_option options[] = {
    {.name = "does",
     .type = MILTER_ENUM,
     .initial = "load",
     .values = "load fail complain destroy_and_fail",
     .help = "what it does in on_load"},
    {.name = "number", .type = MILTER_INT, .initial = "1", .min = 1, .max = 5, .help = "a number"},
    {.name = "words", .type = MILTER_LIST, .help = "some words"},
    {.name = NULL},
};

enum what { LOAD, FAIL, COMPLAIN, DESTROY_AND_FAIL };

static const struct milter_macros macros[] = {
    {MILTER_EVENT_MAIL, "{one} {two}"}, {MILTER_EVENT_EOM, "{one}"}, {MILTER_EVENT_EOM, NULL}};

/* The data of a place; whether its on_unload has been called. */
struct place {
    int unloaded;
};

static void
destroy(void *data)
{
    struct place *place = data;

    counted.destroyed++;
    counted.wrong_order += !place->unloaded;
    free(place);
}

static int
on_load(milter_ctx *ctx)
{
    enum what what = (enum what)milter_option_int(ctx, "does");

    counted.loads++;
    if (what == FAIL)
        return -1;
    if (what == COMPLAIN) {
        milter_option_error(ctx, "number", 0, "%d is too few",
                            (int)milter_option_int(ctx, "number"));
        return milter_option_error(ctx, "words", 1, "\"%s\" is a bad word",
                                   milter_option_item(ctx, "words", 1));
    }
    struct place *place = calloc(1, sizeof(*place));
    if (milter_set_data(ctx, MILTER_WORKER, place, destroy) != 0)
        return -1;
    if (what == DESTROY_AND_FAIL) {
        place->unloaded = 1; /* it never will be: on_load fails */
        return 7;
    }
    /* Neither is there before a connection. */
    if (milter_data(ctx, MILTER_CONNECTION) || milter_data(ctx, MILTER_MESSAGE))
        return -1;
    return 0;
}

static void
on_unload(milter_ctx *ctx)
{
    struct place *place = milter_data(ctx, MILTER_WORKER);

    counted.unloads++;
    place->unloaded = 1;
}

static enum milter_verdict
on_mail(milter_ctx *ctx, const char *sender, const char *const *args)
{
    (void)ctx;
    (void)sender;
    (void)args;
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_header(milter_ctx *ctx, const char *name, const char *value)
{
    (void)ctx;
    (void)name;
    (void)value;
    return MILTER_CONTINUE;
}

MILTER_PLUGIN = {
    MILTER_PLUGIN_HEAD,
    .name = "counted",
    .version = "1.0",
    .description = "counts",
    .actions = MILTER_ADDS_RCPTS,
    .observes = MILTER_OBSERVES(HEADER),
    .macros = macros,
    .options = options,
    .on_load = on_load,
    .on_unload = on_unload,
    .on_mail = on_mail,
    .on_header = on_header,
};
