#!/usr/bin/python3
"""Random dialogues, mostly in order and sometimes not, against a model of the protocol.

The model is libmilter's rule and nothing of the daemon's: what may follow what, what
is aborted, what each packet is answered with, and what a plugin gets to see of it. milterd's
answers and the plugin's log must be those of the model, however the dialogue is cut into
pieces. WIRE_SEED begins somewhere else, WIRE_DIALOGUES says how many.
"""

import os
import random
import re
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import case, transcript, wire
from mta.probed import Probed

SEED = int(os.environ.get("WIRE_SEED", "1"))
DIALOGUES = int(os.environ.get("WIRE_DIALOGUES", "250"))

# What refuses says so in its own name; the second plugin is there to be asked after the first.
RULES = """
    "helo reject: reject", "mail <reject@x>: reject", "mail <accept@x>: accept",
    "rcpt <reject@x>: reject", "rcpt <accept@x>: accept", "rcpt <edit@x>: add X-Edit: yes",
    "data <data@x>: tempfail", "header reject: reject", "header accept: accept",
    "header edit: add X-Edit: yes", "eoh <eoh@x>: reply 550 5.7.1 no", "body reject: discard",
    "unknown reject: reject", "eom <eom@x>: tempfail"
"""
CHAIN = f'{{ plugin = "probe"; script = ( {RULES} ); }}'

LINE = b"0123456789012345678901234567890123456789"
LATE = f'{{ plugin = "probe"; script = ( "eom: body-repeat 6500 {LINE.decode()}" ); }}'

# After each state, what may come; libmilter's table, where a state is called after what led
# to it.
FOLLOWS = {
    "negotiated": "CU",
    "idle": "HMU",
    "M": "RU",
    "R": "RTLNBEU",
    "T": "LN",
    "L": "LN",
    "N": "BE",
    "B": "BE",
}
USUAL = {
    "negotiated": "C",
    "idle": "HMM",
    "M": "R",
    "R": "RRTTLN",
    "T": "LLN",
    "L": "LLN",
    "N": "BBE",
    "B": "BEE",
}
EVERY = "OCHMRTLNBEUAKD"

ARGUMENTS = {
    "C": ["client"],
    "H": ["client"] * 15 + ["reject"],
    "M": ["<a@x>"] * 6 + ["<reject@x>", "<accept@x>", "<data@x>", "<eoh@x>", "<eom@x>"],
    "R": ["<b@x>"] * 6 + ["<reject@x>", "<accept@x>", "<edit@x>"],
    "L": ["Subject"] * 8 + ["Reject", "Accept", "Edit"],
    "B": ["text"] * 6 + ["reject"],
    "U": ["XFOO", "reject"],
}

ENDS = {"r": "rejected", "t": "tempfailed", "d": "discarded", "a": "accepted", "y": "rejected"}

probed = None  # pylint: disable=invalid-name


def setup():
    global probed  # pylint: disable=global-statement
    probed = Probed([CHAIN, LATE]).start()


def teardown():
    if probed:
        probed.stop()


