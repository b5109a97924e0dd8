#!/usr/bin/python3
"""Each row of doc/mtas, against a Postfix and a Sendmail.

The filter is not milterd but one that says what the mail servers are to be tried with,
wrong things too. A check belongs to the row whose first cell it names; the texts in
cell.says() have to stand in the cell of that mail server. A row without a check, or a check
without a row, fails.
"""

import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import case, place, smtp, wire
from mta.both import Server
from mta.case import equal, true, wait_until
from mta.filter import Filter
from mta.postfix import PATH, Postfix
from mta.sendmail import Sendmail
from mta.sink import Sink

# pylint: disable=invalid-name
failed = False
DOCUMENT = os.path.join(os.path.dirname(__file__), "..", "doc", "mtas")
SENDER, RECIPIENT = "somebody@example.org", "one@example.net"
HEADER = (
    b"From: <somebody@example.org>\r\n"
    b"To: <one@example.net>\r\n"
    b"X-A: a1\r\n"
    b"X-B: b1\r\n"
    b"X-A: a2\r\n"
    b"X-A: a3\r\n"
    b"Date: Sun, 1 Nov 2026 12:00:00 +0000\r\n"
    b"Message-Id: <1@example.org>\r\n"
)
CONTENT = HEADER + b"\r\nbody\r\n"
GO_ON = wire.packet("c")


# -- the table ------------------------------------------------------------------------------------


class Cell:
    """What the table says of one mail server."""

    def __init__(self, text):
        self.text = " ".join(text.split())

    def says(self, *parts):
        """Each of them stands in it."""
        for part in parts:
            true(part in self.text, f"the table does not say {part!r}, but {self.text!r}")


def read_table():
    """{first cell: (cell of Postfix, cell of Sendmail)}; a repeated first cell is an error."""
    with open(DOCUMENT, encoding="ascii") as file:
        text = file.read()
    rows = {}
    for block in text.split("\n\n"):
        lines = block.split("\n")
        columns = [[line[:22], line[22:52], line[52:]] for line in lines]
        if "--------" in block:
            # the first row of a table stands right below its head
            columns = columns[[line.startswith("----") for line in lines].index(True) + 1 :]
        elif not (lines[0][:1].strip() and is_row(lines)):
            continue
        key, *cells = (" ".join(line[n].strip() for line in columns).strip() for n in range(3))
        true(key not in rows, f"two rows are called {key!r}")
        rows[key] = tuple(Cell(cell) for cell in cells)
    return rows


def is_row(lines):
    """Two columns are empty before the second cell and the third, in each line."""
    return all(line[20:22].strip() == "" and line[50:52].strip() == "" for line in lines) and any(
        line[22:52].strip() for line in lines
    )


CHECKS = {}


def row(key, only=None):
    """Makes test_KEY_on_SERVER of a function of server and cell."""

    def make(name, function):
        def test():
            server = servers.get(name)
            if server is None:
                raise case.Skip(missing[name])
            filters_reset()
            function(server, read_table()[key][name == "sendmail"])

        return test

    def register(function):
        for name in ("postfix", "sendmail"):
            if only in (None, name):
                CHECKS.setdefault(key, set()).add(name)
                title = re.sub(r"\W+", "_", key).strip("_")
                globals()[f"test_{title}_on_{name}"] = make(name, function)

    return register


def test_every_row_has_a_check():
    rows = read_table()
    equal(sorted(set(rows) - set(CHECKS)), [], "rows without a check")
    equal(sorted(set(CHECKS) - set(rows)), [], "checks without a row")
    for key, cells in rows.items():
        said = {name for name, cell in zip(("postfix", "sendmail"), cells) if cell.text}
        equal(CHECKS[key], said, f"mail servers of which there is a check for {key!r}")


# -- what runs ---------------------------------------------------------------------------------------

servers, missing = {}, {}
sink = own = first = second = more = None
background = {}


