"""milterd with the plugins that do what a test tells them, tests/plugins/probe.

Each chain gets a unix socket and a TCP port of its own; one milterd serves all of them,
with one worker, so that its log tells a story. The ports are the same number at one
loopback address after the other.
"""

import os
import re
import shutil

from . import case
from .milterd import Milterd

HEAD = """
@user@
plugin_dir = "@dir@/probes";
log = { level = "debug"; };
workers = { processes = 1; };
"""


def test_plugins():
    return os.path.abspath(os.environ.get("TEST_PLUGINS", "./tests/plugins"))


class Probed:
    """chains: texts of chains as in milter.conf, without the parentheses around them.
    more: further keys of milter.conf."""

    def __init__(self, chains, more=""):
        self._chains = list(dict.fromkeys(chains))
        listeners, bodies = [], []
        for number, text in enumerate(self._chains):
            unix = f'{{ socket = "unix:@dir@/{number}"; mode = "0666"; chain = "c{number}"; }}'
            tcp = f'{{ socket = "inet:{self._host(number)}:@port@"; chain = "c{number}"; }}'
            listeners += [unix, tcp]
            bodies.append(f"c{number} = (\n{text}\n);")
        listeners, bodies = ",\n".join(listeners), "\n".join(bodies)
        self.milterd = Milterd(
            f"{HEAD}{more}\nlisteners = (\n{listeners}\n);\nchains = {{\n{bodies}\n}};\n"
        )
        self._copy()
        self._seen = 0

    @staticmethod
    def _host(number):
        """127.0.0.1 is the first, which keeps the port from others who look for a free one."""
        return f"127.0.{number // 250}.{number % 250 + 1}"

    def _copy(self):
        """To where a worker may read them that is another user."""
        to = self.milterd.place.mkdir("probes")
        names = [name for name in os.listdir(test_plugins()) if re.match(r"probe.*\.so$", name)]
        if not names:
            raise case.Failure(f"no probe.so in {test_plugins()}; TEST_PLUGINS= says where")
        for name in names:
            shutil.copyfile(os.path.join(test_plugins(), name), os.path.join(to, name))
            os.chmod(os.path.join(to, name), 0o755)

    def start(self):
        self.milterd.start()
        self.take_log()
        return self

    def unix(self, chain=None):
        return self.milterd.unix(str(self._chains.index(chain) if chain is not None else 0))

    def tcp(self, chain=None):
        host = self._host(self._chains.index(chain) if chain is not None else 0)
        return f"inet:{host}:{self.milterd.port}"

    def take_log(self):
        """What has been logged since the last time."""
        with open(self.milterd.place.join("log"), "rb") as log:
            log.seek(self._seen)
            new = log.read()
        self._seen += len(new)
        return new.decode("utf-8", "surrogateescape")

    def stop(self):
        """Fails unless milterd ends in good order."""
        try:
            self.milterd.stop()
        finally:
            self.milterd.remove()
