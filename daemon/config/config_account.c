/*
 * config_account - whether a user or group that milter.conf names exists.
 *
 * Decides nothing about what the account may do: whoever uses it finds that out. It
 * is asked here so that an unknown name is among all the other errors, with its line.
 * A number is taken as it is, and so is a name that cannot be looked up just now.
 */
#include "config/config_parts.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

static bool
exists(const char *text, enum config_account kind)
{
    if (text[0] == '\0')
        return false;
    if (strspn(text, "0123456789") == strlen(text))
        return true;
    errno = 0;
    if (kind == ACCOUNT_USER ? getpwnam(text) != NULL : getgrnam(text) != NULL)
        return true;
    return errno == EIO || errno == EMFILE || errno == ENFILE || errno == ENOMEM;
}

const char *
config_account_check(const struct option_values *values, const char *name, enum config_account kind,
                     struct errors *errors)
{
    static const char *const kinds[] = {[ACCOUNT_USER] = "user", [ACCOUNT_GROUP] = "group"};
    const char *text = options_text(values, name), *dot = values->name[0] == '\0' ? "" : ".";

    if (text != NULL && !exists(text, kind))
        errors_add(errors, options_find(values, name)->place,
                   "%s%s%s: unknown %s \"%.100s\"; create it or name another", values->name, dot,
                   name, kinds[kind], text);
    return text;
}
