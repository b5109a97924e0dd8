/*
 * linux_accept - one connection, with its flags set in the same call.
 *
 * Decides nothing. Kept apart so that a port to another system finds all that it has
 * to write anew in the files named linux_*.
 */
#define _GNU_SOURCE
#include "process/linux_accept.h"

#include <stddef.h>
#include <sys/socket.h>

int
linux_accept(int listening)
{
    return accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
