/*
 * identity - looks up a user or a group.
 *
 * Decides that a name goes before a number, so that a user called "1000" is that user.
 * Does not know what the answer is used for. Asks the system's user database, which
 * may be slow: for the start of the daemon only.
 */
#include "process/identity.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 0, or -1 where the text is no number that an id can be. */
static int
parse_number(const char *text, unsigned *number)
{
    char *end;
    unsigned long value;

    if (*text < '0' || *text > '9')
        return -1;
    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || value >= UINT_MAX) /* the largest is "no id" */
        return -1;
    *number = (unsigned)value;
    return 0;
}

/* error: errno of a look-up that found nothing; 0 and some others mean "no such name". */
static int
fail(const char *kind, const char *name, int error, char *reason, size_t size)
{
    if (error == EIO || error == EMFILE || error == ENFILE || error == ENOMEM)
        snprintf(reason, size, "cannot look up the %s \"%s\": %s", kind, name, strerror(error));
    else
        snprintf(reason, size, "unknown %s \"%s\"; create it or name another", kind, name);
    return -1;
}

int
identity_user(const char *name, uid_t *user, gid_t *group, char *reason, size_t size)
{
    const struct passwd *entry;
    unsigned number;
    int error;

    errno = 0;
    entry = getpwnam(name);
    error = errno;
    if (!entry && parse_number(name, &number) == 0) {
        entry = getpwuid(number);
        if (!entry) {
            *user = number;
            *group = number;
            return 0;
        }
    }
    if (!entry)
        return fail("user", name, error, reason, size);
    *user = entry->pw_uid;
    *group = entry->pw_gid;
    return 0;
}

int
identity_group(const char *name, gid_t *group, char *reason, size_t size)
{
    const struct group *entry;
    unsigned number;
    int error;

    errno = 0;
    entry = getgrnam(name);
    error = errno;
    if (!entry && parse_number(name, &number) == 0) {
        *group = number;
        return 0;
    }
    if (!entry)
        return fail("group", name, error, reason, size);
    *group = entry->gr_gid;
    return 0;
}
