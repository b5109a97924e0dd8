/*
 * report - what a child tells about its start, over a pipe: that it is ready, or
 * every reason why it is not.
 */
#ifndef DAEMON_PROCESS_REPORT_H
#define DAEMON_PROCESS_REPORT_H

#include <stddef.h>

#include "config/errors.h"

/* For the child. One of them is said, once, and closes the pipe. What cannot be
   written is lost. */
void report_say_ready(int fd);
void report_say_errors(int fd, const struct errors *errors);

/* For the parent: the end that it reads. */
struct report {
    int fd; /* -1: closed */
    char *text;
    size_t length;
};

enum report_state {
    REPORT_MORE,   /* nothing complete has come yet */
    REPORT_READY,  /* it said that it is ready */
    REPORT_ERRORS, /* it said why not: the lines are in errors */
    REPORT_SILENT, /* it closed the pipe without a word, most likely by dying */
};

/* fd must not block. Once the answer is another than REPORT_MORE, the report is closed. */
enum report_state report_read(struct report *report, struct errors *errors);
void report_close(struct report *report);

#endif
