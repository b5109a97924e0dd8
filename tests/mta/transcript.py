r"""Transcripts: what a mail server says to milterd, and what must come back.

    # A comment.
    chain:
        { plugin = "probe"; script = ( "rcpt <c@d>: reply 550 5.1.1 no" ); }

    block greeting:
        C: O 6 0x1ff 0x1fffff
        S: O 6 0x0ff 0x000000

    == A refused recipient
    do greeting
    C: D M i=4XyZ1 {mail_addr}=a@b
    C: M <a@b> SIZE=1000
    S: c
    C: R <c@d>
    S: y 550 5.1.1 no
    L: NOQUEUE: ... verdict=reject plugin=probe event=rcpt reply="550 5.1.1 no"
    C: Q
    S: close

"== title" begins a dialogue, on a connection of its own. `chain:` holds the entries of a
chain as in milter.conf, indented; before the first dialogue it is for all that have
none. `do NAME` stands for the lines of a block.

C: is a packet of the mail server, its letter first:

    O VERSION ACTIONS PROTOCOL      D LETTER NAME=value ...     C NAME FAMILY PORT ADDRESS
    H NAME    M ADDRESS ARGS...     R ADDRESS ARGS...           U COMMAND
    L NAME: value                   B bytes     E bytes         T N A Q K

    packet LETTER bytes             a packet of just these bytes, no NUL added
    raw bytes                       no packet at all
    end                             the mail server's end is closed

S: is a packet of milterd in the same form, O with STAGE="names" for lists of macros, and
h, i, m, +, 2, -, e, q, y, b with their parts. `S: nothing` says that nothing may have come
until here, `S: close` that milterd closes. Packets with a new body are compared joined,
however many there are.

L: is a line of milterd's log without its beginning; ... stands for anything. Lines come
in this order, others may be between them, but no warning and no error: for these
L: gives level and text, `L: warning: ...`.

Words with a space, and values that begin or end with one, stand in quotes. \n \r \t \\ \"
\xNN are bytes, and {1000 x "text"} is that text a thousand times, in a chain too.
"""

import os
import re

from . import case, wire

# How a dialogue is played.
MODES = ("whole", "grouped", "bytes", "stream")

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"'}
_REPEATED = re.compile(r'\{(\d+) x "([^"]*)"\}')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WORD = re.compile(r'(?:[^\s"\\]|\\.|"(?:[^"\\]|\\.)*")+')


class Wrong(Exception):
    """A line that cannot be understood."""


class Dialogue:
    """steps: ("C", bytes), ("S", parts) or ("end", None), each with file:line and its text."""

    def __init__(self, file, number, title):
        self.file, self.number, self.title = file, number, title
        self.chain = None
        self.steps = []
        self.log = []

    @property
    def name(self):
        stem = os.path.splitext(os.path.basename(self.file))[0]
        return f"{stem}: {self.title}"


# -- words and texts -----------------------------------------------------------------------


def _unescape(text):
    def one(match):
        if match[1]:
            return chr(int(match[1], 16))
        if match[2] not in _ESCAPES:
            raise Wrong(f"\\{match[2]} is no escape")
        return _ESCAPES[match[2]]

    return re.sub(r"\\(?:x([0-9a-fA-F]{2})|(.))", one, text, flags=re.S)


def _repeat(text):
    return _REPEATED.sub(lambda found: int(found[1]) * found[2], text)


def _unquote(text):
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        text = text[1:-1]
    return text


def text_of(text):
    """A text as it stands to the end of the line."""
    return _unescape(_repeat(_unquote(text)))


def words_of(text):
    out, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _WORD.match(text, at)
        if not match or text[match.end() : match.end() + 1] not in ("", " "):
            raise Wrong(f"these are no words: {text[at:]}")
        out.append(_unescape(re.sub(_QUOTED, lambda quoted: quoted[1], match[0])))
        at = match.end() + 1
        while text[at : at + 1] == " ":
            at += 1
    return out


def _field(text):
    """NAME: value."""
    name, colon, value = text.partition(":")
    if not colon:
        raise Wrong(f"{text} is no NAME: value")
    return _unescape(name), text_of(value.removeprefix(" "))


# -- packets ---------------------------------------------------------------------------------


def _client_offer(rest):
    return wire.negotiate(*(int(word, 0) for word in rest.split()))


def _client_macros(rest):
    letter, *pairs = words_of(rest)
    return wire.macros(letter, [pair.partition("=")[::2] for pair in pairs])


