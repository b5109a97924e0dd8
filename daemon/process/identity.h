/*
 * identity - users and groups of milter.conf, by name or by number.
 */
#ifndef DAEMON_PROCESS_IDENTITY_H
#define DAEMON_PROCESS_IDENTITY_H

#include <stddef.h>
#include <sys/types.h>

/* 0, or -1 with the reason. `group` is the user's own group; a number that no user
   has is taken as it is, with a group of the same number. */
int identity_user(const char *name, uid_t *user, gid_t *group, char *reason, size_t size);
int identity_group(const char *name, gid_t *group, char *reason, size_t size);

#endif
