/*
 * obituary - how a process ended, in words.
 */
#ifndef DAEMON_PROCESS_OBITUARY_H
#define DAEMON_PROCESS_OBITUARY_H

#include <stddef.h>
#include <sys/types.h>

enum { OBITUARY_TEXT = 160 }; /* room for any, with its NUL */

/* "worker 2 (pid 123) killed by SIGSEGV (core dumped)", "... exited with status 3".
   status is waitpid()'s. Returns `into`. */
const char *obituary_write(const char *who, pid_t pid, int status, char into[OBITUARY_TEXT]);

#endif
