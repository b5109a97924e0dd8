#!/usr/bin/python3
"""Every event and every verdict, through Postfix and through Sendmail.

What an SMTP client is told, what is delivered, and what a plugin sees of sessions of all
kinds. The rules of one chain serve all verdicts: which one is meant is in the name, address,
field or line that the event is about.
"""

import base64
import os
import re
import shutil
import signal
import subprocess
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import both, case, place, smtp
from mta.both import on_both, plugin
from mta.case import equal, true, wait_until
from mta.sasl import Sasl

# pylint: disable=invalid-name
failed = False
own = sasl = None
has_tls = False

SENDER, RECIPIENT = "somebody@example.org", "one@example.net"
SMALL = b"Subject: small\r\n\r\nbody\r\n"

EVENTS = ("connect", "helo", "mail", "rcpt", "data", "header", "eoh", "body", "eom", "unknown")
VERDICTS = {
    "accept": "accept",
    "reject": "reject",
    "tempfail": "tempfail",
    "discard": "discard",
    "lines": "reply 550 5.7.1 first\nsecond 100%",
    "later": "reply 451 4.7.1 later",
    "plain": "reply 550 - without a code",
    "close": "reply 421 4.3.2 closing",
    "skip": "skip",
    "done": "done",
}
NEVER = {
    ("connect", "discard"),
    ("helo", "discard"),
    ("unknown", "discard"),
    ("unknown", "accept"),
    ("unknown", "done"),
}
REFUSALS = ("reject", "tempfail", "lines", "later", "plain", "close")
VERSIONS = ("2", "3", "4", "6")

# What an event is about.
ABOUT = {
    "connect": "{}.client.test",
    "helo": "{}.helo.test",
    "mail": "<{}@mail.test>",
    "rcpt": "<{}@rcpt.test>",
    "data": "<{}@data.test>",
    "header": "X-{}",
    "eoh": "<{}@eoh.test>",
    "body": "body {}",
    "eom": "<{}@eom.test>",
    "unknown": "X{}",
}
CLIENTS = {f"127.0.0.{20 + n}": ABOUT["connect"].format(v) for n, v in enumerate(VERDICTS)}

RULES = [
    f"{event} {ABOUT[event].format(name)}: {verdict}"
    for event in EVENTS
    for name, verdict in VERDICTS.items()
    if (event, name) not in NEVER
]
STAGES = ("connect", "helo", "mail", "rcpt", "data", "eoh", "eom")

CHAINS = {
    "verdicts": plugin(RULES),
    "seen": plugin(["unknown: continue"]),
    "exact": plugin(["eom: continue"], "probe_exact"),
    "skip": plugin(["body: skip", "eom: add X-New: 1"], "probe_light"),
    "skip not": plugin(["body: skip"], "probe_light")
    + ",\n"
    + plugin(["body: continue", "eom: say-body"], "probe_large"),
    "quarantine": plugin(["eom: add X-New: 1", "eom: quarantine for a reason"]),
    "rejected": plugin(["rcpt: say-macros"], "probe_rejected"),
    "macros": plugin([f"{stage}: say-macros" for stage in STAGES])
    + ",\n"
    + plugin(["eom: say-macros"], "probe_macros"),
    "usual macros": plugin([f"{stage}: say-macros" for stage in STAGES]),
}


def make_certificate():
    """False where there is nothing to make it with."""
    if not shutil.which("openssl"):
        return False
    command = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=mta.example.test -days 2".split()
    files = ["-keyout", own.join("key"), "-out", own.join("certificate")]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return True


def setup():
    global own, sasl, has_tls  # pylint: disable=global-statement
    own = place.Place("milterd-verdicts")
    sasl = Sasl(own.join("sasl"))
    has_tls = make_certificate()
    ports = {f"version {v}": ("verdicts", {"milter_protocol": v}) for v in VERSIONS}
    ports["auth"] = ("usual macros", {"smtpd_sasl_auth_enable": "yes"})
    postfix = {
        "smtpd_sasl_type": "dovecot",
        "smtpd_sasl_path": sasl.path,
        "smtpd_recipient_restrictions": "check_recipient_access "
        "inline:{ { unknown@mta.example.test = REJECT there is nobody } }, permit",
    }
    # a local user that is not there is refused
    settings = {"ALIAS_FILE": "null:none"}
    if has_tls:
        postfix["smtpd_tls_security_level"] = "may"
        postfix["smtpd_tls_cert_file"] = own.join("certificate")
        postfix["smtpd_tls_key_file"] = own.join("key")
        settings["confSERVER_CERT"] = settings["confCACERT"] = own.join("certificate")
        settings["confSERVER_KEY"] = own.join("key")
        settings["confCACERT_PATH"] = own.path
        settings["confDONT_BLAME_SENDMAIL"] = "TrustStickyBit"
    both.start(
        CHAINS,
        ports,
        socket="unix",
        hosts=CLIENTS,
        relayed=("skip", "skip not", "seen"),
        postfix=postfix,
        sendmail={"settings": settings, "rulesets": "MAILER(`local')dnl\n"},
    )