class Model:
    """What milterd should answer (letters) and what the plugin should see (its log)."""

    def __init__(self):
        self.state = "negotiated"
        self.answers = ["O"]
        self.seen = []
        self.known = False  # the plugin has seen something of this client
        self.refused = False  # at HELO, for as long as the client is there
        self._forget()

    def _forget(self):
        self.sender = None
        self.open = False  # the plugin has seen something of a message
        self.accepted = None  # where an accept is held
        self.edits = 0

    # -- ends

    def _end(self, end, event, who="probe", reply=""):
        if self.open:
            if end == "aborted":
                self.seen.append("abort")
            self.seen.append(f"end: {end} at {event} by {who}{reply}")
        if self.state not in ("negotiated", "idle"):
            self.state = "idle"
        self._forget()

    def abort(self):
        self._end("aborted", self.accepted or "eom", "probe" if self.accepted else "nobody")

    def close(self):
        self.abort()
        if self.known:
            self.seen.append("close")
        self.known = False

    # -- one packet

    def say(self, letter, argument):
        """What is not an event first."""
        if letter in "OD":
            return
        if letter == "A":
            self.abort()
        elif letter == "K":
            self.close()
            self.state, self.refused = "negotiated", False
        elif self._in_order(letter):
            self._event(letter, argument)

    def _in_order(self, letter):
        if letter in FOLLOWS[self.state]:
            return True
        self.abort()
        return letter in FOLLOWS["idle"]

    def _event(self, letter, argument):
        if letter in "CH":
            self.state = "idle"
        elif letter != "U":
            self.state = letter
        if self.refused:
            self.answers.append("r")
            if letter == "E":
                self.state = "idle"
            return
        if self.accepted and letter != "U":
            if letter == "E":
                self._finish("a", self.accepted, "probe")
            else:
                self.answers.append("c")
            return
        if self.accepted:
            self.answers.append("c")
            return
        getattr(self, f"_{letter}")(argument)

    def _see(self, text, of_message=True):
        self.seen.append(text)
        self.known = True
        self.open = self.open or of_message

    def _decide(self, letter, event, reply=""):
        """A verdict on the message, at once or held."""
        if letter == "a" and self.edits:
            self.accepted = event
            self.answers.append("c")
        else:
            self.answers.append(letter)
            self._end(ENDS[letter], event, "probe", reply)

    def _finish(self, letter, event, who):
        self.answers += ["h"] * self.edits + [letter]
        self.state = "idle"
        self._end("accepted", event, who)

    # -- events, called as the packets are
    # pylint: disable=invalid-name

    def _C(self, name):
        self._see(f"connect [{name}] inet [192.0.2.1] 1", False)
        self.answers.append("c")

    def _H(self, name):
        self._see(f"helo [{name}]", False)
        self.refused = name == "reject"
        self.answers.append("r" if self.refused else "c")

    def _M(self, sender):
        self.sender = sender
        self._see(f"mail {sender}")
        if sender == "<reject@x>":
            self._decide("r", "mail")
        elif sender == "<accept@x>":
            self._decide("a", "mail")
        else:
            self.answers.append("c")

    def _R(self, address):
        self._see(f"rcpt {address}")
        if address == "<reject@x>":
            self.answers.append("r")
        elif address == "<accept@x>":
            self._decide("a", "rcpt")
        else:
            self.edits += address == "<edit@x>"
            self.answers.append("c")

    def _T(self, _):
        self._see("data")
        if self.sender == "<data@x>":
            self._decide("t", "data")
        else:
            self.answers.append("c")

    def _L(self, name):
        self._see(f"header {name}:[v]")
        if name == "Reject":
            self._decide("r", "header")
        elif name == "Accept":
            self._decide("a", "header")
        else:
            self.edits += name == "Edit"
            self.answers.append("c")

    def _N(self, _):
        self._see("eoh")
        if self.sender == "<eoh@x>":
            self._decide("y", "eoh", ": 550 5.7.1 no")
        else:
            self.answers.append("c")

    def _B(self, line):
        self._see(f"body, {len(line) + 2} bytes: [{line}]")
        if line == "reject":
            self._decide("d", "body")
        else:
            self.answers.append("c")

    def _E(self, _):
        self._see("eom")
        if self.sender == "<eom@x>":
            self._decide("t", "eom")
        else:
            self._finish("c", "eom", "nobody")

    def _U(self, command):
        self._see(f"unknown [{command}]", False)
        self.answers.append("r" if command == "reject" else "c")


def packet(letter, argument):
    if letter == "O":
        return wire.negotiate()
    if letter == "D":
        return wire.macros("M", {"x": "y"})
    if letter == "C":
        return wire.connect(argument, "4", 1, "192.0.2.1")
    if letter == "L":
        return wire.strings("L", argument, "v")
    if letter == "B":
        return wire.packet("B", wire.as_bytes(f"{argument}\r\n"))
    return wire.strings(letter, argument) if letter in ARGUMENTS else wire.packet(letter)


