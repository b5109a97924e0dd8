/*
 * privileges - from root to an ordinary user, before any plugin's code runs.
 *
 * Decides who the workers are and in which order the rights are given up: other groups,
 * group, user, then proof that nothing is left. Does not know what the rights were for.
 * The master calls privileges_find() once; each worker drops once and never goes back.
 */
#define _GNU_SOURCE
#include "process/privileges.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process/identity.h"
#include "process/linux_prctl.h"

int
privileges_find(struct privileges *who, const char *user, const char *group, char *reason,
                size_t size)
{
    bool root = geteuid() == 0;

    *who = (struct privileges){.user = geteuid(), .group = getegid()};
    if (user && identity_user(user, &who->user, &who->group, reason, size) < 0)
        return -1;
    if (group && identity_group(group, &who->group, reason, size) < 0)
        return -1;
    if (root) {
        who->change = user || group;
        who->name = user;
        return 0;
    }
    if (user && who->user != geteuid()) {
        snprintf(reason, size,
                 "only root can become \"%s\": start milterd as root or as that user, or remove "
                 "`user`",
                 user);
        return -1;
    }
    if (group && who->group != getegid()) {
        snprintf(reason, size,
                 "only root can become group \"%s\": start milterd as root or with that group, or "
                 "remove `group`",
                 group);
        return -1;
    }
    return 0;
}

static int
fail(const char *what, char *reason, size_t size)
{
    snprintf(reason, size, "cannot drop privileges: %s: %s", what, strerror(errno));
    return -1;
}

/* Whether each of the three user and group ids is the new one and none can be had back. */
static bool
is_for_good(const struct privileges *who)
{
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;

    if (getresuid(&real, &effective, &saved) < 0 ||
        getresgid(&real_group, &effective_group, &saved_group) < 0)
        return false;
    if (real != who->user || effective != who->user || saved != who->user)
        return false;
    if (real_group != who->group || effective_group != who->group || saved_group != who->group)
        return false;
    return who->user == 0 || (setuid(0) < 0 && seteuid(0) < 0);
}

int
privileges_drop(const struct privileges *who, char *reason, size_t size)
{
    if (who->change) {
        if (who->name && initgroups(who->name, who->group) < 0)
            return fail("initgroups", reason, size);
        if (!who->name && setgroups(1, &who->group) < 0)
            return fail("setgroups", reason, size);
        if (setgid(who->group) < 0)
            return fail("setgid", reason, size);
        if (setuid(who->user) < 0)
            return fail("setuid", reason, size);
        if (!is_for_good(who)) {
            errno = EPERM;
            return fail("the old ones could be had back", reason, size);
        }
    }
    if (linux_prctl_no_new_privileges() < 0)
        return fail("prctl(PR_SET_NO_NEW_PRIVS)", reason, size);
    return 0;
}