def teardown():
    try:
        both.stop(failed)
    finally:
        if sasl:
            sasl.stop()
        if own:
            own.remove()


# -- sessions --------------------------------------------------------------------------------------


def say(client, line):
    """The reply, or "closed"."""
    try:
        return str(client.command(line))
    except (smtp.Closed, OSError):
        return "closed"


def transaction(client, sender, recipients, content):
    """The replies to MAIL, to each RCPT, to DATA and to the content, as far as it comes."""
    replies = [say(client, f"MAIL FROM:<{sender}>")]
    if not replies[0].startswith("250"):
        return replies
    replies += [say(client, f"RCPT TO:<{recipient}>") for recipient in recipients]
    if replies[-1] == "closed":
        return replies
    replies.append(say(client, "DATA"))
    if replies[-1].startswith("354"):
        replies.append(str(client.content(content)))
    elif replies[-1] != "closed" and not replies[-1].startswith("421"):
        client.command("RSET")
    return replies


def story_of(chain, server, act):
    """What the plugins of a chain log of a session in which a client acts so, without their
    names where there is but one."""
    both.take_log()
    with server.client(chain) as client:
        act(client)
        client.quit()
    story = both.take_story()
    return [text for _, text in story] if len({who for who, _ in story}) == 1 else story


class Wording:
    """How a mail server says what milterd has decided; at: the event."""

    def __init__(self, server):
        self.server = server

    def ok_mail(self, sender):
        return self.server.choose("250 2.1.0 Ok", f"250 2.1.0 <{sender}>... Sender ok")

    def ok_rcpt(self, recipient):
        return self.server.choose("250 2.1.5 Ok", f"250 2.1.5 <{recipient}>... Recipient ok")

    def refusal(self, at, verdict, address=""):
        """The words for a verdict at mail, rcpt and later ones."""
        if self.server.postfix:
            return {
                "reject": "550 5.7.1 Command rejected",
                "tempfail": "451 4.7.1 Service unavailable - try again later",
                "lines": "550-5.7.1 first\n550 5.7.1 second 100%",
                "later": "451 4.7.1 later",
                "plain": "550 without a code",
                "close": "421 4.3.2 closing",
            }[verdict]
        about = f"<{address}>... " if at in ("mail", "rcpt") else ""
        code = "554" if at in ("header", "eoh", "body", "eom") else "550"
        return {
            "reject": f"{code} 5.7.1 {about}Command rejected",
            "tempfail": "451 4.3.2 Please try again later",
            "lines": f"550-5.7.1 {about}first\n550 5.7.1 second 100%",
            "later": "451 4.7.1 later",
            "plain": f"550 5.0.0 {about}without a code",
            "close": "421 4.3.2 closing",
        }[verdict]

    def refusal_of_client(self, at, verdict):
        """The reply to MAIL after a verdict at connect or helo."""
        if self.server.postfix or (at == "helo" and verdict in ("lines", "later", "plain")):
            return self.refusal(at, verdict)
        if verdict in ("tempfail", "later"):
            return "451 4.3.2 Please try again later"
        return "550 5.0.0 Command rejected"


def masked(replies):
    """Without queue ids."""
    replies = [re.sub(r"^250 2.0.0 Ok: queued as \w+$", "taken", reply) for reply in replies]
    pattern = r"^250 2.0.0 \w+ Message accepted for delivery$"
    return [re.sub(pattern, "taken", reply) for reply in replies]


GO_ON = "354 End data with <CR><LF>.<CR><LF>"


