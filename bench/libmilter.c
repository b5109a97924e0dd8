/*
 * libmilter - a filter made with libmilter, with the callbacks of look.c and add.c.
 *
 *     libmilter WAY unix:PATH|inet:PORT@HOST
 *
 * WAY is `replies` (all events, a reply to each), `noreply` (all events, a reply at the
 * end of message only), `needed` (only end of message) or `body` (only body and end of
 * message); with `+add` behind it a header field is added. Serves until it is killed.
 */
#include <libmilter/mfapi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What each callback answers: SMFIS_NOREPLY where no reply is due. */
static sfsistat on;
static bool adds;

static sfsistat
on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *address)
{
    (void)ctx;
    (void)name;
    (void)address;
    return on;
}

static sfsistat
on_helo(SMFICTX *ctx, char *name)
{
    (void)ctx;
    (void)name;
    return on;
}

static sfsistat
on_address(SMFICTX *ctx, char **args)
{
    (void)ctx;
    (void)args;
    return on;
}

static sfsistat
on_data(SMFICTX *ctx)
{
    (void)ctx;
    return on;
}

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
    (void)ctx;
    (void)name;
    (void)value;
    return on;
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *chunk, size_t length)
{
    (void)ctx;
    (void)chunk;
    (void)length;
    return on;
}

static sfsistat
on_eom(SMFICTX *ctx)
{
    static char name[] = "X-Filtered", value[] = "by bench";

    if (adds && smfi_addheader(ctx, name, value) != MI_SUCCESS)
        return SMFIS_TEMPFAIL;
    return SMFIS_CONTINUE;
}

/* Asks that nothing be answered before end of message. */
static sfsistat
no_replies(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2, unsigned long f3,
           unsigned long *pf0, unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
    (void)ctx;
    (void)f2;
    (void)f3;
    *pf0 = f0 & (adds ? SMFIF_ADDHDRS : 0);
    *pf1 = f1 & (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_DATA |
                 SMFIP_NR_UNKN | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY);
    *pf2 = *pf3 = 0;
    return SMFIS_CONTINUE;
}

int
main(int argc, char **argv)
{
    static char name[] = "bench";
    struct smfiDesc filter = {.xxfi_name = name, .xxfi_version = SMFI_VERSION, .xxfi_eom = on_eom};

    if (argc != 3) {
        fputs("usage: libmilter replies|noreply|needed|body[+add] SOCKET\n", stderr);
        return 64;
    }
    adds = strstr(argv[1], "+add") != NULL;
    filter.xxfi_flags = adds ? SMFIF_ADDHDRS : 0;
    on = SMFIS_CONTINUE;
    if (strncmp(argv[1], "body", 4) == 0) {
        filter.xxfi_body = on_body;
    } else if (strncmp(argv[1], "needed", 6) != 0) {
        filter.xxfi_connect = on_connect;
        filter.xxfi_helo = on_helo;
        filter.xxfi_envfrom = filter.xxfi_envrcpt = on_address;
        filter.xxfi_data = on_data;
        filter.xxfi_header = on_header;
        filter.xxfi_eoh = on_data;
        filter.xxfi_body = on_body;
    }
    if (strncmp(argv[1], "noreply", 7) == 0) {
        on = SMFIS_NOREPLY;
        filter.xxfi_negotiate = no_replies;
    }
    if (smfi_setconn(argv[2]) != MI_SUCCESS || smfi_setbacklog(4096) != MI_SUCCESS ||
        smfi_register(filter) != MI_SUCCESS) {
        fputs("libmilter: cannot begin\n", stderr);
        return 1;
    }
    return smfi_main() == MI_SUCCESS ? 0 : 1;
}
