/*
 * look - looks at every event and has nothing to say. Compiled several times: as look.so
 * it might decide at each event, so that each is answered; as look_observe.so it says that
 * it only observes; as look_body.so it sees body and end of message alone.
 */
#include <milterd/plugin.h>

static enum milter_verdict
on_body(milter_ctx *ctx, const void *chunk, size_t length)
{
    (void)ctx;
    (void)chunk;
    (void)length;
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    (void)ctx;
    return MILTER_CONTINUE;
}

#ifndef LOOK_BODY
static enum milter_verdict
on_connect(milter_ctx *ctx, const struct milter_client *client)
{
    (void)ctx;
    (void)client;
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_helo(milter_ctx *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_address(milter_ctx *ctx, const char *address, const char *const *args)
{
    (void)ctx;
    (void)address;
    (void)args;
    return MILTER_CONTINUE;
}

static enum milter_verdict
on_nothing(milter_ctx *ctx)
{
    (void)ctx;
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
#endif

MILTER_PLUGIN = {
    MILTER_PLUGIN_HEAD,
#ifdef LOOK_BODY
    .name = "look_body",
#elif defined LOOK_OBSERVE
    .name = "look_observe",
#else
    .name = "look",
#endif
    .version = "1.0",
    .description = "looks and says nothing",
#ifdef LOOK_OBSERVE
    .observes = MILTER_OBSERVES(CONNECT) | MILTER_OBSERVES(HELO) | MILTER_OBSERVES(MAIL) |
                MILTER_OBSERVES(RCPT) | MILTER_OBSERVES(DATA) | MILTER_OBSERVES(HEADER) |
                MILTER_OBSERVES(EOH) | MILTER_OBSERVES(BODY),
#endif
#ifndef LOOK_BODY
    .on_connect = on_connect,
    .on_helo = on_helo,
    .on_mail = on_address,
    .on_rcpt = on_address,
    .on_data = on_nothing,
    .on_header = on_header,
    .on_eoh = on_nothing,
#endif
    .on_body = on_body,
    .on_eom = on_eom,
};
