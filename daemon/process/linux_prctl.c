/*
 * linux_prctl - no new privileges.
 *
 * Decides nothing. Kept apart so that a port to another system finds all that it has
 * to write anew in the files named linux_*. A system without such a call can do
 * without: privileges are dropped before it.
 */
#include "process/linux_prctl.h"

#include <sys/prctl.h>

int
linux_prctl_no_new_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL);
}
