"""milterd in the foreground on a milter.conf that the test gives.

In the text of the configuration these stand for values: @dir@ the temporary
directory, @port@ a free loopback port, @plugin_dir@ where the built plugins
are, @user@ a line that makes root's workers an ordinary user, and whatever the
test adds. The program comes from MILTERD in the environment, the plugins from
PLUGIN_DIR; without them those of the current build directory are taken.
"""

import os
import re
import shutil
import subprocess

from . import case, place

READY = re.compile(r"milterd \S+ ready: ")


def program():
    return os.path.abspath(os.environ.get("MILTERD", "./milterd"))


def plugin_dir():
    return os.path.abspath(os.environ.get("PLUGIN_DIR", "./plugins"))


class Milterd:
    """config: text of milter.conf. files: {name: text} beside it. values: for more @name@."""

    def __init__(self, config, files=None, **values):
        if not os.access(program(), os.X_OK):
            raise case.Failure(f"{program()} is not built; MILTERD= says where it is")
        if not os.path.isdir(plugin_dir()):
            raise case.Failure(f"{plugin_dir()} is no directory; PLUGIN_DIR= says where they are")
        self.place = place.Place("milterd")
        self.port = place.free_port()
        self._child = None
        known = {
            "dir": self.place.path,
            "port": self.port,
            "plugin_dir": self._copy_plugins(),
            "user": 'user = "nobody";' if os.geteuid() == 0 else "",
            **values,
        }
        for name, text in {"milter.conf": config, **(files or {})}.items():
            self.place.write(name, re.sub(r"@(\w+)@", lambda m: str(known[m[1]]), text))

    def _copy_plugins(self):
        """
        Where the workers become another user, the plugins have to be where that user can
        read them, and be root's own: a clone in somebody's home is neither.
        """
        if os.geteuid() != 0:
            return plugin_dir()
        copies = self.place.mkdir("plugins")
        for name in os.listdir(plugin_dir()):
            if name.endswith(".so"):
                shutil.copyfile(os.path.join(plugin_dir(), name), os.path.join(copies, name))
                os.chmod(os.path.join(copies, name), 0o755)
        return copies

    def start(self):
        """Comes back when it serves."""
        with open(self.place.join("log"), "ab") as log:
            self._child = subprocess.Popen(
                [program(), "-f", "-c", self.place.join("milter.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.place.environment(),
                start_new_session=True,
            )
        child = self._child
        case.wait_until(
            lambda: child.poll() is not None or READY.search(self.log()),
            f"milterd to be ready or to fail; it said:\n{self.log()}",
        )
        if child.poll() is not None:
            raise case.Failure(f"milterd ended with status {child.returncode}:\n{self.log()}")
        return self

    def stop(self):
        """SIGTERM; fails unless it ends with status 0 and leaves no process behind."""
        if self._child is None:
            return
        child, self._child = self._child, None
        status = place.stop(child)
        left = place.end_processes(
            lambda: place.processes(place.MARK, self.place.path, session=child.pid)
        )
        if status != 0 or left:
            raise case.Failure(f"milterd ended with {status}, left {left}; log:\n{self.log()}")

    def remove(self):
        self.place.remove()

    @property
    def inet(self):
        """The listener at @port@, as main.cf writes it."""
        return f"inet:127.0.0.1:{self.port}"

    def unix(self, name="socket"):
        """The listener at @dir@/NAME, as main.cf writes it."""
        return f"unix:{self.place.join(name)}"

    def workers(self):
        """The process ids of its workers."""
        pid = self._child.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def log(self):
        return self.place.read("log")

    def warnings(self):
        """Lines of the log with a warning or an error."""
        return [line for line in self.log().splitlines() if re.search(r"\b(warning|error):", line)]
