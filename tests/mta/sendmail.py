"""A Sendmail of its own, from Debian's packages unpacked into a cache directory.

Debian's sendmail and postfix cannot be installed together, so the packages are
downloaded and unpacked, never installed: `python3 -m mta.sendmail` (in tests/)
does that once. Sendmail has no way to say where hosts, nsswitch.conf or the log
socket are, hence namespaces of its own: mounts, host name, and processes (so
that nothing outlives it). It refuses a milter socket below a world-writable
directory; the directories of such sockets are shown to it below /mnt.

The interface is that of postfix.Postfix.
"""

import fcntl
import os
import platform
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading

from . import case, place

PACKAGES = ("sendmail-bin", "sendmail-base", "sendmail-cf", "libwrap0", "liblockfile1")

# What sendmail-bin is linked with and a small system may not have.
LIBRARIES = {
    "libdb-5.3.so": "libdb5.3",
    "libldap-2.5.so.0": "libldap-2.5-0",
    "libnsl.so.2": "libnsl2",
    "libsasl2.so.2": "libsasl2-2",
}

# Sendmail's own defaults, but for the time to connect.
TIMEOUTS = "C:30s;S:10s;R:10s;E:5m"

CONFIGURATION = """\
divert(0)dnl
VERSIONID(`a test of milterd')
OSTYPE(`linux')dnl
DOMAIN(`generic')dnl
define(`confDOMAIN_NAME', `mta.example.test')dnl
define(`confCF_VERSION', `')dnl
define(`QUEUE_DIR', `@dir@/queue')dnl
define(`ALIAS_FILE', `')dnl
define(`HELP_FILE', `')dnl
define(`STATUS_FILE', `@dir@/statistics')dnl
define(`confPID_FILE', `@dir@/sendmail.pid')dnl
define(`confSERVICE_SWITCH_FILE', `@dir@/service.switch')dnl
define(`confCT_FILE', `-o @dir@/none')dnl
define(`confCW_FILE', `-o @dir@/none')dnl
define(`confCR_FILE', `-o @dir@/none')dnl
define(`confDEF_USER_ID', `65534:65534')dnl
define(`confDEAD_LETTER_DROP', `@dir@/dead.letter')dnl
define(`confTO_IDENT', `0s')dnl
define(`confTO_QUEUEWARN', `')dnl
define(`confPRIVACY_FLAGS', `')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confLOG_LEVEL', `14')dnl
define(`confMILTER_LOG_LEVEL', `14')dnl
define(`confMAX_HEADERS_LENGTH', `0')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confBAD_RCPT_THROTTLE', `0')dnl
define(`confSEVEN_BIT_INPUT', `False')dnl
define(`confEIGHT_BIT_HANDLING', `pass8')dnl
define(`SMART_HOST', `esmtp:[127.0.0.1]')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h @sink@')dnl
define(`SMTP_MAILER_ARGS', `TCP $h @sink@')dnl
@settings@FEATURE(`nocanonify')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`no_default_msa')dnl
@milters@@daemons@MAILER(`smtp')dnl
@rulesets@"""

# Runs inside the namespaces; / stays the real one but for these mounts.
INSIDE = """\
set -e
mount --make-rprivate /
hostname mta.example.test
for name in hosts nsswitch.conf resolv.conf; do
    mount --bind {dir}/etc/$name "$(readlink -f /etc/$name)"
done
mount -t tmpfs -o mode=755 none /mnt
{sockets}
for name in null zero random urandom; do
    : >{dir}/dev/$name
    mount --bind /dev/$name {dir}/dev/$name
done
ln -s {dir}/log.socket {dir}/dev/log
mount --rbind {dir}/dev /dev
exec {program} -bD -q1m -C {dir}/sendmail.cf
"""


def cache():
    """Where the unpacked packages are kept between runs."""
    default = os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "milterd-tests"
    )
    return os.path.join(os.environ.get("MTA_CACHE", default), "sendmail")


