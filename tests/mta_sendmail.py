#!/usr/bin/python3
"""Mail through a real Sendmail with milterd behind it: access, headers, hello.

As in mta_postfix.py, what arrives is compared with what the same Sendmail makes
of the same mail on a port without milter. Sendmail puts the address before a
reply's text at MAIL and RCPT unless the code is 451 or 554.
"""

import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import case, smtp
from mta.case import equal, true
from mta.milterd import Milterd
from mta.rules import CONFIGURATION, MAIL, as_edited, fields
from mta.sendmail import Sendmail
from mta.sink import Sink

# pylint: disable=invalid-name
sink = milterd = sendmail = None
failed = False

SENDER, RECIPIENT = "somebody@example.org", "one@example.net"
LOCAL = b"127.0.0.1 localhost client.example.org"


def setup():
    global sink, milterd, sendmail  # pylint: disable=global-statement
    sink = Sink()
    milterd = Milterd(CONFIGURATION)
    ports = {"plain": {}, "unix": {"milters": milterd.unix()}}
    sendmail = Sendmail(sink.port, milters=milterd.inet, ports=ports)
    milterd.start()
    sendmail.start()


def teardown():
    """Both end in good order and neither has complained about the other."""
    if failed:
        for name, who in (("milterd", milterd), ("Sendmail", sendmail)):
            print("".join(f"# {name}: {line}\n" for line in who.log().splitlines()[-100:]), end="")
    try:
        if sendmail:
            sendmail.stop()
            milterd.stop()
            equal(sink.waiting(), 0, "deliveries that no test expected")
            equal(sendmail.warnings(), [], "warnings of Sendmail")
            equal(milterd.warnings(), [], "warnings of milterd")
    finally:
        for each in (sendmail, milterd):
            if each:
                each.stop()
                each.remove()
        sink.stop()


def accepted(result):
    """The queue id: "250 2.0.0 ABC Message accepted for delivery"."""
    true(result.end is not None and result.end.code == 250, f"it is accepted: {result}")
    return str(result.end).split()[2]


def check_edited(content, delivery, queue_id, client=LOCAL, sender=SENDER):
    with smtp.say(sendmail.ports["plain"]) as plain_client:
        accepted(plain_client.message(sender, RECIPIENT, content))
        plain_client.quit()
    plain = sink.one()
    true(b"X-Hello" not in plain.head, "the port without milter adds nothing")
    expected = as_edited(fields(plain), client, sender, queue_id)
    got = fields(delivery)
    if content != MAIL:
        # without Message-Id and Date Sendmail makes them up
        got, expected = ([f for f in each if b"Id:" not in f] for each in (got, expected))
    got, expected = ([f for f in each if not f.startswith(b"Date:")] for each in (got, expected))
    equal(got, expected, "header")
    equal(delivery.body, plain.body, "body")
    equal(delivery.sender, sender, "sender")


def round_trip(port, content):
    with smtp.say(sendmail.ports[port]) as client:
        queue_id = accepted(client.message(SENDER, RECIPIENT, content))
        client.quit()
    check_edited(content, sink.one(), queue_id)


def test_edited_and_else_untouched_on_an_inet_socket():
    round_trip("smtpd", MAIL)


def test_edited_and_else_untouched_on_a_unix_socket():
    round_trip("unix", MAIL)


def test_no_header_and_no_body():
    for content in (b"\r\nonly a body\r\n", b"Subject: only a header\r\n\r\n"):
        round_trip("smtpd", content)