def expected_replies(server, event, verdict):
    """Of a session with one message about which the verdict is, and another one; and who is
    delivered: "first", "next"."""
    words = Wording(server)
    sender = ABOUT[event].format(verdict)[1:-1] if event in ("mail", "data", "eoh", "eom") else SENDER
    recipients = [f"{verdict}@rcpt.test", RECIPIENT] if event == "rcpt" else [RECIPIENT]
    taken = [words.ok_mail(sender), *map(words.ok_rcpt, recipients), GO_ON, "taken"]
    following = [words.ok_mail("next@example.org"), words.ok_rcpt(RECIPIENT), GO_ON, "taken"]
    if verdict == "close":
        following = ["closed"]
    if event in ("connect", "helo") and verdict in REFUSALS:
        text = "closed" if verdict == "close" else words.refusal_of_client(event, verdict)
        return [text], [text], []
    delivered = ["next"] if verdict == "close" or verdict == "discard" else ["first", "next"]
    replies = list(taken)
    if verdict in REFUSALS:
        delivered = ["next"]
        text = words.refusal(event, verdict, (sender, recipients[0])[event == "rcpt"])
        if event == "rcpt":
            replies[1] = text
            delivered = ["first", "next"]
            if verdict == "close":
                replies = [*replies[:2], "closed"]
        elif event == "unknown":
            replies = taken if verdict != "close" else ["closed"]
            delivered = ["first", "next"]
        else:
            replies = [*replies[: {"mail": 0, "data": 2}.get(event, 3)], text]
    return replies, following, delivered if verdict != "close" else []


def check_verdict(server, port, event, verdict):
    what = f"{verdict} at {event} on {port}"
    words = Wording(server)
    replies, following, delivered = expected_replies(server, event, verdict)
    sender = ABOUT[event].format(verdict)[1:-1] if event in ("mail", "data", "eoh", "eom") else SENDER
    recipients = [f"{verdict}@rcpt.test", RECIPIENT] if event == "rcpt" else [RECIPIENT]
    field = f"X-{verdict}: 1\r\n" if event == "header" else ""
    content = f"Subject: s\r\n{field}\r\nbody {verdict if event == 'body' else 'text'}\r\n".encode()
    hello = ABOUT["helo"].format(verdict) if event == "helo" else "client.example.org"

    if event == "connect":
        try:
            client = server.named_client(port, ABOUT["connect"].format(verdict), hello=hello)
        except (smtp.Closed, OSError) as problem:
            check_turned_away(server, verdict, str(problem))
            return
    else:
        client = server.client(port, hello=hello)
    with client:
        if event == "unknown":
            unrecognized = server.choose(
                "500 5.5.2 Error: command not recognized",
                f'500 5.5.1 Command unrecognized: "X{verdict}"',
            )
            wanted = words.refusal(event, verdict) if verdict in REFUSALS else unrecognized
            equal(say(client, f"X{verdict}"), wanted, f"{what}: the command")
        got = masked(transaction(client, sender, recipients, content))
        equal(got, replies, f"{what}: the first message")
        got = masked(transaction(client, "next@example.org", [RECIPIENT], SMALL))
        equal(got, following, f"{what}: the next message")
    check_delivered(server, what, delivered, sender, recipients, verdict)


def check_turned_away(server, verdict, problem):
    """Clients that are not even let in."""
    if server.postfix:
        wanted = "XCLIENT: 554 mta.example.test ESMTP not accepting connections"
        if verdict == "close":
            wanted = "XCLIENT: 421 mta.example.test Service unavailable - try again later"
        true(verdict in ("reject", "lines", "plain", "close"), f"{verdict} lets clients in")
        equal(problem, wanted, f"{verdict} at connect")
    else:
        equal(verdict, "close", "the verdict that closes at once")


def check_delivered(server, what, delivered, sender, recipients, verdict):
    arrived = server.sink.take(len(delivered))
    senders = sorted({"first": sender, "next": "next@example.org"}[name] for name in delivered)
    equal(sorted(delivery.sender for delivery in arrived), senders, f"{what}: delivered")
    for delivery in arrived:
        wanted = [RECIPIENT]
        if delivery.sender == sender and verdict not in REFUSALS:
            wanted = sorted(recipients)
        equal(delivery.addresses, wanted, f"{what}: recipients")


# -- verdicts ----------------------------------------------------------------------------------------


def _verdict_tests():
    """test_verdicts_at_EVENT_on_SERVER."""

    def make(event):
        def test(server):
            for verdict in VERDICTS:
                if (event, verdict) not in NEVER:
                    check_verdict(server, "verdicts", event, verdict)

        test.__name__ = f"test_verdicts_at_{event}"
        on_both(test)

    for event in EVENTS:
        make(event)


_verdict_tests()


