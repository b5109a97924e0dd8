#!/usr/bin/python3
"""The same edits of the same message through Postfix and through Sendmail.

What is delivered is compared, byte by byte, with what mta/model.py makes of the same
requests. All cases are rules of the same chains; which ones concern a message is told by
its sender, which is the case's own.
"""

import random
import re
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import both, case
from mta.both import on_both, plugin
from mta.case import equal, true
from mta.model import Mail, as_smtp

# pylint: disable=invalid-name
failed = False

HEADER = (
    b"From: Somebody <somebody@example.org>\r\n"
    b"To: one@example.net\r\n"
    b"X-A: a1\r\n"
    b"Subject: a subject\r\n"
    b"\tfolded\r\n"
    b"X-B: b1\r\n"
    b"x-a: a2\r\n"
    b"X-Tab:\ttab\r\n"
    b"X-No-Space:none\r\n"
    b"X-A: a3\r\n"
    b"X-Empty:\r\n"
    b"X-C: c1\r\n"
    b"X-A: a4\r\n"
    b"X-Eight-Bit: gr\xc3\xbc\xc3\x9fe\r\n"
    b"X-A: a5\r\n"
    b"Date: Sun, 1 Nov 2026 12:00:00 +0000\r\n"
    b"Message-Id: <1@example.org>\r\n"
)
BODY = b"text\r\n.a dot\r\n100% \xfc\r\n"

# What the random edits are made of; Sendmail writes From, Date and Message-Id where there is none.
HEADERS = (
    HEADER,
    b"".join(b"X-A: a%d\r\n" % n for n in range(1, 6)),
    b"Received: from a by b; Sun, 1 Nov 2026 12:00:00 +0000\r\n" * 2 + HEADER + b"x-a: last\r\n",
    b"",
)

LINE = "0123456789" * 6 + "\r\n"  # 62 bytes