def test_body_at_the_edges_of_a_chunk_and_of_a_megabyte():
    line = b"0123456789" * 7 + b"\r\n"
    for size in (65534, 65535, 65536, 1 << 20):
        body = (line * (size // len(line) + 1))[: size - 2] + b"\r\n"
        round_trip("smtpd", b"Subject: s\r\n\r\n" + body)


def test_every_field_of_a_name_is_deleted():
    spam = b"".join(b"X-Spam-Score: %d\r\n" % n for n in range(5))
    round_trip("smtpd", spam + b"Subject: one\r\n" + spam + b"X-Spam-A: b\r\n\r\nbody\r\n")


def test_null_sender():
    with smtp.say(sendmail.port) as client:
        accepted(client.message("", RECIPIENT, MAIL))
        client.quit()
    delivery = sink.one()
    equal(delivery.sender, "", "sender")
    equal(delivery.values("X-Sender"), [], "X-Sender")
    equal(delivery.values("X-Hello"), [b" checked by milterd"], "X-Hello")


def test_refusals():
    replies = {
        "refused@example.com": "554 5.7.9 we refuse 100% of refused@example.com",
        "busy@example.com": "451 4.7.1 come back later",
    }
    for port in ("smtpd", "unix"):
        for sender, reply in replies.items():
            with smtp.say(sendmail.ports[port]) as client:
                equal(str(client.mail(sender)), reply, "reply")
                client.quit()


def test_client_address_and_helo():
    with smtp.say(sendmail.port, source="127.0.0.9") as client:
        reply = "550 5.7.1 <somebody@example.org>... no mail from 127.0.0.9"
        equal(str(client.mail(SENDER)), reply, "reply by address")
        client.quit()
    with smtp.say(sendmail.port, source="127.0.0.8", hello="friend") as client:
        reply = "450 4.7.1 <somebody@example.org>... say who you are"
        equal(str(client.mail(SENDER)), reply, "reply by HELO")
        client.ehlo("client.example.org")
        equal(client.mail(SENDER).code, 250, "code after another HELO")
        client.quit()


def test_recipients_refused_among_good_ones():
    wanted = [RECIPIENT, "nobody@example.net", "slow@example.net", "two@example.net"]
    with smtp.say(sendmail.port) as client:
        result = client.message(SENDER, wanted, MAIL)
        client.quit()
    queue_id = accepted(result)
    expected = [
        "250 2.1.5 <one@example.net>... Recipient ok",
        "550 5.1.1 <nobody@example.net>... there is no nobody@example.net",
        "450 4.2.1 <slow@example.net>... slow@example.net is slow",
        "250 2.1.5 <two@example.net>... Recipient ok",
    ]
    equal([str(reply) for reply in result.rcpt], expected, "replies to RCPT")
    delivery = sink.one()
    equal(delivery.addresses, ["one@example.net", "two@example.net"], "recipients")
    check_edited(MAIL, delivery, queue_id)


def test_discard_says_yes_and_delivers_nothing():
    with smtp.say(sendmail.port) as client:
        accepted(client.message("x@discard.example.com", RECIPIENT, MAIL))
        accepted(client.message(SENDER, "two@example.net", MAIL))
        client.quit()
    equal(sink.one().addresses, ["two@example.net"], "recipient of the first delivery")
    sendmail.wait_for_empty_queue()
    equal(sink.waiting(), 0, "further deliveries")


def test_several_messages_and_rset_on_a_connection():
    sent = {}
    with smtp.say(sendmail.port) as client:
        for number in range(6):
            content = b"Subject: number %d\r\n\r\nbody %d\r\n" % (number, number)
            client.mail("first@example.org")
            client.rcpt("first@example.net")
            equal(client.command("RSET").code, 250, "RSET")
            equal(client.mail("refused@example.com").code, 554, "refused in between")
            sender = f"somebody@{number}.example.org"
            result = client.message(sender, ["nobody@example.net", RECIPIENT], content)
            sent[accepted(result)] = (number, sender)
        equal(client.command("XYZZY").code, 500, "an unknown command")
        client.quit()
    for delivery in sink.take(6):
        queue_id = delivery.values("X-Queue")[0].split()[0].decode()
        number, sender = sent.pop(queue_id)
        equal(delivery.sender, sender, "sender")
        equal(delivery.addresses, [RECIPIENT], "recipients")
        equal(delivery.values("Subject"), [b" [ext] number %d" % number], "Subject")
        equal(delivery.values("X-Hello"), [b" checked by milterd"], "X-Hello")
        equal(delivery.body, b"body %d\r\n" % number, "body")


if __name__ == "__main__":
    case.run(globals())