def test_verdicts_in_every_protocol_version_on_postfix():
    """Events that a version does not have are not refused at."""
    server = both.server("postfix")
    for version in VERSIONS:
        for event in EVENTS[1:]:
            known = version >= {"data": "4", "unknown": "3"}.get(event, "2")
            if known:
                check_verdict(server, f"version {version}", event, "lines")
                check_verdict(server, f"version {version}", event, "tempfail")
        check_verdict(server, f"version {version}", "connect", "later")
        for event in ("mail", "rcpt", "header", "body", "eom"):
            check_verdict(server, f"version {version}", event, "accept")
            check_verdict(server, f"version {version}", event, "discard")


@on_both
def test_skip_of_the_body(server):
    """The mail server sends no more of it, and delivers all of it."""
    body = b"".join(b"%07d %s\r\n" % (n, b"x" * 55) for n in range(1 << 14))
    both.take_dialogue("skip")
    delivery = server.deliver("skip", SENDER, RECIPIENT, b"Subject: s\r\n\r\n" + body)
    equal(delivery.body, body, "body")
    equal(delivery.values("X-New"), [b" 1"], "the edit")
    said = both.take_dialogue("skip")
    equal([len(data) for who, letter, data in said if letter == "B"], [65535], "pieces sent")
    true(("milterd", "s", b"") in said, "milterd has said skip")


@on_both
def test_skip_while_another_plugin_wants_the_body(server):
    body = b"0123456789abcde\r\n" * 20000
    both.take_dialogue("skip not")
    both.take_log()
    delivery = server.deliver("skip not", SENDER, RECIPIENT, b"Subject: s\r\n\r\n" + body)
    equal(delivery.body, body, "body")
    pieces = [len(data) for _, letter, data in both.take_dialogue("skip not") if letter == "B"]
    equal(sum(pieces), len(body), "all of it was sent")
    story = both.take_story()
    equal(len([1 for who, text in story if who == "probe_light" and "body," in text]), 1, "light")
    equal(
        len([1 for who, text in story if who == "probe_large" and "body," in text]),
        len(pieces),
        "large",
    )
    true(
        ("probe_large", f"body: {len(body)} bytes: " + r"0123456789abcde\x0d\x0a" * 3 + "0123456789abc")
        in story,
        f"the body is kept: {story[-6:]}",
    )


# -- quarantine --------------------------------------------------------------------------------------


def test_quarantine_on_postfix():
    """The hold queue; a released message is delivered with its edits."""
    server = both.server("postfix")
    with server.client("quarantine") as client:
        queue_id = server.accepted(client.message(SENDER, RECIPIENT, SMALL).end)
        client.quit()
    wait_until(lambda: server.queue() == {"hold": [queue_id]}, "the message to be held")
    equal(server.sink.waiting(), 0, "deliveries")
    server.command("postsuper", "-H", queue_id)
    server.command("postqueue", "-i", queue_id)
    delivery = server.sink.one()
    equal(delivery.values("X-New"), [b" 1"], "the edit")
    server.wait_for_empty_queue()


def test_quarantine_on_sendmail():
    """A queue file that is named hf, with the reason in it."""
    server = both.server("sendmail")
    with server.client("quarantine") as client:
        queue_id = server.accepted(client.message(SENDER, RECIPIENT, SMALL).end)
        client.quit()
    names = {"hf" + queue_id, "df" + queue_id}
    wait_until(lambda: set(server.queue().get("queue", [])) == names, "the message to be held")
    lines = server.place.read(f"queue/hf{queue_id}").splitlines()
    true("qfor a reason" in lines, f"the reason: {lines}")
    true("H??X-New: 1" in lines, f"the edit: {lines}")
    for name in names:
        os.unlink(server.place.join("queue", name))
    equal(server.sink.waiting(), 0, "deliveries")


# -- what a plugin sees ---------------------------------------------------------------------------------


def message_seen(sender, recipients, *inside):
    return [f"mail <{sender}>", *(f"rcpt <{r}>" for r in recipients), "data", *inside, "eom"] + [
        "end: accepted at eom by nobody"
    ]


