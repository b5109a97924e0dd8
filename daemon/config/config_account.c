/*
 * config_account - whether a user or group that milter.conf names exists.
 *
 * A number is taken as it is, as chown(1) does. Decides nothing about what the
 * account may do; whoever uses it finds that out.
 */
#include "config/config_parts.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

const char *
config_account_check(const struct option_values *values, const char *name, enum config_account kind,
                     struct errors *errors)
{
    static const char *const kinds[] = {[ACCOUNT_USER] = "user", [ACCOUNT_GROUP] = "group"};
    const char *text = options_text(values, name), *dot = values->name[0] == '\0' ? "" : ".";
    bool exists;

    if (text == NULL)
        return NULL;
    if (text[0] != '\0' && strspn(text, "0123456789") == strlen(text))
        exists = strlen(text) < 10;
    else
        exists = text[0] != '\0' &&
                 (kind == ACCOUNT_USER ? getpwnam(text) != NULL : getgrnam(text) != NULL);
    if (!exists)
        errors_add(errors, options_find(values, name)->place,
                   "%s%s%s: there is no %s \"%.100s\" on this machine", values->name, dot, name,
                   kinds[kind], text);
    return text;
}