def dead_port():
    """Where nobody listens: bound, and never listened at."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    background["dead"] = bound
    return bound.getsockname()[1]


def make_postfix(dead):
    ports = {"raw": {"milters": first.inet}, "two": {"milters": f"{first.inet}, {second.inet}"}}
    for action in ("tempfail", "accept", "reject", "quarantine"):
        ports[f"dead {action}"] = {
            "milters": f"inet:127.0.0.1:{dead}",
            "milter_default_action": action,
        }
    ports["raw accept"] = {"milters": first.inet, "milter_default_action": "accept"}
    ports["raw quarantine"] = {"milters": first.inet, "milter_default_action": "quarantine"}
    for crash in ("accept", "discard"):
        # after a crash Postfix keeps clients of that port waiting
        ports[f"crash by {crash}"] = {"milters": first.inet}
    ports["unix"] = {"milters": f"unix:{own.join('unix')}"}
    ports["version 4"] = {"milters": first.inet, "milter_protocol": "4"}
    ports["short"] = {
        "milters": first.inet,
        "milter_command_timeout": "1s",
        "milter_content_timeout": "2s",
    }
    # what comes by the sendmail command goes through the first filter, too
    return Postfix(sink.port, ports=ports, settings={"non_smtpd_milters": first.inet})


def make_sendmail(dead):
    where, _, port = first.inet.removeprefix("inet:").partition(":")
    alive, gone = f"S=inet:{port}@{where}", f"S=inet:{dead}@127.0.0.1"
    ports = {"raw": {"milters": first.inet}, "two": {"milters": f"{first.inet}, {second.inet}"}}
    for flags in ("F=T", "F=R", "F=4"):
        ports[f"dead {flags}"] = {"equates": f"{gone}, {flags}, T=C:5s;S:5s;R:5s;E:10s"}
    ports["dead"] = {"equates": f"{gone}, T=C:5s;S:5s;R:5s;E:10s"}
    ports["raw accept"] = {"equates": f"{alive}, T=C:5s;S:5s;R:5s;E:10s"}
    ports["short"] = {"equates": f"{alive}, F=T, {SHORT}"}
    limit = {"confMAX_HEADERS_LENGTH": "32768"}
    return Sendmail(sink.port, ports=ports, settings=limit)


def setup():
    global sink, own, first, second, more  # pylint: disable=global-statement
    sink, first, second = Sink(), Filter(), Filter()
    own = place.Place("milterd-table")
    os.chmod(own.path, 0o777)
    background["unix"] = Filter(own.join("unix"))
    dead = dead_port()
    for name, make in (("postfix", make_postfix), ("sendmail", make_sendmail)):
        try:
            servers[name] = Server(name, make(dead), sink, {})
        except case.Skip as reason:
            missing[name] = str(reason)
    if not servers:
        raise case.Skip("; ".join(missing.values()))
    if "sendmail" in servers:
        start_measuring_times()
    for server in servers.values():
        server.start()


SHORT = "T=C:5s;S:2s;R:2s;E:5s"


def progress(seconds):
    """Says that it goes on every half second, then ends the message."""

    def answer(_):
        for _ in range(int(seconds * 2)):
            time.sleep(0.5)
            yield wire.packet("p")
        yield GO_ON

    return answer


def start_measuring_times():
    """What takes seconds is tried beside all other tests, with another Sendmail."""
    global more  # pylint: disable=global-statement
    tries = {
        "usual time": ("", {"H": b""}),
        "progress within E": (f", {SHORT}", {"E": progress(3)}),
        "progress beyond E": (f", {SHORT}", {"E": progress(6)}),
    }
    ports = {"smtpd": {}}
    for name, (times, answers) in tries.items():
        background[name] = Filter()
        background[name].answers = answers
        port = background[name].inet.rpartition(":")[2]
        ports[name] = {"equates": f"S=inet:{port}@127.0.0.1, F=T{times}"}
    if os.path.exists("/proc/net/if_inet6"):
        port = first.inet.rpartition(":")[2]
        ports["ipv6"] = {"equates": f"S=inet:{port}@127.0.0.1, F=T", "address": "::1"}
    background["sink"] = Sink()
    more = Sendmail(background["sink"].port, ports=ports)
    more.start()
    for name in tries:
        thread = threading.Thread(target=measure, args=(name,), daemon=True)
        background[f"{name}: thread"] = thread
        thread.start()


def measure(name):
    """The final reply to a message, and after how many seconds."""
    begin = time.monotonic()
    try:
        with smtp.say(more.ports[name]) as client:
            code = client.message("time@example.org", RECIPIENT, CONTENT).final.code
    except (smtp.Closed, OSError):
        code = None
    background[f"{name}: result"] = code, time.monotonic() - begin


def measured(name):
    background[f"{name}: thread"].join(30)
    return background[f"{name}: result"]


def teardown():
    try:
        for each in (*servers.values(), more):
            if each:
                each.stop()
        if sink:
            equal(sink.waiting(), 0, "deliveries that no test expected")
    finally:
        for each in (*servers.values(), more):
            if each:
                each.stop()
                each.remove()
        for each in (sink, first, second, *background.values()):
            if isinstance(each, (Filter, Sink)):
                each.stop()
        if own:
            own.remove()


def filters_reset(**answers):
    second.reset()
    first.reset(**answers)


# -- sessions --------------------------------------------------------------------------------------------


def header(letter, name, value, index=None):
    number = b"" if index is None else struct.pack(">I", index)
    return wire.packet(letter, number + wire.string(name) + wire.string(value))


def send(server, port="raw", content=CONTENT, recipients=(RECIPIENT,), sender=SENDER):
    """One message; its result."""
    with server.client(port) as client:
        result = client.message(sender, list(recipients), content)
        try:
            client.quit()
        except smtp.Closed:
            pass
    first.settle()
    return result


def deliver(server, edits=b"", port="raw", content=CONTENT, recipients=(RECIPIENT,)):
    """What arrives of a message that the filter edits so."""
    first.reset(E=edits + GO_ON)
    server.accepted(send(server, port, content, recipients).end)
    return sink.one()


def names(delivery):
    return [field.partition(b":")[0].decode() for field in delivery.fields()]


def values(delivery, name):
    return [value.strip().decode() for value in delivery.values(name)]


def events(server, lines, port="raw"):
    """The commands that a filter hears of a session of these lines."""
    first.reset()
    with server.client(port) as client:
        for line in lines:
            if isinstance(line, bytes):
                client.content(line)
            else:
                client.command(line)
        client.quit()
    first.settle()
    return first.letters()


def reply_at(server, letter, answer, port="raw"):
    """The reply to the SMTP command of an event that the filter answers so."""
    first.reset(**{letter: answer})
    result = send(server, port)
    step = {"M": result.mail, "R": (result.rcpt or [None])[0], "T": result.data, "E": result.end}
    return str(step[letter])


def seen_header(server, content, port="raw"):
    """The fields as the filter gets them, and the reply at the end."""
    first.reset()
    result = send(server, port, content)
    return [tuple(data.split(b"\0")[:2]) for data in first.of("L")], result.end


# -- set up ------------------------------------------------------------------------------------------------


@row("where a filter is named")
def _(server, cell):
    if server.postfix:
        cell.says("smtpd_milters", "non_smtpd_milters")
        true("smtpd_milters" in server.place.read("etc/master.cf"), "it is named there")
        send(server)
        server.mta.sendmail(SENDER, [RECIPIENT], b"Subject: local\n\nbody\n")
        sink.take(2)
        first.settle()
        equal(first.letters("D").count("C"), 2, "connections to the filter")
        return
    cell.says("INPUT_MAIL_FILTER")
    macros = os.path.join(server.mta._root, "usr/share/sendmail/cf/")  # pylint: disable=protected-access
    source = "OSTYPE(`linux')dnl\nINPUT_MAIL_FILTER(`one', `S=inet:1@127.0.0.1')dnl\n"
    done = subprocess.run(
        ["m4", f"-D_CF_DIR_={macros}", os.path.join(macros, "m4/cf.m4"), "-"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
    )
    true("\nXone, S=inet:1@127.0.0.1\n" in done.stdout, "the filter in sendmail.cf")
    true("\nO InputMailFilters=one\n" in done.stdout, "its use in sendmail.cf")


@row("a TCP socket")
def _(server, cell):
    cell.says(server.choose("inet:HOST:PORT", "S=inet:PORT@HOST"))
    host, port = first.inet.split(":")[1:]
    text = server.place.read(server.choose("etc/master.cf", "sendmail.cf"))
    written = server.choose(f"inet:{host}:{port}", f"S=inet:{port}@{host}")
    true(written in text, f"{written} in {text}")
    equal(deliver(server).body, b"body\r\n", "delivered")
    true(first.heard, "the filter was asked")


@row("a unix socket")
def _(server, cell):
    cell.says(server.choose("unix:PATH", "S=local:PATH"))
    if server.postfix:
        unix = background["unix"]
        unix.reset()
        server.accepted(send(server, "unix").end)
        sink.one()
        true(unix.letters().startswith("OC"), "the filter was asked")
        return
    cell.says("does not start", "everybody can write to")
    equates = f"S=local:{own.join('unix')}, F=T"
    refused = Sendmail(sink.port, ports={"unix": {"equates": equates}})
    try:
        refused.start()
    except case.Failure as problem:
        true("unsafe: World writable directory" in str(problem), f"Sendmail says why: {problem}")
    else:
        true(False, "it starts")
    finally:
        refused.stop()
        refused.remove()


@row("filter not there, or its worker has died")
def _(server, cell):
    if server.postfix:
        cell.says("milter_default_action", "tempfail", "accept", "reject", "quarantine")
        cell.says("451 4.7.1")
        equal(str(send(server, "dead tempfail").mail)[:9], "451 4.7.1", "tempfail")
        server.accepted(send(server, "dead accept").end)
        sink.one()
        try:
            reply = str(send(server, "dead reject").mail)
        except smtp.Closed as problem:
            reply = str(problem)
        true("5" in reply[:3] or "55" in reply, f"reject: {reply}")
        queue_id = server.accepted(send(server, "dead quarantine").end)
        wait_until(lambda: server.queue() == {"hold": [queue_id]}, "the message to be held")
        server.command("postsuper", "-d", queue_id)
        return
    cell.says("F=T: 451 4.3.2", "F=R", "F=4: 421", "unfiltered")
    equal(str(send(server, "dead F=T").mail)[:9], "451 4.3.2", "F=T")
    equal(send(server, "dead F=R").mail.code // 100, 5, "F=R")
    try:
        code = send(server, "dead F=4").mail.code
    except (smtp.Closed, OSError):
        code = 421
    equal(code, 421, "F=4")
    server.accepted(send(server, "dead").end)
    sink.one()


def default_of(name):
    command = ["postconf", "-d", "-h", name]
    environment = {**os.environ, "PATH": PATH}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return done.stdout.strip()


@row("protocol version")
def _(server, cell):
    cell.says("6")
    send(server)
    sink.one()
    equal(struct.unpack(">III", first.of("O")[0]), (6, 0x1FF, 0x1FFFFF), "the offer")
    if server.postfix:
        cell.says("milter_protocol")
        first.reset(agreed=(4, 0x1FF, 0))
        send(server, "version 4")
        sink.one()
        equal(struct.unpack(">III", first.of("O")[0])[0], 4, "the offer of version 4")


@row("local submission", only="postfix")
def _(server, cell):
    cell.says("localhost", "127.0.0.1", "port 0", "without <>")
    server.mta.sendmail(SENDER, [RECIPIENT], b"Subject: local\n\nbody\n")
    sink.one()
    first.settle()
    equal(first.of("C"), [b"localhost\x004\0\x00127.0.0.1\0"], "connect")
    equal(first.of("M"), [SENDER.encode() + b"\0"], "mail")
    equal(first.of("R"), [RECIPIENT.encode() + b"\0"], "rcpt")


# -- events -------------------------------------------------------------------------------------------------


@row("connect", only="postfix")
def _(server, cell):
    cell.says("again after XCLIENT")
    with server.client("raw", addr="192.0.2.9", name="mail.example.org") as client:
        client.quit()
    first.settle()
    # the end of the one is heard beside the beginning of the other
    equal(sorted(first.letters()), sorted("OCHAQ" * 2), "both connections")


@row("the address of a client by IPv6")
def _(server, cell):
    if server.postfix:
        cell.says("2001:db8::7")
        with server.client("raw", addr="2001:db8::7") as client:
            client.quit()
        address = b"2001:db8::7\0"
    else:
        cell.says("IPv6:0:0:0:0:0:0:0:1")
        if "ipv6" not in more.ports:
            raise case.Skip("needs IPv6")
        with smtp.Client(more.ports["ipv6"], host="::1") as client:
            client.quit()
        address = b"IPv6:0:0:0:0:0:0:0:1\0"
    first.settle()
    true(first.of("C")[-1].endswith(address), f"connect: {first.of('C')}")


@row("unknown command")
def _(server, cell):
    events(server, ["XFOO a b", "HELP", "EXPN x", ""])
    server_heard = first.of("U")
    if server.postfix:
        cell.says("first word", "HELP and EXPN")
        equal(server_heard, [b"XFOO\0", b"HELP\0", b"EXPN\0"], "commands")
    else:
        cell.says("whole line", "empty")
        equal(server_heard, [b"XFOO a b\0", b"\0"], "commands")


MESSAGE = [f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>", "DATA", CONTENT]


@row("unknown command between messages")
def _(server, cell):
    cell.says(server.choose("as ever", "none"))
    heard = events(server, [*MESSAGE, "XFOO", *MESSAGE[:1], "XBAR"])
    sink.one()
    equal(heard.count("U"), server.choose(2, 1), f"unknown commands in {heard}")


@row("after each message")
def _(server, cell):
    cell.says(server.choose("abort", "nothing"))
    heard = events(server, [*MESSAGE, *MESSAGE])
    sink.take(2)
    one = "MRT" + "L" * 8 + "NBE"
    ends = server.choose(("A", "AAQ"), ("", "Q"))
    equal(heard, "OCH" + one + ends[0] + one + ends[1], "events")


@row("RSET")
def _(server, cell):
    cell.says(server.choose("abort", "the same"))
    heard = events(server, ["RSET", *MESSAGE[:1], "RSET", "RSET"])
    equal(heard, server.choose("OCHMAAQ", "OCHMAQ"), "events")


@row("the client goes away in a message")
def _(server, cell):
    cell.says(server.choose("abort, abort, quit", "just ends"))
    heard = []
    for count in (2, 3):
        first.reset()
        with server.client("raw") as client:
            for line in MESSAGE[:count]:
                client.command(line)
            if count == 3:
                client.send(b"Subject: half\r\n")
        first.settle()
        heard.append(first.letters("DLN"))
    equal(heard, server.choose(["OCHMRAAQ", "OCHMRTAAQ"], ["OCHMRQ", "OCHMRT"]), "events")


@row("a long header")
def _(server, cell):
    seen, end = seen_header(server, b"X-Long: " + b"v" * 70000 + b"\r\n\r\nbody\r\n")
    if server.postfix:
        cell.says("60,000")
        equal(len(b"X-Long: ") + len(seen[0][1]), 60000, "the length of it")
        server.accepted(end)
        sink.one()
    else:
        cell.says("32,768", "552")
        equal((seen, end.code), ([], 552), "the reply")


@row("NUL in a header")
def _(server, cell):
    cell.says(server.choose("the value ends there", "taken out"))
    seen, end = seen_header(server, b"X-Nul: one\0two\r\n\r\nbody\r\n")
    server.accepted(end)
    wanted = server.choose(b"one", b"onetwo")
    equal(seen, [(b"X-Nul", wanted)], "the field")
    equal(sink.one().values("X-Nul"), [b" " + wanted], "delivered")


@row("CR alone in header or body")
def _(server, cell):
    for content in (b"X-Cr: one\rtwo\r\n\r\nbody\r\n", b"Subject: s\r\n\r\none\rtwo\r\n"):
        first.reset()
        with server.client("raw") as client:
            for line in MESSAGE[:3]:
                client.command(line)
            reply = client.content(content)
        if server.postfix:
            cell.says("a space")
            server.accepted(reply)
            delivery = sink.one()
            true(b"one two\r\n" in delivery.content, f"delivered: {delivery.content}")
        else:
            cell.says("421")
            equal(reply.code, 421, "the reply")


@row("LF alone in the body")
def _(server, cell):
    with server.client("raw") as client:
        for line in MESSAGE[:3]:
            client.command(line)
        reply = client.content(b"Subject: s\r\n\r\none\ntwo\r\n")
    if server.postfix:
        cell.says("becomes CRLF")
        server.accepted(reply)
        equal(sink.one().body, b"one\r\ntwo\r\n", "delivered")
    else:
        cell.says("421")
        equal(reply.code, 421, "the reply")


@row('"From " as the first line')
def _(server, cell):
    seen, end = seen_header(server, b"From me Sun Nov  1 12:00:00 2026\r\nSubject: s\r\n\r\nbody\r\n")
    server.accepted(end)
    sink.one()
    if server.postfix:
        cell.says("X-Mailbox-Line")
        equal([name for name, _ in seen], [b"X-Mailbox-Line", b"Subject"], "the fields")
    else:
        cell.says("taken out")
        equal([name for name, _ in seen], [b"Subject"], "the fields")


@row("Return-Path and Full-Name")
def _(server, cell):
    content = b"Return-Path: <x@example.org>\r\nFull-Name: Joe\r\nSubject: s\r\n\r\nbody\r\n"
    seen, end = seen_header(server, content)
    server.accepted(end)
    delivered = {"Return-Path", "Full-Name"} & set(names(sink.one()))
    seen = {name.decode() for name, _ in seen} & {"Return-Path", "Full-Name"}
    if server.postfix:
        cell.says("Return-Path is taken out before the filter")
        equal((seen, delivered), ({"Full-Name"}, {"Full-Name"}), "seen and delivered")
    else:
        cell.says("seen", "not delivered")
        equal((seen, delivered), ({"Return-Path", "Full-Name"}, set()), "seen and delivered")


@row("recipients that are refused, if asked for")
def _(server, cell):
    first.reset(agreed=(6, 0x1FF, 0x800))
    with server.client("raw") as client:
        client.mail(SENDER)
        code = client.command("RCPT TO:<bad@@example.net>").code
    true(code >= 500, "it is refused")
    first.settle()
    # Of Postfix' restrictions and of local users see mta_verdicts.py.
    cell.says(server.choose("all", "unknown local users, no others"))
    equal(len(first.of("R")), server.choose(1, 0), "recipients that are no addresses")


# -- macros --------------------------------------------------------------------------------------------------


def macros_of_session(server, rcpt=RECIPIENT, lists=b"", port="raw"):
    first.reset(agreed=(6, 0x1FF, 0), lists=lists)
    send(server, port, recipients=(rcpt, "two@example.net"))
    sink.one()


@row("the queue id, i")
def _(server, cell):
    cell.says(server.choose("second RCPT", "from MAIL on"))
    macros_of_session(server)
    at = [data[:1].decode() for data in first.of("D") if b"\0i\0" in b"\0" + data[1:]]
    equal(at[:3], server.choose(["R", "T", "L"], ["M"]), "where it stands")
    if server.postfix:
        asked = [data for data in first.of("D") if data[:1] == b"R"]
        true(b"i\0" not in asked[0][1:3], "not at the first RCPT")


def check_usual(server, cell, stage, postfix, sendmail):
    """The names are those of the table, and come so."""
    macros_of_session(server)
    wanted = server.choose(postfix, sendmail)
    cell.says(*(wanted or ()))
    found = first.macros(stage)
    equal(sorted(found or ()), sorted(wanted), f"macros at {stage}")


@row("at connect")
def _(server, cell):
    check_usual(
        server,
        cell,
        "C",
        ["j", "{daemon_name}", "{daemon_addr}", "v", "_"],
        ["j", "_", "{daemon_name}", "{if_name}"],
    )


@row("at mail")
def _(server, cell):
    check_usual(
        server,
        cell,
        "M",
        ["{mail_addr}", "{mail_host}", "{mail_mailer}"],
        ["i", "{mail_mailer}", "{mail_host}", "{mail_addr}"],
    )


@row("at rcpt")
def _(server, cell):
    usual = ["{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}"]
    macros_of_session(server)
    cell.says(*server.choose(usual, ["the same"]))
    found = set(first.macros("R")) - {"i"}
    equal(sorted(found), usual, "macros at R")


@row("{rcpt_addr}")
def _(server, cell):
    cell.says(server.choose("lower case", "as the client wrote it"))
    macros_of_session(server, "Upper.Case@Example.net")
    values_of = [data for data in first.of("D") if data[:1] == b"R"]
    wanted = server.choose(b"upper.case@example.net", b"Upper.Case@Example.net")
    true(wanted + b"\0" in values_of[0], f"{values_of}")


@row("at data")
def _(server, cell):
    check_usual(server, cell, "T", ["i"], [])
    cell.says(server.choose("i", "none"))


@row("at header, body")
def _(server, cell):
    check_usual(server, cell, "L", ["i"], [])
    equal(sorted(first.macros("B") or ()), server.choose(["i"], []), "macros at B")
    cell.says(server.choose("i", "none"))


@row("at end of message")
def _(server, cell):
    macros_of_session(server)
    equal(sorted(first.macros("E")), server.choose(["i"], ["{msg_id}"]), "macros at E")
    cell.says(*first.macros("E"))


ASKED = (
    "{client_addr} {client_name} {client_port} {client_ptr} {client_resolve} {client_connections} "
    "{daemon_port} {daemon_addr} {if_addr} {if_name} v"
)


def ask(stage, macros):
    return struct.pack(">I", stage) + macros.encode() + b"\0"


@row("known if asked for")
def _(server, cell):
    macros_of_session(server, lists=ask(0, ASKED))
    known = first.macros("C")
    usual = {"{daemon_addr}", "v"} if server.postfix else {"{if_name}"}
    cell.says(*(set(known) - usual))
    said = set(re.findall(r"\{\w+\}|\bv\b", cell.text))
    equal(sorted(said), sorted(set(known) - usual), "what the table says")


@row("not known")
def _(server, cell):
    macros_of_session(server, lists=ask(0, ASKED) + ask(5, "i {msg_id} {nrcpts} {rcpt_addr}"))
    at_end = "{msg_id} {nrcpts}".split()
    unknown = set(ASKED.split()) - set(first.macros("C"))
    unknown |= {name for name in at_end if name not in first.macros("E")}
    equal(sorted(set(re.findall(r"\{\w+\}", cell.text))), sorted(unknown), "what the table says")


# -- verdicts --------------------------------------------------------------------------------------------------


def reply(text):
    return wire.packet("y", wire.string(text))


def turned_away(server, answer):
    """Greeting and MAIL of a client that the filter refuses and that goes on."""
    first.reset(C=answer)
    with smtp.Client(server.ports["raw"]) as client:
        client.ehlo()
        reply_to_mail = str(client.mail(SENDER))
    first.settle()
    return client.greeting.code, reply_to_mail


@row("reject at connect")
def _(server, cell):
    cell.says("554 in the greeting")
    refused = server.choose("550 5.7.1 Command rejected", "550 5.0.0 Command rejected")
    equal(turned_away(server, wire.packet("r")), (554, refused), "reject")
    text = server.choose("550 5.7.1 mine", refused)
    equal(turned_away(server, reply("550 5.7.1 mine")), (554, text), "a text")
    cell.says(server.choose("your text at MAIL", f"{refused} at MAIL, no text of yours"))


@row("tempfail at connect")
def _(server, cell):
    put_off = "451 4.3.2 Please try again later"
    text = server.choose("450 4.7.1 mine", put_off)
    equal(turned_away(server, reply("450 4.7.1 mine")), (220, text), "a text")
    cell.says(server.choose("your text at MAIL", f"{put_off} at MAIL, no text of yours"))


@row("verdicts at helo")
def _(server, cell):
    first.reset(H=reply("550 5.7.1 mine"))
    with smtp.Client(server.ports["raw"]) as client:
        codes = [client.ehlo().code, str(client.mail(SENDER))]
    equal(codes, [250, "550 5.7.1 mine"], "replies")
    first.reset(H=reply("421 4.3.2 mine"))
    try:
        with smtp.Client(server.ports["raw"]) as client:
            code = client.ehlo().code
            closed = client.mail(SENDER).code
    except (smtp.Closed, OSError):
        closed = "closed"
    equal((code, closed), (421, "closed"), "421")
    cell.says("at MAIL", "421 at once")


@row("reject without a text")
def _(server, cell):
    found = [reply_at(server, letter, wire.packet("r")) for letter in "MRTE"]
    if server.postfix:
        cell.says("550 5.7.1 Command rejected")
        equal(found, ["550 5.7.1 Command rejected"] * 4, "replies")
        return
    cell.says("550 5.7.1 <addr>... Command rejected", "554 5.7.1")
    equal(found[0], f"550 5.7.1 <{SENDER}>... Command rejected", "at mail")
    equal(found[1], f"550 5.7.1 <{RECIPIENT}>... Command rejected", "at rcpt")
    equal(found[2:], ["550 5.7.1 Command rejected", "554 5.7.1 Command rejected"], "later")


@row("tempfail without a text")
def _(server, cell):
    text = server.choose(
        "451 4.7.1 Service unavailable - try again later", "451 4.3.2 Please try again later"
    )
    cell.says(text)
    equal([reply_at(server, letter, wire.packet("t")) for letter in "MRTE"], [text] * 4, "replies")


@row("your reply at mail and rcpt")
def _(server, cell):
    cell.says(server.choose("as it is", "<addr>... before the text of the first line"))
    about = server.choose("", f"<{SENDER}>... ")
    equal(reply_at(server, "M", reply("550 5.7.1 no")), f"550 5.7.1 {about}no", "550")
    equal(reply_at(server, "M", reply("554 5.7.1 no")), "554 5.7.1 no", "554")
    equal(reply_at(server, "M", reply("451 4.7.1 no")), "451 4.7.1 no", "451")
    lines = reply_at(server, "M", reply("550-5.7.1 one\r\n550 5.7.1 two"))
    equal(lines, f"550-5.7.1 {about}one\n550 5.7.1 two", "two lines")


@row("a reply without enhanced code")
def _(server, cell):
    cell.says(server.choose("as it is", "5.0.0"))
    text = server.choose("550 no", "550 5.0.0 no")
    equal(reply_at(server, "E", reply("550 no")), text, "the reply")


@row("a single % in it")
def _(server, cell):
    cell.says(server.choose("dropped", "not used"))
    text = server.choose("550 5.7.1 100 no", "554 5.7.1 Command rejected")
    equal(reply_at(server, "E", reply("550 5.7.1 100% no")), text, "a single one")
    equal(reply_at(server, "E", reply("550 5.7.1 100%% no")), "550 5.7.1 100% no", "doubled")


@row("8-bit text in it")
def _(server, cell):
    found = [reply_at(server, "E", reply(b"550 5.7.1 " + word)) for word in (b"\xfc", b"\xc3\xbc")]
    wanted = server.choose(["550 5.7.1  ", "550 5.7.1 ü"], ["550 5.7.1 |", "550 5.7.1 C<"])
    equal(found, wanted, "replies")
    cell.says(*server.choose(["passes where it is UTF-8", "spaces"], ["high bits"]))


@row("code and enhanced code of two classes")
def _(server, cell):
    found = reply_at(server, "E", reply("550 4.7.1 no"))
    equal(found, server.choose("451 4.3.5 Server configuration problem - try again later", "550 4.7.1 no"), "the reply")
    cell.says(server.choose("451 4.3.5", "is sent as it is"))


@row("LF or CR in it")
def _(server, cell):
    cell.says("breaks the SMTP session")
    for end in ("\n", "\r\n"):
        first.reset(E=reply(f"550 5.7.1 one{end}two"))
        with server.client("raw") as client:
            for line in MESSAGE[:3]:
                client.command(line)
            try:
                client.content(CONTENT)
                got = client.command("NOOP")
                true(False, f"the session goes on: {got}")
            except smtp.Closed:
                pass
        first.settle()


@row("skip at other events than body")
def _(server, cell):
    heard = {}
    for letter in "CHMRTLN":
        first.reset(**{letter: wire.packet("s")})
        server.accepted(send(server).end)
        equal(sink.one().body, b"body\r\n", "body")
        heard[letter] = first.letters()
    if server.postfix:
        cell.says("no more of that event")
        whole = "OCHMRT" + "L" * 8 + "NBEAAQ"
        wanted = {letter: whole for letter in "CHMRTN"} | {"L": "OCHMRTLNBEAAQ"}
    else:
        cell.says("accept at connect, helo, mail, rcpt and data", "no body is shown to the filter")
        wanted = {"C": "OCQ", "H": "OCHQ", "M": "OCHMQ", "R": "OCHMRQ", "T": "OCHMRTQ"}
        wanted |= {letter: "OCHMRT" + "L" * 8 + "NEQ" for letter in "LN"}
    equal(heard, wanted, "events")


@row("accept at an unknown command")
def _(server, cell):
    first.reset(U=wire.packet("a"))
    with server.client(server.choose("crash by accept", "raw")) as client:
        client.command("XFOO")
        try:
            code = client.mail(SENDER).code
        except (smtp.Closed, OSError):
            code = "closed"
    equal(code, server.choose("closed", 250), "the next MAIL")
    cell.says(server.choose("smtpd crashes at the next MAIL", "it goes on"))
    if server.postfix:
        true("panic: milter8" in server.log(), "Postfix says so")


@row("discard at an unknown command")
def _(server, cell):
    cell.says("the next message is lost")
    first.reset(U=wire.packet("d"))
    with server.client(server.choose("crash by discard", "raw")) as client:
        client.command("XFOO")
        server.accepted(client.message("lost@example.org", RECIPIENT, CONTENT).end)
        if server.postfix:
            cell.says("smtpd crashes at the MAIL after it")
            try:
                true(False, f"smtpd goes on: {client.mail(SENDER)}")
            except smtp.Closed:
                return
        server.accepted(client.message(SENDER, RECIPIENT, CONTENT).end)
    equal(sink.one().sender, SENDER, "what arrives")


@row("discard at connect and helo")
def _(server, cell):
    cell.says(server.choose("a warning, and it goes on", "it goes on"))
    for letter in "CH":
        first.reset(**{letter: wire.packet("d")})
        server.accepted(send(server).end)
        sink.one()
    if server.postfix:
        true("DISCARD action is not allowed" in server.log(), "Postfix says so")


@row("discard, quarantine")
def _(server, cell):
    first.reset(M=wire.packet("d"))
    second.reset()
    server.accepted(send(server, "two").end)
    second.settle()
    after_discard = second.letters()
    first.reset(E=wire.strings("q", "why") + GO_ON)
    second.reset()
    queue_id = server.accepted(send(server, "two").end)
    second.settle()
    asked = "E" in second.letters()
    if server.postfix:
        cell.says("no later filter of smtpd_milters is asked")
        equal((after_discard[:4], "E" in after_discard), ("OCHA", False), "after discard")
        equal(asked, False, "the end of message after a quarantine")
        server.command("postsuper", "-d", queue_id)
    else:
        cell.says("after discard no later filter is asked")
        cell.says("after a quarantine the later filters are asked")
        equal((after_discard[:3], "E" in after_discard), ("OCH", False), "after discard")
        equal(asked, True, "the end of message after a quarantine")
        remove_held(server, queue_id)


def remove_held(server, queue_id):
    names_of = {"hf" + queue_id, "df" + queue_id}
    wait_until(lambda: set(server.queue().get("queue", [])) == names_of, "the message to be held")
    for name in names_of:
        os.unlink(server.place.join("queue", name))


# -- edits ------------------------------------------------------------------------------------------------------


@row("a field that is added")
def _(server, cell):
    delivery = deliver(server, header("h", "X-A", "new") + header("h", "X-New", "1"))
    found = values(delivery, "X-A")
    wanted = server.choose(["a1", "a2", "a3", "new"], ["new", "a1", "a2", "a3"])
    equal(found, wanted, "fields of the name")
    equal(names(delivery)[-1], "X-New", "the last field")
    cell.says(server.choose("at the end", "before the first of its name"))


@row("Date, From, Message-Id added where there is none")
def _(server, cell):
    content = b"X-A: a1\r\n\r\nbody\r\n"
    added = deliver(server, header("h", "Date", "then"), content=content)
    inserted = deliver(server, header("i", "Date", "then", 1000), content=content)
    if server.postfix:
        cell.says("at the end")
        equal([values(d, "Date") for d in (added, inserted)], [["then"]] * 2, "Date")
    else:
        cell.says("added, it is there instead of its own; inserted, beside it")
        equal(values(added, "Date"), ["then"], "Date that is added")
        equal(len(values(inserted, "Date")), 2, "Date that is inserted")


@row("a field inserted at 0")
def _(server, cell):
    cell.says(server.choose("above", "the same"))
    equal(names(deliver(server, header("i", "X-New", "1", 0)))[:2], ["X-New", "Received"], "names")


@row("a field inserted at 1")
def _(server, cell):
    cell.says(server.choose("below", "the same"))
    found = names(deliver(server, header("i", "X-New", "1", 1)))
    equal(found[:3], ["Received", "X-New", "From"], "names")


@row("a field inserted at 2 or further down")
def _(server, cell):
    below = {}
    for index in (2, 3, 8, 9, 10, 12):
        found = names(deliver(server, header("i", "X-New", "1", index)))
        below[index] = found[found.index("X-New") - 1]
    if server.postfix:
        cell.says("can be seen", "2 is below the first field received")
        equal(below, {2: "From", 3: "To", 8: "Date", 9: "Message-Id", 10: "Message-Id", 12: "Message-Id"}, "below which")
    else:
        cell.says("seven hidden", "2 to 8", "9 is below the first field received")
        equal(below, {2: "Received", 3: "Received", 8: "Received", 9: "From", 10: "To", 12: "X-B"}, "below which")


@row("the same position twice")
def _(server, cell):
    cell.says(server.choose("on top", "the same"))
    for index, at in ((0, 0), (1, 1)):
        edits = header("i", "X-New", "1", index) + header("i", "X-New", "2", index)
        delivery = deliver(server, edits)
        equal(values(delivery, "X-New"), ["2", "1"], "the order")
        equal(names(delivery).index("X-New"), at, "the place")


@row("after a deletion")
def _(server, cell):
    edits = b"".join(header("m", "X-A", "", index) for index in (1, 2))
    found = values(deliver(server, edits), "X-A")
    equal(found, server.choose(["a2"], ["a3"]), "what is left of a1, a2, a3")
    cell.says(server.choose("counted anew", "keep their numbers", ))


@row("deleted fields in positions")
def _(server, cell):
    cell.says(server.choose("do not count", "count"))
    index = server.choose(3, 10)
    edits = header("m", "From", "", 1) + header("i", "X-New", "1", index)
    found = names(deliver(server, edits))
    equal(found[found.index("X-New") - 1], server.choose("X-A", "To"), "below which")


@row("a field that is changed")
def _(server, cell):
    cell.says(server.choose("as the filter writes it", "keeps its spelling"))
    found = names(deliver(server, header("m", "x-b", "new", 1)))
    true(server.choose("x-b", "X-B") in found, f"{found}")


@row("a change beyond the last field")
def _(server, cell):
    found = values(deliver(server, header("m", "X-A", "new", 9)), "X-A")
    wanted = server.choose(["a1", "a2", "a3", "new"], ["new", "a1", "a2", "a3"])
    equal(found, wanted, "fields of the name")
    cell.says(server.choose("at the end", "before the first of its name"))


@row("a long value")
def _(server, cell):
    (value,) = values(deliver(server, header("h", "X-Long", "v" * 5000)), "X-Long")
    if server.postfix:
        cell.says("is kept")
        equal(len(value.replace("\r\n ", "")), 5000, "its length")
    else:
        cell.says("2,300")
        true(2200 < len(value) < 2400, f"its length: {len(value)}")


@row("a recipient that is added and there already")
def _(server, cell):
    new = wire.strings("+", "<new@example.net>")
    delivery = deliver(server, new + new + wire.strings("+", f"<{RECIPIENT}>"))
    equal(delivery.addresses.count("new@example.net"), 1, "one that is added twice")
    count = server.choose(2, 1)
    equal(delivery.addresses.count(RECIPIENT), count, "one that was there")
    cell.says(server.choose("twice", "once"))


@row("arguments of a recipient that was deleted")
def _(server, cell):
    edits = wire.strings("-", f"<{RECIPIENT}>") + wire.strings("2", f"<{RECIPIENT}>", "NOTIFY=NEVER")
    delivery = deliver(server, edits)
    args = dict(delivery.recipients)[RECIPIENT]
    equal("NOTIFY=NEVER" in args, server.choose(True, False), f"arguments: {args}")
    cell.says(server.choose("are used", "are not"))


@row("other arguments than NOTIFY and ORCPT for an added recipient")
def _(server, cell):
    edit = wire.strings("2", "<new@example.net>", "FOO=BAR")
    if server.postfix:
        cell.says("a warning, and it is added")
        true("new@example.net" in deliver(server, edit).addresses, "recipients")
        true("ignoring unexpected argument" in server.log() or "FOO=BAR" in server.log(), "a warning")
        return
    cell.says("not added", "into the SMTP session")
    first.reset(E=edit + GO_ON)
    with server.client("raw") as client:
        for line in MESSAGE[:3]:
            client.command(line)
        try:
            client.content(CONTENT)
            client.command("NOOP")
        except smtp.Closed as problem:
            true("Errors" in str(problem), f"text in the session: {problem}")
        else:
            true(False, "the session goes on")
    equal(sink.one().addresses, [RECIPIENT], "recipients")


@row("a new body in pieces")
def _(server, cell):
    pieces = wire.packet("b", b"one\r\n") + header("h", "X-New", "1") + wire.packet("b", b"two\r\n")
    first.reset(E=pieces + GO_ON)
    end = send(server).end
    if server.postfix:
        cell.says("451 4.3.5")
        equal(str(end)[:9], "451 4.3.5", "the reply")
    else:
        cell.says("as they come")
        server.accepted(end)
        equal(sink.one().body, b"one\r\ntwo\r\n", "body")


@row("quarantine")
def _(server, cell):
    first.reset(E=wire.strings("q", "a good reason") + GO_ON)
    queue_id = server.accepted(send(server).end)
    if server.postfix:
        cell.says("hold queue", "nowhere")
        wait_until(lambda: server.queue() == {"hold": [queue_id]}, "the message to be held")
        text = server.log() + server.command("postcat", "-q", queue_id)
        true("a good reason" not in text, "the reason is not shown")
        server.command("postsuper", "-d", queue_id)
    else:
        cell.says("hf*", "with the reason")
        wait_until(lambda: server.queue(), "the message to be held")
        true("qa good reason" in server.place.read(f"queue/hf{queue_id}"), "the reason")
        remove_held(server, queue_id)


@row("what was not agreed upon")
def _(server, cell):
    cell.says(server.choose("done all the same", "done all the same"))
    first.reset(agreed=(6, 0, 0), E=header("h", "X-New", "1") + GO_ON)
    server.accepted(send(server).end)
    equal(values(sink.one(), "X-New"), ["1"], "the edit")


@row("edits that arrived before the filter died")
def _(server, cell):
    def dies(_):
        yield header("h", "X-New", "1")
        raise OSError

    first.reset(E=dies)
    server.accepted(send(server, "raw accept").end)
    found = values(sink.one(), "X-New")
    equal(found, ["1"], "the edit")
    if server.postfix:
        cell.says("are in the message", "accept or quarantine")
        first.reset(E=dies)
        queue_id = server.accepted(send(server, "raw quarantine").end)
        wait_until(lambda: server.queue() == {"hold": [queue_id]}, "the message to be held")
        true("X-New: 1" in server.command("postcat", "-q", queue_id), "the edit")
        server.command("postsuper", "-d", queue_id)
    else:
        cell.says("are in the message where there is no F=")


# -- set up: what takes its time ----------------------------------------------------------------


def check_no_answer(server, cell, letter, setting):
    """A filter that does not answer one event, on a port with short times."""
    if server.postfix:
        cell.says(default_of(setting).replace("s", " s"), setting)
    else:
        cell.says("10 s", "R in T=")
        _, seconds = measured("usual time")
        true(9 < seconds < 15, f"the usual time: {seconds:.1f} s")
    first.reset(**{letter: b""})
    begin = time.monotonic()
    final = send(server, "short").final
    equal(final.code, 451, "the reply")
    limit = 1 if server.postfix and letter == "M" else 2
    waited = time.monotonic() - begin
    true(limit - 0.2 < waited < limit + 2, f"waited {waited:.1f} s, not {limit} s")


@row("time for an answer before the message")
def _(server, cell):
    check_no_answer(server, cell, "M", "milter_command_timeout")


@row("time for an answer in the message")
def _(server, cell):
    check_no_answer(server, cell, "L", "milter_content_timeout")


@row("time for the end of message")
def _(server, cell):
    cell.says("milter_progress()")
    if server.postfix:
        cell.says("300 s", "anew")
        equal(default_of("milter_content_timeout"), "300s", "the usual time")
        first.reset(E=progress(3))
        server.accepted(send(server, "short").end)
        sink.one()
    else:
        cell.says("5 min", "E in T=", "starts R anew, not E")
        equal(measured("progress within E")[0], 250, "in time for E, but not for R")
        equal(background["sink"].one().sender, "time@example.org", "what arrives")
        equal(measured("progress beyond E")[0], 451, "too late for E")


if __name__ == "__main__":
    case.run(globals())