@on_both
def test_a_session_with_all_its_turns(server):
    """HELO three times, RSET, several messages."""

    def act(client):
        client.mail("first@example.org")
        client.rcpt(RECIPIENT)
        client.ehlo("second.example.org")
        client.command("HELO third.example.org")
        client.message(SENDER, [RECIPIENT, "two@example.net"], b"\r\nbody\r\n")
        client.message("", RECIPIENT, b"Subject: s\r\n\r\n")
        client.mail("third@example.org")
        client.rcpt(RECIPIENT)
        client.command("RSET")
        client.command("RSET")
        client.message(SENDER, RECIPIENT, b"")

    story = story_of("seen", server, act)
    connect = story.pop(0)
    name = server.choose("[[127.0.0.1]]", "[localhost]")
    true(re.fullmatch(re.escape(f"connect {name} inet [127.0.0.1] ") + r"\d+", connect), connect)
    aborted = ["abort", "end: aborted at eom by nobody"]
    expected = [
        "helo [client.example.org]",
        *("mail <first@example.org>", f"rcpt <{RECIPIENT}>"),
        *aborted,
        "helo [second.example.org]",
        "helo [third.example.org]",
        *message_seen(SENDER, [RECIPIENT, "two@example.net"], "eoh", "body, 6 bytes: [body]"),
        *message_seen("", [RECIPIENT], "header Subject:[s]", "eoh"),
        *("mail <third@example.org>", f"rcpt <{RECIPIENT}>"),
        *aborted,
        *message_seen(SENDER, [RECIPIENT], "eoh"),
        "close",
    ]
    equal(story, expected, "what the plugin saw")
    equal([d.sender for d in server.sink.take(3)].count(""), 1, "messages of the null sender")


@on_both
def test_pipelined_messages(server):
    """Two messages whose commands come in one piece each, with a recipient refused in between."""
    lines = [
        f"MAIL FROM:<{SENDER}>",
        "RCPT TO:<lines@rcpt.test>",
        f"RCPT TO:<{RECIPIENT}>",
        "RCPT TO:<later@rcpt.test>",
        "DATA",
    ]
    with server.client("verdicts") as client:
        for _ in range(2):
            replies = client.pipeline(lines)
            equal([r.code for r in replies], [250, 550, 250, 451, 354], "replies")
            server.accepted(client.content(SMALL))
        replies = client.pipeline(["MAIL FROM:<reject@mail.test>", "RSET", "NOOP"])
        equal([r.code for r in replies], [550, 250, 250], "replies")
        client.quit()
    for delivery in server.sink.take(2):
        equal(delivery.addresses, [RECIPIENT], "recipients")


@on_both
def test_arguments_of_the_envelope(server):
    """DSN and others, as the client wrote them, to the plugin and on to the next server."""
    recipients = [
        (RECIPIENT, "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Old@Example.net"),
        ("two@example.net", "notify=never"),
    ]
    arguments = ["SIZE=1000", "BODY=8BITMIME", "RET=HDRS", "envid=x+2By"]
    story = story_of("seen", server, lambda c: c.message(SENDER, recipients, SMALL, arguments))
    equal(
        story[2:5],
        [
            f"mail <{SENDER}> SIZE=1000 BODY=8BITMIME RET=HDRS envid=x+2By",
            f"rcpt <{RECIPIENT}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Old@Example.net",
            "rcpt <two@example.net> notify=never",
        ],
        "what the plugin saw",
    )
    delivery = server.sink.one()
    true({"RET=HDRS", "ENVID=x+2By"} <= set(delivery.sender_args), str(delivery.sender_args))
    known = {address: set(args) for address, args in delivery.recipients}
    true("ORCPT=rfc822;Old@Example.net" in known[RECIPIENT], str(known))
    true("NOTIFY=NEVER" in known["two@example.net"], str(known))


@on_both
def test_addresses_of_all_kinds(server):
    """Null sender, quoted local parts, source routes: as the client wrote them."""

    def act(client):
        for line in (
            "MAIL FROM:<>",
            'RCPT TO:<"a b"@example.net>',
            "RCPT TO:<Upper.Case@EXAMPLE.Net>",
            "RCPT TO:<@route.example.org:user@example.net>",
        ):
            equal(client.command(line).code, 250, line)
        client.command("RSET")

    story = story_of("seen", server, act)
    seen = ["<>", '<"a b"@example.net>', "<Upper.Case@EXAMPLE.Net>"]
    seen.append("<@route.example.org:user@example.net>")
    wanted = [f"mail {seen[0]}", *(f"rcpt {address}" for address in seen[1:])]
    equal(story[2:6], wanted, "what the plugin saw")


