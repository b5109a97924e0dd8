"""A filter that says what the test tells it, be it right or wrong.

What a mail server makes of an answer that milterd would never give is measured with
it, and so is what each of them says by itself. Everything it hears is kept.

    with Filter() as filter:
        filter.answers["E"] = wire.strings("h", "X-A", "value") + wire.packet("c")
"""

import os
import socket
import struct
import threading

from . import wire

ANSWERED = "CHMRTLNBEU"


class Filter:
    """Listens on the unix socket `path`, or on a loopback port.

    agreed: version, actions and protocol bits of its answer to the offer; lists: what follows
    them there. answers: of a command's letter the packets to say, or a function that makes them
    of the command's data, also piece by piece; None is to go away without one, nothing never to
    answer. Otherwise it is "continue"."""

    AGREED = (6, 0x1FF, 0)

    def __init__(self, path=None):
        self.answers = {}
        self.heard = []  # (letter, data) of all connections, in the order of arrival
        self.agreed, self.lists = self.AGREED, b""
        self._changed = threading.Condition()
        if path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(path)
            os.chmod(path, 0o666)
            self._listener.listen(50)
        else:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self._open = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def inet(self):
        """As main.cf writes it."""
        return f"inet:127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._listener.close()

    def reset(self, agreed=AGREED, lists=b"", **answers):
        """Forgets what it has heard, and answers so from now on."""
        self.settle()
        self.heard, self.answers, self.agreed, self.lists = [], answers, agreed, lists

    def settle(self, timeout=10.0):
        """Waits until every mail server has gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._open == 0, timeout)

    def letters(self, without="D"):
        """The commands heard, as one text."""
        return "".join(letter for letter, _ in self.heard if letter not in without)

    def of(self, letter):
        """The data of each such command."""
        return [data for heard, data in self.heard if heard == letter]

    def macros(self, stage):
        """{name: value} of the last macros for that command, None where there were none."""
        lists = [data[1:] for data in self.of("D") if data[:1] == stage.encode()]
        if not lists:
            return None
        parts = lists[-1].decode("utf-8", "surrogateescape").split("\0")
        return dict(zip(parts[:-1:2], parts[1::2]))

    # -- inside

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self._open += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = bytearray()
        try:
            with connection:
                while self._answer_all(connection, wire.cut(stream)):
                    data = connection.recv(1 << 18)
                    if not data:
                        return
                    stream += data
        except OSError:
            pass  # it does not listen to us any more
        finally:
            with self._changed:
                self._open -= 1
                self._changed.notify_all()

    def _answer_all(self, connection, packets):
        """False where it is to go away."""
        for letter, data in packets:
            self.heard.append((letter, data))
            if letter == "O":
                offer = struct.pack(">III", *self.agreed)
                connection.sendall(wire.packet("O", offer + self.lists))
            elif letter == "Q":
                return False
            elif letter in ANSWERED:
                answer = self.answers.get(letter, wire.packet("c"))
                if callable(answer):
                    answer = answer(data)
                if answer is None:
                    return False
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    connection.sendall(piece)
        return True
