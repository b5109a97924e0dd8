/*
 * linux_prctl - promises that a process makes to the kernel about itself.
 */
#ifndef DAEMON_PROCESS_LINUX_PRCTL_H
#define DAEMON_PROCESS_LINUX_PRCTL_H

/* From here on no exec gives this process or its children more rights than they
   have: set-user-id programs run without it. 0, or -1 with errno. */
int linux_prctl_no_new_privileges(void);

#endif
