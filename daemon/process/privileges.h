/*
 * privileges - who the workers are: the `user` and `group` of milter.conf.
 */
#ifndef DAEMON_PROCESS_PRIVILEGES_H
#define DAEMON_PROCESS_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct privileges {
    bool change;      /* false: the workers stay who the master is */
    const char *name; /* for its other groups; NULL: it has none. Borrowed from the configuration */
    uid_t user;
    gid_t group;
};

/*
 * Whom `user` and `group` (NULL where milter.conf is silent) mean. 0, or -1 with
 * the reason: nobody is called so, or this process is not root and somebody else.
 */
int privileges_find(struct privileges *who, const char *user, const char *group, char *reason,
                    size_t size);

/*
 * Becomes that user for good, and takes from this process and its children the way
 * to any other. -1 with the reason: the process must then end. Without threads only.
 */
int privileges_drop(const struct privileges *who, char *reason, size_t size);

#endif
