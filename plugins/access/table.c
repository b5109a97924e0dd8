/*
 * table - lines of a file into rules.
 *
 * Decides what a line is: it ends with LF or CRLF or the file; a byte order
 * mark before the first one is passed over, so are blank lines and those that
 * begin with #. A rule knows the number of its line. Goes on after a wrong
 * line, so that all of them are reported. Knows nothing of what rules mean.
 */
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One line without its end; 0 also where there is no rule on it. */
static int
parse_line(const char *line, size_t length, unsigned number, struct match *match,
           table_report *report, void *arg)
{
    struct rule rule;
    char err[400];
    const char *text = line + strspn(line, " \t");

    if (strlen(line) != length) {
        report(arg, number, "a NUL byte in the line; is this a text file?");
        return -1;
    }
    if (*text == '\0' || *text == '#')
        return 0;
    if (rules_parse(line, &rule, err, sizeof(err)) != 0) {
        report(arg, number, err);
        return -1;
    }
    rule.line = number;
    if (match_add(match, &rule) != 0) {
        rules_fini(&rule);
        report(arg, number, "no memory for the rule");
        return -1;
    }
    return 0;
}

int
table_parse(FILE *file, struct match *match, table_report *report, void *arg)
{
    static const char mark[] = "\xef\xbb\xbf"; /* UTF-8's byte order mark */
    size_t room = 0, length;
    unsigned number = 0;
    char *line = NULL, *start;
    int result = 0;
    ssize_t got;

    errno = 0;
    while ((got = getline(&line, &room, file)) > 0) {
        start = line;
        length = (size_t)got;
        if (++number == 1 && strncmp(line, mark, strlen(mark)) == 0) {
            start += strlen(mark);
            length -= strlen(mark);
        }
        if (length > 0 && start[length - 1] == '\n')
            start[--length] = '\0';
        if (length > 0 && start[length - 1] == '\r')
            start[--length] = '\0';
        if (parse_line(start, length, number, match, report, arg) != 0)
            result = -1;
        errno = 0;
    }
    if (!feof(file)) {
        report(arg, 0, strerror(errno));
        result = -1;
    }
    free(line);
    return result;
}

int
table_read(const char *path, struct match *match, table_report *report, void *arg)
{
    /* Opening a FIFO would wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    FILE *file = NULL;
    int result = -1;

    if (fd < 0 || fstat(fd, &status) != 0) {
        report(arg, 0, strerror(errno));
        goto done;
    }
    if (!S_ISREG(status.st_mode)) {
        report(arg, 0, "not a regular file");
        goto done;
    }
    file = fdopen(fd, "r");
    if (file == NULL) {
        report(arg, 0, strerror(errno));
        goto done;
    }
    result = table_parse(file, match, report, arg);

done:
    if (file != NULL)
        fclose(file);
    else if (fd >= 0)
        close(fd);
    return result;
}
