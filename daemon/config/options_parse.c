/*
 * options_parse - sizes, durations and modes from text.
 *
 * Decides what counts as one: "512K" (K, M, G; 1024 times each), "1h30m" (d, h,
 * m, s, ms, each once and from large to small), "0660" (octal, permissions only).
 * No blanks, no signs, nothing that does not fit 63 bits. The result is written on
 * success only. What is in bounds for an option is known in options.c.
 */
#include "config/options.h"

#include <ctype.h>
#include <string.h>

static const struct {
    char unit;
    int64_t bytes;
} sizes[] = {{'K', 1 << 10}, {'M', 1 << 20}, {'G', 1 << 30}};

static const struct {
    const char *unit;
    int64_t milliseconds;
} durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

/* The digits at *at, at least one, behind which it moves. */
static int
parse_digits(const char **at, int64_t *number)
{
    int64_t value = 0;

    if (!isdigit((unsigned char)**at))
        return -1;
    for (; isdigit((unsigned char)**at); ++*at)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, **at - '0', &value))
            return -1;
    *number = value;
    return 0;
}

int
options_parse_size(const char *text, int64_t *bytes)
{
    int64_t value;

    if (parse_digits(&text, &value) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (toupper((unsigned char)*text) != sizes[i].unit)
            continue;
        if (__builtin_mul_overflow(value, sizes[i].bytes, &value))
            return -1;
        text++;
        break;
    }
    if (*text != '\0')
        return -1;
    *bytes = value;
    return 0;
}

int
options_parse_duration(const char *text, int64_t *milliseconds)
{
    int64_t total = 0;
    size_t next = 0;

    if (strcmp(text, "0") == 0) {
        *milliseconds = 0;
        return 0;
    }
    do {
        int64_t value;
        size_t length, i;

        if (parse_digits(&text, &value) != 0)
            return -1;
        for (length = 0; isalpha((unsigned char)text[length]);)
            length++;
        for (i = next; i < sizeof(durations) / sizeof(durations[0]); i++)
            if (strlen(durations[i].unit) == length && memcmp(durations[i].unit, text, length) == 0)
                break;
        if (i == sizeof(durations) / sizeof(durations[0]) ||
            __builtin_mul_overflow(value, durations[i].milliseconds, &value) ||
            __builtin_add_overflow(total, value, &total))
            return -1;
        text += length;
        next = i + 1;
    } while (*text != '\0');
    *milliseconds = total;
    return 0;
}

int
options_parse_mode(const char *text, unsigned *mode)
{
    unsigned value = 0;
    size_t length = strlen(text);

    if (length == 0 || length > 4 || strspn(text, "01234567") != length)
        return -1;
    for (; *text != '\0'; text++)
        value = value * 8 + (unsigned)(*text - '0');
    if (value > 0777)
        return -1;
    *mode = value;
    return 0;
}