# name: the requests of each plugin, in the order of the chain. They are made at the end of
# the message, but for those with "EVENT| " before them.
CASES = {
    # -- new fields
    "nothing": [[]],
    "add": [["add X-New: 1"]],
    "add two": [["add X-New: 1", "add X-New: 2", "add X-Other: 3"]],
    "add a name that is there": [["add X-A: new", "add Subject: second", "add x-b: new"]],
    "add the names that Sendmail writes itself": [
        ["add From: <new@example.org>", "add Date: today", "add Message-Id: <new@example.org>"]
    ],
    "add what has been deleted": [["delete X-B", "delete Date", "add X-B: new", "add Date: new"]],
    "insert at 0": [["insert 0 X-New: 1"]],
    "insert at 0 twice": [["insert 0 X-New: 1", "insert 0 X-New: 2"]],
    "insert at 1": [["insert 1 X-New: 1"]],
    "insert at 1 twice": [["insert 1 X-New: 1", "insert 1 X-New: 2"]],
    "insert at 2": [["insert 2 X-New: 1"]],
    "insert at 5": [["insert 5 X-New: 1"]],
    "insert at the last": [["insert 17 X-New: 1"]],
    "insert below the last": [["insert 18 X-New: 1"]],
    "insert beyond": [["insert 19 X-New: 1", "insert 1000 X-A: 2", "insert 4294967295 X-New: 3"]],
    "insert everywhere": [[f"insert {n} X-New: {n}" for n in (0, 1, 3, 5, 7, 9, 11, 30, 2, 1, 0)]],
    "insert in rising order": [[f"insert {n} X-New: {n}" for n in range(1, 12)]],
    "insert in falling order": [[f"insert {n} X-New: {n}" for n in range(12, 0, -1)]],
    "insert among the added": [["add X-New: 1", "add X-New: 2", "insert 19 X-New: between"]],
    "insert with deletions above": [
        ["change 1 X-A", "delete Subject", "insert 3 X-New: 1", "insert 9 X-New: 2", "add X-A: 3"]
    ],
    "insert before and after": [
        ["before X-B X-New: before", "after X-B X-New: after", "after X-New X-New: after the new"]
    ],
    "insert before the first, after the last": [
        ["before From X-New: 1", "after Message-Id X-New: 2", "add X-New: 3"]
    ],
    "insert beside a field above everything": [
        ["insert 0 X-New: 1", "before X-New X-New: 2", "after X-New X-New: 3"]
    ],
    # -- changed fields
    "change by index": [["change 1 X-A: new", "change 3 X-A: new", "change 5 X-A: new"]],
    "change index 0": [["change 0 X-A: new"]],
    "change a name in other letters": [["change 2 x-A: new", "change 1 SUBJECT: new"]],
    "change beyond the last": [["change 6 X-A: new", "change 1 X-New: new"]],
    "change twice": [["change 2 X-A: 1", "change 2 X-A: 2"]],
    "change to what it was": [["change 1 X-A: a1", "change 1 X-B: other", "change 1 X-B: b1"]],
    "replace": [["replace Subject: new", "replace X-Empty: not empty", "replace X-A: new"]],
    "replace with nothing": [["replace X-B: "]],
    "replace a field with a tab": [["replace X-Tab: one space", "replace X-No-Space: one space"]],
    "fold": [["add X-New: one\n\ttwo\n  three", "change 2 X-A: one\n two", "insert 2 X-New: a\n b"]],
    "unfold": [["replace Subject: in one line"]],
    "a line end that is no fold": [["add X-New: one\ntwo\nX-Not: a field", "add X-New: one\r\n two\n"]],
    "an empty value": [["add X-New: ", "insert 3 X-New: "]],
    "spaces": [["add X-New:   leading", "add X-New: trailing  ", "replace X-A:  a  b "]],
    "a long value": [["add X-New: " + "long " * 180, "replace X-B: " + "\n\t".join(["x" * 70] * 20)]],
    "eight bits": [["add X-New: süß", "replace X-Eight-Bit: süßer"]],
    # -- deleted fields
    "delete one": [["change 3 X-A"]],
    "delete the first and the last": [["change 5 X-A", "change 1 X-A"]],
    "delete in rising order": [["change 1 X-A", "change 2 X-A", "change 3 X-A"]],
    "delete the first again and again": [["change 1 X-A"] * 3],
    "delete in falling order": [["change 4 X-A", "change 3 X-A", "change 2 X-A", "change 1 X-A"]],
    "delete all": [["delete X-A"]],
    "delete all and add": [["delete X-A", "add X-A: new"], ["change 1 X-A: newer"]],
    "delete beyond the last": [["change 6 X-A", "change 1 X-New", "delete X-New"]],
    "delete every field but one": [
        [f"delete {n}" for n in ("X-A", "X-B", "X-C", "X-Tab", "X-No-Space", "X-Empty")]
        + ["delete X-Eight-Bit", "delete Subject", "insert 2 X-New: 1", "add X-New: 2"]
    ],
    # -- fields that came with an earlier plugin
    "change of what another added": [["add X-New: 1", "insert 1 X-Top: 1"], ["replace X-New: 2", "change 1 X-Top: 2"]],
    "deletion of what another added": [["add X-New: 1", "insert 0 X-Top: 1", "add X-A: 6"], ["delete X-New", "delete X-Top", "change 6 X-A"]],
    "deletion of what another changed": [["change 2 X-A: new"], ["change 2 X-A"], ["change 2 X-A: newer"]],
    "deletion by two": [["change 1 X-A"], ["change 1 X-A"], ["change 1 X-A"]],
    "addition by three": [["add X-New: 1"], ["add X-New: 2"], ["add X-New: 3"]],
    "insertion by three": [["insert 1 X-New: 1"], ["insert 1 X-New: 2"], ["insert 2 X-New: 3"]],
    "insertion above by three": [["insert 0 X-New: 1"], ["insert 0 X-New: 2"], ["insert 0 X-New: 3"]],
    "change of the same by three": [["replace X-B: 1"], ["replace X-B: 2"], ["replace X-B: 3"]],
    "insertion beside what another added": [
        ["insert 5 X-New: 1"], ["before X-New X-New: 2", "after X-New X-New: 3"], ["insert 5 X-New: 4"]
    ],
    # -- asked for before the end of the message
    "before the header": [["mail| add X-New: 1", "mail| insert 1 X-New: 2", "mail| insert 0 X-New: 3", "add X-New: 4"]],
    "by the second before the first": [["add X-New: 1", "insert 1 X-Top: 1"], ["eoh| add X-New: 2", "eoh| insert 1 X-Top: 2"]],
    "at the end of the header": [["eoh| change 2 X-A", "eoh| delete Subject"], ["eoh| change 2 X-A: new"]],
    # -- body
    "no body": [["body "]],
    "a body of 5,000,000 bytes": [["body-repeat 80645 " + LINE, "body 10 bytes.\r\n"]],
    "a body of a byte": [["body x"]],
    "a body of a line end": [["body \r\n"]],
    "a body of 70,000 bytes": [["body-repeat 1129 " + LINE, "body 0\r\n"]],
    "a body of 65,535 bytes": [["body-repeat 1057 " + LINE, "body \r\n"]],
    "a body of 65,537 bytes": [["body-repeat 1057 " + LINE, "body 1\r\n"]],
    "a body without line ends": [["body-repeat 70 0123456789"]],
    "a body with LF alone": [["body one\ntwo\n\nthree\r\nfour\n"]],
    "a body with NUL": [["body-hex 61000062000d0a0063"]],
    "a body of all bytes": [["body-hex " + bytes(n for n in range(256) if n not in (10, 13)).hex() + "0d0a"]],
    "a body with dots": [["body .\r\n..\r\n.x\r\n"]],
    "a body in pieces": [["body one\r", "body \ntwo", "body  three", "body \r\n"]],
    "a body by two": [["body first\r\n"], ["body second\r\n"]],
    "a body by two in pieces": [["body-repeat 1000 " + LINE], ["body second\r\n", "body third\r\n"]],
    "a body and all else": [
        ["add X-New: 1", "body new\r\n", "change 1 X-A", "add-rcpt new@example.net", "insert 1 X-New: 2"]
    ],
    # -- envelope
    "add a recipient": [["add-rcpt new@example.net", "add-rcpt <newer@example.net>"]],
    "add a recipient that is there": [["add-rcpt one@example.net"], ["add-rcpt <one@example.net>"]],
    "add a recipient twice": [["add-rcpt new@example.net"], ["add-rcpt <new@example.net>"]],
    "add a recipient with arguments": [
        ["add-rcpt <new@example.net> NOTIFY=NEVER", "add-rcpt newer@example.net NOTIFY=DELAY,FAILURE ORCPT=rfc822;old@example.net"]
    ],
    "delete a recipient": [["delete-rcpt two@example.net"]],
    "delete a recipient in other letters": [["delete-rcpt <TWO@Example.net>"]],
    "delete and add the same": [["delete-rcpt two@example.net", "add-rcpt two@example.net"]],
    "delete and add with arguments": [["delete-rcpt two@example.net", "add-rcpt two@example.net NOTIFY=NEVER"]],
    "add and delete the same": [["add-rcpt new@example.net", "delete-rcpt new@example.net"]],
    "delete what another added": [["add-rcpt new@example.net"], ["delete-rcpt <new@example.net>"]],
    "add what another deleted": [["delete-rcpt two@example.net"], ["add-rcpt two@example.net"]],
    "exchange the recipients": [
        ["delete-rcpt one@example.net", "delete-rcpt two@example.net"], ["add-rcpt new@example.net"]
    ],
    "change the sender": [["sender new@example.org"]],
    "change the sender in brackets": [["sender <new@example.org>"]],
    "change the sender twice": [["sender new@example.org", "sender newer@example.org"]],
    "change the sender with arguments": [["sender <new@example.org> RET=HDRS ENVID=x+2By"]],
    "the null sender": [["sender <>"]],
    "the null sender with arguments": [["sender <> RET=FULL"]],
    "everything": [
        ["insert 0 X-Top: 1", "add X-New: 1", "change 1 X-A", "sender new1@example.org", "body 1\r\n"],
        ["insert 1 X-Top: 2", "add X-New: 2", "change 1 X-A", "add-rcpt new@example.net", "body 2\r\n"],
        ["insert 2 X-Top: 3", "replace X-New: 3", "change 1 X-A: 3", "delete-rcpt two@example.net"],
    ],
}

