#!/usr/bin/python3
"""Plays the scripts of tests/miltertest with Debian's miltertest, a client that is not ours.

A script begins with what it needs and expects, in comments:

    --[=[ chain main
    { plugin = "probe"; script = ( "rcpt <c@d>: reject" ); }
    ]=]
    --[=[ log
    4XyZ1: ... verdict=reject ...
    ]=]
    --[=[ packets
    e 15
    ]=]

chain NAME: the entries of a chain of milter.conf. A script may have several; in it,
connect("NAME") opens a connection to that one. log: lines of milterd's log, as behind L: in
tests/mta/transcript.py: in this order, ... for anything, and no warning but those
named. packets: letter and length of packets that miltertest reads, in this
order, for those it has no check of its own for.

Each script is played over a unix socket and over TCP, each time with a milterd of its own,
which must stop in good order.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import case, transcript
from mta.probed import Probed

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "miltertest")
PLAYER = "play.lua"
PROGRAM = "miltertest"
SECONDS = 60

_PART = re.compile(r"^--\[=\[ (\w+)(?: (\w+))?\n(.*?)^\]=\]$", re.M | re.S)
_READ = re.compile(r"mt_milter_read\(\d+\): cmd (.), len (\d+)")


class Script:
    """chains: {name: text}. log, packets: lines with where they stand, as file:line."""

    def __init__(self, path):
        self.path = path
        self.file, self.number = os.path.basename(path), 1
        self.chains, self.log, self.packets = {}, [], []
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for part in _PART.finditer(text):
            kind, name, body = part.groups()
            if kind == "chain" and name:
                self.chains[name] = body
            elif kind in ("log", "packets") and not name:
                first = text.count("\n", 0, part.start(3)) + 1
                lines = [
                    (line, f"{self.file}:{first + at}") for at, line in enumerate(body.splitlines())
                ]
                getattr(self, kind).extend(lines)
            else:
                raise case.Failure(f"{self.file}: there is no part --[=[ {kind} {name or ''}")
        if not self.chains:
            raise case.Failure(f"{self.file}: it has no chain")

    @property
    def name(self):
        return os.path.splitext(self.file)[0]


def socket_of(probed, chain, over):
    """As miltertest writes it."""
    if over == "unix":
        return probed.unix(chain)
    host, port = probed.tcp(chain).removeprefix("inet:").rsplit(":", 1)
    return f"inet:{port}@{host}"


def run(script, probed, over):
    """What miltertest says of it; fails unless the script came to its end and checked something."""
    command = [PROGRAM, "-v", "-v", "-s", PLAYER, "-D", f"script={script.path}"]
    for name, chain in script.chains.items():
        command += ["-D", f"socket_{name}={socket_of(probed, chain, over)}"]
    try:
        done = subprocess.run(
            command,
            cwd=FOLDER,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise case.Failure(f"miltertest did not end within {SECONDS} s") from problem
    passed = re.search(r"^passed [1-9]\d* checks$", done.stdout, re.M)
    if done.returncode != 0 or not passed:
        said = "\n".join(done.stdout.splitlines()[-20:])
        raise case.Failure(f"miltertest ended with {done.returncode}:\n{done.stderr}{said}")
    return done.stdout


def check_packets(script, output):
    got = [" ".join(found) for found in _READ.findall(output)]
    at = 0
    for line, where in script.packets:
        if line not in got[at:]:
            raise case.Failure(f"{where}: no packet {line} in {got[at:]}")
        at = got.index(line, at) + 1


def play(script, over):
    probed = Probed(script.chains.values())
    try:
        try:
            probed.start()
            output = run(script, probed, over)
        except case.Failure as problem:
            raise case.Failure(f"{problem}\nmilterd: {probed.take_log()}") from problem
        finally:
            probed.milterd.stop()
        check_packets(script, output)
        transcript.check_log(script, transcript.log_lines(probed.take_log()))
    finally:
        probed.milterd.remove()


def played(script):
    """A test function."""

    def test():
        for over in ("unix", "tcp"):
            try:
                play(script, over)
            except case.Failure as problem:
                raise case.Failure(f"over {over}: {problem}") from problem

    return test


def setup():
    if not shutil.which(PROGRAM):
        raise case.Skip("miltertest is missing; it is in Debian's package miltertest")
    case.true(SCRIPTS, f"no scripts in {FOLDER}")


SCRIPTS = [
    Script(path)
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.lua")))
    if os.path.basename(path) != PLAYER
]

for each in SCRIPTS:
    globals()[f"test_{each.name}"] = played(each)

if __name__ == "__main__":
    case.run(globals())
