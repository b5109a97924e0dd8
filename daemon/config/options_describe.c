/*
 * options_describe - a table of options as documentation for administrators.
 *
 * Two lines for each option: its name, type, bounds and default, these as they
 * are written in milter.conf; and its help. The default is what options_read()
 * makes of the table without a group. Changes and keeps nothing.
 */
#include "config/options.h"

#include <stdlib.h>
#include <string.h>

#include "config/option_types.h"

static void
describe_bounds(const struct milter_option *option, FILE *out)
{
    bool items = option->type == MILTER_LIST || option->type == MILTER_ADDRESSES;
    const char *unit = items ? " items" : "";
    char min[OPTIONS_NUMBER], max[OPTIONS_NUMBER];

    if (option->min == 0 && option->max == 0)
        return;
    options_format_number(option->type, option->min, min);
    options_format_number(option->type, option->max, max);
    if (option->max == INT64_MAX)
        fprintf(out, ", at least %s%s", min, unit);
    else if (option->min == INT64_MIN)
        fprintf(out, ", at most %s%s", max, unit);
    else
        fprintf(out, ", %s to %s%s", min, max, unit);
}

static void
describe(const struct option_value *value, FILE *out)
{
    const struct milter_option *option = value->option;
    const char *type = option_types_name(option->type);

    fprintf(out, "%s: %s", option->name, type == NULL ? "of an unknown type" : type);
    if (option->type == MILTER_ENUM && option->values != NULL) {
        char *words = option_types_list(option->values);

        fprintf(out, " of %s", words);
        free(words);
    }
    describe_bounds(option, out);
    if (option->type == MILTER_FILE && option->initial != NULL) {
        fprintf(out, ", default \"%s\"", option->initial);
    } else if (option->initial != NULL) {
        fputs(", default ", out);
        options_print_value(value, out);
    } else if ((option->flags & MILTER_REQUIRED) != 0) {
        fputs(", required", out);
    }
    fprintf(out, "\n    %s\n", option->help == NULL ? "" : option->help);
}

void
options_describe(const struct milter_option *table, size_t option_size, FILE *out)
{
    struct errors ignored = {0};
    struct option_values *values = options_read(table, option_size, NULL, NULL, "", &ignored);

    for (size_t i = 0; i < values->count; i++)
        describe(&values->values[i], out);
    options_free(values);
    errors_free(&ignored);
}
