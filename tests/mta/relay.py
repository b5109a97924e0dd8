"""Stands between a mail server and milterd and writes down what they say to each other."""

import socket
import threading

from . import wire


class Relay:
    """target: where milterd listens, as main.cf writes it; `inet`: where the relay does."""

    def __init__(self, target):
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self._heard = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def inet(self):
        return f"inet:127.0.0.1:{self._listener.getsockname()[1]}"

    def stop(self):
        self._listener.close()

    def take(self):
        """What has been said since the last time: ("mta" or "milterd", letter, data)."""
        taken, self._heard = self._heard, []
        return taken

    def _accept(self):
        while True:
            try:
                mta, _ = self._listener.accept()
            except OSError:
                return
            milterd = wire.open_socket(self._target)
            for name, source, sink in (("mta", mta, milterd), ("milterd", milterd, mta)):
                source.setblocking(True)
                if source.family == socket.AF_INET:
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                arguments = (name, source, sink)
                threading.Thread(target=self._copy, args=arguments, daemon=True).start()

    def _copy(self, name, source, sink):
        stream = bytearray()
        try:
            while data := source.recv(1 << 18):
                stream += data
                self._heard += [(name, letter, data) for letter, data in wire.cut(stream)]
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one of them has gone