def _client_connect(rest):
    name, family, *more = words_of(rest)
    return wire.connect(name, family, *([int(more[0]), more[1]] if more else []))


def _client_packet(rest):
    letter, _, text = rest.partition(" ")
    return wire.packet(letter, wire.as_bytes(text_of(text)))


_CLIENT = {
    "O": _client_offer,
    "D": _client_macros,
    "C": _client_connect,
    "H": lambda rest: wire.strings("H", text_of(rest)),
    "U": lambda rest: wire.strings("U", text_of(rest)),
    "M": lambda rest: wire.strings("M", *words_of(rest)),
    "R": lambda rest: wire.strings("R", *words_of(rest)),
    "L": lambda rest: wire.strings("L", *_field(rest)),
    "B": lambda rest: wire.packet("B", wire.as_bytes(text_of(rest))),
    "E": lambda rest: wire.packet("E", wire.as_bytes(text_of(rest))),
    "packet": _client_packet,
    "raw": lambda rest: wire.as_bytes(text_of(rest)),
}


def client_packet(text):
    """The bytes of a C: line."""
    letter, _, rest = text.partition(" ")
    if letter in _CLIENT:
        return _CLIENT[letter](rest)
    if letter in ("T", "N", "A", "Q", "K") and not rest:
        return wire.packet(letter)
    raise Wrong(f"C: {text} is not known")


def _server_offer(rest):
    version, actions, protocol, *lists = words_of(rest)
    stages = dict(item.partition("=")[::2] for item in lists)
    return ("O", int(version, 0), int(actions, 0), int(protocol, 0), stages)


def _server_header_at(letter):
    def parse(rest):
        index, _, field = rest.partition(" ")
        return (letter, int(index), *_field(field))

    return parse


_SERVER = {
    "O": _server_offer,
    "h": lambda rest: ("h", *_field(rest)),
    "i": _server_header_at("i"),
    "m": _server_header_at("m"),
    "+": lambda rest: ("+", *words_of(rest)),
    "2": lambda rest: ("2", *words_of(rest)),
    "-": lambda rest: ("-", *words_of(rest)),
    "e": lambda rest: ("e", *words_of(rest)),
    "q": lambda rest: ("q", text_of(rest)),
    "y": lambda rest: ("y", text_of(rest)),
    "b": lambda rest: ("b", wire.as_bytes(text_of(rest))),
}


def server_packet(text):
    """What a S: line says, in the form of wire.take()."""
    letter, _, rest = text.partition(" ")
    if letter in _SERVER:
        return _SERVER[letter](rest)
    if letter in ("c", "a", "r", "t", "d", "s", "p", "close", "nothing") and not rest:
        return (letter,)
    raise Wrong(f"S: {text} is not known")


# -- files -------------------------------------------------------------------------------------


