/*
 * load - plays a Postfix in front of a filter and says what that costs.
 *
 * Prints one line of key=value: messages a second, CPU time of all the filter's
 * processes for each message, how long replies took; with -H what connections cost that
 * are only held. What is sent, and in what pieces, is decided in script.c and mta.c; the
 * filter decides by its negotiation which events there are and which get a reply.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server.h"
#include "traffic.h"

static const char usage[] =
    "usage: load [options] unix:PATH|inet:PORT PID\n"
    "\n"
    "PID is the filter's process; those it has forked count as well.\n"
    "\n"
    "    -c N    connections at a time (64)\n"
    "    -m N    messages for each connection (10)\n"
    "    -b N    bytes of the body (2048)\n"
    "    -l N    header fields (10)\n"
    "    -r N    recipients (2)\n"
    "    -t S    measure for so many seconds (1)\n"
    "    -w S    after so many seconds (0.1)\n"
    "    -n N    instead: exactly so many messages, and nothing is measured before\n"
    "    -s      what needs no reply is read by the filter before more is sent\n"
    "    -p CPU  bind client and filter to this CPU; without it to all\n"
    "    -H S    hold the connections, for S seconds before and after one message each\n";

struct options {
    const char *pid;
    double seconds, warm_up, hold;
    int cpu; /* -1: any */
};

static double
number(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || value < 0) {
        fprintf(stderr, "load: %s is no number\n", text);
        exit(64);
    }
    return value;
}

static void
read_options(int argc, char **argv, struct options *options, struct traffic *traffic)
{
    int letter;

    while ((letter = getopt(argc, argv, "c:m:b:l:r:t:w:n:sp:H:")) != -1) {
        switch (letter) {
        case 'c':
            traffic->connections = (unsigned)number(optarg);
            break;
        case 'm':
            traffic->messages = (unsigned)number(optarg);
            break;
        case 'b':
            traffic->run.message.body = (size_t)number(optarg);
            break;
        case 'l':
            traffic->run.message.headers = (unsigned)number(optarg);
            break;
        case 'r':
            traffic->run.message.rcpts = (unsigned)number(optarg);
            break;
        case 't':
            options->seconds = number(optarg);
            break;
        case 'w':
            options->warm_up = number(optarg);
            break;
        case 'n':
            traffic->limit = (uint64_t)number(optarg);
            break;
        case 's':
            traffic->settles = true;
            break;
        case 'p':
            options->cpu = (int)number(optarg);
            break;
        case 'H':
            options->hold = number(optarg);
            break;
        default:
            fputs(usage, stderr);
            exit(64);
        }
    }
    if (argc - optind != 2 || mta_address(&traffic->run.address, argv[optind]) < 0 ||
        traffic->connections == 0 || traffic->messages == 0) {
        fputs(usage, stderr);
        exit(64);
    }
    options->pid = argv[optind + 1];
}

static uint64_t
after(double seconds)
{
    return mta_now() + (uint64_t)(seconds * 1e9);
}

static const uint64_t at_the_end = UINT64_MAX / 2;

/* ---- traffic ------------------------------------------------------------------- */

static int
measure_traffic(struct traffic *traffic, const struct options *options, const struct server *server)
{
    const uint64_t exact = traffic->limit;
    uint64_t done = 0, cpu = server_cpu(server), began = mta_now();

    if (traffic_begin(traffic, MTA_STOP_NOWHERE) < 0)
        return -1;
    if (exact == 0) {
        if (traffic_play(traffic, after(options->warm_up)) < 0)
            return -1;
        done = traffic->done;
        traffic->replies.count = 0;
        cpu = server_cpu(server);
        began = mta_now();
    }
    if (traffic_play(traffic, exact > 0 ? at_the_end : after(options->seconds)) < 0)
        return -1;

    double messages = (double)(traffic->done - done);
    double seconds = (double)(mta_now() - began) / 1e9;
    double used = (double)(server_cpu(server) - cpu);
    if (traffic_end(traffic) < 0)
        return -1;
    if (messages == 0) {
        fputs("load: not one message in that time\n", stderr);
        return -1;
    }
    printf("messages=%.0f rate=%.1f cpu_us=%.3f replies=%zu p50_us=%.1f p99_us=%.1f "
           "protocol=0x%x\n",
           messages, messages / seconds, used / messages / 1e3, traffic->replies.count,
           samples_percentile(&traffic->replies, 50) / 1e3,
           samples_percentile(&traffic->replies, 99) / 1e3, (unsigned)traffic->run.protocol);
    return 0;
}

/* ---- connections that are held ---------------------------------------------------- */

/* Of the processes that have got any: the most one has, by the mean. */
static double
unevenness(const struct server *server, const unsigned *before)
{
    unsigned counts[SERVER_PROCESSES], most = 0, sum = 0, some = 0;

    server_descriptors(server, counts);
    for (size_t i = 0; i < server->count; i++) {
        unsigned more = counts[i] > before[i] ? counts[i] - before[i] : 0;
        some += more > 0;
        sum += more;
        most = more > most ? more : most;
    }
    return sum > 0 ? most * (double)some / sum : 0;
}

/* The share of one CPU that they cost while nothing happens, in percent. */
static double
idle_cost(const struct server *server, double seconds)
{
    uint64_t cpu = server_cpu(server);

    usleep((useconds_t)(seconds * 1e6));
    return (double)(server_cpu(server) - cpu) / seconds / 1e9 * 100;
}

static int
measure_held(struct traffic *traffic, const struct options *options, const struct server *server)
{
    unsigned descriptors[SERVER_PROCESSES];
    double connections = traffic->connections;
    double before = (double)server_memory(server);

    server_descriptors(server, descriptors);
    if (traffic_begin(traffic, MTA_STOP_GREETED) < 0 || traffic_play(traffic, at_the_end) < 0)
        return -1;
    double idle = idle_cost(server, options->hold);
    double spread = unevenness(server, descriptors);
    double greeted = (double)server_memory(server);

    if (traffic_resume(traffic, MTA_STOP_BETWEEN) < 0 || traffic_play(traffic, at_the_end) < 0)
        return -1;
    double idle_again = idle_cost(server, options->hold);
    double used = (double)server_memory(server);
    if (traffic_end(traffic) < 0)
        return -1;
    printf("held=%u memory=%.0f memory_after=%.0f idle_cpu=%.3f idle_cpu_after=%.3f "
           "unevenness=%.3f\n",
           traffic->connections, (greeted - before) / connections, (used - before) / connections,
           idle, idle_again, spread);
    return 0;
}

int
main(int argc, char **argv)
{
    struct options options = {.seconds = 1, .warm_up = 0.1, .cpu = -1};
    struct traffic traffic = {
        .connections = 64,
        .messages = 10,
        .run.message = {.headers = 10, .rcpts = 2, .body = 2048},
    };
    struct server server;
    struct rlimit files;

    read_options(argc, argv, &options, &traffic);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (server_find(&server, (pid_t)number(options.pid)) < 0) {
        fprintf(stderr, "load: there is no process %s\n", options.pid);
        return 1;
    }
    if (server_pin(&server, options.cpu) < 0) {
        fprintf(stderr, "load: cannot bind to CPU %d\n", options.cpu);
        return 1;
    }
    int status = options.hold > 0 ? measure_held(&traffic, &options, &server)
                                  : measure_traffic(&traffic, &options, &server);
    samples_free(&traffic.replies);
    return status < 0 ? 1 : 0;
}
