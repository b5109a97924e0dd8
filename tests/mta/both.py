"""One milterd with probes behind a Postfix and a Sendmail, which deliver to one sink.

    CHAINS = {"one": '{ plugin = "probe"; script = [...]; }', ...}

    @on_both
    def test_something(server):
        client = server.client("one")
        ...

makes test_something_on_postfix and test_something_on_sendmail of it; that of a mail
server that cannot run here is skipped, and says why.
"""

import re

from . import case, smtp
from .postfix import Postfix
from .probed import Probed
from .relay import Relay
from .sendmail import Sendmail
from .sink import Sink


def quoted(text):
    """A string of milter.conf."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(letter, letter) for letter in text) + '"'


def plugin(rules, kind="probe", **more):
    """A place in a chain. more: further keys, as milter.conf writes their values."""
    keys = "".join(f"{key} = {value}; " for key, value in more.items())
    script = ",\n    ".join(quoted(rule) for rule in rules)
    return f'{{ plugin = "{kind}"; {keys}script = [\n    {script} ]; }}'


def on_both(function):
    """See above. The function itself is no test."""
    space = function.__globals__
    for name in ("postfix", "sendmail"):
        space[f"{function.__name__}_on_{name}"] = _bound(function, name)


def _bound(function, name):
    def test():
        function(_servers.get(name))

    return test


class Server:
    """One of the two, behind whatever its class calls things."""

    def __init__(self, name, mta, sink, hosts):
        self.name, self.mta, self.sink, self._hosts = name, mta, sink, hosts
        self.postfix = name == "postfix"
        self._plain = {}
        self._expected = []

    def __getattr__(self, name):
        return getattr(self.mta, name)

    def choose(self, postfix, sendmail):
        """What this one is expected to say or do."""
        return postfix if self.postfix else sendmail

    def client(self, chain, **attributes):
        """Says EHLO on the port of a chain."""
        return smtp.say(self.mta.ports[chain], **attributes)

    def expect_warnings(self, text):
        """Warnings that hold this text are a test's purpose."""
        self._expected.append(text)

    def unexpected_warnings(self):
        lines = self.mta.warnings()
        return [line for line in lines if not any(text in line for text in self._expected)]

    def named_client(self, chain, name, **attributes):
        """The same by a client of that name, one of the `hosts` of start()."""
        address = next(address for address, known in self._hosts.items() if known == name)
        where = {"addr": address, "name": name} if self.postfix else {"source": address}
        return self.client(chain, **where, **attributes)

    def accepted(self, reply):
        """The queue id of a message that it has taken."""
        case.true(reply is not None and reply.code == 250, f"it is accepted: {reply}")
        return str(reply).split()[-1 if self.postfix else 2]

    def deliver(self, chain, sender, recipients, content, *args):
        """Sends one message and returns what arrives of it."""
        with self.client(chain) as client:
            self.accepted(client.message(sender, recipients, content, args).end)
            client.quit()
        return self.sink.one()

    def plain(self, content):
        """What it delivers of a mail that no filter has seen."""
        if content not in self._plain:
            self._plain[content] = self.deliver(
                "plain", "plain@example.org", "one@example.net", content
            )
        return self._plain[content]


class _Servers:
    """All that runs, for the time of one test file."""

    def __init__(self):
        self.sink = self.probed = None
        self.running, self.missing = {}, {}
        self._hosts = {}
        self.relays = {}

    def get(self, name):
        if name in self.missing:
            raise case.Skip(self.missing[name])
        return self.running[name]

    def _make(self, name, make):
        try:
            self.running[name] = Server(name, make(), self.sink, self._hosts)
        except case.Skip as reason:
            self.missing[name] = str(reason)

    def start(self, chains, ports, socket, hosts, relayed, settings):
        # pylint: disable=too-many-arguments,too-many-positional-arguments
        self.sink = Sink()
        self._hosts = hosts
        self.probed = Probed(chains.values())
        milters = {name: getattr(self.probed, socket)(text) for name, text in chains.items()}
        self.relays = {name: Relay(milters[name]) for name in relayed}
        milters |= {name: relay.inet for name, relay in self.relays.items()}
        milters = {name: {"milters": address} for name, address in milters.items()}
        one = {"plain": {"milters": ""}, **milters}
        self._make(
            "postfix",
            lambda: Postfix(
                self.sink.port,
                ports={**one, **{n: {**milters[c], **more} for n, (c, more) in ports.items()}},
                settings=settings["postfix"],
            ),
        )
        self._make(
            "sendmail",
            lambda: Sendmail(self.sink.port, ports=one, hosts=hosts, **settings["sendmail"]),
        )
        if not self.running:
            raise case.Skip("; ".join(self.missing.values()))
        self.probed.start()
        for server in self.running.values():
            server.mta.start()

    def stop(self, failed):
        if failed:
            logs = {"milterd": self.probed.milterd, **self.running}
            for name, who in logs.items():
                lines = who.log().splitlines()[-60:]
                print("".join(f"# {name}: {line}\n" for line in lines), end="")
        try:
            for server in self.running.values():
                server.mta.stop()
            if self.running:
                case.equal(self.sink.waiting(), 0, "deliveries that no test expected")
            errors = [line for line in self.probed.milterd.warnings() if "error: " in line]
            case.equal(errors, [], "errors of milterd")
            for server in self.running.values():
                case.equal(server.unexpected_warnings(), [], f"warnings of {server.name}")
        finally:
            for server in self.running.values():
                server.mta.stop()
                server.mta.remove()
            for relay in self.relays.values():
                relay.stop()
            if self.probed:
                self.probed.stop()
            if self.sink:
                self.sink.stop()


_servers = _Servers()


def start(chains, ports=None, socket="tcp", hosts=None, relayed=(), **settings):
    """chains: {port: text of a chain}. ports, of Postfix only: {port: (chain, settings)}.
    socket: by which the mail servers reach milterd, "tcp" or "unix". hosts: {address: name}
    of clients, loopback addresses. relayed: chains before which a relay writes down what is
    said. postfix: more of main.cf; sendmail: more arguments of Sendmail()."""
    settings = {"postfix": {}, "sendmail": {}, **settings}
    _servers.start(chains, ports or {}, socket, hosts or {}, relayed, settings)


def stop(failed):
    """All ends in good order, and no mail server has complained about milterd."""
    _servers.stop(failed)


def server(name):
    """ "postfix" or "sendmail", for a test of that one alone."""
    return _servers.get(name)


def log():
    """All that milterd has said."""
    return _servers.probed.milterd.log()


def take_log():
    """What milterd has said since the last time."""
    return _servers.probed.take_log()


def take_story(until="close"):
    """What plugins have logged since the last time, as (place in the chain, text), up to the
    first that says `until`."""
    text = ""

    def lines():
        nonlocal text
        text += take_log()
        found = re.findall(r": plugin=(\S+): (.*)\n", text)
        # The last session may have ended in the log only now.
        while found and found[0][1].startswith(("close", "end: ", "abort")):
            found.pop(0)
        return found if any(said == until for _, said in found) else None

    return case.wait_until(lines, f"a plugin to log {until!r}")


def take_dialogue(chain):
    """What the mail servers and milterd have said for a relayed chain since the last time."""
    return _servers.relays[chain].take()


def workers():
    """The process ids of milterd's workers."""
    return _servers.probed.milterd.workers()