def fetch():
    """Downloads and unpacks what is not there yet; the path of the unpacked tree."""
    root = os.path.join(cache(), "root")
    os.makedirs(cache(), exist_ok=True)
    with open(os.path.join(cache(), "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(root):
            _unpack(root)
    return root


def _apt_get(words, directory):
    """Once more with fresh lists where it fails: a new machine has none."""
    base = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::http::Timeout=20"]
    for command in ([*base, *words], [*base, "update"], [*base, *words]):
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode == 0 and "update" not in command:
            return
    raise case.Skip(f"Debian's sendmail packages cannot be had: {done.stderr.strip()}")


def _unpack(root):
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True)
    names = [*PACKAGES, *(p for so, p in LIBRARIES.items() if so not in known.stdout)]
    work = place.Place("milterd-fetch")
    try:
        _apt_get(["download", *names], work.path)
        new = root + ".new"
        shutil.rmtree(new, ignore_errors=True)
        for name in sorted(os.listdir(work.path)):
            subprocess.run(["dpkg", "-x", work.join(name), new], check=True)
        program = os.path.join(new, "usr/libexec/sendmail/sendmail")
        # with it the loader would ignore LD_LIBRARY_PATH
        os.chmod(program, stat.S_IMODE(os.stat(program).st_mode) & ~0o6000)
        os.rename(new, root)
    finally:
        work.remove()


class _Log(threading.Thread):
    """What Sendmail says to syslog: a datagram socket, written into a file."""

    def __init__(self, where):
        super().__init__(daemon=True)
        self._file = where.join("log")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(where.join("log.socket"))
        self.start()

    def run(self):
        with open(self._file, "ab", buffering=0) as file:
            while True:
                line = self._socket.recv(65536)
                file.write(re.sub(rb"^<\d+>", b"", line).rstrip(b"\0\n") + b"\n")


class Sendmail:
    """See postfix.Postfix. settings: m4 definitions; a port knows {"milters": ...}, instead of
    them {"equates": ...} of one, and {"address": ...} where it listens.
    hosts: {address: name} of clients, beside localhost. rulesets: more of sendmail.mc, for
    its end."""

    def __init__(self, sink_port, milters="", settings=None, ports=None, hosts=None, rulesets=""):
        if os.geteuid() != 0:
            raise case.Skip("needs root to run a private Sendmail")
        if not shutil.which("m4") or not shutil.which("apt-get"):
            raise case.Skip("needs m4, and apt-get to fetch Sendmail")
        self._root = fetch()
        self.place = place.Place("milterd-sendmail")
        self._sink_port = sink_port
        self._services = {"smtpd": {"milters": milters}, **(ports or {})}
        self._settings = settings or {}
        self._hosts = hosts or {}
        self._rulesets = rulesets
        self._child = None
        self._shown = {}  # directory of a milter's socket: the name it has inside
        self.ports = {}

    # -- running ---------------------------------------------------------------

    def start(self):
        """Comes back when every port answers."""
        self._make_files()
        for attempt in (1, 2, 3):
            self.ports = {name: place.free_port() for name in self._services}
            self._make_cf()
            if self._launch():
                return self
            if attempt == 3 or "Address already in use" not in self._everything_said():
                break
        raise case.Failure("Sendmail did not start:\n" + self._everything_said())

    def stop(self):
        """Ends every process; fails where it did not end by itself."""
        if self._child is None:
            return
        child, self._child = self._child, None
        # unshare does not hand on signals; Sendmail is the first process of its namespace
        with open(f"/proc/{child.pid}/task/{child.pid}/children", encoding="ascii") as file:
            os.kill(int(file.read().split()[0]), signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired as problem:
            child.kill()
            child.wait()
            raise case.Failure("Sendmail did not stop; it was killed") from problem

    def remove(self):
        self.place.remove()

    @property
    def port(self):
        return self.ports["smtpd"]

    # -- what it says ------------------------------------------------------------

    def log(self):
        return self.place.read("log")

    def warnings(self):
        """Lines of the log about trouble with a milter, or Sendmail's own."""
        words = re.compile(
            r"Milter \(\S+\): (?!init success|abort filter|quit filter)|[Mm]ilter_\w+ ?\("
            r"|Milter: \w+ failed|SYSERR"
        )
        return [line for line in self.log().splitlines() if words.search(line)]

    # -- the queue ----------------------------------------------------------------

    def queue(self):
        """{"queue": [file, ...]} of what is not delivered; hf files are quarantined."""
        files = os.listdir(self.place.join("queue"))
        return {"queue": files} if files else {}

    def wait_for_empty_queue(self):
        case.wait_until(lambda: not self.queue(), "Sendmail's queue to run empty")

    # -- inside ------------------------------------------------------------------

    def _make_files(self):
        for name in ("etc", "dev", "queue"):
            self.place.mkdir(name, 0o700 if name == "queue" else 0o755)
        hosts = "127.0.0.1 localhost\n::1 localhost\n127.0.0.3 mta.example.test mta\n"
        hosts += "".join(f"{address} {name}\n" for address, name in self._hosts.items())
        self.place.write("etc/hosts", hosts)
        names = "".join(f"{n}: files\n" for n in ("passwd", "group", "hosts", "services"))
        self.place.write("etc/nsswitch.conf", names)
        self.place.write("etc/resolv.conf", "")
        self.place.write("statistics", "")
        self.place.write("service.switch", "hosts files\naliases files\n")
        _Log(self.place)

    def _make_cf(self):
        filters, daemons = [], []
        for number, (name, given) in enumerate(self._services.items()):
            milters = given.get("milters", "").replace(",", " ").split()
            equates = [f"S={self._address(where)}, F=T, T={TIMEOUTS}" for where in milters]
            equates += [given["equates"]] if "equates" in given else []
            for at, equate in enumerate(equates):
                filters.append(f"MAIL_FILTER(`m{number}x{at}', `{equate}')dnl\n")
            listed = ";".join(f"m{number}x{at}" for at in range(len(equates)))
            address = given.get("address", "127.0.0.1")
            family = "Family=inet6, " if ":" in address else ""
            daemons.append(
                f"DAEMON_OPTIONS(`Name={name}, {family}Addr={address}, Port={self.ports[name]}"
                + (f", InputMailFilters={listed}" if listed else "")
                + "')dnl\n"
            )
        values = {
            "dir": self.place.path,
            "sink": self._sink_port,
            "settings": "".join(f"define(`{k}', `{v}')dnl\n" for k, v in self._settings.items()),
            "milters": "".join(filters),
            "daemons": "".join(daemons),
            "rulesets": self._rulesets,
        }
        text = re.sub(r"@(\w+)@", lambda m: str(values[m[1]]), CONFIGURATION)
        source = self.place.write("sendmail.mc", text)
        macros = os.path.join(self._root, "usr/share/sendmail/cf/")
        done = subprocess.run(
            ["m4", f"-D_CF_DIR_={macros}", os.path.join(macros, "m4/cf.m4"), source],
            capture_output=True,
            text=True,
            check=True,
        )
        self.place.write("sendmail.cf", done.stdout)

    def _address(self, milter):
        """A milter as main.cf writes it, as sendmail.cf wants it."""
        kind, _, where = milter.partition(":")
        if kind in ("unix", "local"):
            directory, name = os.path.split(where)
            inside = self._shown.setdefault(directory, f"/mnt/{len(self._shown)}")
            return f"unix:{inside}/{name}"
        host, _, port = where.rpartition(":")
        return f"{kind}:{port}@{host.strip('[]')}"

    def _launch(self):
        sockets = "".join(
            f"mkdir {inside}\nmount --bind {shlex.quote(directory)} {inside}\n"
            for directory, inside in self._shown.items()
        )
        program = os.path.join(self._root, "usr/libexec/sendmail/sendmail")
        script = INSIDE.format(dir=self.place.path, sockets=sockets, program=shlex.quote(program))
        arch = f"{platform.machine()}-linux-gnu"
        paths = [os.path.join(self._root, top, arch) for top in ("usr/lib", "lib")]
        with open(self.place.join("output"), "ab") as output:
            self._child = subprocess.Popen(
                ["unshare", "-m", "-u", "-p", "-f", "--kill-child", "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.place.environment(LD_LIBRARY_PATH=":".join(paths), TZ="UTC"),
                cwd=self.place.path,
                start_new_session=True,
            )
        case.wait_until(
            lambda: self._child.poll() is not None or self._listening(), "Sendmail to start"
        )
        if self._child.poll() is None:
            return True
        self._child = None
        return False

    def _listening(self):
        """Whether all ports are bound; a connection would already bother the milter."""
        rows = []
        for name in ("/proc/net/tcp", "/proc/net/tcp6"):
            if os.path.exists(name):
                with open(name, encoding="ascii") as file:
                    rows += [line.split() for line in file.readlines()[1:]]
        bound = {int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A"}
        return bound.issuperset(self.ports.values()) and os.path.exists(
            self.place.join("sendmail.pid")
        )

    def _everything_said(self):
        return self.place.read("output") + self.log()


if __name__ == "__main__":
    try:
        print(fetch())
    except case.Skip as reason:
        sys.exit(str(reason))
