/*
 * options_print - option values as lines of milter.conf, each with its origin.
 *
 * Decides the form only: a line can be read again as it stands, and what is not set
 * and has no default is a comment. Changes and keeps nothing.
 */
#include "config/options.h"

void
options_print_value(const struct option_value *value, FILE *out)
{
    enum milter_option_type type = value->option->type;
    char number[OPTIONS_NUMBER];

    if (type == MILTER_LIST || type == MILTER_ADDRESSES) {
        fputc('(', out);
        for (size_t i = 0; i < value->count; i++) {
            fputs(i == 0 ? " " : ", ", out);
            options_format_string(value->items[i], out);
        }
        fputs(" )", out);
    } else if (value->text != NULL) {
        options_format_string(value->text, out);
    } else {
        bool quoted = type == MILTER_SIZE || type == MILTER_DURATION;

        options_format_number(type, value->number, number);
        fprintf(out, quoted ? "\"%s\"" : "%s", number);
    }
}

/* Set, or by default something that can be written down. */
static bool
has_value(const struct option_value *value)
{
    return value->set || value->text != NULL || value->items != NULL ||
           (value->option->initial != NULL && value->option->type != MILTER_FILE);
}

void
options_print(const struct option_values *values, const char *indent, FILE *out)
{
    for (size_t i = 0; i < values->count; i++) {
        const struct option_value *value = &values->values[i];

        if (!has_value(value)) {
            fprintf(out, "%s# %s is not set\n", indent, value->option->name);
            continue;
        }
        fprintf(out, "%s%s = ", indent, value->option->name);
        options_print_value(value, out);
        if (value->place.file != NULL)
            fprintf(out, "   # %s:%u\n", value->place.file, value->place.line);
        else
            fputs("   # default\n", out);
    }
}
