#!/usr/bin/python3
"""Is the number of a connection, milter_session_id(), its own across workers and restarts?

Two workers, with more connections at once than one of them takes, and milterd twice.
"""

import os
import re
import shutil
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import case, probed, wire
from mta.milterd import Milterd

WORKERS, EACH = 2, 5
CONFIG = f"""
@user@
plugin_dir = "@dir@/probes";
workers = {{ processes = {WORKERS}; connections = {EACH}; }};
listeners = ( {{ socket = "unix:@dir@/socket"; mode = "0666"; }} );
chains = {{ only = ( {{ plugin = "probe"; script = ( "connect: say-connection" ); }} ); }};
"""
FOUND = re.compile(r"milterd\[(\d+)\]: (?:worker \d+: )?NOQUEUE: .* session (\S+)$", re.M)


def ids_of_one_run():
    """(pid of the worker, number) of each connection."""
    milterd = Milterd(CONFIG)
    probes = milterd.place.mkdir("probes")
    shutil.copyfile(os.path.join(probed.test_plugins(), "probe.so"), f"{probes}/probe.so")
    os.chmod(f"{probes}/probe.so", 0o755)
    try:
        milterd.start()
        mtas = [wire.Mta(milterd.unix()) for _ in range(WORKERS * EACH)]
        for mta in mtas:
            mta.negotiate()
            case.equal(mta.connect(), ("c",), "the answer to connect")
        for mta in mtas:
            mta.next_client()
            case.equal(mta.connect("another"), ("c",), "the answer to the next client")
        for mta in mtas:
            mta.quit()
        milterd.stop()
        return FOUND.findall(milterd.log())
    finally:
        milterd.stop()
        milterd.remove()


def test_unique_across_workers_and_restarts():
    found = ids_of_one_run() + ids_of_one_run()
    ids = [session for _, session in found]
    case.equal(len(ids), 2 * 2 * WORKERS * EACH, "connections in the log")
    case.equal(len({worker for worker, _ in found}), 2 * WORKERS, "workers that have served")
    case.equal(len(set(ids)), len(ids), f"different ones among {ids}")
    for session in ids:
        case.true(re.fullmatch(r"[A-Za-z0-9-]+", session), f"letters, digits and -: {session}")


if __name__ == "__main__":
    case.run(globals())
