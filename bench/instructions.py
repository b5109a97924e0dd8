#!/usr/bin/env python3
"""make bench-instructions: what a message costs a worker, in instructions.

Counted by callgrind as the difference between a run of few messages and one of many, by
the number of messages between, so the start of the daemon is not in it. The messages are
those of run.py, on one connection after another with ten messages each; chains are those
of run.py too. Writes the row of this version and compiler into bench/instructions.
"""

import concurrent.futures
import os
import platform
import re
import shutil
import subprocess
import sys

import filters

WAYS = ["replies", "noreply", "needed+add"]
FEW, MANY = 100, 600
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions")
ROW = re.compile(r"(\S+)\s+(\S+(?: \S+)*)((?:\s+\d+){%d})$" % len(WAYS))

# The C library chooses its string functions by the CPU; these are those every x86-64 has.
PLAIN_CPU = ("glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,-BMI2,"
             "-AVX512F,-AVX512VL,-AVX512BW,-EVEX,-MOVBE")


def compiler():
    """What the figures depend on besides milterd itself: "gcc-12.2.0 x86_64 -O2 -g ..."."""
    cc = os.environ.get("CC", "cc").split()
    say = lambda option: subprocess.run([*cc, option], capture_output=True, text=True).stdout
    name = "clang" if "clang" in say("--version") else "gcc"
    flags = os.environ.get("COMPILED_WITH", "").split()
    return " ".join([f"{name}-{say('-dumpversion').strip()}", platform.machine(), *flags])


def version():
    said = subprocess.run([filters.MILTERD, "-V"], capture_output=True, text=True).stdout
    return said.split()[1]


def count(place, way, messages):
    """Instructions of the worker in its whole life."""
    name = f"{way}-{messages}"
    out = place.join(f"{name}.callgrind")
    wrapper = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}.%p"]
    process = filters.milterd(place, [(way, False)], workers=1, wrapper=wrapper, name=name)
    try:
        filters.load(process.addresses[0], process.child.pid, "-c", 1, "-m", 10, "-s",
                     "-n", messages)
    finally:
        process.stop()
    totals = []
    for file in os.listdir(place.path):
        if file.startswith(f"{name}.callgrind."):
            with open(place.join(file), encoding="utf-8", errors="replace") as lines:
                totals += [int(line.split()[1]) for line in lines if line.startswith("summary:")]
    if len(totals) != 2:
        raise filters.Failure(f"{way}: callgrind has counted {len(totals)} processes, not 2")
    return max(totals)  # the master has next to nothing to do


def measure():
    """Instructions a message, by way."""
    os.environ["GLIBC_TUNABLES"] = PLAIN_CPU
    place = filters.Place()
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            jobs = {(way, n): pool.submit(count, place, way, n) for way in WAYS
                    for n in (FEW, MANY)}
            totals = {key: job.result() for key, job in jobs.items()}
    finally:
        place.remove()
    return {way: round((totals[way, MANY] - totals[way, FEW]) / (MANY - FEW)) for way in WAYS}


def can_count():
    """None, or why not."""
    if platform.machine() != "x86_64":
        return "the kept figures are those of x86-64"
    return None if shutil.which("valgrind") else "valgrind is missing: install valgrind"


def kept():
    """The rows of the table: [(version, compiler, {way: instructions})]."""
    rows = []
    with open(TABLE, encoding="ascii") as file:
        for line in file:
            found = None if line.startswith("#") else ROW.match(line.strip())
            if found:
                figures = map(int, found[3].split())
                rows.append((found[1], found[2], dict(zip(WAYS, figures))))
    return rows


def write(rows):
    with open(TABLE, encoding="ascii") as file:
        head = [line for line in file if line.startswith("#")]
    with open(TABLE, "w", encoding="ascii") as file:
        file.writelines(head)
        for row_version, row_compiler, figures in rows:
            columns = "".join(f"{figures[way]:>12}" for way in WAYS)
            file.write(f"{row_version:<9} {row_compiler} {columns}\n")


def main():
    why = can_count()
    if why:
        sys.exit(f"bench-instructions: {why}")
    now, key = measure(), (version(), compiler())
    before = [row for row in kept() if row[1] == key[1]]
    for way in WAYS:
        change = f"  ({now[way] / before[-1][2][way] - 1:+.1%})" if before else ""
        print(f"{way:<12} {now[way]:>8} instructions a message{change}")
    write([row for row in kept() if row[:2] != key] + [(*key, now)])
    print(f"written to {os.path.relpath(TABLE)}")


if __name__ == "__main__":
    try:
        main()
    except filters.Failure as failure:
        sys.exit(f"bench-instructions: {failure}")