# Of plugins that give values with their leading space, among others that do not.
EXACT = {
    "exact additions": [["add X-New: 1"], ["add X-New:none", "add X-New:  two", "add X-New:\ttab"], ["add X-New: 3"]],
    "exact insertions": [[], ["insert 0 X-New:none", "insert 1 X-New:  two", "insert 9 X-New:\ttab"]],
    "exact changes": [[], ["change 1 X-A:none", "change 2 X-A:  two", "change 1 X-B:\tone\n\ttwo"]],
    "exact and not": [["add X-New: 1"], ["change 1 X-New:none"], ["change 1 X-New: one"]],
    "an empty exact value": [[], ["add X-New:", "insert 4 X-New:"]],
    "untouched values": [["add X-New: 1"], [], []],
}

# Of plugins for which the header is not kept.
LIGHT = {
    "add unseen": [["add X-New: 1", "add X-A: 2"], ["add X-New: 3", "add X-A: 4"]],
    "insert unseen": [["insert 0 X-New: 1", "insert 1 X-New: 2", "insert 2 X-New: 3", "insert 9 X-New: 4"]],
    "insert unseen by two": [["insert 5 X-New: 1", "insert 0 X-New: 0"], ["insert 1 X-New: 2", "insert 0 X-New: 3"]],
    "insert unseen beyond": [["insert 99 X-New: 1", "add X-New: 2"], ["insert 99 X-New: 3"]],
    "insert unseen far beyond": [["insert 2147483646 X-New: 1", "insert 4294967295 X-New: 2"]],
    "insert unseen early": [["mail| insert 3 X-New: 1", "mail| add X-New: 2", "eoh| insert 1 X-New: 3"]],
}

