/*
 * TCP_QUICKACK has no counterpart on other systems; without it only the speed
 * of messages without replies suffers.
 */
#include "session/linux_tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

void
linux_tcp_acknowledge(int fd)
{
#ifdef TCP_QUICKACK
    const int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
#else
    (void)fd;
#endif
}
