"""The filters that are compared, as processes that serve.

Each has a start(way, socket) that gives the address for the load client:

    floor      the least that a filter can cost (floor.c)
    milterd    two workers, one listener and one chain for each way
    libmilter  a filter with the same callbacks (libmilter.c)

Ways are `replies` (all events, a reply to each), `noreply` (all events, none before end
of message), `needed` (only end of message), `body` (body and end of message); `+add` adds
a header field.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
MILTERD = os.path.abspath(os.environ.get("MILTERD", os.path.join(BUILD, "milterd")))
LOAD = os.path.join(BUILD, "bench", "load")
LIBMILTER = os.path.join(BUILD, "bench", "libmilter")

# The floor's answer to the negotiation.
BITS = {"replies": 0, "noreply": 0xFF080, "needed": 0x37F, "body": 0x36F}

# Plugins of milterd's chain.
PLUGINS = {
    "replies": ["look"] * 3,
    "noreply": ["look_observe"] * 3,
    "needed": [],
    "body": ["look_body"],
}


class Failure(Exception):
    pass


def split(way):
    """("replies", True) of "replies+add"."""
    return way.removesuffix("+add"), way.endswith("+add")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Place:
    """A temporary directory with copies of the plugins, which milterd wants to be its user's."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="milterd-bench.")
        os.chmod(self.path, 0o755)
        plugins = os.path.join(BUILD, "bench", "plugins")
        for name in os.listdir(plugins):
            if name.endswith(".so"):
                shutil.copyfile(os.path.join(plugins, name), self.join(name))
                os.chmod(self.join(name), 0o755)

    def join(self, name):
        return os.path.join(self.path, name)

    def remove(self):
        shutil.rmtree(self.path)


class Process:
    """One filter's process, and where it serves."""

    def __init__(self, name, command, addresses, errors=subprocess.DEVNULL):
        self.name = name
        self.addresses = addresses
        began = time.monotonic()
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors)
        for address in addresses:
            self._await(address)
        self.start_seconds = time.monotonic() - began

    def _await(self, address):
        kind, where = address.split(":", 1)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self.child.poll() is not None:
                raise Failure(f"{self.name} ended with {self.child.returncode}")
            with socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET) as probe:
                try:
                    probe.connect(where if kind == "unix" else ("127.0.0.1", int(where)))
                    return
                except OSError:
                    time.sleep(0.002)
        self.stop()
        raise Failure(f"{self.name} does not serve at {address}")

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def floor(place, way, tcp=False):
    base, adds = split(way)
    address = f"inet:{free_port()}" if tcp else f"unix:{place.join('floor-' + way)}"
    command = [os.path.join(BUILD, "bench", "floor"), "-p", hex(BITS[base])]
    return Process("floor", command + ["-a"] * adds + [address], [address])


def libmilter(place, way, tcp=False):
    address = f"inet:{free_port()}" if tcp else f"unix:{place.join('libmilter-' + way)}"
    where = address + "@127.0.0.1" if tcp else address
    return Process("libmilter", [LIBMILTER, way, where], [address])


def chain(way):
    """The plugins of a way; "look*10" are ten that look at every event."""
    plugin, _, times = way.partition("*")
    if times:
        names = [plugin] * int(times)
    else:
        base, adds = split(way)
        names = PLUGINS[base] + ["add"] * adds
    links = [f'{{ plugin = "{name}"; name = "p{i}"; }}' for i, name in enumerate(names)]
    return f"( {', '.join(links)} )"


def milterd(place, ways, workers=2, wrapper=(), name="milterd"):
    """One daemon; ways: [(way, tcp)]. Its log goes to a file, at the default level."""
    addresses, listeners, chains = {}, [], []
    for number, (way, tcp) in enumerate(ways):
        port = free_port() if tcp else 0
        where = f"unix:{place.join(f'{name}-{number}')}"
        addresses[way, tcp] = f"inet:{port}" if tcp else where
        place_in_conf = f"inet:127.0.0.1:{port}" if tcp else where
        listeners.append(f'{{ socket = "{place_in_conf}"; chain = "c{number}"; }}')
        chains.append(f"c{number} = {chain(way)};")
    conf = place.join(f"{name}.conf")
    with open(conf, "w", encoding="ascii") as file:
        file.write(
            f'plugin_dir = "{place.path}";\n'
            f"workers = {{ processes = {workers}; connections = 20000; }};\n"
            f"listeners = ( {', '.join(listeners)} );\n"
            f"chains = {{ {' '.join(chains)} }};\n"
        )
    with open(place.join(f"{name}.log"), "wb") as log:
        command = [*wrapper, MILTERD, "-f", "-c", conf]
        process = Process("milterd", command, list(addresses.values()), log)
    process.by_way = addresses
    return process


def load(address, pid, *options):
    """What the load client says, as a dictionary of numbers."""
    command = [LOAD, *map(str, options), address, str(pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip()}")
    pairs = (word.split("=") for word in done.stdout.split())
    return {key: float(int(value, 0) if value.startswith("0x") else value) for key, value in pairs}
