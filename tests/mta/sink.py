"""An SMTP server that takes everything and keeps it exactly.

The mail server under test delivers here. Announces the extensions that make a
mail server hand on what it was given: SIZE, 8BITMIME, SMTPUTF8, DSN,
PIPELINING.
"""

import socket
import threading
import time

from . import case

EXTENSIONS = ("PIPELINING", "SIZE 0", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")


class Delivery:
    """One message: sender and its ESMTP arguments, recipients with theirs, content."""

    def __init__(self, sender, sender_args):
        self.sender = sender
        self.sender_args = sender_args
        self.recipients = []  # (address, [argument, ...])
        self.content = b""

    @property
    def addresses(self):
        return sorted(address for address, _ in self.recipients)

    @property
    def head(self):
        head, empty_line, _ = self.content.partition(b"\r\n\r\n")
        return head + b"\r\n" if empty_line else self.content

    @property
    def body(self):
        return self.content.partition(b"\r\n\r\n")[2]

    def fields(self):
        """The header fields in order, folds included, without the final line end."""
        fields = []
        for line in self.head[:-2].split(b"\r\n"):
            if line[:1] in (b" ", b"\t") and fields:
                fields[-1] += b"\r\n" + line
            else:
                fields.append(line)
        return fields

    def values(self, name):
        """Everything after the colon, of each field of that name."""
        prefix = name.lower().encode() + b":"
        return [f[len(prefix) :] for f in self.fields() if f.lower().startswith(prefix)]

    def __repr__(self):
        return f"<from {self.sender} to {self.addresses}, {len(self.content)} bytes>"


def path_of(line):
    """ "MAIL FROM:<a@b> SIZE=1" -> "a@b", ["SIZE=1"]; a quoted local part may hold anything."""
    text = line.partition(b":")[2].strip().decode("utf-8", "surrogateescape")
    quoted = False
    for at, letter in enumerate(text):
        if letter == '"' and text[at - 1] != "\\":
            quoted = not quoted
        elif letter == ">" and not quoted:
            return text[1:at], text[at + 1 :].split()
    return text, []


class Sink:
    """Listens on a free loopback port, `port`, until stop()."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._listener.getsockname()[1]
        self._arrived = threading.Condition()
        self._deliveries = []
        self._stopping = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def take(self, count=1, timeout=30.0):
        """Waits for so many deliveries and hands them out, oldest first."""
        end = time.monotonic() + timeout
        with self._arrived:
            while len(self._deliveries) < count:
                left = end - time.monotonic()
                if left <= 0:
                    raise case.Failure(
                        f"{len(self._deliveries)} of {count} deliveries after {timeout:g} s"
                    )
                self._arrived.wait(left)
            taken = self._deliveries[:count]
            del self._deliveries[:count]
            return taken

    def one(self, timeout=30.0):
        return self.take(1, timeout)[0]

    def waiting(self):
        """How many deliveries nobody has taken yet."""
        with self._arrived:
            return len(self._deliveries)

    def stop(self):
        self._stopping = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self):
        while not self._stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as lines:
            try:
                connection.sendall(b"220 sink.example.test ESMTP\r\n")
                self._converse(connection, lines)
            except OSError:
                pass  # the client went away

    def _converse(self, connection, lines):
        current = None
        for line in lines:
            line = line.rstrip(b"\r\n")
            verb = line[:4].upper()
            answer = b"250 2.0.0 Ok"
            if verb == b"EHLO":
                names = ["sink.example.test", *EXTENSIONS]
                answer = b"\r\n".join(
                    f"250{'-' if name is not names[-1] else ' '}{name}".encode() for name in names
                )
            elif verb == b"MAIL":
                current = Delivery(*path_of(line))
            elif verb == b"RCPT" and current:
                current.recipients.append(path_of(line))
            elif verb == b"DATA" and current:
                connection.sendall(b"354 go on\r\n")
                content = self._content(lines)
                if content is None:
                    return
                current.content = content
                with self._arrived:
                    self._deliveries.append(current)
                    self._arrived.notify_all()
                current = None
            elif verb == b"RSET":
                current = None
            elif verb == b"QUIT":
                connection.sendall(b"221 2.0.0 Bye\r\n")
                return
            elif verb not in (b"HELO", b"NOOP"):
                answer = b"503 5.5.1 not now"
            connection.sendall(answer + b"\r\n")

    @staticmethod
    def _content(lines):
        """The bytes up to the final dot, or None where the connection ended first."""
        content = []
        begin = True
        for line in lines:
            if begin and line == b".\r\n":
                return b"".join(content)
            content.append(line[1:] if begin and line.startswith(b".") else line)
            begin = line.endswith(b"\r\n")
        return None