RANDOM = 40
RECIPIENTS = ["one@example.net", "two@example.net"]


def random_request(draw, number):
    """One request of any kind. The first recipient stays."""
    names = ["X-A", "x-a", "X-B", "X-C", "Subject", "X-Tab", "X-Empty", "X-New", "X-Other"]
    name, other = draw.choice(names), draw.choice(names)
    value = draw.choice(["v%d", "v%d\n\tfold", " v%d", "v%d ", "v%d " + "w" * 200]) % number
    position = draw.choice([0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 17, 18, 19, 25])
    address = f"r{draw.randrange(3)}@example.net"
    return draw.choice(
        [f"add {name}: {value}"] * 3
        + [f"insert {position} {name}: {value}"] * 5
        + [f"change {draw.randrange(1, 7)} {name}: {value}"] * 2
        + [f"change {draw.randrange(1, 7)} {name}"] * 3
        + [f"replace {name}: {value}", f"delete {name}"]
        + [f"before {name} {other}: {value}", f"after {name} {other}: {value}"]
        + [f"add-rcpt {address}", f"delete-rcpt {address}", "delete-rcpt two@example.net"]
        + [f"body {value}\r\n"]
    )


def random_cases(seed):
    draw = random.Random(seed)
    cases = {}
    for number in range(RANDOM):
        plugins = [
            [random_request(draw, draw.randrange(1000)) for _ in range(draw.randrange(1, 9))]
            for _ in range(draw.randrange(1, 4))
        ]
        if draw.random() < 0.3:
            at = draw.randrange(len(plugins))
            plugins[at].append(f"sender new{number}p{at}@example.org")
        cases[f"random {number} of seed {seed}"] = plugins
    return cases


CASES_OF = {"edits": CASES, "exact": EXACT, "light": LIGHT, "random": random_cases(48521)}
KINDS = {
    "edits": ["probe", "probe", "probe"],
    "exact": ["probe", "probe_exact", "probe"],
    "light": ["probe_light", "probe_light"],
    "random": ["probe", "probe", "probe"],
}


# -- from cases to rules ---------------------------------------------------------------------


def sender_of(chain, name):
    return f"{chain}{list(CASES_OF[chain]).index(name)}@example.org"


def split_event(request):
    """ "mail| add X: 1" -> "mail", "add X: 1" """
    event, bar, rest = request.partition("| ")
    return (event, rest) if bar else ("eom", request)


def chain_text(chain):
    """The rules of all cases, for each place in the chain."""
    places = []
    for at, kind in enumerate(KINDS[chain]):
        rules = []
        for name, plugins in CASES_OF[chain].items():
            if at < len(plugins):
                seen = Mail([b""], sender_of(chain, name), [], b"")
                for before in plugins[:at]:
                    seen.apply([r for r in before if r.startswith("sender ")])
                for request in plugins[at]:
                    event, request = split_event(request)
                    rules.append(f"{event} <{seen.sender}>: {request}")
        places.append(plugin(rules or ["unknown: continue"], kind, name=f'"p{at}"', quiet="true"))
    return ",\n".join(places)


