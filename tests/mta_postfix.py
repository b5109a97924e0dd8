#!/usr/bin/python3
"""Mail through a real Postfix with milterd behind it: access, headers, hello.

What arrives is compared with what the same Postfix delivers of the same mail on
a port without milter, so that every byte the plugins did not touch is checked.
"""

import sys
import threading

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import case, smtp
from mta.case import equal, true, wait_until
from mta.milterd import Milterd
from mta.postfix import Postfix
from mta.rules import CONFIGURATION, MAIL, as_edited, fields
from mta.sink import Sink

PROTOCOLS = ("2", "3", "4", "6")

# pylint: disable=invalid-name
sink = milterd = postfix = None
failed = False


def setup():
    global sink, milterd, postfix  # pylint: disable=global-statement
    sink = Sink()
    milterd = Milterd(CONFIGURATION)
    ports = {"plain": {"milters": ""}, "unix": {"milters": milterd.unix()}}
    for version in PROTOCOLS:
        ports[f"version {version}"] = {"milter_protocol": version}
    postfix = Postfix(sink.port, milters=milterd.inet, ports=ports, local=True)
    milterd.start()
    postfix.start()


def teardown():
    """Both end in good order and neither has complained about the other."""
    if failed:
        for name, who in (("milterd", milterd), ("Postfix", postfix)):
            print("".join(f"# {name}: {line}\n" for line in who.log().splitlines()[-100:]), end="")
    try:
        if postfix:
            postfix.stop()
            milterd.stop()
            equal(sink.waiting(), 0, "deliveries that no test expected")
            equal(postfix.warnings(), [], "warnings of Postfix")
            equal(milterd.warnings(), [], "warnings of milterd")
    finally:
        for each in (postfix, milterd):
            if each:
                each.stop()
                each.remove()
        sink.stop()


# -- what a delivery should look like ----------------------------------------------


def queue_id_of(reply):
    """ "250 2.0.0 Ok: queued as ABC" -> "ABC" """
    true(" queued as " in str(reply), f"accepted: {reply}")
    return str(reply).rpartition(" ")[2]


def accepted(result, what="the message"):
    true(result.final is not None and result.final.code == 250, f"{what} is accepted: {result}")
    return queue_id_of(result.end)


def delivered_plain(content, sender="somebody@example.org"):
    """What Postfix makes of it by itself."""
    with smtp.say(postfix.ports["plain"]) as client:
        accepted(client.message(sender, "one@example.net", content))
        client.quit()
    return sink.one()


LOCAL = b"127.0.0.1 [127.0.0.1] client.example.org"


def check_edited(content, delivery, queue_id, client=LOCAL, sender="somebody@example.org"):
    plain = delivered_plain(content, sender)
    true(b"X-Hello" not in plain.head, "the port without milter adds nothing")
    equal(fields(delivery), as_edited(fields(plain), client, sender, queue_id), "header")
    equal(delivery.body, plain.body, "body")
    equal(delivery.sender, sender, "sender")


def round_trip(port, content, **attributes):
    """Sends it, checks that it arrives edited and else untouched."""
    with smtp.say(postfix.ports[port], **attributes) as client:
        queue_id = accepted(client.message("somebody@example.org", "one@example.net", content))
        client.quit()
    check_edited(content, sink.one(), queue_id)


def refused(reply_wanted, port="smtpd", sender="somebody@example.org", **attributes):
    """The reply to MAIL, on a new connection by such a client."""
    with smtp.say(postfix.ports[port], **attributes) as client:
        equal(str(client.mail(sender)), reply_wanted, f"reply to {sender} {attributes}")
        client.quit()


# -- a mail and its edits --------------------------------------------------------------


def test_edited_and_else_untouched_on_an_inet_socket():
    round_trip("smtpd", MAIL)


def test_edited_and_else_untouched_on_a_unix_socket():
    round_trip("unix", MAIL)


def test_every_protocol_version():
    for version in PROTOCOLS:
        round_trip(f"version {version}", MAIL)


def test_no_header_and_no_body():
    for content in (b"\r\nonly a body\r\n", b"Subject: only a header\r\n\r\n", b""):
        round_trip("smtpd", content)


