/*
 * mailbox - takes from an envelope address what does not change where it goes:
 * brackets, a source route, quotes, case, the dot at the end of a domain. A
 * client chooses these freely, so a rule that minded them could be walked
 * around. What only the mail server knows (aliases, extensions, a "%" or "!"
 * in the local part) is left as it is. Case is that of ASCII; other bytes are
 * compared as they are. Allocates nothing.
 */
#include "mailbox.h"

#include <string.h>

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Behind "@relay,@other:"; a colon within [] belongs to an address literal. */
static const char *
skip_route(const char *at, const char *end)
{
    bool literal = false;

    if (at == end || *at != '@')
        return at;
    for (const char *c = at; c < end; c++) {
        if (*c == '[')
            literal = true;
        else if (*c == ']')
            literal = false;
        else if (*c == ':' && !literal)
            return c + 1;
    }
    return at;
}

void
mailbox_read(struct mailbox *mailbox, const char *address, char *room)
{
    const char *at = address, *end = address + strlen(address);
    bool quoted = false;
    size_t length = 0;

    if (end - at >= 2 && *at == '<' && end[-1] == '>') {
        at++;
        end--;
    }
    *mailbox = (struct mailbox){.text = room};
    for (at = skip_route(at, end); at < end; at++) {
        if (*at == '"') {
            quoted = !quoted;
            continue;
        }
        if (*at == '\\' && at + 1 < end) {
            at++;
        } else if (*at == '@' && !quoted) {
            mailbox->local = length;
            mailbox->has_domain = true;
        }
        room[length++] = lower(*at);
    }
    if (!mailbox->has_domain)
        mailbox->local = length;
    while (mailbox->has_domain && room[length - 1] == '.')
        length--;
    room[length] = '\0';
    mailbox->length = length;
}

const char *
mailbox_domain(const struct mailbox *mailbox, size_t *length)
{
    *length = mailbox->length - mailbox->local - 1;
    return mailbox->text + mailbox->local + 1;
}

size_t
mailbox_host(const char *name, char *room)
{
    size_t length = strlen(name);

    while (length > 0 && name[length - 1] == '.')
        length--;
    for (size_t i = 0; i < length; i++)
        room[i] = lower(name[i]);
    room[length] = '\0';
    return length;
}
