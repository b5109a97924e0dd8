/*
 * linux_accept - accept4(), which not every system has.
 */
#ifndef DAEMON_PROCESS_LINUX_ACCEPT_H
#define DAEMON_PROCESS_LINUX_ACCEPT_H

/* The next connection of a listening socket, non-blocking and close-on-exec from
   its first moment; -1 with errno. */
int linux_accept(int listening);

#endif
