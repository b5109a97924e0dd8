/*
 * config_print - the settings in effect, as a milter.conf that says where each of
 * them comes from.
 *
 * Decides the form only. What is printed can be read again and is the same
 * configuration, but for the plugins' own options, which the daemon does not know;
 * the loader prints those. Changes and keeps nothing.
 */
#include "config/config.h"

static void
print_place(struct config_place place, FILE *out)
{
    if (place.file != NULL)
        fprintf(out, "   # %s:%u\n", place.file, place.line);
    else
        fputc('\n', out);
}

static void
print_listeners(const struct config *config, FILE *out)
{
    fputs("listeners = (\n", out);
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        fputs("    {", out);
        print_place(listener->place, out);
        options_print(listener->values, "        ", out);
        if (listener->chain != NULL && !options_find(listener->values, "chain")->set)
            fprintf(out, "        # in effect: %s, the only chain\n", listener->chain->name);
        fputs(i + 1 < config->listener_count ? "    },\n" : "    }\n", out);
    }
    fputs(");\n", out);
}

static void
print_conditions(const char *key, const struct config_condition *list, size_t count, FILE *out)
{
    if (count == 0)
        return;
    fprintf(out, "            %s = (\n", key);
    for (size_t i = 0; i < count; i++) {
        fputs("                {", out);
        print_place(list[i].place, out);
        options_print(list[i].values, "                    ", out);
        fputs(i + 1 < count ? "                },\n" : "                }\n", out);
    }
    fputs("            );\n", out);
}

static void
print_chains(const struct config *config, FILE *out)
{
    fputs("chains = {\n", out);
    for (size_t i = 0; i < config->chain_count; i++) {
        const struct config_chain *chain = &config->chains[i];

        fprintf(out, "    %s = (", chain->name);
        print_place(chain->place, out);
        for (size_t j = 0; j < chain->count; j++) {
            const struct config_link *link = &chain->links[j];

            fputs("        {", out);
            print_place(link->place, out);
            options_print(link->values, "            ", out);
            print_conditions("only", link->only, link->only_count, out);
            print_conditions("unless", link->unless, link->unless_count, out);
            fprintf(out, "            # the file: %s\n", link->path);
            fputs(j + 1 < chain->count ? "        },\n" : "        }\n", out);
        }
        fputs("    );\n", out);
    }
    fputs("};\n", out);
}

void
config_print(const struct config *config, FILE *out)
{
    fprintf(out, "# %s\n", config->file);
    options_print(config->top, "", out);
    fputs("workers = {\n", out);
    options_print(config->workers, "    ", out);
    fprintf(out, "    # in effect: %u processes\n};\n", config->processes);
    fputs("log = {\n", out);
    options_print(config->logging, "    ", out);
    fputs("};\n", out);
    fputs("headers_limit = {\n", out);
    options_print(config->headers_limit, "    ", out);
    fputs("};\n", out);
    print_listeners(config, out);
    print_chains(config, out);
}
