/*
 * clock - milliseconds of the monotonic clock.
 *
 * Decides nothing. The master and the workers compare these numbers with each other
 * only within one process; they mean nothing after a restart of the machine.
 */
#include "process/clock.h"

#include <time.h>

int64_t
clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