def test_smtputf8_on_postfix():
    """Sendmail of Debian 12 does not offer it."""
    server = both.server("postfix")
    addresses = ("jörg@example.org", "süd@example.net")
    content = "Subject: grüße\r\n\r\ntext\r\n".encode()
    story = story_of(
        "seen", server, lambda c: c.message(addresses[0], addresses[1], content, ["SMTPUTF8"])
    )
    wanted = ["mail <jörg@example.org> SMTPUTF8", "rcpt <süd@example.net>", "data"]
    equal(story[2:6], [*wanted, "header Subject:[grüße]"], "what the plugin saw")
    delivery = server.sink.one()
    equal((delivery.sender, delivery.addresses), (addresses[0], [addresses[1]]), "envelope")


HEADER = (
    b"From: Somebody <somebody@example.org>\r\n"
    b"To: one@example.net,\r\n"
    b"\ttwo@example.net\r\n"
    b"SUBJECT: fold\r\n"
    b"  and space\r\n"
    b"X-No-Space:value\r\n"
    b"X-Two-Spaces:  value \r\n"
    b"X-Tab:\tvalue\r\n"
    b"X-Empty:\r\n"
    b"X-Blank: \r\n"
    b"X-Fold:\r\n"
    b" second\r\n"
    b"X-Eight-Bit: gr\xc3\xbc\xc3\x9fe \xff\r\n"
    b"X-Percent: 100% \\\"\r\n"
    b"X-Twice: 1\r\n"
    b"X-Twice: 2\r\n"
)


@on_both
def test_values_of_header_fields(server):
    """Exact but for one space behind the colon; with it for a plugin that wants it."""
    exact = [
        "From:[ Somebody <somebody@example.org>]",
        r"To:[ one@example.net,\x0a\x09two@example.net]",
        r"SUBJECT:[ fold\x0a  and space]",
        "X-No-Space:[value]",
        "X-Two-Spaces:[  value ]",
        r"X-Tab:[\x09value]",
        "X-Empty:[]",
        "X-Blank:[ ]",
        r"X-Fold:[\x0a second]",
        "X-Eight-Bit:[ grüße \\xff]",
        'X-Percent:[ 100% \\"]',
        "X-Twice:[ 1]",
        "X-Twice:[ 2]",
    ]
    for chain, wanted in (("exact", exact), ("seen", [text.replace("[ ", "[", 1) for text in exact])):
        content = HEADER + b"\r\nbody\r\n"
        story = story_of(chain, server, lambda c: c.message(SENDER, RECIPIENT, content))
        seen = [text.removeprefix("header ") for text in story if text.startswith("header ")]
        equal(seen, wanted, f"fields seen in chain {chain}")
        equal(server.sink.one().head[-20:], server.plain(content).head[-20:], "header")


@on_both
def test_a_large_header_field(server):
    large = b"".join(b"\r\n\t%04d %s" % (n, b"v" * 60) for n in range(700))
    content = b"X-Large:" + large + b"\r\nSubject: s\r\n\r\nbody\r\n"
    story = story_of("seen", server, lambda c: c.message(SENDER, RECIPIENT, content))
    (field,) = (text for text in story if text.startswith("header X-Large:"))
    wanted = large.replace(b"\r\n", b"\n").decode()
    begin = wanted[:500].replace("\n", r"\x0a").replace("\t", r"\x09")
    true(field.startswith(f"header X-Large:[{begin}"), f"{len(field)} letters: {field[:700]}")
    true("header Subject:[s]" in story, "the next field")
    server.sink.one()


@on_both
def test_three_thousand_fields(server):
    many = b"".join(b"X-Field-%d: value %d\r\n" % (n, n) for n in range(3000))
    content = b"Subject: s\r\n" + many + b"\r\nbody\r\n"
    story = story_of("seen", server, lambda c: c.message(SENDER, RECIPIENT, content))
    seen = [text for text in story if text.startswith("header X-Field")]
    equal(seen, [f"header X-Field-{n}:[value {n}]" for n in range(3000)], "fields")
    equal(len(server.sink.one().values("X-Field-2999")), 1, "the last")


