"""A temporary directory for one test, ports, and the processes started in it.

Postfix's unprivileged processes must be able to walk into the directory, so
every directory above it has to be open to others; where TMPDIR is not, /tmp
is used. Processes are known by a variable in the environment that each child
inherits, so also one that went into another session is found.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import case

MARK = "MTA_TEST_PLACE"


def _open_to_others(path):
    while True:
        if not os.stat(path).st_mode & 0o001:
            return False
        if path == "/":
            return True
        path = os.path.dirname(path)


def parent_directory():
    """Where temporary directories go that other users can walk into."""
    wanted = os.path.realpath(tempfile.gettempdir())
    return wanted if _open_to_others(wanted) else "/tmp"


def free_port(family=socket.AF_INET):
    """A loopback port that nobody listens on just now."""
    with socket.socket(family) as probe:
        probe.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        return probe.getsockname()[1]


class Place:
    """A directory of mode 0755 under /tmp; MTA_KEEP in the environment keeps it."""

    def __init__(self, name, parent=None):
        self.path = tempfile.mkdtemp(prefix=f"{name}.", dir=parent or parent_directory())
        os.chmod(self.path, 0o755)

    def join(self, *names):
        return os.path.join(self.path, *names)

    def mkdir(self, name, mode=0o755):
        """A directory of that mode, whatever umask says."""
        os.mkdir(self.join(name))
        os.chmod(self.join(name), mode)
        return self.join(name)

    def write(self, name, text):
        path = self.join(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)
        return path

    def read(self, name):
        try:
            with open(self.join(name), encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def environment(self, **more):
        """The environment for a process that belongs here."""
        return {**os.environ, MARK: self.path, **more}

    def remove(self):
        if "MTA_KEEP" in os.environ:
            print(f"# kept: {self.path}")
        else:
            shutil.rmtree(self.path, ignore_errors=True)


def _stat(pid):
    """State and session of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return fields[0], int(fields[3])


def processes(variable, value, session=None):
    """
    Pids of the living processes that were started with that in their environment,
    or that belong to that session. One that only waits to be reaped is not living.
    """
    entry = f"{variable}={value}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            state, its_session = _stat(name)
            with open(f"/proc/{name}/environ", "rb") as file:
                marked = entry in file.read().split(b"\0")
        except PermissionError:
            marked = False
        except OSError:
            continue
        if state not in "ZX" and (marked or its_session == session):
            found.append(int(name))
    return found


def describe(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return f"{pid} ({file.read().replace(bytes(1), b' ').decode(errors='replace').strip()})"
    except OSError:
        return str(pid)


def end_processes(find, grace=5.0):
    """
    Waits for the processes of find() to end; kills what is left after grace
    seconds. Returns descriptions of those that had to be killed.
    """
    end = time.monotonic() + grace
    pause = 0.002
    while find():
        if time.monotonic() > end:
            stubborn = [describe(pid) for pid in find()]
            for pid in find():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            case.wait_until(lambda: not find(), "killed processes to go away")
            return stubborn
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return []


def stop(child, grace=10.0):
    """SIGTERM to a child of ours; returns its exit status, None where it had to be killed."""
    if child.poll() is None:
        child.terminate()
    try:
        return child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return None
