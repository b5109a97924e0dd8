"""An SMTP client that sends exactly the bytes it is given.

Knows only what is needed to read replies. Everything said is kept in
`transcript` as ("C", text) and ("S", text), 8-bit bytes as surrogate escapes.
"""

import socket
import ssl


class Reply:
    """One SMTP reply: its code, its lines as received without line ends."""

    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[-1][:3])

    def __str__(self):
        return "\n".join(self.lines)

    def __repr__(self):
        return f"<{self}>"

    def __eq__(self, other):
        return str(self) == str(other) if isinstance(other, (str, Reply)) else NotImplemented

    def __hash__(self):
        return hash(str(self))

    @property
    def good(self):
        return self.code < 400


class Closed(Exception):
    """The server closed the connection, or never answered sense."""


class Message:
    """The replies to one message; a step that was not reached is None."""

    def __init__(self):
        self.mail = None
        self.rcpt = []
        self.data = None
        self.end = None

    @property
    def final(self):
        """The reply that settled it."""
        refused = self.rcpt[-1] if self.rcpt and not any(r.good for r in self.rcpt) else None
        return self.end or self.data or refused or self.mail

    def __repr__(self):
        return f"<mail {self.mail!r} rcpt {self.rcpt!r} data {self.data!r} end {self.end!r}>"


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def stuffed(content):
    """Content as it goes over the wire: dots doubled, closed by a dot."""
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
    out = content.replace(b"\r\n.", b"\r\n..")
    if out.startswith(b"."):
        out = b"." + out
    return out + b".\r\n"


class Client:
    """
    Connects at once, from the address source where given (127.0.0.9); the server's
    greeting is in `greeting`.
    """

    def __init__(self, port, host="127.0.0.1", timeout=60.0, source=None):
        self.transcript = []
        origin = (source, 0) if source else None
        self._socket = socket.create_connection((host, port), timeout, origin)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = self._socket.makefile("rb")
        self.greeting = self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def reply(self):
        """Reads one reply."""
        lines = []
        while True:
            line = self._input.readline()
            if not line.endswith(b"\r\n"):
                raise Closed(f"after {lines} and {line!r}")
            text = line[:-2].decode("utf-8", "surrogateescape")
            self.transcript.append(("S", text))
            if not text[:3].isdigit():
                raise Closed(f"no SMTP reply: {text!r}")
            lines.append(text)
            if text[3:4] != "-":
                return Reply(lines)

    def send(self, data):
        """Sends bytes as they are."""
        self._socket.sendall(data)

    def command(self, line):
        """Sends a line and returns the reply to it."""
        self._note(line)
        self.send(_bytes(line) + b"\r\n")
        return self.reply()

    def pipeline(self, lines):
        """Sends all lines in one piece; returns the replies."""
        for line in lines:
            self._note(line)
        self.send(b"".join(_bytes(line) + b"\r\n" for line in lines))
        return [self.reply() for _ in lines]

    def ehlo(self, name="client.example.org"):
        return self.command(f"EHLO {name}")

    def starttls(self):
        """Goes on encrypted, with whoever it is, and says EHLO again."""
        reply = self.command("STARTTLS")
        if reply.code != 220:
            raise Closed(f"STARTTLS: {reply}")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._socket = context.wrap_socket(self._socket)
        self._input = self._socket.makefile("rb")
        return self.ehlo()

    def xclient(self, **attributes):
        """
        Plays another client: addr="192.0.2.9", name=, helo=, port=, proto=. An
        IPv6 address gets its prefix here. The reply is a new greeting.
        """
        words = []
        for key, value in attributes.items():
            if key == "addr" and ":" in value:
                value = f"IPV6:{value}"
            words.append(f"{key.upper()}={value}")
        return self.command("XCLIENT " + " ".join(words))

    def mail(self, sender, *args):
        return self.command(" ".join([f"MAIL FROM:<{sender}>", *args]))

    def rcpt(self, recipient, *args):
        return self.command(" ".join([f"RCPT TO:<{recipient}>", *args]))

    def content(self, content):
        """The content after a 354; returns the reply to its final dot."""
        self._note(f"({len(content)} bytes of content)")
        self.send(stuffed(content))
        return self.reply()

    def message(self, sender, recipients, content, args=()):
        """
        One whole transaction; goes as far as the server lets it and resets what is
        left half done. Recipients are addresses or (address, argument, ...).
        """
        result = Message()
        result.mail = self.mail(sender, *args)
        if not result.mail.good:
            return result
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            words = (recipient,) if isinstance(recipient, str) else recipient
            result.rcpt.append(self.rcpt(*words))
        if any(reply.good for reply in result.rcpt):
            result.data = self.command("DATA")
            if result.data.code == 354:
                result.end = self.content(content)
                return result
        self.command("RSET")
        return result

    def quit(self):
        reply = self.command("QUIT")
        self.close()
        return reply

    def close(self):
        self._input.close()
        self._socket.close()

    def _note(self, line):
        self.transcript.append(("C", _bytes(line).decode("utf-8", "surrogateescape")))


def say(port, source=None, **attributes):
    """A client that has said EHLO, as another client where attributes (see xclient) are given."""
    client = Client(port, source=source)
    hello = attributes.pop("hello", "client.example.org")
    client.ehlo(hello)
    if attributes:
        reply = client.xclient(**attributes)
        if reply.code != 220:
            raise Closed(f"XCLIENT: {reply}")
        client.ehlo(hello)
    return client
