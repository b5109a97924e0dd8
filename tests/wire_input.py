#!/usr/bin/python3
"""Bad input: what is no milter packet, or a malformed one, at every stage.

For each case the same holds: the connection is closed, the log has one line that says why,
and another mail server that is in the middle of a message goes on as if nothing had
been. Each is tried whole and byte by byte, alone and with more behind it, none of which is
answered.
"""

import os
import random
import re
import struct
import sys
import threading

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import case, transcript, wire
from mta.case import equal, true
from mta.probed import Probed

CHAIN = '{ plugin = "probe"; script = ( "eom: add X-Checked: yes" ); }'

# How far a dialogue is when the bad input comes: what has been said, and how many answers
# there were to it.
OFFER = wire.negotiate()
CLIENT = OFFER + wire.connect("client", "4", 1, "192.0.2.1") + wire.strings("H", "client")
MESSAGE = CLIENT + wire.strings("M", "<bad@x>") + wire.strings("R", "<b@x>")
HEADER = MESSAGE + wire.packet("T") + wire.strings("L", "Subject", "s")
BODY = HEADER + wire.packet("N") + wire.packet("B", b"text\r\n")
STAGES = {
    "before the negotiation": (b"", 0),
    "before the client": (OFFER, 1),
    "between messages": (CLIENT, 3),
    "in a message": (MESSAGE, 5),
    "in the header": (HEADER, 7),
    "in the body": (BODY, 9),
}

NO_PACKET = "a packet of length zero or over 65535 bytes"
NOT_YET = "%s instead of a negotiation"
TLS_HELLO = bytes.fromhex("160301020001fc0303") + bytes(range(200))


def length(number, rest=b""):
    return struct.pack(">I", number) + rest


