/*
 * log - where the daemon's lines go. One line a call, never more: whatever is
 * formatted in has its control characters escaped, so that nothing from the
 * network or a message can forge a line.
 *
 * The rule: control characters (below 0x20, 0x7f, and U+0080 to U+009F) and bytes
 * that are no valid UTF-8 are written as \xNN, byte by byte; other UTF-8 and the
 * backslash are kept, so "\x0a" in a line may also have been those four letters.
 * A line over 8 KiB ends in "...". Without a level word it is info:
 *
 *     milterd[123]: warning: worker 2: text
 *     2024-05-01T12:34:56.789+02:00 milterd[123]: warning: worker 2: text    (file)
 *
 * A line that cannot be written is dropped; errno is kept.
 *
 * The severity says whose fault it is: error, the operator must act; warning,
 * a plugin or the mail server did wrong; info, the one line a message and the
 * life of the daemon; debug, the rest.
 */
#ifndef DAEMON_BASE_LOG_H
#define DAEMON_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <milterd/plugin.h>

enum log_target { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_FILE };

struct log_settings {
    enum log_target target;
    const char *path;        /* LOG_TO_FILE */
    int facility;            /* LOG_TO_SYSLOG: LOG_MAIL, ... */
    enum milter_level level; /* the least severe that is written */
};

/* Until it is called, lines of level info and above go to standard error.
   -1 with errno where the file cannot be opened; the old target then stays. */
int log_open(const struct log_settings *settings);

/* Opens the file anew, after a rotation. Where that fails it says so in the old one. */
void log_reopen(void);

/* What process this is, for the beginning of each line: "milterd[123]: worker 2: ".
   NULL for nothing. To be called after each fork, and after signals have been set: it also
   takes note of the process id, and of whether a closed pipe can do us harm. */
void log_role(const char *role);

bool log_wants(enum milter_level level);

void log_line(enum milter_level level, const char *format, ...) MILTER_PRINTF(2, 3);
void log_lines(enum milter_level level, const char *format, va_list arguments) MILTER_PRINTF(2, 0);

/* The same for a text that is ready. */
void log_text(enum milter_level level, const char *text, size_t length);

#define log_error(...)   log_line(MILTER_LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(MILTER_LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(MILTER_LOG_INFO, __VA_ARGS__)
#define log_debug(...)                               \
    do {                                             \
        if (log_wants(MILTER_LOG_DEBUG))             \
            log_line(MILTER_LOG_DEBUG, __VA_ARGS__); \
    } while (0)

/* A bug of ours: says where and aborts, also in a release build. The master
   starts the worker again. */
#define ALWAYS(condition)                            \
    do {                                             \
        if (!(condition))                            \
            log_bug(#condition, __FILE__, __LINE__); \
    } while (0)
void log_bug(const char *condition, const char *file, int line) __attribute__((noreturn));

#endif