def setup():
    both.start({chain: chain_text(chain) for chain in CASES_OF})


def teardown():
    both.stop(failed)


# -- comparing -----------------------------------------------------------------------------------


def header_of(delivery, left_out):
    """The mail server's own field, which differs each time, cut short."""
    fields = [b"Received" if b"by mta.example.test (" in f else f for f in delivery.fields()]
    return [f for f in fields if f.partition(b":")[0] not in left_out]


def with_mark(header, number):
    """A message that can be told from the others when it arrives."""
    return b"X-Case: %d\r\n" % number + header + b"\r\n" + BODY


class Expected:
    """What should come of one message."""

    def __init__(self, server, chain, name, header, number):
        plain = server.plain(with_mark(header, 0))
        names = {line.partition(b":")[0] for line in header.split(b"\r\n")}
        self.made_up = {f.partition(b":")[0] for f in plain.fields()} - names - {
            b"Received",
            b"X-Case",
        }
        fields = [f for f in plain.fields() if f.partition(b":")[0] not in self.made_up]
        self.name, self.server = f"{name}: {CASES_OF[chain][name]}", server
        self.mail = Mail(fields, sender_of(chain, name), RECIPIENTS, plain.body)
        self.mail.find("X-Case").raw = f" {number}"
        for at, requests in enumerate(CASES_OF[chain][name]):
            exact = KINDS[chain][at] == "probe_exact"
            requests = [split_event(request)[1] for request in requests]
            self.mail.apply(requests, exact)
        # Sendmail takes no arguments for a recipient that was there and has been deleted.
        self.takes_arguments = server.postfix or name != "delete and add with arguments"

    def problem(self, delivery):
        """What is wrong with it, None for nothing."""
        mail = self.mail
        try:
            equal(header_of(delivery, self.made_up), mail.header(), "header")
            equal(delivery.body, as_smtp(mail.body), "body")
            equal(delivery.sender, mail.sender, "sender")
            self._check_arguments(delivery.sender_args, mail.sender_args, "sender")
            equal(delivery.addresses, sorted(mail.recipients), "recipients")
            for address, args in delivery.recipients:
                if self.takes_arguments:
                    self._check_arguments(args, mail.recipients[address], address)
        except case.Failure as problem:
            return f"{self.server.name}, {self.name}\n{problem}"
        return None

    @staticmethod
    def _check_arguments(got, wanted, whose):
        """Mail servers add arguments, and write those of NOTIFY in an order of their own."""
        got, wanted = ([sorted(re.split("[=,]", arg)) for arg in args] for args in (got, wanted))
        equal([arg for arg in wanted if arg not in got], [], f"missing arguments of {whose}")


def run_cases(server, chain, headers=(HEADER,)):
    """Sends all of them, then looks at what has come of each; reports every one that differs."""
    header_for = [headers[n % len(headers)] for n in range(len(CASES_OF[chain]))]
    expected = {
        b" %d" % number: Expected(server, chain, name, header_for[number], number)
        for number, name in enumerate(CASES_OF[chain])
    }
    with server.client(chain) as client:
        for number, name in enumerate(CASES_OF[chain]):
            content = with_mark(header_for[number], number)
            result = client.message(sender_of(chain, name), RECIPIENTS, content)
            true(result.end is not None and result.end.code == 250, f"{name}: {result}")
        client.quit()
    problems = []
    for delivery in server.sink.take(len(expected)):
        (number,) = delivery.values("X-Case")
        problems.append(expected.pop(number).problem(delivery))
    problems = [problem for problem in problems if problem]
    true(not problems, f"{len(problems)} differ:\n" + "\n".join(problems))


# -- tests -----------------------------------------------------------------------------------------


@on_both
def test_edits(server):
    run_cases(server, "edits")


@on_both
def test_exact_values(server):
    run_cases(server, "exact")


@on_both
def test_header_that_is_not_kept(server):
    run_cases(server, "light")


@on_both
def test_random_edits(server):
    run_cases(server, "random", HEADERS)


if __name__ == "__main__":
    case.run(globals())
