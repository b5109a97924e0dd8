/*
 * log - one line to standard error, to a file or to syslog.
 *
 * Decides what a line looks like, what is escaped in it and where it is cut. Does
 * not know what is worth a line. A line is put together on the stack and written
 * with one write(), so lines of several processes never mix and nothing is
 * allocated. What cannot be written is dropped: a full disk or a closed pipe must
 * not stop the mail, and errno is as it was. The state here is the process's own,
 * inherited over fork; log_role() then makes the process id right.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 8192, /* with its mark and newline */
    MARK_BYTES = 3,        /* "..." where a line is cut */
};

static const struct {
    const char *word; /* with what follows it */
    int priority;
} levels[] = {
    [MILTER_LOG_ERROR] = {"error: ", LOG_ERR},
    [MILTER_LOG_WARNING] = {"warning: ", LOG_WARNING},
    [MILTER_LOG_INFO] = {"", LOG_INFO},
    [MILTER_LOG_DEBUG] = {"debug: ", LOG_DEBUG},
};

static enum log_target target = LOG_TO_STDERR;
static enum milter_level least = MILTER_LOG_INFO;
static int file = -1;
static char file_path[PATH_MAX];
static char role[64]; /* "worker 2: " or nothing */
static char head[32]; /* "milterd[123]: ", made at the first line or by log_role() */
static bool unharmed; /* SIGPIPE and SIGXFSZ are ignored by the whole process */

/* A line in the making. */
struct line {
    char text[LINE_MAX_BYTES];
    size_t length;
};

/* Whether there was room, keeping enough for the mark and the newline. */
static bool
line_add(struct line *line, const char *bytes, size_t n)
{
    if (n > sizeof line->text - MARK_BYTES - 1 - line->length)
        return false;
    memcpy(line->text + line->length, bytes, n);
    line->length += n;
    return true;
}

/* How long the character at `at` is; 0 where it is no valid UTF-8. */
static size_t
utf8_length(const uint8_t *at, size_t left)
{
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t code;

    if (length == 1)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4 || length > left)
        return 0;
    code = at[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    if (length == 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff)))
        return 0;
    if (length == 4 && (code < 0x10000 || code > 0x10ffff))
        return 0;
    return length;
}

/* C0, DEL, and C1 (which is two bytes of UTF-8 that some terminals obey). */
static bool
is_control(const uint8_t *at, size_t length)
{
    return (length == 1 && (at[0] < 0x20 || at[0] == 0x7f)) ||
           (length == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

/* How many plain characters there are before one that may need an escape. */
static size_t
plain_length(const uint8_t *at, const uint8_t *end)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x80 * ones;
    const uint8_t *begin = at;
    uint64_t eight;

    /* By eights: a top bit remains set where a byte is below 0x20, or 0x7f, or above. */
    for (; end - at >= 8; at += 8) {
        memcpy(&eight, at, 8);
        if (((eight - 0x20 * ones) | (eight + ones) | eight) & tops)
            break;
    }
    while (at < end && *at >= 0x20 && *at < 0x7f)
        at++;
    return (size_t)(at - begin);
}

static void
line_add_escaped(struct line *line, const char *text, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = (const uint8_t *)text, *end = at + n;
    bool fits = true;

    while (at < end && fits) {
        size_t plain = plain_length(at, end);
        if (plain > 0 && line_add(line, (const char *)at, plain)) {
            at += plain;
            continue;
        }
        /* One by one: one that is not plain, or as many as there is room for. */
        size_t length = utf8_length(at, (size_t)(end - at));

        if (length > 0 && !is_control(at, length)) {
            fits = line_add(line, (const char *)at, length);
        } else {
            char escape[4] = {'\\', 'x', digits[*at >> 4], digits[*at & 15]};

            length = 1; /* the rest of an invalid or C1 character is escaped in its turn */
            fits = line_add(line, escape, sizeof escape);
        }
        if (fits)
            at += length;
    }
    if (at < end) {
        memcpy(line->text + line->length, "...", MARK_BYTES);
        line->length += MARK_BYTES;
    }
}

/* "2024-05-01T12:34:56.789+02:00 "; all but the milliseconds is made once a second. */
static void
line_add_time(struct line *line)
{
    static char day[32], zone[16];
    static time_t made;
    struct timespec now;
    char milliseconds[5];

    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != made) {
        struct tm tm;
        char offset[8];

        if (!localtime_r(&now.tv_sec, &tm))
            return;
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
        strftime(offset, sizeof offset, "%z", &tm);
        snprintf(zone, sizeof zone, "%.3s:%.2s ", offset, offset + 3);
        made = now.tv_sec;
    }
    line_add(line, day, strlen(day));
    snprintf(milliseconds, sizeof milliseconds, ".%03u", (unsigned)(now.tv_nsec / 1000000) % 1000);
    line_add(line, milliseconds, strlen(milliseconds));
    line_add(line, zone, strlen(zone));
}

