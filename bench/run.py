#!/usr/bin/env python3
"""make bench: milterd beside the least that a filter can cost, and beside libmilter.

Every row is the median of several repeats in which the filters take turns. CPU is that of
all processes of the filter, for each message. Ends with the targets and whether they are
met. An argument picks the scenarios whose name it is part of.
"""

import os
import platform
import statistics
import subprocess
import sys
import time

import behind_postfix
import filters

REPEATS = 3
PINNED = ["-p", str(max(os.sched_getaffinity(0)))]
BRIEF = ["-t", "0.4", "-w", "0.1"]

# name, ways, over TCP, options of the load client
SCENARIOS = [
    ("1 connection, one CPU", ["replies", "noreply", "needed+add"], False,
     ["-c", "1", "-m", "100", *PINNED]),
    ("1 connection", ["replies", "noreply", "needed+add"], False, ["-c", "1", "-m", "100"]),
    ("64 connections, one CPU", ["replies", "noreply", "needed+add"], False, PINNED),
    ("64 connections", ["replies", "noreply", "needed+add"], False, []),
    ("1 message a connection, one CPU", ["replies", "noreply", "needed+add"], False,
     ["-m", "1", *PINNED]),
    ("1 MB bodies, one CPU", ["replies", "noreply", "body"], False,
     ["-c", "8", "-m", "4", "-b", "1000000", *PINNED]),
    ("header added, one CPU", ["replies+add", "noreply+add"], False, PINNED),
    ("header added, TCP", ["replies+add", "noreply+add", "needed+add"], True, []),
]
CHAINS = [1, 3, 10, 30]
POSTFIX = "noreply", True  # way, over TCP
EVENTS = 17.2  # of one message: 17, and connect and helo of every tenth

HEAD = (f"{'':<32} {'':<11} {'':<9} {'messages':>9} {'CPU':>8} {'p50 of a':>9} {'p99':>9} "
        f"{'CPU by':>7} {'CPU by':>9}\n"
        f"{'scenario':<32} {'way':<11} {'filter':<9} {'a second':>9} {'us':>8} {'reply us':>9} "
        f"{'us':>9} {'floor':>7} {'libmilter':>9}")


