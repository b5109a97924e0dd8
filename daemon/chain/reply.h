/*
 * reply - an SMTP reply of a plugin, checked and put into the form the milter
 * protocol wants. What is refused here would desynchronise the SMTP dialogue or
 * make the mail server send something else (see RFC 5321 4.2 and RFC 3463).
 */
#ifndef DAEMON_CHAIN_REPLY_H
#define DAEMON_CHAIN_REPLY_H

#include <stddef.h>

#include "base/memory.h"

enum { REPLY_LINES_MAX = 32, REPLY_LINE_MAX = 980 };

struct reply {
    const char *wire; /* "550-5.7.1 one\r\n550 5.7.1 two", % doubled; NULL: no reply */
    const char *text; /* for people: "550 5.7.1 one two", one line */
};

/*
 * Lines of text are separated by LF; xcode NULL for none. 0, or -1 with the reason
 * why it is refused in `why`. The memory is the arena's.
 */
int reply_make(struct reply *reply, struct arena *arena, int code, const char *xcode,
               const char *text, char *why, size_t why_size);

#endif