@on_both
def test_bodies_of_all_kinds(server):
    """None, a line, one without its end, dots, all bytes, the edges of a piece."""
    every = bytes(b for b in range(1, 256) if b not in b"\r\n") + b"\r\n"
    for body, pieces in (
        (b"", []),
        (b"\r\n", [2]),
        (b"no end", [8]),
        (b".\r\n..\r\n", [7]),
        (every, [len(every)]),
        (b"x" * 900 + b"\r\n", [902]),
        ((b"y" * 68 + b"\r\n") * 936 + b"z" * 13 + b"\r\n", [65535]),
        ((b"y" * 68 + b"\r\n") * 936 + b"z" * 14 + b"\r\n", [65535, 1]),
    ):
        content = b"Subject: s\r\n\r\n" + body
        both.take_dialogue("seen")
        story = story_of("seen", server, lambda c, content=content: c.message(SENDER, RECIPIENT, content))
        seen = [int(re.search(r"\d+", t)[0]) for t in story if t.startswith("body, ")]
        equal(seen, pieces, f"pieces of {body[:20]!r}")
        said = both.take_dialogue("seen")
        got = b"".join(data for who, letter, data in said if (who, letter) == ("mta", "B"))
        wanted = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
        equal(got, wanted, "what the mail server says it is")
        equal(server.sink.one().body, wanted, "body")


def test_unknown_command_on_postfix():
    """The first word alone, at any time."""
    server = both.server("postfix")

    def act(client):
        client.command("XFOO a  b")
        client.message(SENDER, RECIPIENT, SMALL)
        client.command("XBAR a")
        client.mail(SENDER)
        client.command("HELP me")

    story = story_of("seen", server, act)
    seen = [text for text in story if text.startswith("unknown")]
    equal(seen, ["unknown [XFOO]", "unknown [XBAR]", "unknown [HELP]"], "unknown commands")
    server.sink.one()


def test_unknown_command_on_sendmail():
    """The whole line, even an empty one; none after a message and before the next."""
    server = both.server("sendmail")

    def act(client):
        client.command("XFOO a  b")
        client.command("")
        client.message(SENDER, RECIPIENT, SMALL)
        client.command("XBAR a")
        client.mail(SENDER)
        client.command("XBAZ")

    story = story_of("seen", server, act)
    seen = [text for text in story if text.startswith("unknown")]
    equal(seen, ["unknown [XFOO a  b]", "unknown []", "unknown [XBAZ]"], "unknown commands")
    server.sink.one()


@on_both
def test_rejected_recipients(server):
    """A plugin that asks for them sees those that the mail server itself has refused."""

    def act(client):
        client.mail(SENDER)
        equal(client.rcpt("unknown@mta.example.test").code, server.choose(554, 550), "reply")
        client.rcpt(RECIPIENT)
        client.command("RSET")

    story = story_of("rejected", server, act)
    seen = [text for text in story if text.startswith("rcpt")]
    wanted = ["rcpt <unknown@mta.example.test> (rejected)", f"rcpt <{RECIPIENT}>"]
    equal(seen, wanted, "recipients")
    true("macros: {rcpt_mailer} = [error]" in story, f"its mailer: {story}")
    story = story_of("seen", server, act)
    equal([text for text in story if text.startswith("rcpt")], wanted[1:], "without asking")


# -- macros -------------------------------------------------------------------------------------------


def macros_by_stage(story):
    """{stage: {macro: value}}, of those that were not known at the stage before."""
    stages, known, stage = {}, {}, None
    for text in story:
        match = re.fullmatch(r"macros: (\S+) = \[(.*)\]", text)
        if not match:
            stage = text.split()[0]
            continue
        if match[1] not in known:
            known[match[1]] = match[2]
            stages.setdefault(stage, {})[match[1]] = match[2]
    return stages


def usual_macros(server, client_name):
    """Names that come anew at each stage by default, with the values that can be told."""
    return server.choose(
        {
            "connect": {
                "j": "mta.example.test",
                "{daemon_name}": "mta.example.test",
                "{daemon_addr}": "127.0.0.1",
                "v": None,
                "_": f"{client_name} [127.0.0.1]",
            },
            "mail": {"{mail_addr}": SENDER, "{mail_host}": None, "{mail_mailer}": "smtp"},
            "rcpt": {"{rcpt_addr}": "one@example.net", "{rcpt_host}": None, "{rcpt_mailer}": "smtp"},
            "data": {"i": None},
        },
        {
            "connect": {
                "j": "mta.example.test",
                "_": f"{client_name} [127.0.0.1]",
                "{daemon_name}": None,
                "{if_name}": "localhost",
            },
            "mail": {
                "i": None,
                "{mail_mailer}": "esmtp",
                "{mail_host}": "[127.0.0.1]",
                "{mail_addr}": SENDER,
            },
            "rcpt": {
                "{rcpt_mailer}": "esmtp",
                "{rcpt_host}": "[127.0.0.1]",
                "{rcpt_addr}": "One@Example.net",
            },
            "eom": {"{msg_id}": None},
        },
    )


