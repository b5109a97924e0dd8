/*
 * hello - the plugin to copy from: adds one header field to each message.
 *
 * It needs one event, the end of the message, so that is the only callback in
 * its table; milterd asks the mail server for nothing else on its behalf. It
 * keeps nothing: the options belong to the host, and what is handed to
 * milter_add_header() is copied.
 */
#include <milterd/plugin.h>

/* What can be set in milter.conf. The host checks it, and prints it as help. */
static const struct milter_option options[] = {
    {.name = "header",
     .type = MILTER_STRING,
     .initial = "X-Hello",
     .help = "name of the header field that is added"},
    {.name = "text", .type = MILTER_STRING, .initial = "checked by milterd", .help = "its value"},
    {.name = NULL},
};

/* The end of the message. The field is added once every plugin has agreed to the message. */
static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    const char *header = milter_option_string(ctx, "header");
    const char *text = milter_option_string(ctx, "text");

    /* The host has logged why it refused; `on_failure` of milter.conf answers. */
    if (milter_add_header(ctx, header, text) != MILTER_OK)
        return MILTER_FAILURE;
    return MILTER_CONTINUE;
}

/* The one symbol that milterd looks for. */
MILTER_PLUGIN = {
    MILTER_PLUGIN_HEAD,
    .name = "hello",
    .version = "1.0",
    .description = "adds one header field to each message",
    .actions = MILTER_ADDS_HEADERS, /* all that it may change */
    .options = options,
    .on_eom = on_eom,
};