# (name, stage, bytes, the reason that is logged)
CASES = [
    # Strangers on the port.
    ("an HTTP request", 0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", NOT_YET % "an HTTP request"),
    ("a POST", 0, b"POST / HTTP/1.1\r\n\r\n{}", NOT_YET % "an HTTP request"),
    ("a TLS hello", 0, TLS_HELLO, NOT_YET % "a TLS hello"),
    ("a mail client", 0, b"EHLO client.example.org\r\n", NOT_YET % "SMTP"),
    ("SSH", 0, b"SSH-2.0-OpenSSH_9.2\r\n", NOT_YET % "SSH"),
    ("garbage", 0, b"\xde\xad\xbe\xef" * 8, NOT_YET % "no milter packet"),
    ("zeros", 0, bytes(100), NOT_YET % "no milter packet"),
    ("length zero first", 0, length(0), NOT_YET % "no milter packet"),
    ("a huge length first", 0, length(0xFFFFFFFF, b"O"), NOT_YET % "no milter packet"),
    # The negotiation.
    ("an empty offer", 0, wire.packet("O"), r"malformed negotiation \(0 bytes\)"),
    ("an offer of one number", 0, wire.packet("O", bytes(4)), r"malformed negotiation \(4 bytes\)"),
    ("an offer of two", 0, wire.packet("O", bytes(8)), r"malformed negotiation \(8 bytes\)"),
    ("an offer cut short", 0, wire.packet("O", bytes(11)), r"malformed negotiation \(11 bytes\)"),
    ("version 0", 0, wire.negotiate(0), "protocol version 0 is not supported, only 2 to 6"),
    ("version 1", 0, wire.negotiate(1), "protocol version 1 is not supported, only 2 to 6"),
    ("a client first", 0, wire.connect("c", "U"), "packet 0x43 before the negotiation"),
    ("macros first", 0, wire.macros("C"), "packet 0x44 before the negotiation"),
    ("an abort first", 0, wire.packet("A"), "packet 0x41 before the negotiation"),
    ("quit first", 0, wire.packet("Q"), "packet 0x51 before the negotiation"),
    ("quit for another client first", 0, wire.packet("K"), "packet 0x4b before the negotiation"),
    ("an unknown command first", 0, wire.packet("Z"), "packet 0x5a before the negotiation"),
    # Lengths.
    ("length zero", 2, length(0), NO_PACKET),
    ("length zero in a message", 3, length(0), NO_PACKET),
    ("length zero in the body", 5, length(0), NO_PACKET),
    ("one byte too many", 5, length(65537, b"B"), NO_PACKET),
    ("the largest length", 4, length(0xFFFFFFFF, b"L"), NO_PACKET),
    ("text instead of a length", 4, b"QUIT\r\n", NO_PACKET),
    # Commands.
    ("an unknown command", 2, wire.packet("Z"), "unknown command 0x5a"),
    ("an unknown command with data", 4, wire.packet("Z", b"x" * 100), "unknown command 0x5a"),
    ("a command in lower case", 2, wire.packet("m", b"<a@x>\0"), "unknown command 0x6d"),
    ("command zero", 3, wire.packet("\0"), "unknown command 0x00"),
    ("command 255", 5, wire.packet("\xff"), "unknown command 0xff"),
    ("a reply instead of a command", 3, wire.packet("c"), "unknown command 0x63"),
    # The client.
    ("connect without anything", 1, wire.packet("C"), "malformed connect packet"),
    ("connect without a NUL", 1, wire.packet("C", b"host"), "malformed connect packet"),
    ("connect without a family", 1, wire.packet("C", b"host\0"), "malformed connect packet"),
    ("connect, unknown family", 1, wire.connect("h", "X", 1, "a"), "malformed connect packet"),
    ("connect without a port", 1, wire.packet("C", b"host\x004"), "malformed connect packet"),
    ("connect with half a port", 1, wire.packet("C", b"host\x004\0"), "malformed connect packet"),
    ("connect without an address", 1, wire.packet("C", b"h\x004\0\1"), "malformed connect packet"),
    ("an address without NUL", 1, wire.packet("C", b"h\x006\0\1::1"), "malformed connect packet"),
    ("connect with more", 1, wire.connect("h", "4", 1, "1.2.3.4\0x"), "malformed connect packet"),
    # Strings.
    ("helo without anything", 2, wire.packet("H"), "malformed helo packet"),
    ("helo without its NUL", 2, wire.packet("H", b"client"), "malformed helo packet"),
    ("helo of two strings", 2, wire.strings("H", "a", "b"), "malformed helo packet"),
    ("an empty mail", 2, wire.packet("M"), "malformed mail packet"),
    ("mail without its NUL", 2, wire.packet("M", b"<a@x>"), "malformed mail packet"),
    ("mail, argument without NUL", 2, wire.packet("M", b"<a@x>\0SIZE=1"), "malformed mail packet"),
    ("an empty rcpt", 3, wire.packet("R"), "malformed rcpt packet"),
    ("rcpt without its NUL", 3, wire.packet("R", b"<a@x>"), "malformed rcpt packet"),
    ("an empty unknown command", 2, wire.packet("U"), "malformed unknown command packet"),
    ("unknown without its NUL", 3, wire.packet("U", b"XFOO"), "malformed unknown command packet"),
    ("unknown of two strings", 3, wire.strings("U", "a", "b"), "malformed unknown command packet"),
    ("an empty header", 4, wire.packet("L"), "malformed header packet"),
    ("a header without a NUL", 4, wire.packet("L", b"Subject"), "malformed header packet"),
    ("a header without a value", 4, wire.packet("L", b"Subject\0"), "malformed header packet"),
    ("a value without NUL", 4, wire.packet("L", b"Subject\0s"), "malformed header packet"),
    ("a header without a name", 4, wire.strings("L", "", "s"), "malformed header packet"),
    ("a header with a NUL", 4, wire.strings("L", "Subject", "one\0two"), "malformed header packet"),
    # Macros.
    ("macros without a command", 2, wire.packet("D"), "malformed macro packet"),
    ("a macro without a value", 2, wire.packet("D", b"Mi\0"), "malformed macro packet"),
    ("a macro without its NUL", 3, wire.packet("D", b"Ri\x004XyZ1"), "malformed macro packet"),
    ("an odd list of macros", 4, wire.packet("D", b"Li\x004XyZ1\0j\0"), "malformed macro packet"),
    ("a macro's name without NUL", 5, wire.packet("D", b"Bi"), "malformed macro packet"),
]

# pylint: disable=invalid-name
probed = None
failed = False


def setup():
    global probed  # pylint: disable=global-statement
    probed = Probed([CHAIN]).start()


def teardown():
    if failed:
        print("".join(f"# {line}\n" for line in probed.milterd.log().splitlines()[-60:]), end="")
    if probed:
        probed.stop()


class Bystander:
    """A mail server in the middle of a message, which it ends in good order."""

    def __enter__(self):
        self._mta = wire.begin(probed.unix())
        equal(self._mta.mail("<bystander@x>"), ("c",), "the bystander's mail")
        equal(self._mta.rcpt("<b@x>"), ("c",), "the bystander's rcpt")
        equal(self._mta.header("Subject", "s"), ("c",), "the bystander's header")
        return self

    def __exit__(self, kind, *_):
        with self._mta:
            if kind is None:
                equal(self._mta.end_of_header(), ("c",), "the bystander's end of header")
                equal(self._mta.body(b"text\r\n"), ("c",), "the bystander's body")
                answer = self._mta.end_of_message()
                equal(answer, [("h", "X-Checked", "yes"), ("c",)], "the bystander's end of message")
                self._mta.quit()


def closes(stage, bad, reason, after=b"", split=False, address=None):
    """The dialogue up to `stage`, then `bad`: closed, with that one line in the log."""
    said, answers = list(STAGES.values())[stage]
    with Bystander():
        probed.take_log()
        with wire.Mta(address or probed.unix()) as mta:
            if split:
                mta.send_split(said + bad)
            else:
                mta.send(said + bad + after)
            for number in range(answers):
                letter = mta.reply().letter
                equal(letter, "O" if number == 0 else "c", f"answer {number}")
            mta.expect_close()
        lines = transcript.log_lines(probed.take_log())
    told = [line for line in lines if re.match("(warning|error): ", line)]
    equal(len(told), 1, f"lines of warning: {told}")
    true(
        re.fullmatch(f"warning: connection from .* closed: {reason}.*", told[0]),
        f"the log says {told[0]!r}, not {reason!r}",
    )
    if stage >= 3:
        true(any("aborted" in line for line in lines), f"the plugin was not told: {lines}")
    if stage >= 2:
        true(any(line.endswith("plugin=probe: close") for line in lines), "no close for the plugin")


def bad_input(stage, bad, reason):
    def test():
        closes(stage, bad, reason)
        closes(stage, bad, reason, split=True, address=probed.tcp())
        closes(stage, bad, reason, after=MESSAGE + wire.packet("Q"))

    return test


for each_name, *each in CASES:
    globals()[f"test_{each_name}"] = bad_input(*each)


# -- the end of the connection in the middle of something ------------------------------------


def cut_off(data, reason):
    """The mail server goes away after these bytes."""
    with Bystander():
        probed.take_log()
        with wire.Mta(probed.unix()) as mta:
            mta.send(data)
            mta.finish_sending()
            try:
                while True:
                    mta.reply()
            except wire.Closed:
                pass
        lines = transcript.log_lines(probed.take_log())
    told = [line for line in lines if re.match("(warning|error): ", line)]
    true(len(told) == (1 if reason else 0), f"lines of warning: {told}")
    true(not reason or told[0].endswith(reason), f"the log says {told}, not {reason!r}")


def test_a_connection_that_says_nothing():
    cut_off(b"", None)


def test_cut_off_at_every_byte():
    whole = BODY + wire.packet("E")
    ends, at = {0}, 0
    while at < len(whole):
        at += 4 + struct.unpack_from(">I", whole, at)[0]
        ends.add(at)
    begin = len(CLIENT) + 4 + 1 + len(b"<bad@x>\0")  # MAIL has come
    for at in range(len(whole) + 1):
        if begin <= at < len(whole):
            cut_off(whole[:at], "closed: the mail server went away in the middle of a message")
        elif at in ends:
            cut_off(whole[:at], None)
        else:
            cut_off(whole[:at], "closed: the mail server went away in the middle of a packet")


def test_dropped_with_answers_unread():
    """A reset instead of an end; many times, as it may hit at any moment."""
    probed.take_log()
    log = []
    with Bystander():
        for number in range(50):
            with wire.Mta(probed.tcp() if number % 2 else probed.unix()) as mta:
                mta.send(BODY * 3)

        def all_gone():
            log.append(probed.take_log())
            return "".join(log).count(" closed: ") == 50

        case.wait_until(all_gone, "a line in the log for each of them")


# -- what is odd and yet no fault -----------------------------------------------------------


def goes_on(data, answers, log=None):
    """The connection stays; these are the answers."""
    with wire.begin(probed.unix()) as mta:
        probed.take_log()
        mta.send(data)
        got = [mta.reply().letter for _ in answers]
        equal("".join(got), answers, "answers")
        mta.quit()
    lines = transcript.log_lines(probed.take_log())
    equal([line for line in lines if re.match("(warning|error): ", line)], [], "warnings")
    if log:
        true(any(re.search(log, line) for line in lines), f"no {log!r} in {lines}")


def test_data_where_none_belongs():
    rest = wire.packet("T", b"x") + wire.packet("N", b"x") + wire.packet("A", b"x")
    goes_on(wire.strings("M", "<a@x>") + wire.strings("R", "<b@x>") + rest, "cccc", "aborted")


def test_an_offer_with_more_behind_it():
    probed.take_log()
    with wire.Mta(probed.unix()) as mta:
        mta.send(wire.packet("O", struct.pack(">III", 6, 0x1FF, 0x1FFFFF) + b"more"))
        equal(wire.take(mta.reply())[:4], ("O", 6, 0xFF, 0), "the answer")
        mta.quit()


def test_an_empty_chunk_of_body():
    begin = wire.strings("M", "<a@x>") + wire.strings("R", "<b@x>") + wire.packet("N")
    goes_on(begin + wire.packet("B") + wire.packet("E"), "cccchc", "eom")


def test_empty_strings():
    begin = [wire.strings(letter, "") for letter in "HUMR"]
    goes_on(b"".join(begin), "cccc", r"mail <>")


def test_the_largest_packets():
    long = "x" * 65000
    begin = wire.strings("H", long)
    begin += wire.strings("M", f"<{long}@x>") + wire.strings("R", f"<{long}@x>")
    header = wire.strings("L", "X-Long", long) + wire.strings("L", long, "v")
    goes_on(begin + header + wire.packet("B", b"x" * 65535), "ccccc")


def test_many_arguments():
    arguments = [f"ARG{number}=value" for number in range(4000)]
    goes_on(wire.strings("M", "<a@x>", *arguments), "c", r"mail <a@x> ARG0=value .*ARG100=value")


def test_many_macros():
    pairs = [(f"{{name{number}}}", "value") for number in range(3000)]
    goes_on(wire.macros("M", pairs) + wire.strings("M", "<a@x>"), "c")


def test_what_is_sent_forges_no_log_line():
    """Line ends in all that is logged; each line begins with milterd's own mark."""
    evil = "x\nmilterd[1]: error: forged\r\x1b[31m"
    probed.take_log()
    with wire.Mta(probed.unix()) as mta:
        mta.negotiate()
        mta.connect(evil, "4", 1, evil)
        mta.helo(evil)
        mta.unknown(evil)
        mta.macros("M", {"i": evil})
        mta.mail(f"<{evil}>", evil)
        mta.rcpt(f"<{evil}>")
        mta.header(evil, evil)
        mta.end_of_header()
        mta.body(wire.as_bytes(evil))
        mta.end_of_message()
        mta.quit()
    log = probed.take_log()
    true("forged" in log, "nothing of it was logged at all")
    for line in log.splitlines():
        true(re.match(r"milterd\[\d+\]: (debug: )?worker 1: ", line), f"a forged line: {line!r}")
    true("\x1b" not in log and "\r" not in log, "control characters in the log")


# -- many at once ----------------------------------------------------------------------------


def test_all_of_it_at_once():
    """Every case from a thread of its own, and mail between them."""
    problems = []

    def one(stage, bad):
        try:
            said, answers = list(STAGES.values())[stage]
            with wire.Mta(probed.unix()) as mta:
                mta.send(said + bad)
                for _ in range(answers):
                    mta.reply()
                mta.expect_close()
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(f"{bad[:40]!r}: {problem!r}")

    def good():
        try:
            with wire.begin(probed.unix()) as mta:
                for _ in range(5):
                    answer = mta.message("<a@x>", ["<b@x>"], [("Subject", "s")], b"text\r\n")
                    equal(answer, [("h", "X-Checked", "yes"), ("c",)], "the answer")
                mta.quit()
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(f"a good one: {problem!r}")

    threads = [threading.Thread(target=one, args=(stage, bad)) for _, stage, bad, _ in CASES]
    threads += [threading.Thread(target=good) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    equal(problems, [], "problems")


def test_random_bytes():
    """Whatever comes, the worker stays. WIRE_SEED begins somewhere else."""
    chance = random.Random(os.environ.get("WIRE_SEED", "1"))
    with Bystander():
        for _ in range(300):
            said, _ = chance.choice(list(STAGES.values()))
            packets = [
                wire.packet(chance.choice("OCHMRTUDLNBEAK"), chance.randbytes(chance.randrange(12)))
                for _ in range(chance.randrange(8))
            ]
            data = bytearray(said + b"".join(packets))
            for _ in range(chance.randrange(4)):
                if data:
                    data[chance.randrange(len(data))] = chance.randrange(256)
            with wire.Mta(probed.unix()) as mta:
                mta.send(bytes(data))
                mta.finish_sending()
                try:
                    while True:
                        mta.reply()
                except wire.Closed:
                    pass
    workers = set(re.findall(r"milterd\[(\d+)\]: (?:\w+: )?worker 1: ", probed.milterd.log()))
    equal(len(workers), 1, f"worker processes that have been: {workers}")


if __name__ == "__main__":
    case.run(globals())