static ssize_t
write_once(int fd, const struct line *line)
{
    ssize_t n;

    do
        n = write(fd, line->text, line->length);
    while (n < 0 && errno == EINTR);
    return n;
}

/*
 * A closed pipe or a file at its size limit raises a signal that would end us. Where the
 * process does not ignore both anyway, they are held back during the write and taken
 * away after it.
 */
static void
write_line(int fd, const struct line *line)
{
    static const struct timespec at_once;
    sigset_t deadly, before;

    if (unharmed) {
        write_once(fd, line);
        return;
    }
    sigemptyset(&deadly);
    sigaddset(&deadly, SIGPIPE);
    sigaddset(&deadly, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &deadly, &before);
    if (write_once(fd, line) < 0 && (errno == EPIPE || errno == EFBIG)) {
        while (sigtimedwait(&deadly, NULL, &at_once) > 0)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool
ignores(int signal_number)
{
    struct sigaction action;

    return sigaction(signal_number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static void
make_head(void)
{
    snprintf(head, sizeof head, "milterd[%ld]: ", (long)getpid());
}

static int
open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

int
log_open(const struct log_settings *settings)
{
    int fd = -1;

    if (settings->target == LOG_TO_FILE) {
        if (strlen(settings->path) >= sizeof file_path) {
            errno = ENAMETOOLONG;
            return -1;
        }
        fd = open_file(settings->path);
        if (fd < 0)
            return -1;
        snprintf(file_path, sizeof file_path, "%s", settings->path);
    }
    if (target == LOG_TO_SYSLOG)
        closelog();
    if (file >= 0)
        close(file);
    file = fd;
    target = settings->target;
    least = settings->level;
    tzset(); /* reads the zone's file now, not at the first line */
    if (target == LOG_TO_SYSLOG)
        openlog("milterd", LOG_PID | LOG_NDELAY, settings->facility);
    return 0;
}

void
log_reopen(void)
{
    int fd;

    if (target != LOG_TO_FILE)
        return;
    fd = open_file(file_path);
    if (fd < 0) {
        log_error("cannot open the log file %s anew: %s; going on with the old one, "
                  "check the folder's owner and mode",
                  file_path, strerror(errno));
        return;
    }
    close(file);
    file = fd;
}

void
log_role(const char *name)
{
    make_head();
    unharmed = ignores(SIGPIPE) && ignores(SIGXFSZ);
    role[0] = '\0';
    if (name && *name)
        snprintf(role, sizeof role, "%.*s: ", (int)sizeof role - 3, name);
}

bool
log_wants(enum milter_level level)
{
    return level <= least;
}

void
log_line(enum milter_level level, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_lines(level, format, arguments);
    va_end(arguments);
}

void
log_lines(enum milter_level level, const char *format, va_list arguments)
{
    int saved = errno;
    char text[LINE_MAX_BYTES];
    int n;

    if (!log_wants(level))
        return;
    n = vsnprintf(text, sizeof text, format, arguments);
    if (n < 0) /* the format is ours and still says what the line is about */
        n = snprintf(text, sizeof text, "%s", format);
    if ((size_t)n >= sizeof text)
        n = sizeof text - 1; /* still more than fits into the line, which marks the cut */
    log_text(level, text, (size_t)n);
    errno = saved;
}

void
log_text(enum milter_level level, const char *text, size_t length)
{
    int saved = errno;
    struct line line;

    if (!log_wants(level))
        return;
    line.length = 0;
    if (target == LOG_TO_FILE)
        line_add_time(&line);
    if (target != LOG_TO_SYSLOG) {
        if (head[0] == '\0')
            make_head();
        line_add(&line, head, strlen(head));
        line_add(&line, levels[level].word, strlen(levels[level].word));
    }
    line_add(&line, role, strlen(role));
    line_add_escaped(&line, text, length);

    switch (target) {
    case LOG_TO_SYSLOG:
        syslog(levels[level].priority, "%.*s", (int)line.length, line.text);
        break;
    case LOG_TO_STDERR:
    case LOG_TO_FILE:
        line.text[line.length++] = '\n';
        write_line(target == LOG_TO_FILE ? file : STDERR_FILENO, &line);
        break;
    }
    errno = saved;
}

void
log_bug(const char *condition, const char *source, int number)
{
    log_error("bug: %s at %s:%d, please report", condition, source, number);
    abort();
}