def invent(chance):
    """(what was said as text, its packets, the model after it)."""
    model = Model()
    said, packets = [], [wire.negotiate()]
    for _ in range(chance.randrange(5, 60)):
        usual = USUAL[model.state]
        letter = chance.choice(usual if chance.random() < 0.85 else EVERY)
        argument = chance.choice(ARGUMENTS.get(letter, [""]))
        said.append(f"{letter} {argument}".strip())
        packets.append(packet(letter, argument))
        model.say(letter, argument)
    packets.append(wire.packet("Q"))
    model.close()
    return said, packets, model


def pieces(data, chance):
    """Cut anywhere."""
    at = 0
    while at < len(data):
        size = chance.choice([1, 2, 3, 5, 8, 21, 100, 1000, len(data)])
        yield data[at : at + size]
        at += size


def play(packets, chance):
    """Answers as letters, until milterd closes."""
    answers = []
    with wire.Mta(probed.tcp() if chance.random() < 0.3 else probed.unix()) as mta:
        for piece in pieces(b"".join(packets), chance):
            mta.send(piece)
        try:
            while True:
                answers.append(wire.take(mta.reply())[0])
        except wire.Closed:
            return answers


def compare(said, model, answers, lines):
    case.equal(answers, model.answers, f"answers to {', '.join(said)}")
    seen = [line.partition("plugin=probe: ")[2] for line in lines if "plugin=probe: " in line]
    case.equal(seen, model.seen, f"what the plugin saw of {', '.join(said)}")
    odd = [line for line in lines if re.match("(warning|error): ", line)]
    case.equal(odd, [], f"warnings after {', '.join(said)}")


def test_random_dialogues():
    for number in range(SEED, SEED + DIALOGUES):
        chance = random.Random(number)
        said, packets, model = invent(chance)
        probed.take_log()
        answers = play(packets, chance)
        try:
            compare(said, model, answers, transcript.log_lines(probed.take_log()))
        except case.Failure as problem:
            raise case.Failure(f"WIRE_SEED={number} WIRE_DIALOGUES=1: {problem}") from problem


def test_each_command_after_each_state():
    """One command out of place, or in it, then a whole message."""
    whole = "CHMRTLNBE"
    ways = [whole[:length] for length in range(len(whole) + 1)] + ["CM", "CHMRA", "CHMRK"]
    for way in ways:
        for letter in EVERY:
            model, packets = Model(), [wire.negotiate()]
            dialogue = f"{way}{letter}MRTLNBE"
            for each in dialogue:
                argument = ARGUMENTS.get(each, [""])[0]
                packets.append(packet(each, argument))
                model.say(each, argument)
            packets.append(wire.packet("Q"))
            model.close()
            probed.take_log()
            answers = play(packets, random.Random(1))
            lines = transcript.log_lines(probed.take_log())
            compare([f"{letter} after {way}"], model, answers, lines)
            case.equal(model.answers[-1], "c", f"the last answer to {dialogue}")


def test_answers_that_are_read_late():
    """More than the socket takes, and a mail server that has said all it has to say."""
    message = b"".join(packet(letter, "<late@x>") for letter in "MRNE")
    for messages in (1, 3, 40):
        for address in (probed.unix(LATE), probed.tcp(LATE)):
            probed.take_log()
            log = []

            def served():
                log.append(probed.take_log())
                return "end: accepted" in "".join(log)

            with wire.Mta(address) as mta:
                mta.send(wire.negotiate() + messages * message + wire.packet("Q"))
                case.wait_until(served, "the first message to be served")
                case.equal(mta.reply().letter, "O", "the answer to the offer")
                for _ in range(messages):
                    answers = [mta.reply() for _ in range(8)]
                    letters = "".join(reply.letter for reply in answers)
                    case.equal(letters, "cccbbbbc", "answers")
                    body = b"".join(reply.data for reply in answers)
                    case.true(body == 6500 * LINE, f"a body of {len(body)} bytes")
                mta.expect_close()


if __name__ == "__main__":
    case.run(globals())