def median(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


class Bench:
    def __init__(self, place):
        self.place = place
        self.processes = {}
        self.results = {}  # (scenario, way, filter) -> what the load client says

    def start(self, picked):
        wanted = {(way, tcp) for _, ways, tcp, _ in picked for way in ways}
        wanted |= {(f"{look}*{n}", False) for look in ("look", "look_observe") for n in CHAINS}
        wanted |= {("replies", False), POSTFIX}
        self.milterd = filters.milterd(self.place, sorted(wanted))
        self.processes["milterd"] = self.milterd

    def process(self, name, way, tcp):
        if name == "milterd":
            return self.milterd
        key = name, way, tcp
        if key not in self.processes:
            self.processes[key] = getattr(filters, name)(self.place, way, tcp)
        return self.processes[key]

    def stop(self):
        for process in self.processes.values():
            process.stop()

    def load(self, name, way, tcp, *options):
        process = self.process(name, way, tcp)
        address = process.by_way[way, tcp] if name == "milterd" else process.addresses[0]
        return filters.load(address, process.child.pid, *options)

    def names(self):
        return ["floor", "milterd"] + ["libmilter"] * os.access(filters.LIBMILTER, os.X_OK)

    def scenario(self, scenario, ways, tcp, options):
        for way in ways:
            runs = {name: [] for name in self.names()}
            for _ in range(REPEATS):
                for name in runs:
                    runs[name].append(self.load(name, way, tcp, *BRIEF, *options))
            for name in runs:
                self.results[scenario, way, name] = median(runs[name])
                self.print_row(scenario, way, name)

    def ratio(self, scenario, way, to, key="cpu_us"):
        """milterd's figure by another's; None where that was not measured."""
        one = self.results.get((scenario, way, "milterd"))
        other = self.results.get((scenario, way, to))
        return one[key] / other[key] if one and other else None

    def print_row(self, scenario, way, name):
        first = name == "floor"
        got = self.results[scenario, way, name]
        ratios = ["", ""]
        if name == "milterd":
            ratios[0] = f"{self.ratio(scenario, way, 'floor'):.2f}"
        if name == "libmilter":
            ratios[1] = f"{self.ratio(scenario, way, 'libmilter'):.3f}"
        print(f"{scenario if first else '':<32} {way if first else '':<11} {name:<9} "
              f"{got['rate']:>9.0f} {got['cpu_us']:>8.2f} {got['p50_us']:>9.1f} "
              f"{got['p99_us']:>9.1f} {ratios[0]:>7} {ratios[1]:>9}", flush=True)

    def chains(self):
        """What one plugin more costs each event, in nanoseconds, by way."""
        print(f"\n{'plugins that look at every event, 64 connections, one CPU':<60} "
              f"{'CPU us a message':>20}")
        cost = {}
        for look in ("look", "look_observe"):
            used = {}
            for _ in range(REPEATS):
                for n in CHAINS:
                    got = self.load("milterd", f"{look}*{n}", False, *BRIEF, *PINNED)
                    used.setdefault(n, []).append(got["cpu_us"])
            used = {n: statistics.median(values) for n, values in used.items()}
            words = "replies to all" if look == "look" else "no replies"
            for n in CHAINS:
                print(f"    {words}, {n:>2} plugins{'':<36} {used[n]:>20.2f}")
            cost[words] = (used[30] - used[1]) / 29 / EVENTS * 1000
            print(f"    {words}: {cost[words]:.1f} ns for each plugin more and event")
        return cost

    def held(self):
        """Memory and CPU of connections that are only held."""
        print(f"\n{'connections held':<20} {'filter':<9} {'bytes before':>13} {'bytes after':>12} "
              f"{'CPU % idle':>11} {'busiest worker':>15}\n"
              f"{'':<20} {'':<9} {'any message':>13} {'one message':>12} {'':>11} "
              f"{'by the mean':>15}")
        got = {}
        for count in (64, 1000, 2000, 10000):
            for name in self.names() if count == 2000 else ["milterd"]:
                process = self.process(name, "replies", False)
                if name == "milterd":  # a fresh one, that has kept nothing of other traffic
                    process = filters.milterd(self.place, [("replies", False)], name=f"held{count}")
                one = filters.load(process.addresses[0], process.child.pid, "-c", count, "-H", 0.5)
                if name == "milterd":
                    process.stop()
                got[name, count] = one
                spread = f"{one['unevenness']:.2f}" if name == "milterd" else ""
                print(f"{count:<20} {name:<9} {one['memory']:>13.0f} {one['memory_after']:>12.0f} "
                      f"{one['idle_cpu']:>11.2f} {spread:>15}", flush=True)
        return got

    def behind_postfix(self):
        """What filters add to the time of a message in a real Postfix, in milliseconds."""
        ports = {}
        for name in self.names():
            process = self.process(name, *POSTFIX)
            address = process.by_way[POSTFIX] if name == "milterd" else process.addresses[0]
            ports[name] = int(address.partition(":")[2])
        times = behind_postfix.measure(ports)
        if not times:
            return {}
        print(f"\n{'behind Postfix, TCP, no replies before the end':<60} {'ms a message':>20}")
        for name, value in times.items():
            print(f"    {name:<56} {value:>20.2f}")
        return {name: value - times["none"] for name, value in times.items()}

    def start_time(self):
        """Milliseconds from exec to serving, with ten plugins."""
        times = []
        for i in range(5):
            process = filters.milterd(self.place, [("look*10", False)], name=f"start{i}")
            process.stop()
            times.append(process.start_seconds * 1000)
        return statistics.median(times)


def print_targets(bench, cost, held, added, start):
    pinned = "64 connections, one CPU"
    rows = []

    def target(words, value, limit):
        if value is not None:
            rows.append((words, value, limit))

    for words, scenario, way, floor, libmilter in [
        ("64 connections, replies to all", pinned, "replies", 1.3, 0.22),
        ("64 connections, no replies before the end", pinned, "noreply", 2.0, 0.10),
        ("64 connections, needed events, header added", pinned, "needed+add", 1.6, 0.20),
        ("one message a connection, all events", "1 message a connection, one CPU", "replies",
         1.4, 0.25),
        ("1 MB body, seen and not kept", "1 MB bodies, one CPU", "body", 1.2, 0.55),
    ]:
        target(f"{words}: CPU by the floor's", bench.ratio(scenario, way, "floor"), floor)
        target(f"{words}: CPU by libmilter's", bench.ratio(scenario, way, "libmilter"), libmilter)
    tcp = "header added, TCP", "needed+add"
    target("TCP, header added: p99 by the floor's", bench.ratio(*tcp, "floor", "p99_us"), 1.5)
    target("TCP, header added: p99 by libmilter's", bench.ratio(*tcp, "libmilter", "p99_us"), 0.05)
    if "libmilter" in added:
        target("TCP behind Postfix, no replies: time added by libmilter's",
               added["milterd"] / added["libmilter"], 0.05)
        target("the same, milliseconds: no stall of 40", added["milterd"], 10)
    for words, value in cost.items():
        target(f"one plugin more, {words}: ns an event", value, 15)
    for key, words in ("memory", "before any message"), ("memory_after", "after one message"):
        if held and ("libmilter", 2000) in held:
            target(f"a held connection, {words}: bytes by libmilter's",
                   held["milterd", 2000][key] / held["libmilter", 2000][key], 1)
    for count in (64, 1000) if held else ():
        target(f"busiest worker by the mean, {count} connections",
               held["milterd", count]["unevenness"], 1.3)
    if held:
        target("10,000 held: CPU in percent", held["milterd", 10000]["idle_cpu"], 1)
    target("start to serving with ten plugins, ms", start, 50)

    print(f"\n{'target':<72} {'measured':>9} {'at most':>8}")
    for words, value, limit in rows:
        print(f"{words:<72} {value:>9.3f} {limit:>8} {'met' if value <= limit else 'MISSED':>7}")


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        model = next((line.split(":")[1].strip() for line in file if "model name" in line), "?")
    version = subprocess.run([filters.MILTERD, "-V"], capture_output=True, text=True).stdout
    return (f"{version.split(chr(10))[0]}; {time.strftime('%Y-%m-%d')}; "
            f"{len(os.sched_getaffinity(0))} CPUs, {model}; Linux {platform.release()}")


def main():
    if os.environ.get("SANITIZERS"):
        sys.exit("bench: this build has sanitizers, its speed says nothing")
    pick = sys.argv[1] if len(sys.argv) > 1 else ""
    picked = [row for row in SCENARIOS if pick in row[0]]
    began = time.monotonic()
    place = filters.Place()
    bench = Bench(place)
    try:
        bench.start(picked)
        print(machine())
        if not os.access(filters.LIBMILTER, os.X_OK):
            print("without libmilter: install libmilter-dev and configure again")
        print(f"\n{HEAD}")
        for row in picked:
            bench.scenario(*row)
        cost = bench.chains() if pick in "chain" else {}
        held = bench.held() if pick in "held" else {}
        added = bench.behind_postfix() if pick in "postfix" else {}
        start = bench.start_time() if pick in "start" else None
        print_targets(bench, cost, held, added, start)
        print(f"\n{time.monotonic() - began:.0f} s in all")
    except (filters.Failure, behind_postfix.case.Failure) as failure:
        sys.exit(f"bench: {failure}")
    finally:
        bench.stop()
        place.remove()


if __name__ == "__main__":
    main()