def test_body_at_the_edges_of_a_chunk():
    for size in (65533, 65534, 65535, 65536, 65537, 131070):
        line = b"0123456789" * 7 + b"\r\n"
        body = (line * (size // len(line) + 1))[: size - 2] + b"\r\n"
        round_trip("smtpd", b"Subject: s\r\n\r\n" + body)


def test_body_of_a_megabyte():
    body = b"".join(b"%07d %s\r\n" % (n, b"x" * 55) for n in range(1 << 14))
    round_trip("smtpd", b"Subject: large\r\n\r\n" + body)
    round_trip("unix", b"Subject: large\r\n\r\n" + body)


def test_body_of_all_bytes_and_long_lines():
    every = bytes(b for b in range(256) if b not in b"\r\n\0")
    round_trip("smtpd", b"Subject: s\r\n\r\n" + every + b"\r\n" + b"y" * 5000 + b"\r\n")


def test_many_header_fields():
    many = b"".join(b"X-Field-%d: value %d\r\n" % (n, n) for n in range(500))
    round_trip("smtpd", many + b"Subject: s\r\n" + many + b"\r\nbody\r\n")


def test_every_field_of_a_name_is_deleted():
    spam = b"".join(b"X-Spam-Score: %d\r\n" % n for n in range(5))
    round_trip("smtpd", spam + b"Subject: one\r\n" + spam + b"X-Spam-A: b\r\n\r\nbody\r\n")


def test_bdat():
    with smtp.say(postfix.port) as client:
        client.mail("somebody@example.org")
        client.rcpt("one@example.net")
        half = len(MAIL) // 2
        client.send(b"BDAT %d\r\n" % half + MAIL[:half])
        equal(client.reply().code, 250, "first half")
        client.send(b"BDAT %d LAST\r\n" % (len(MAIL) - half) + MAIL[half:])
        reply = client.reply()
        equal(reply.code, 250, "second half")
        client.quit()
    check_edited(MAIL, sink.one(), queue_id_of(reply))


def test_null_sender():
    with smtp.say(postfix.port) as client:
        queue_id = accepted(client.message("", "one@example.net", MAIL))
        client.quit()
    check_edited(MAIL, sink.one(), queue_id, sender="")


def test_envelope_with_arguments_is_handed_on():
    with smtp.say(postfix.port) as client:
        recipients = [("one@example.net", "NOTIFY=NEVER"), ("two@example.net", "NOTIFY=DELAY")]
        accepted(
            client.message("a@example.org", recipients, MAIL, ["RET=HDRS", "ENVID=x+2By"])
        )
        client.quit()
    delivery = sink.one()
    true({"RET=HDRS", "ENVID=x+2By"} <= set(delivery.sender_args), str(delivery.sender_args))
    notify = {address: [a for a in args if "NOTIFY" in a] for address, args in delivery.recipients}
    wanted = {"one@example.net": ["NOTIFY=NEVER"], "two@example.net": ["NOTIFY=DELAY"]}
    equal(notify, wanted, "arguments of the recipients")


def test_smtputf8():
    with smtp.say(postfix.port) as client:
        result = client.message("jörg@example.org", "süd@example.net", MAIL, ["SMTPUTF8"])
        accepted(result)
        client.quit()
    delivery = sink.one()
    equal(delivery.values("X-Sender"), [" jörg@example.org".encode()], "sender in the header")
    equal(delivery.addresses, ["süd@example.net"], "recipients")


# -- refusals -----------------------------------------------------------------------------


def test_sender_is_refused_with_the_configured_reply():
    for port in ("smtpd", "unix", *(f"version {v}" for v in PROTOCOLS)):
        sender = "refused@example.com"
        refused("554 5.7.9 we refuse 100% of refused@example.com", port, sender)
        refused("554 5.7.9 we refuse 100% of Refused@EXAMPLE.com", port, "Refused@EXAMPLE.com")


def test_sender_is_put_off():
    refused("451 4.7.1 come back later", sender="busy@example.com")


def test_recipients_refused_among_good_ones():
    wanted = ["one@example.net", "nobody@example.net", "slow@example.net", "two@example.net"]
    with smtp.say(postfix.port) as client:
        result = client.message("somebody@example.org", wanted, MAIL)
        client.quit()
    replies = [str(reply) for reply in result.rcpt]
    expected = [
        "250 2.1.5 Ok",
        "550 5.1.1 there is no nobody@example.net",
        "450 4.2.1 slow@example.net is slow",
        "250 2.1.5 Ok",
    ]
    equal(replies, expected, "replies to RCPT")
    queue_id = accepted(result)
    delivery = sink.one()
    equal(delivery.addresses, ["one@example.net", "two@example.net"], "recipients")
    check_edited(MAIL, delivery, queue_id)


def test_all_recipients_refused():
    with smtp.say(postfix.port) as client:
        client.mail("somebody@example.org")
        equal(client.rcpt("nobody@example.net").code, 550, "reply to RCPT")
        equal(client.command("DATA").code, 554, "reply to DATA")
        client.quit()


def test_refusal_without_a_text_names_what_matched():
    with smtp.say(postfix.port) as client:
        client.mail("somebody@example.org")
        reply = client.rcpt("plain@example.net")
        equal(str(reply), "550 5.7.1 Access denied: recipient <plain@example.net>", "reply")
        client.quit()


def test_discard_says_yes_and_delivers_nothing():
    with smtp.say(postfix.port) as client:
        gone = accepted(client.message("x@discard.example.com", "one@example.net", MAIL))
        accepted(client.message("somebody@example.org", "two@example.net", MAIL))
        client.quit()
    equal(sink.one().addresses, ["two@example.net"], "recipient of the first delivery")
    wait_until(lambda: f"{gone}: milter-discard:" in postfix.log(), "Postfix to log the discard")
    postfix.wait_for_empty_queue()
    equal(sink.waiting(), 0, "further deliveries")


def test_client_address_in_a_network():
    refused("550 5.7.1 no mail from 192.0.2.0", addr="192.0.2.0")
    refused("550 5.7.1 no mail from 192.0.2.255", addr="192.0.2.255")
    refused("250 2.1.0 Ok", addr="192.0.1.255")
    refused("250 2.1.0 Ok", addr="192.0.3.0")


def test_ipv6_client_address_in_a_network():
    refused("550 5.7.1 no mail from 2001:db8:7::1", addr="2001:db8:7::1")
    refused("550 5.7.1 no mail from 2001:db8:7:ffff::", "unix", addr="2001:db8:7:ffff::")
    refused("250 2.1.0 Ok", addr="2001:db8:8::")
    refused("250 2.1.0 Ok", addr="2001:db8:6:ffff::1")


def test_client_name_and_helo():
    name = "a.b.dialup.example.com"
    refused(f"550 5.7.25 {name} is no mail server", addr="198.51.100.1", name=name)
    refused("250 2.1.0 Ok", addr="198.51.100.1", name="dialup.example.org")
    refused("450 4.7.1 say who you are", hello="friend")


def test_allowed_client_goes_past_later_rules_and_plugins():
    with smtp.say(postfix.port, addr="192.0.2.7") as client:
        accepted(client.message("refused@example.com", "nobody@example.net", MAIL))
        client.quit()
    equal(sink.one().body, delivered_plain(MAIL).body, "body")


def test_allowed_client_gets_an_unedited_message():
    with smtp.say(postfix.port, addr="192.0.2.7") as client:
        accepted(client.message("somebody@example.org", "one@example.net", MAIL))
        client.quit()
    equal(fields(sink.one()), fields(delivered_plain(MAIL)), "header")


def test_client_of_xclient_is_seen_in_the_header():
    with smtp.say(postfix.port, addr="2001:db8::7", name="mail.example.org") as client:
        queue_id = accepted(client.message("somebody@example.org", "one@example.net", MAIL))
        client.quit()
    seen = b"2001:db8::7 mail.example.org client.example.org"
    check_edited(MAIL, sink.one(), queue_id, client=seen)


# -- the course of a session ------------------------------------------------------------------


def test_several_messages_on_a_connection():
    sent = {}
    with smtp.say(postfix.port) as client:
        for number in range(10):
            content = b"Subject: number %d\r\n\r\nbody %d\r\n" % (number, number)
            if number % 3 == 2:
                equal(client.mail("refused@example.com").code, 554, "refused in between")
            sender = f"somebody@{number}.example.org"
            result = client.message(sender, ["nobody@example.net", "one@example.net"], content)
            equal([r.code for r in result.rcpt], [550, 250], "recipients")
            sent[accepted(result)] = (number, sender)
        client.quit()
    for delivery in sink.take(10):
        queue_id = delivery.values("X-Queue")[0].split()[0].decode()
        number, sender = sent.pop(queue_id)
        equal(delivery.sender, sender, "sender")
        equal(delivery.values("X-Sender"), [b" " + sender.encode()], "X-Sender")
        equal(delivery.values("Subject"), [b" [ext] number %d" % number], "Subject")
        equal(delivery.values("X-Hello"), [b" checked by milterd"], "X-Hello")
        equal(delivery.body, b"body %d\r\n" % number, "body")


def test_rset_in_the_middle_of_a_message():
    with smtp.say(postfix.port) as client:
        client.mail("first@example.org")
        client.rcpt("first@example.net")
        equal(client.command("RSET").code, 250, "RSET")
        client.mail("second@example.org")
        equal(client.command("RSET").code, 250, "RSET")
        equal(client.command("RSET").code, 250, "RSET with nothing to reset")
        queue_id = accepted(client.message("somebody@example.org", "one@example.net", MAIL))
        client.quit()
    delivery = sink.one()
    equal(delivery.addresses, ["one@example.net"], "recipients")
    check_edited(MAIL, delivery, queue_id)


def test_helo_twice():
    with smtp.say(postfix.port) as client:
        client.mail("first@example.org")
        client.rcpt("first@example.net")
        client.ehlo("second.example.org")
        equal(client.command("HELO third.example.org").code, 250, "HELO")
        queue_id = accepted(client.message("somebody@example.org", "one@example.net", MAIL))
        client.quit()
    check_edited(MAIL, sink.one(), queue_id, client=b"127.0.0.1 [127.0.0.1] third.example.org")


def test_helo_again_changes_the_answer():
    with smtp.say(postfix.port, hello="friend") as client:
        equal(client.mail("somebody@example.org").code, 450, "with the first name")
        client.ehlo("client.example.org")
        equal(client.mail("somebody@example.org").code, 250, "with the second name")
        client.quit()


def test_no_helo_at_all():
    with smtp.Client(postfix.port) as client:
        queue_id = accepted(client.message("somebody@example.org", "one@example.net", MAIL))
        client.quit()
    check_edited(MAIL, sink.one(), queue_id, client=b"127.0.0.1 [127.0.0.1] ")


def test_pipelined_commands():
    with smtp.say(postfix.port) as client:
        commands = ["MAIL FROM:<somebody@example.org>", "RCPT TO:<nobody@example.net>"]
        replies = client.pipeline([*commands, "RCPT TO:<one@example.net>", "DATA"])
        equal([reply.code for reply in replies], [250, 550, 250, 354], "replies")
        reply = client.content(MAIL)
        client.quit()
    check_edited(MAIL, sink.one(), queue_id_of(reply))


def test_unknown_command():
    for port in ("smtpd", *(f"version {v}" for v in PROTOCOLS)):
        with smtp.say(postfix.ports[port]) as client:
            true(client.command("XYZZY now").code in (500, 502), "an unknown command is refused")
            client.mail("somebody@example.org")
            true(client.command("XYZZY now").code in (500, 502), "in a message, too")
            client.command("RSET")
            queue_id = accepted(client.message("somebody@example.org", "one@example.net", MAIL))
            client.quit()
        check_edited(MAIL, sink.one(), queue_id)


def test_clients_that_leave():
    """At any point; the next one is served as ever."""
    steps = ["EHLO a.example.org", "MAIL FROM:<a@example.org>", "RCPT TO:<a@example.net>", "DATA"]
    for count in range(len(steps) + 1):
        with smtp.Client(postfix.port) as client:
            for line in steps[:count]:
                client.command(line)
            if count == len(steps):
                client.send(b"Subject: half\r\n\r\nhalf a bo")
    with smtp.Client(postfix.port) as client:
        client.quit()
    round_trip("smtpd", MAIL)


def test_many_clients_at_once():
    problems = []

    def one_client(number):
        try:
            port = postfix.ports["unix" if number % 2 else "smtpd"]
            with smtp.say(port, hello=f"client{number}.example.org") as client:
                for turn in range(5):
                    content = b"Subject: %d %d\r\n\r\n%s\r\n" % (number, turn, b"z" * 1000)
                    sender = f"a{number}.{turn}@example.org"
                    recipients = ["nobody@example.net", "b@example.net"]
                    accepted(client.message(sender, recipients, content))
                client.quit()
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(f"client {number}: {problem!r}")

    threads = [threading.Thread(target=one_client, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    equal(problems, [], "problems")
    seen = set()
    for delivery in sink.take(100):
        number, turn = delivery.values("Subject")[0].split()[1:]
        name = b"%s.%s" % (number, turn)
        equal(delivery.values("X-Sender"), [b" a" + name + b"@example.org"], "sender")
        helo = b" 127.0.0.1 [127.0.0.1] client%s.example.org" % number
        equal(delivery.values("X-Client"), [helo], "client")
        seen.add(name)
    equal(len(seen), 100, "different messages")


# -- mail that does not come by SMTP --------------------------------------------------------------


def test_local_submission():
    postfix.sendmail("somebody@example.org", ["one@example.net"], MAIL.replace(b"\r\n", b"\n"))
    delivery = sink.one()
    equal(delivery.values("X-Hello"), [b" checked by milterd"], "X-Hello")
    equal(delivery.values("X-Sender"), [b" somebody@example.org"], "X-Sender")
    equal(delivery.values("Subject"), [b" [ext] fold\r\n  and space"], "Subject")
    equal(delivery.values("X-Spam-Score"), [], "X-Spam-Score")
    equal(delivery.body, MAIL.partition(b"\r\n\r\n")[2], "body")


def test_local_submission_of_a_refused_sender_bounces():
    postfix.sendmail("refused@example.com", ["one@example.net"], b"Subject: s\n\nbody\n")
    bounce = sink.one()
    equal((bounce.sender, bounce.addresses), ("", ["refused@example.com"]), "envelope")
    true(b"we refuse 100% of refused@example.com" in bounce.content, "the bounce says why")


if __name__ == "__main__":
    case.run(globals())
