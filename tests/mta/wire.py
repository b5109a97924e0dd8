"""The milter protocol from the mail server's side.

Packets are made and taken apart here without anything of the daemon's, so that
both have to agree with the protocol and not with each other. Mta is one
connection of a mail server: what it says is a function of its own name, and what
is sent and what comes back can be had in any order, also piece by piece.

    with Mta("unix:/path") as mta:
        mta.negotiate()
        mta.connect("localhost")
        mta.mail("<a@example.org>")
        ...
        edits = mta.end_of_message()
"""

import selectors
import socket
import struct
import time
from collections import namedtuple

from . import case

ACTIONS = 0x1FF
PROTOCOL = 0x1FFFFF
LIMIT = 10.0  # seconds that an answer may take

# Of each command that is an event: the bit that leaves it out, and the bit for no reply.
EVENTS = {
    "C": (0x01, 0x1000),
    "H": (0x02, 0x2000),
    "M": (0x04, 0x4000),
    "R": (0x08, 0x8000),
    "B": (0x10, 0x80000),
    "L": (0x20, 0x80),
    "N": (0x40, 0x40000),
    "U": (0x100, 0x20000),
    "T": (0x200, 0x10000),
    "E": (0, 0),
}
SKIP = 0x400

# What ends an answer; anything else after E is an edit, or "wait".
VERDICTS = "cartdys4f"

STAGES = ("connect", "helo", "mail", "rcpt", "data", "eom", "eoh")

Reply = namedtuple("Reply", "letter data")
Negotiated = namedtuple("Negotiated", "version actions protocol macros")


class Malformed(case.Failure):
    """A packet from milterd that is none of the protocol's."""


class Unanswered(case.Failure):
    """milterd has not answered."""


class Closed(Unanswered):
    """milterd has closed the connection where an answer was due."""


# -- packets to milterd ------------------------------------------------------------------


def as_bytes(text):
    """Text as it goes out: each of its letters below 256 is a byte."""
    return text if isinstance(text, bytes) else text.encode("latin-1")


def string(text):
    return as_bytes(text) + b"\0"


def packet(letter, data=b""):
    return struct.pack(">I", len(data) + 1) + as_bytes(letter) + data


def negotiate(version=6, actions=ACTIONS, protocol=PROTOCOL):
    return packet("O", struct.pack(">III", version, actions, protocol))


def macros(letter, pairs=()):
    """pairs: a dictionary, or (name, value) in order."""
    items = pairs.items() if isinstance(pairs, dict) else pairs
    return packet("D", as_bytes(letter) + b"".join(string(text) for pair in items for text in pair))


def connect(name, family="4", port=0, address=""):
    data = string(name) + as_bytes(family)
    if family != "U":
        data += struct.pack(">H", port) + string(address)
    return packet("C", data)


def strings(letter, *texts):
    """H, M, R, U, L: strings one after the other."""
    return packet(letter, b"".join(string(text) for text in texts))


# -- packets from milterd ----------------------------------------------------------------


def cut(stream):
    """Whole packets at the beginning of a bytearray, which loses them."""
    found = []
    while len(stream) >= 4:
        (length,) = struct.unpack_from(">I", stream)
        if not 0 < length <= 0x100000:
            raise Malformed(f"a packet of length {length}: {bytes(stream[:40])!r}")
        if len(stream) < 4 + length:
            break
        found.append(Reply(chr(stream[4]), bytes(stream[5 : 4 + length])))
        del stream[: 4 + length]
    return found


def take_strings(data, count, what):
    """Exactly that many strings, each with its NUL, and nothing after them."""
    parts = data.split(b"\0")
    if parts[-1] != b"" or len(parts) - 1 not in count:
        raise Malformed(f"{what} with {data!r}")
    return [part.decode("latin-1") for part in parts[:-1]]


def _take_negotiated(data):
    if len(data) < 12:
        raise Malformed(f"O with {data!r}")
    version, actions, protocol = struct.unpack_from(">III", data)
    lists, at = {}, 12
    while at < len(data):
        end = data.find(b"\0", at + 4)
        stage = struct.unpack_from(">I", data, at)[0] if at + 4 <= len(data) else len(STAGES)
        if end < 0 or stage >= len(STAGES) or STAGES[stage] in lists:
            raise Malformed(f"macro lists {data[12:]!r}")
        lists[STAGES[stage]] = data[at + 4 : end].decode("latin-1")
        at = end + 1
    return Negotiated(version, actions, protocol, lists)


def _take_index(letter, data):
    if len(data) < 4:
        raise Malformed(f"{letter} with {data!r}")
    (index,) = struct.unpack_from(">I", data)
    return [index, *take_strings(data[4:], [2], letter)]


def take(reply):
    """A reply's parts as a tuple, its letter first; strings are text, a body is bytes."""
    letter, data = reply
    if letter == "O":
        return ("O", *_take_negotiated(data))
    if letter in "im":
        return (letter, *_take_index(letter, data))
    if letter == "b":
        return (letter, data)
    counts = {"h": [2], "+": [1], "2": [2], "-": [1], "e": [1, 2], "q": [1], "y": [1]}
    if letter in counts:
        return (letter, *take_strings(data, counts[letter], letter))
    if letter not in "cartdspf4":
        raise Malformed(f"an unknown reply {letter!r} with {data!r}")
    if data:
        raise Malformed(f"{letter} with {data!r}")
    return (letter,)


# -- a connection ------------------------------------------------------------------------


