/*
 * clock - the time that deadlines are reckoned in: monotonic, so that a set
 * clock changes nothing.
 */
#ifndef DAEMON_PROCESS_CLOCK_H
#define DAEMON_PROCESS_CLOCK_H

#include <stdint.h>

/* Milliseconds since some moment. */
int64_t clock_now(void);

#endif
