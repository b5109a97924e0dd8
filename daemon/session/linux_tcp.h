/*
 * linux_tcp - what only Linux does with a TCP socket.
 */
#ifndef DAEMON_SESSION_LINUX_TCP_H
#define DAEMON_SESSION_LINUX_TCP_H

/* Acknowledges what was read at once. Where no reply is due there is none to carry the
   acknowledgement, and Postfix waits 40 ms for it before it writes the next part of a message.
   Lasts for what has arrived so far. No-op elsewhere. */
void linux_tcp_acknowledge(int fd);

#endif
