/*
 * main - milterd's command line.
 *
 * Decides what is asked for, reads the configuration and hands it on: to check, which
 * tests it, or to master, in the foreground or the background. Here is the only place
 * where reasons are printed for who has called milterd, and where exit statuses are
 * given: 0, 64 wrong usage, 71 trouble of the system, 78 wrong configuration.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <milterd/plugin.h>

#include "base/log.h"
#include "config/config.h"
#include "process/background.h"
#include "process/check.h"
#include "process/master.h"
#include "process/report.h"

#ifndef LIBCONFIG_VERSION
#define LIBCONFIG_VERSION "unknown"
#endif

struct arguments {
    const char *file;
    bool foreground;
    bool test;
    bool settings; /* -T */
};

static const char usage[] =
    "usage: milterd [-c FILE] [-f] [-t] [-T] [-V] [-h]\n"
    "  -c FILE  the configuration, " MILTERD_CONFIG " otherwise\n"
    "  -f       stay in the foreground, log to standard error\n"
    "  -t       test the configuration and every plugin, print listeners and chains\n"
    "  -T       the same, and all settings in effect\n"
    "  -V       print the version\n"
    "  -h       print this\n";

static void
print_errors(const struct errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        fprintf(stderr, "%s\n", errors->lines[i]);
}

/* Nobody may be at the terminal when milterd is started by the machine. */
static void
log_errors(const struct errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        log_error("%s", errors->lines[i]);
}

/* In the process that stays: what the one that waits is to print goes over the pipe. */
static int
serve_in_background(void *arg, int report)
{
    struct config *config = arg;
    struct errors errors = {0};
    int status = master_run(config, report, &errors);

    if (errors.count > 0) {
        log_errors(&errors);
        report_say_errors(report, &errors);
    }
    errors_free(&errors);
    config_free(config);
    return status;
}

static int
serve(struct config *config, bool foreground, struct errors *errors)
{
    if (foreground)
        config->log.target = LOG_TO_STDERR;
    if (log_open(&config->log) < 0) {
        errors_add(errors, options_find(config->logging, "file")->place,
                   "cannot open the log file %s: %s", config->log.path, strerror(errno));
        return EX_CONFIG;
    }
    if (foreground)
        return master_run(config, -1, errors);
    if (config->log.target == LOG_TO_STDERR)
        fprintf(stderr, "log.target is \"stderr\", which the background has not: nothing will be "
                        "logged; start with -f, or set it to syslog or file\n");
    return background_run(serve_in_background, config, errors);
}

/* What remains to be done once the command line is understood. */
static int
run(const struct arguments *arguments)
{
    struct errors errors = {0};
    struct config *config = config_load(arguments->file, &errors);
    int status = EX_CONFIG;

    if (config && errors.count == 0) {
        if (arguments->test)
            status = check_run(config, arguments->settings, &errors);
        else
            status = serve(config, arguments->foreground, &errors);
    }
    print_errors(&errors);
    errors_free(&errors);
    if (config)
        config_free(config);
    return status;
}

static int
wrong_usage(const char *reason)
{
    fprintf(stderr, "milterd: %s\n%s", reason, usage);
    return EX_USAGE;
}

int
main(int argc, char **argv)
{
    struct arguments arguments = {.file = MILTERD_CONFIG};
    char reason[64];
    int option;

    background_fill_descriptors();
    opterr = 0;
    while ((option = getopt(argc, argv, ":c:ftTVh")) != -1) {
        switch (option) {
        case 'c':
            arguments.file = optarg;
            break;
        case 'f':
            arguments.foreground = true;
            break;
        case 'T':
            arguments.settings = true;
            arguments.test = true;
            break;
        case 't':
            arguments.test = true;
            break;
        case 'V':
            printf("milterd %s (plugin ABI %d, libconfig %s, libevent %s)\n", PACKAGE_VERSION,
                   MILTER_ABI, LIBCONFIG_VERSION, event_get_version());
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case ':':
            return wrong_usage("option -c wants a file");
        default:
            snprintf(reason, sizeof reason, "there is no option -%c", optopt);
            return wrong_usage(reason);
        }
    }
    if (optind < argc)
        return wrong_usage("too many arguments");
    return run(&arguments);
}