def check_macros(stages, wanted):
    names = {stage: sorted(values) for stage, values in stages.items()}
    equal(names, {stage: sorted(values) for stage, values in wanted.items()}, "names by stage")
    for stage, values in wanted.items():
        for name, value in values.items():
            if value is not None:
                equal(stages[stage][name], value, f"{name} at {stage}")


@on_both
def test_macros_by_stage(server):
    name = server.choose("unknown", "localhost")
    story = story_of("usual macros", server, lambda c: c.message(SENDER, "One@Example.net", SMALL))
    check_macros(macros_by_stage(story), usual_macros(server, name))
    server.sink.one()


@on_both
def test_macros_asked_for(server):
    """They come beside the usual ones."""
    name = server.choose("unknown", "localhost")
    both.take_log()
    story = story_of("macros", server, lambda c: c.message(SENDER, "One@Example.net", SMALL))
    wanted = usual_macros(server, name)
    wanted["connect"] |= {"{client_ptr}": name, "{client_port}": None}
    wanted["mail"] |= {"{client_addr}": "127.0.0.1"}
    if not server.postfix:
        # known to Sendmail, but not among its usual ones
        wanted["connect"] |= {"v": "8.17.1.9", "{daemon_addr}": "127.0.0.1"}
    check_macros(macros_by_stage([text for who, text in story if who == "probe"]), wanted)
    at_end = [text for who, text in story if who == "probe_macros" and text.startswith("macros: ")]
    known = {text.split()[1] for text in at_end}
    equal(known, {macro for stage in wanted.values() for macro in stage}, "known to the second")
    server.sink.one()


@on_both
def test_starttls(server):
    """HELO comes a second time, with what is known of the encryption."""
    if not has_tls:
        raise case.Skip("needs openssl")

    def act(client):
        client.starttls()
        client.mail(SENDER)

    story = story_of("usual macros", server, act)
    equal(story.count("helo [client.example.org]"), 2, "HELO")
    stages = macros_by_stage(story)
    true(stages["helo"]["{tls_version}"].startswith("TLSv1"), f"{stages['helo']}")
    true({"{cipher}", "{cipher_bits}"} <= set(stages["helo"]), f"{stages['helo']}")


def test_auth_on_postfix():
    """Sendmail would need a SASL library set up for it."""
    server = both.server("postfix")

    def act(client):
        words = base64.b64encode(b"\0joe\0secret").decode()
        equal(client.command(f"AUTH PLAIN {words}").code, 235, "AUTH")
        client.mail(SENDER)

    stages = macros_by_stage(story_of("auth", server, act))
    known = {name: stages["mail"].get(name) for name in ("{auth_type}", "{auth_authen}")}
    equal(known, {"{auth_type}": "PLAIN", "{auth_authen}": "joe"}, "macros")


# -- ends ---------------------------------------------------------------------------------------------


@on_both
def test_a_client_that_leaves_in_the_middle(server):
    """Whatever the mail server says of it, the plugin is told once."""
    for step in ("mail", "rcpt", "data"):
        both.take_log()
        with server.client("seen") as client:
            client.mail(SENDER)
            if step != "mail":
                client.rcpt(RECIPIENT)
            if step == "data":
                client.command("DATA")
                client.send(b"Subject: half\r\n\r\nhalf a bo")
        story = [text for _, text in both.take_story() if not text.startswith("told:")]
        equal(story[-3:], ["abort", "end: aborted at eom by nobody", "close"], f"left in {step}")


@on_both
def test_a_worker_that_dies_in_the_middle(server):
    """451 for that message, and the next session is served."""
    # Postfix speaks of it, and keeps the session out.
    server.expect_warnings("milter unix:")
    server.expect_warnings("Milter (")
    server.expect_warnings("milter_sys_read")
    (before,) = both.workers()
    with server.client("verdicts") as client:
        client.mail(SENDER)
        client.rcpt(RECIPIENT)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: [w for w in both.workers() if w != before], "another worker")
        reply = say(client, "DATA")
        if reply.startswith("354"):
            reply = str(client.content(SMALL))
        equal(reply[:3], "451", f"the message: {reply}")
        say(client, "RSET")
        equal(say(client, f"MAIL FROM:<{SENDER}>")[:3], "451", "the rest of the session")
    wait_until(lambda: f"(pid {before}) killed by SIGKILL" in both.log(), "milterd to say what happened")
    check_verdict(server, "verdicts", "mail", "lines")


if __name__ == "__main__":
    case.run(globals())
