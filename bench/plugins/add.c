/*
 * add - needs nothing but the end of each message, where it adds a header field.
 */
#include <milterd/plugin.h>

static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    if (milter_add_header(ctx, "X-Filtered", "by bench") != MILTER_OK)
        return MILTER_FAILURE;
    return MILTER_CONTINUE;
}

MILTER_PLUGIN = {
    MILTER_PLUGIN_HEAD,
    .name = "add",
    .version = "1.0",
    .description = "adds a header field",
    .actions = MILTER_ADDS_HEADERS,
    .on_eom = on_eom,
};
