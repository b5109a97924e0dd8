/*
 * background - leaving the terminal.
 *
 * Decides what a daemon keeps of where it was started: the umask, which sockets without
 * a mode go by; not the terminal and not the folder, as all paths of milter.conf are
 * absolute by then. Does not know what it does there. The caller's process waits until
 * the start is over, so a script that starts milterd learns whether it serves.
 */
#include "process/background.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"

/* A daemon's run and its argument. */
struct task {
    spawn_run *run;
    void *arg;
};

void
background_fill_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

static void
close_standard_descriptors(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return;
    for (int standard = STDIN_FILENO; standard <= STDERR_FILENO; standard++)
        dup2(fd, standard);
    close(fd);
}

static int
run_detached(void *arg, int report)
{
    const struct task *task = arg;

    setsid();
    if (chdir("/") < 0)
        log_warning("cannot change to /: %s", strerror(errno));
    close_standard_descriptors();
    log_role(NULL);
    return task->run(task->arg, report);
}

int
background_run(spawn_run *run, void *arg, struct errors *errors)
{
    static const struct config_place nowhere;
    struct task task = {run, arg};
    struct spawn daemon;

    if (spawn_start(&daemon, run_detached, &task) < 0) {
        errors_add(errors, nowhere, "cannot go to the background: %s", strerror(errno));
        return EX_OSERR;
    }
    return spawn_await(&daemon, "milterd", -1, errors);
}
