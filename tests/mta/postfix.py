"""A Postfix of its own: configuration, queue, data, log and ports in a temporary directory.

The master program is started itself, in the foreground: the postfix(1) command
would check and "repair" permissions of the installed system, and nothing here
may touch that one. Delivery goes to a sink on loopback, whatever the address;
no name is looked up in DNS. Postfix needs root and its own users to run.

One instance can have several smtpd ports with different settings, for instance
one without milter to compare with.
"""

import grp
import os
import pwd
import shutil
import socket
import subprocess
import time

from . import case, place

# Of the log of a healthy run; all other warnings count.
HARMLESS = (
    "warning: process_limit",
    # A virtual machine's two clocks, a tick apart.
    "warning: file system clock",
    "warning: resetting file time stamps",
)

# Of an ordinary user, sudo's root included, the path may not hold these.
PATH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"

SERVICES = """\
pickup    unix  n  -  n  60  1  pickup
cleanup   unix  n  -  n  -   0  cleanup
qmgr      unix  n  -  n  300 1  qmgr
tlsmgr    unix  -  -  n  -   1  tlsmgr
rewrite   unix  -  -  n  -   -  trivial-rewrite
bounce    unix  -  -  n  -   0  bounce
defer     unix  -  -  n  -   0  bounce
trace     unix  -  -  n  -   0  bounce
verify    unix  -  -  n  -   1  verify
flush     unix  n  -  n  -   0  flush
proxymap  unix  -  -  n  -   -  proxymap
smtp      unix  -  -  n  -   -  smtp
relay     unix  -  -  n  -   -  smtp
error     unix  -  -  n  -   -  error
retry     unix  -  -  n  -   -  error
discard   unix  -  -  n  -   -  discard
showq     unix  n  -  n  -   -  showq
anvil     unix  -  -  n  -   1  anvil
scache    unix  -  -  n  -   1  scache
postlog   unix-dgram n - n  -   1  postlogd
"""

# owner, group, mode as postfix-files(5) of the distribution has them
QUEUE = (
    *((name, "mail", "root", 0o700) for name in ("active", "bounce", "corrupt", "defer")),
    *((name, "mail", "root", 0o700) for name in ("deferred", "flush", "hold", "incoming")),
    *((name, "mail", "root", 0o700) for name in ("private", "saved", "trace")),
    ("maildrop", "mail", "drop", 0o730),
    ("public", "mail", "drop", 0o2710),
    ("pid", "root", "root", 0o755),
)


def _postconf(name):
    """An installed Postfix's built-in default, which no main.cf has a say in."""
    command = ["postconf", "-d", "-h", name]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "PATH": PATH}
    )
    return done.stdout.strip()


