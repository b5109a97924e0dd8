"""What a filter adds to the time of a message in a real Postfix, over TCP.

A private Postfix with one smtpd port for each filter and one without; the same message
goes through each in turn, on one SMTP session, and is then thrown away. The time is that
from MAIL to the reply to the end of the message.
"""

import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))

from mta import case, postfix, smtp  # noqa: E402

MESSAGES = 15
CONTENT = b"".join(b"X-Field-%d: value of a header field\r\n" % i for i in range(10)) + (
    b"\r\n" + 27 * (b"abcdefghijklm" * 6)[:76] + b"\r\n"
)


def message_time(client):
    began = time.perf_counter()
    for command in (
        "MAIL FROM:<sender@example.org>",
        "RCPT TO:<user0@example.net>",
        "RCPT TO:<user1@example.net>",
        "DATA",
    ):
        if not client.command(command).good:
            raise case.Failure(f"{command}: {client.transcript[-1][1]}")
    if not client.content(CONTENT).good:
        raise case.Failure(f"end of message: {client.transcript[-1][1]}")
    return time.perf_counter() - began


def measure(ports_by_name):
    """
    {name: milliseconds of a message} for {name: TCP port of a filter}, and for "none". None
    where Postfix cannot be run here.
    """
    ports = {name: {"milters": f"inet:127.0.0.1:{port}"} for name, port in ports_by_name.items()}
    away = {"default_transport": "discard:", "relay_transport": "discard:"}
    try:
        server = postfix.Postfix(1, settings=away, ports=ports)
    except case.Skip as reason:
        print(f"behind Postfix: {reason}")
        return None
    try:
        server.start()
        clients = {name: smtp.Client(port) for name, port in server.ports.items()}
        times = {name: [] for name in clients}
        for client in clients.values():
            client.command("EHLO mail.example.org")
        for _ in range(MESSAGES):
            for name, client in clients.items():
                times[name].append(message_time(client) * 1000)
        for client in clients.values():
            client.close()
    finally:
        server.stop()
        server.remove()
    times["none"] = times.pop("smtpd")
    return {name: statistics.median(values) for name, values in times.items()}
