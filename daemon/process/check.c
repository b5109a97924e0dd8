/*
 * check - the test of a configuration.
 *
 * Decides what an administrator is shown: the lines for the mail servers' own
 * configurations, then the chains. Plugins are loaded by a child, which prints as well,
 * so that one that crashes is an error like any other. Does not know whether the
 * sockets could be bound: a milterd that runs may have them.
 */
#include "process/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "chain/loader.h"
#include "process/obituary.h"
#include "process/privileges.h"
#include "process/spawn.h"

enum { LIMIT_MS = 30000 };

static const struct config_place nowhere;

struct check {
    const struct config *config;
    const struct privileges *privileges;
    bool settings;
};

/* Sendmail names a port before its host. It cannot connect to "all addresses". */
static void
print_sendmail(const struct config_listener *listener)
{
    const char *host = listener->host;

    printf("  sendmail.mc: INPUT_MAIL_FILTER(`milterd', `S=");
    switch (listener->kind) {
    case SOCKET_UNIX:
        printf("local:%s", listener->path);
        break;
    case SOCKET_INET:
        printf("inet:%u@%s", listener->port, strcmp(host, "*") == 0 ? "127.0.0.1" : host);
        break;
    case SOCKET_INET6:
        printf("inet6:%u@%s", listener->port, strcmp(host, "*") == 0 ? "::1" : host);
        break;
    }
    printf(", F=T, T=S:30s;R:30s;E:5m')\n");
}

static void
print_listener(const struct config_listener *listener)
{
    static const char queue[] = "/var/spool/postfix/";
    char socket[256];

    config_mta_socket(listener, socket, sizeof socket);
    printf("listener %s, chain %s\n", listener->socket, listener->chain->name);
    printf("  main.cf: smtpd_milters = %s\n", socket);
    /* A chrooted smtpd sees its queue directory as the root. */
    if (listener->kind == SOCKET_UNIX && strncmp(listener->path, queue, sizeof(queue) - 1) == 0)
        printf("  main.cf, smtpd chrooted: smtpd_milters = unix:%s\n",
               listener->path + sizeof(queue) - 1);
    print_sendmail(listener);
}

static void
print_unused_chains(const struct config *config)
{
    for (size_t i = 0; i < config->chain_count; i++) {
        bool used = false;

        for (size_t k = 0; k < config->listener_count && !used; k++)
            used = config->listeners[k].chain == &config->chains[i];
        if (!used)
            printf("chain %s is not used: no listener names it\n", config->chains[i].name);
    }
}

static void
print_all(const struct check *check, const struct chain_set *chains)
{
    for (size_t i = 0; i < check->config->listener_count; i++)
        print_listener(&check->config->listeners[i]);
    loader_print(chains, check->settings, stdout);
    print_unused_chains(check->config);
    if (check->settings) {
        printf("# all settings in effect\n");
        config_print(check->config, stdout);
    }
    fflush(stdout);
}

/* The child's part. */
static int
load(void *arg, int report)
{
    const struct check *check = arg;
    struct errors errors = {0};
    struct chain_set *chains = NULL;
    char reason[256];

    if (privileges_drop(check->privileges, reason, sizeof reason) < 0)
        errors_add(&errors, nowhere, "%s", reason);
    else
        chains = loader_load(check->config, &errors);
    if (!chains) {
        report_say_errors(report, &errors);
        errors_free(&errors);
        return EX_CONFIG;
    }
    print_all(check, chains);
    report_say_ready(report);
    loader_unload(chains);
    return 0;
}

/* An ordinary user may test root's configuration, and loads the plugins as himself. */
static int
find_user(const struct config *config, struct privileges *privileges, struct errors *errors)
{
    const struct option_value *user = options_find(config->top, "user");
    bool root = geteuid() == 0;
    char reason[256];

    if (privileges_find(privileges, root ? config->user : NULL, root ? config->group : NULL, reason,
                        sizeof reason) == 0)
        return 0;
    errors_add(errors, user->place, "%s", reason);
    return -1;
}

int
check_run(const struct config *config, bool settings, struct errors *errors)
{
    struct privileges privileges;
    struct check check = {config, &privileges, settings};
    struct spawn child;
    char text[OBITUARY_TEXT];
    int status;
    pid_t pid;

    if (find_user(config, &privileges, errors) < 0)
        return EX_CONFIG;
    if (spawn_start(&child, load, &check) < 0) {
        errors_add(errors, nowhere, "cannot start a process: %s", strerror(errno));
        return EX_OSERR;
    }
    pid = child.pid;
    status = spawn_await(&child, "the process that loads the plugins", LIMIT_MS, errors);
    if (status == 0) {
        int end = spawn_reap(&child);

        if (end != 0)
            errors_add(errors, nowhere, "%s, after the plugins were loaded",
                       obituary_write("the process that loads the plugins", pid, end, text));
    }
    return errors->count > 0 && status == 0 ? EX_CONFIG : status;
}