class Postfix:
    """
    milters: value of smtpd_milters (and of non_smtpd_milters with local=True) for
    the port `port`. settings: more of main.cf. ports: {name: {setting: value}},
    further smtpd ports, found in `ports[name]` after start(); "milters" is short for
    smtpd_milters. sink_port: where all mail goes.
    """

    def __init__(self, sink_port, milters="", settings=None, ports=None, local=False):
        if os.geteuid() != 0:
            raise case.Skip("needs root to run a private Postfix")
        if not shutil.which("postconf", path=PATH):
            raise case.Skip("needs Postfix (Debian package postfix)")
        self._daemons = _postconf("daemon_directory")
        self._sink_port = sink_port
        self._services = {"smtpd": {}, **(ports or {})}
        self._settings = {
            "smtpd_milters": milters,
            "non_smtpd_milters": milters if local else "",
            **(settings or {}),
        }
        self._master = None
        self._session = None
        self.ports = {}
        self.place = place.Place("milterd-postfix")

    # -- running ---------------------------------------------------------------

    def start(self):
        """Comes back when it listens on every port."""
        self._make_directories()
        self._configure("main.cf", self._main_cf())
        for attempt in (1, 2, 3):
            self.ports = {name: place.free_port() for name in self._services}
            self._configure("master.cf", self._master_cf())
            if self._launch():
                return self
            # between our look and Postfix's bind somebody else took the port
            if attempt == 3 or "Address already in use" not in self.place.read("log/mail.log"):
                break
        raise case.Failure("Postfix did not start:\n" + self._everything_said())

    def stop(self):
        """Ends every process; fails where one had to be killed. The log stays readable."""
        if self._master is None:
            return
        try:
            self.log()
        finally:
            status = place.stop(self._master)
            self._master = None
        left = place.end_processes(self._processes)
        if status is None or left:
            raise case.Failure(f"Postfix did not stop: status {status}, left {left}")

    def remove(self):
        self.place.remove()

    @property
    def port(self):
        return self.ports["smtpd"]

    # -- what it says ------------------------------------------------------------

    def log(self):
        """The log up to now: a line of our own is sent after all others and waited for."""
        if self._master is not None and self._master.poll() is None:
            mark = f"--- test mark {time.monotonic_ns()} ---"
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
                log.connect(self.place.join("queue/public/postlog"))
                log.send(mark.encode())
            case.wait_until(lambda: mark in self.place.read("log/mail.log"), "Postfix's log")
        lines = self.place.read("log/mail.log").splitlines(True)
        return "".join(line for line in lines if "--- test mark" not in line)

    def warnings(self):
        """Lines of the log with a warning or worse."""
        words = ("warning:", "error:", "fatal:", "panic:")
        return [
            line
            for line in self.log().splitlines()
            if any(word in line for word in words) and not any(text in line for text in HARMLESS)
        ]

    # -- the queue ----------------------------------------------------------------

    def queue(self):
        """{queue name: [queue id, ...]} of what is not delivered."""
        found = {}
        for name in ("maildrop", "incoming", "active", "deferred", "hold", "corrupt"):
            for _, _, files in os.walk(self.place.join("queue", name)):
                if files:
                    found.setdefault(name, []).extend(files)
        return found

    def wait_for_empty_queue(self):
        case.wait_until(lambda: not self.queue(), "Postfix's queue to run empty")

    def command(self, *words, content=b""):
        """One of Postfix's commands on this instance: command("postqueue", "-f")."""
        command = [words[0], "-c", self.place.join("etc"), *words[1:]]
        done = subprocess.run(
            command, input=content, capture_output=True, check=False, env=self._environment()
        )
        if done.returncode != 0:
            raise case.Failure(f"{command}: status {done.returncode}, {done.stderr.decode()}")
        return done.stdout.decode(errors="surrogateescape")

    def sendmail(self, sender, recipients, content):
        """Submits a message locally, by the sendmail command."""
        command = ["sendmail", "-C", self.place.join("etc"), "-i", "-f", sender, "--", *recipients]
        subprocess.run(command, input=content, check=True, env=self._environment())

    # -- inside ------------------------------------------------------------------

    def _environment(self):
        return self.place.environment(PATH=PATH, MAIL_CONFIG=self.place.join("etc"), TZ="UTC")

    def _processes(self):
        # Postfix cleans the environment of its daemons, but MAIL_CONFIG stays.
        return place.processes("MAIL_CONFIG", self.place.join("etc"), self._session)

    def _make_directories(self):
        mail, drop = pwd.getpwnam(_postconf("mail_owner")), grp.getgrnam(_postconf("setgid_group"))
        groups = {"root": 0, "drop": drop.gr_gid}
        for name in ("etc", "log", "queue", "data"):
            self.place.mkdir(name)
        os.chown(self.place.join("data"), mail.pw_uid, 0)
        for name, owner, group, mode in QUEUE:
            path = self.place.mkdir(os.path.join("queue", name))
            os.chown(path, mail.pw_uid if owner == "mail" else 0, groups[group])
            os.chmod(path, mode)

    def _configure(self, name, text):
        # Each Postfix process waits with a file that is younger than two seconds.
        path = self.place.write(os.path.join("etc", name), text)
        past = time.time() - 60
        os.utime(path, (past, past))

    def _main_cf(self):
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": self.place.join("queue"),
            "data_directory": self.place.join("data"),
            "daemon_directory": self._daemons,
            "maillog_file": self.place.join("log/mail.log"),
            "maillog_file_prefixes": self.place.path,
            "import_environment": "MAIL_CONFIG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME",
            "myhostname": "mta.example.test",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "all",  # XCLIENT takes no IPv6 address otherwise
            # all mail, for whatever domain, goes to the sink, and nobody asks DNS
            "mydestination": "",
            "local_recipient_maps": "",
            "alias_maps": "",
            "alias_database": "",
            "relay_domains": "static:all",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            "relay_transport": f"smtp:[127.0.0.1]:{self._sink_port}",
            "default_transport": f"smtp:[127.0.0.1]:{self._sink_port}",
            "smtp_host_lookup": "native",
            "disable_dns_lookups": "yes",
            "smtpd_peername_lookup": "no",
            # bytes are handed on as they came
            "append_dot_mydomain": "no",
            "local_header_rewrite_clients": "",
            "disable_mime_output_conversion": "yes",
            "smtp_line_length_limit": "0",
            "smtputf8_enable": "yes",
            # no limits, no brakes
            "message_size_limit": "0",
            "mailbox_size_limit": "0",
            "smtpd_error_sleep_time": "0",
            "smtpd_hard_error_limit": "10000",
            "smtpd_client_connection_count_limit": "0",
            "smtpd_recipient_limit": "20000",
            "default_destination_recipient_limit": "1000",
            "smtp_connection_cache_on_demand": "no",
            "default_process_limit": "100",
            # tests play other clients
            "smtpd_authorized_xclient_hosts": "127.0.0.1",
            "milter_default_action": "tempfail",
            **self._settings,
        }
        return "".join(f"{name} = {value}\n" for name, value in settings.items())

    def _master_cf(self):
        lines = []
        for name, overrides in self._services.items():
            lines.append(f"127.0.0.1:{self.ports[name]} inet n - n - - smtpd\n")
            for setting, value in overrides.items():
                setting = "smtpd_milters" if setting == "milters" else setting
                lines.append(f"  -o {{ {setting} = {value} }}\n")
        return "".join(lines) + SERVICES

    def _launch(self):
        """Starts the master and waits until it listens; False where it ended."""
        with open(self.place.join("log/output"), "ab") as output:
            self._master = subprocess.Popen(
                [os.path.join(self._daemons, "master"), "-c", self.place.join("etc"), "-d"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment(),
                cwd=self.place.path,
                start_new_session=True,  # it signals its process group when it ends
            )
        self._session = self._master.pid
        # Said once all ports are bound; a connection would already bother the milter.
        ready = "daemon started"
        case.wait_until(
            lambda: self._master.poll() is not None or ready in self.place.read("log/mail.log"),
            "Postfix to start or to fail",
        )
        if self._master.poll() is None:
            return True
        self._master = None
        place.end_processes(self._processes)
        return False

    def _everything_said(self):
        return self.place.read("log/output") + self.place.read("log/mail.log")
