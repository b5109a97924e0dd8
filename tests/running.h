/*
 * running - a milterd that a test runs: in a folder of its own, with a milter.conf
 * of the test's. The program is MILTERD of the environment, its plugins are those in
 * PLUGIN_DIR and TEST_PLUGINS. Whatever it leaves behind is found and ended, and fails the test.
 *
 * Functions fail the test themselves where something goes wrong.
 */
#ifndef TESTS_RUNNING_H
#define TESTS_RUNNING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct running {
    char folder[48];
    char config[64], log[64], socket[64], plugins[64]; /* in it */
    uint16_t port;                                     /* of the loopback, free a moment ago */
    bool ordinary;                                     /* run it without root's rights */
    bool closed;                                       /* with descriptors 0 to 2 closed */
    unsigned long descriptors;                         /* the limit for it; 0: as we are */
    pid_t master;                                      /* 0: none runs */
    char output[65536], errors[65536];                 /* of the last running_call() */
};

/* For cmocka: *state is a struct running. */
int running_set_up(void **state);
int running_tear_down(void **state);

/* Writes milter.conf: plugin_dir, a user where we are root, two workers unless the text
   has `workers`, then the text. */
void running_configure(struct running *running, const char *format, ...)
    __attribute__((__format__(__printf__, 2, 3)));

/* Calls milterd with these arguments (NULL ends them) until it exits. Its status; 128 and
   the signal's number where it was killed. */
int running_call(struct running *running, ...) __attribute__((__sentinel__));

/* Starts milterd -f; the other waits until it is ready as well. */
void running_begin(struct running *running);
void running_start(struct running *running);

/* Waits until the master is gone and answers as running_call() does. All its workers
   must be gone too. */
int running_end(struct running *running);

/* TERM, and an end in good order. */
void running_stop(struct running *running);

/* What is in the log; borrowed until the next call. */
const char *running_log(const struct running *running);
void running_wait_for(const struct running *running, const char *in_log);

/* Who runs as that worker since `times` of them have been ready; waits for it. */
pid_t running_worker(const struct running *running, unsigned number, unsigned times);

/* Waits until no process has that id. */
void running_wait_for_end_of(pid_t pid);

/* A connection as a mail server makes it; -1 with errno. */
int running_connect_socket(const struct running *running);
int running_connect_port(const struct running *running);

/* The handshake; whether milterd answers. `answer`, if not NULL, gets its 17 bytes. */
bool running_negotiate(int fd, char answer[17]);

#endif
