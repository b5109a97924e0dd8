/*
 * report - a child's first words.
 *
 * On the pipe: 'R' NUL, or 'E', lines each with a newline, NUL. The NUL makes it
 * complete, not the end of the pipe: a plugin may have forked a process that holds the
 * writing end open. Decides nothing about what follows from it. The text lives until
 * report_close().
 */
#include "process/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

enum { TEXT_MAX = 1 << 20 }; /* no list of errors is longer; a runaway child might be */

static const char READY = 'R', ERRORS = 'E';

static void
write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, data, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        data += n;
        length -= (size_t)n;
    }
}

void
report_say_ready(int fd)
{
    const char text[] = {READY, '\0'};

    write_all(fd, text, sizeof text);
    close(fd);
}

void
report_say_errors(int fd, const struct errors *errors)
{
    write_all(fd, &ERRORS, 1);
    for (size_t i = 0; i < errors->count; i++) {
        write_all(fd, errors->lines[i], strlen(errors->lines[i]));
        write_all(fd, "\n", 1);
    }
    write_all(fd, "", 1);
    close(fd);
}

static void
take_lines(char *text, struct errors *errors)
{
    static const struct config_place said_by_child; /* the lines name their places themselves */
    char *rest = text, *line;

    while ((line = strsep(&rest, "\n")) != NULL) {
        if (*line != '\0')
            errors_add(errors, said_by_child, "%s", line);
    }
}

/* The answer once all of it is here. */
static enum report_state
judge(struct report *report, struct errors *errors)
{
    if (report->length == 0 || report->text[report->length - 1] != '\0')
        return REPORT_MORE;
    if (report->text[0] == READY)
        return REPORT_READY;
    take_lines(report->text + 1, errors);
    return REPORT_ERRORS;
}

enum report_state
report_read(struct report *report, struct errors *errors)
{
    enum report_state state = REPORT_MORE;
    char piece[4096];

    while (state == REPORT_MORE) {
        ssize_t n = read(report->fd, piece, sizeof piece);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return REPORT_MORE;
        if (n <= 0 || report->length + (size_t)n > TEXT_MAX) {
            state = REPORT_SILENT;
            break;
        }
        report->text = xrealloc(report->text, report->length + (size_t)n, 1);
        memcpy(report->text + report->length, piece, (size_t)n);
        report->length += (size_t)n;
        state = judge(report, errors);
    }
    report_close(report);
    return state;
}

void
report_close(struct report *report)
{
    if (report->fd >= 0)
        close(report->fd);
    free(report->text);
    *report = (struct report){.fd = -1};
}
