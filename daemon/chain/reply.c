/*
 * Replies are checked before anything is written: the code's class, the
 * enhanced code's class and digits, the text's bytes, lines and lengths. The
 * wire form doubles %, which is a format character to Sendmail (Postfix undoes
 * the doubling too), and repeats the codes on each line.
 */
#include "chain/reply.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* "5.7.1": class 4 or 5, subject and detail one to three digits each. */
static bool
good_xcode(const char *xcode, int class)
{
    if (xcode[0] != '0' + class || xcode[1] != '.')
        return false;
    const char *at = xcode + 2;
    for (int part = 0; part < 2; part++) {
        int digits = 0;
        while (isdigit((unsigned char)*at)) {
            at++;
            digits++;
        }
        if (digits < 1 || digits > 3 || *at != (part == 0 ? '.' : '\0'))
            return false;
        at++;
    }
    return true;
}

static int
check(int code, const char *xcode, const char *text, size_t *lines, char *why, size_t why_size)
{
    size_t length = 0;

    if (code < 400 || code > 599) {
        snprintf(why, why_size, "a reply's code must be 4xx or 5xx, not %d", code);
        return -1;
    }
    if (xcode != NULL && !good_xcode(xcode, code / 100)) {
        snprintf(why, why_size, "the enhanced code \"%.20s\" does not fit the code %d", xcode,
                 code);
        return -1;
    }
    if (text == NULL) {
        snprintf(why, why_size, "a reply needs a text");
        return -1;
    }
    *lines = 1;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\n') {
            ++*lines;
            length = 0;
        } else if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f) {
            snprintf(why, why_size, "a reply's text cannot hold the control character 0x%02x",
                     (unsigned char)*at);
            return -1;
        } else if (++length > REPLY_LINE_MAX) {
            snprintf(why, why_size, "a line of a reply is over %d bytes", REPLY_LINE_MAX);
            return -1;
        }
    }
    if (*lines > REPLY_LINES_MAX) {
        snprintf(why, why_size, "a reply of %zu lines, at most %d are possible", *lines,
                 REPLY_LINES_MAX);
        return -1;
    }
    return 0;
}

int
reply_make(struct reply *reply, struct arena *arena, int code, const char *xcode, const char *text,
           char *why, size_t why_size)
{
    size_t lines, length = 0, percents = 0;

    if (check(code, xcode, text, &lines, why, why_size) < 0)
        return -1;
    for (const char *at = text; *at != '\0'; at++, length++)
        percents += *at == '%';

    /* Each line has "550-", perhaps "5.777.777 " and CRLF. */
    char *wire = arena_alloc(arena, length + percents + lines * 16 + 1);
    char *plain = arena_alloc(arena, length + 16);
    if (wire == NULL || plain == NULL) {
        snprintf(why, why_size, "no memory for a reply");
        return -1;
    }
    reply->wire = wire;
    reply->text = plain;

    plain += sprintf(plain, "%d ", code);
    if (xcode != NULL)
        plain += sprintf(plain, "%s ", xcode);
    for (const char *line = text; line != NULL;) {
        const char *end = strchr(line, '\n');
        wire += sprintf(wire, "%d%c", code, end != NULL ? '-' : ' ');
        if (xcode != NULL)
            wire += sprintf(wire, "%s ", xcode);
        for (; *line != '\0' && line != end; line++) {
            if (*line == '%')
                *wire++ = '%';
            *plain++ = *wire++ = *line;
        }
        if (end != NULL) {
            wire = stpcpy(wire, "\r\n");
            *plain++ = ' ';
        }
        line = end != NULL ? end + 1 : NULL;
    }
    *wire = *plain = '\0';
    return 0;
}
