"""An authentication server for Postfix (smtpd_sasl_type = dovecot) that takes anybody.

Dovecot's protocol, as far as Postfix needs it for AUTH PLAIN: lines of words with tabs.
"""

import base64
import os
import socket
import threading


class Sasl:
    """Listens on the unix socket `path`; the user name is what the client says."""

    def __init__(self, path):
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        os.chmod(path, 0o666)
        self._listener.listen(10)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    @staticmethod
    def _serve(connection):
        with connection, connection.makefile("rw", newline="\n") as lines:
            hello = f"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t{os.getpid()}\nCUID\t1\nDONE\n"
            lines.write(hello)
            lines.flush()
            for line in lines:
                words = line.rstrip("\n").split("\t")
                if words[0] == "AUTH":
                    response = next(word for word in words if word.startswith("resp="))
                    user = base64.b64decode(response[5:]).split(b"\0")[1].decode()
                    lines.write(f"OK\t{words[1]}\tuser={user}\n")
                    lines.flush()
