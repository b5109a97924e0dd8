/*
 * options_format - values back into the text that milter.conf would have.
 *
 * Decides the units in which a number is shown: a size in the largest that says
 * it exactly, a duration in as many as it takes ("1h30m"). What is written here
 * is read again as the same value. Knows no tables.
 */
#include "config/options.h"

#include <ctype.h>
#include <inttypes.h>

static void
format_size(int64_t bytes, char into[OPTIONS_NUMBER])
{
    static const char units[] = {'K', 'M', 'G'};
    size_t unit = 0;

    for (; unit < sizeof(units) && bytes != 0 && bytes % 1024 == 0; unit++)
        bytes /= 1024;
    if (unit == 0)
        snprintf(into, OPTIONS_NUMBER, "%" PRId64, bytes);
    else
        snprintf(into, OPTIONS_NUMBER, "%" PRId64 "%c", bytes, units[unit - 1]);
}

static void
format_duration(int64_t milliseconds, char into[OPTIONS_NUMBER])
{
    static const struct {
        const char *name;
        int64_t milliseconds;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    int length = 0;

    if (milliseconds <= 0) {
        snprintf(into, OPTIONS_NUMBER, "0s");
        return;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (milliseconds >= units[i].milliseconds)
            length += snprintf(into + length, OPTIONS_NUMBER - (size_t)length, "%" PRId64 "%s",
                               milliseconds / units[i].milliseconds, units[i].name);
        milliseconds %= units[i].milliseconds;
    }
}

const char *
options_format_number(enum milter_option_type type, int64_t number, char into[OPTIONS_NUMBER])
{
    if (type == MILTER_SIZE)
        format_size(number, into);
    else if (type == MILTER_DURATION)
        format_duration(number, into);
    else if (type == MILTER_BOOL)
        snprintf(into, OPTIONS_NUMBER, "%s", number != 0 ? "true" : "false");
    else
        snprintf(into, OPTIONS_NUMBER, "%" PRId64, number);
    return into;
}

void
options_format_string(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", out);
        else if (c == '\t')
            fputs("\\t", out);
        else if (iscntrl(c))
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}