class _Reader:
    """One file, line by line."""

    def __init__(self, file):
        self.file = file
        self.dialogues = []
        self.chain = ""
        self.blocks = {}
        self._into = None  # where indented lines go

    def read(self):
        with open(self.file, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    self._line(number, line.rstrip("\n"))
                except (Wrong, ValueError, KeyError, IndexError) as problem:
                    raise case.Failure(f"{self.file}:{number}: {problem!r}: {line}") from problem
        for dialogue in self.dialogues:
            chain = "\n".join(self.chain if dialogue.chain is None else dialogue.chain)
            dialogue.chain = _repeat(chain)
            if not dialogue.steps:
                raise case.Failure(f"{self.file}:{dialogue.number}: nothing is said")
        return self.dialogues

    def _line(self, number, line):
        indented = line[:1] in (" ", "\t")
        if not line.strip() or line.lstrip().startswith("#"):
            return
        if indented:
            if self._into is None:
                raise Wrong("an indented line belongs to chain: or block NAME:")
            self._into.append(line.strip())
            return
        self._into = None
        if line.startswith("== "):
            self.dialogues.append(Dialogue(self.file, number, line[3:]))
        elif line == "chain:":
            self._into = []
            if self.dialogues:
                self.dialogues[-1].chain = self._into
            else:
                self.chain = self._into
        elif re.fullmatch(r"block \w+:", line):
            self._into = self.blocks[line[6:-1]] = []
        else:
            self._step(number, line)

    def _step(self, number, line):
        word, _, text = line.partition(" ")
        if word == "do":
            for each in self.blocks[text]:
                self._step(number, each)
            return
        dialogue = self.dialogues[-1]
        where = f"{os.path.basename(self.file)}:{number}"
        if dialogue.steps and dialogue.steps[-1][1] == ("close",) and word != "L:":
            raise Wrong("something after the close")
        if word == "C:" and text == "end":
            dialogue.steps.append(("end", None, where, line))
        elif word == "C:":
            dialogue.steps.append(("C", client_packet(text), where, line))
        elif word == "S:":
            dialogue.steps.append(("S", server_packet(text), where, line))
        elif word == "L:":
            dialogue.log.append((text, where))
        else:
            raise Wrong("not one of C: S: L: do chain: block ==")


def read(file):
    return _Reader(file).read()


# -- playing -----------------------------------------------------------------------------------


def _short(parts):
    text = repr(parts)
    return text if len(text) < 400 else f"{text[:200]} ... {text[-100:]} ({len(text)} letters)"


class _Player:
    """One dialogue on one connection."""

    def __init__(self, mta, mode, address):
        self.mta, self.mode, self.address = mta, mode, address
        self.unsent = []

    def _flush(self):
        data, self.unsent = b"".join(self.unsent), []
        if self.mode == "bytes":
            self.mta.send_split(data)
        elif data:
            self.mta.send(data)

    def _say(self, data):
        self.unsent.append(data)
        if self.mode in ("whole", "bytes"):
            self._flush()

    def _hear(self, expected, where, line):
        if self.mode != "stream":
            self._flush()
        if expected == ("nothing",):
            if self.mode == "whole":
                self._hear_nothing(where)
            return
        if expected == ("close",):
            self.mta.expect_close()
            return
        got = wire.take(self.mta.reply())
        if got[0] == "b" == expected[0]:
            got = self._whole_body(got[1], len(expected[1]))
        if got != expected:
            both = f"  expected {_short(expected)}\n  got      {_short(got)}"
            raise case.Failure(f"{where}: {line}\n{both}")

    def _hear_nothing(self, where):
        """milterd has one worker: when it answers another connection it has seen all of ours."""
        with wire.Mta(self.address) as other:
            other.negotiate()
        early = self.mta.pending()
        if early:
            raise case.Failure(f"{where}: S: nothing\n  but there is {_short(early)}")

    def _whole_body(self, data, length):
        case.true(len(data) <= 65535, "a piece of a body is over 65535 bytes")
        while len(data) < length:
            more = wire.take(self.mta.reply())
            case.equal(more[0], "b", f"the body goes on after {len(data)} of {length} bytes")
            case.true(0 < len(more[1]) <= 65535, "a piece of a body that is empty or too large")
            data += more[1]
        return ("b", data)

    def play(self, steps):
        if self.mode == "stream":
            self.unsent = [what for kind, what, _, _ in steps if kind == "C"]
            self._flush()
        for kind, what, where, line in steps:
            try:
                if kind == "S":
                    self._hear(what, where, line)
                elif kind == "end":
                    self._flush()
                    self.mta.finish_sending()
                elif self.mode != "stream":
                    self._say(what)
            except wire.Unanswered as problem:
                raise case.Failure(f"{where}: {line}\n  but {problem}") from problem
        self._flush()
        if steps[-1][1] != ("close",):
            self.mta.finish_sending()
            self.mta.expect_close()


def play(dialogue, address, mode):
    """Plays it; when this returns, milterd has closed the connection and logged all it had to."""
    with wire.Mta(address) as mta:
        _Player(mta, mode, address).play(dialogue.steps)


# -- the log -----------------------------------------------------------------------------------


def log_lines(text):
    """Lines without process and worker: "warning: text", or the text alone where it is info."""
    found = []
    for line in text.splitlines():
        match = re.match(r"milterd\[\d+\]: (warning: |error: |debug: )?(?:worker \d+: )?(.*)", line)
        found.append((match[1] or "") + match[2] if match else line)
    return found


def check_log(dialogue, lines):
    """All that the transcript says is there in its order; no other warning or error is."""
    at = 0
    for text, where in dialogue.log:
        pattern = ".*".join(re.escape(part) for part in text.split("..."))
        start = at
        while at < len(lines) and not re.fullmatch(pattern, lines[at]):
            if re.match("(warning|error): ", lines[at]):
                raise case.Failure(f"{where}: L: {text}\n  before it there is: {lines[at]}")
            at += 1
        if at == len(lines):
            rest = "\n  ".join(lines[start:])
            raise case.Failure(f"{where}: not in the log: {text}\n  which goes on:\n  {rest}")
        at += 1
    for line in lines[at:]:
        if re.match("(warning|error): ", line):
            raise case.Failure(f"{dialogue.file}:{dialogue.number}: the log has: {line}")