def open_socket(address):
    """unix:/PATH, or inet:HOST:PORT."""
    kind, _, rest = address.partition(":")
    if kind == "unix":
        # Waits while the backlog is full; Python's own timeout would not.
        connection = socket.socket(socket.AF_UNIX)
        limit = struct.pack("@ll", int(LIMIT), 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        connection.connect(rest)
    else:
        host, _, port = rest.rpartition(":")
        connection = socket.create_connection((host, int(port)), LIMIT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    return connection


class Mta:
    """A mail server's connection. Each wait ends with a Failure after LIMIT seconds."""

    def __init__(self, address):
        self._socket = open_socket(address)
        self._stream = bytearray()
        self._replies = []
        self._ended = False
        self.agreed = Negotiated(6, 0, 0, {})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()

    def drop(self):
        """Goes without a word."""
        self._socket.close()

    # -- bytes

    def _wait(self, for_what, deadline):
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, for_what)
            ready = selector.select(max(0, deadline - time.monotonic()))
        if not ready:
            raise Unanswered(f"milterd has not answered within {LIMIT:g} s")
        return ready[0][1]

    def _read(self):
        try:
            data = self._socket.recv(1 << 20)
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._ended = True
        self._stream += data
        self._replies += cut(self._stream)

    def send(self, data):
        """Writes all of it; what comes back meanwhile is kept, so that neither side is stuck."""
        left = memoryview(data)
        deadline = time.monotonic() + LIMIT
        while left and not self._ended:
            try:
                left = left[self._socket.send(left) :]
                continue
            except (BlockingIOError, InterruptedError):
                pass
            except (BrokenPipeError, ConnectionResetError):
                self._read()
                self._ended = True
                return
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            if self._wait(both, deadline) & selectors.EVENT_READ:
                self._read()

    def send_split(self, data, whole_above=2000):
        """One write for each byte; of a long packet only of its first and last ones."""
        edge = len(data) if len(data) <= whole_above else 32
        for at in range(edge):
            self.send(data[at : at + 1])
        for at in range(edge, len(data) - edge, 5003):
            self.send(data[at : min(at + 5003, len(data) - edge)])
        for at in range(max(edge, len(data) - edge), len(data)):
            self.send(data[at : at + 1])

    def finish_sending(self):
        """The mail server's end of the connection is closed; milterd's stays open."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reply(self):
        """The next packet. Closed where the connection ends instead."""
        deadline = time.monotonic() + LIMIT
        while not self._replies:
            if self._ended:
                left = f", {bytes(self._stream[:40])!r} is half a packet" if self._stream else ""
                raise Closed(f"milterd has closed the connection{left}")
            self._wait(selectors.EVENT_READ, deadline)
            self._read()
        return self._replies.pop(0)

    def pending(self):
        """Packets that have come and that nobody has asked for."""
        if not self._ended:
            self._read()
        return list(self._replies)

    def expect_close(self):
        """milterd closes, and says nothing before it."""
        try:
            left = self.reply()
        except Closed:
            case.equal(bytes(self._stream), b"", "half a packet at the end")
            return
        raise case.Failure(f"{left} instead of the end of the connection")

    # -- the dialogue

    def negotiate(self, version=6, actions=ACTIONS, protocol=PROTOCOL):
        self.send(negotiate(version, actions, protocol))
        answer = take(self.reply())
        case.equal(answer[0], "O", "the answer to the offer")
        self.agreed = Negotiated(*answer[1:])
        case.true(self.agreed.version <= version, "a version above the offer")
        case.equal(self.agreed.actions & ~(actions or 0x0F), 0, "actions that were not offered")
        case.equal(self.agreed.protocol & ~(protocol or 0x3F), 0, "bits that were not offered")
        return self.agreed

    def say(self, data):
        """Sends one event and returns the answer as take() gives it; None where the event is
        left out or no answer is due."""
        left_out, no_reply = EVENTS[chr(data[4])]
        if self.agreed.protocol & left_out:
            return None
        self.send(data)
        if self.agreed.protocol & no_reply:
            return None
        return take(self.reply())

    def macros(self, letter, pairs=()):
        self.send(macros(letter, pairs))

    def connect(self, name="localhost", family="4", port=12345, address="127.0.0.1"):
        return self.say(connect(name, family, port, address))

    def helo(self, name="client.example.org"):
        return self.say(strings("H", name))

    def mail(self, sender, *args):
        return self.say(strings("M", sender, *args))

    def rcpt(self, address, *args):
        return self.say(strings("R", address, *args))

    def data(self):
        return self.say(packet("T"))

    def unknown(self, command):
        return self.say(strings("U", command))

    def header(self, name, value):
        return self.say(strings("L", name, value))

    def end_of_header(self):
        return self.say(packet("N"))

    def body(self, chunk):
        return self.say(packet("B", chunk))

    def abort(self):
        self.send(packet("A"))

    def next_client(self):
        self.send(packet("K"))

    def quit(self):
        self.send(packet("Q"))
        self.expect_close()

    def end_of_message(self, chunk=b""):
        """Everything that comes after E, the verdict last."""
        self.send(packet("E", chunk))
        answer = [take(self.reply())]
        while answer[-1][0] not in VERDICTS:
            answer.append(take(self.reply()))
        return answer

    def message(self, sender, recipients, headers=(), content=b"", chunk=65535):
        """A whole message up to its answer, as a mail server sends one that nobody refuses."""
        self.mail(sender)
        for address in recipients:
            self.rcpt(address)
        if self.agreed.version >= 4:
            self.data()
        for name, value in headers:
            self.header(name, value)
        self.end_of_header()
        for at in range(0, len(content), chunk):
            if self.body(content[at : at + chunk]) == ("s",):
                break
        return self.end_of_message()


def begin(address):
    """A connection that has come as far as HELO."""
    mta = Mta(address)
    mta.negotiate()
    mta.connect()
    mta.helo()
    return mta
