"""What tools/demo.sh --keep leaves running: a process that receives what Postfix
delivers and writes it into a directory. --send and --stop find it by a file in
the build directory.
"""

import contextlib
import json
import os
import signal
import sys
import time
import traceback

from demo_show import say, show_delivery, show_dialogue
from mta import case, smtp
from mta.sink import Delivery, path_of


class Kept:
    """The file that says where the running demonstration is."""

    def __init__(self, build):
        self.path = os.path.join(build, "demo-running.json")

    def write(self, **values):
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(values, file)

    def read(self):
        """None where nothing is running."""
        try:
            with open(self.path, encoding="utf-8") as file:
                values = json.load(file)
            with open(f"/proc/{values['pid']}/cmdline", "rb") as file:
                return values if b"demo_mail.py" in file.read() else None
        except (OSError, ValueError):
            return None

    def remove(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


def write_delivery(directory, number, delivery):
    """An envelope, an empty line, the content; complete as soon as it is there."""
    envelope = [f"MAIL FROM:<{delivery.sender}>"]
    envelope += [f"RCPT TO:<{address}>" for address, _ in delivery.recipients]
    path = os.path.join(directory, f"{number:04}")
    with open(path + ".new", "wb") as file:
        file.write("".join(line + "\r\n" for line in [*envelope, ""]).encode(errors="replace"))
        file.write(delivery.content)
    os.rename(path + ".new", path)


def keep(build, demonstrate):
    """
    Runs demonstrate() -> (demo, status) in a process of its own, which stays where the
    status is 0; returns that status.
    """
    kept = Kept(build)
    if kept.read():
        say("It is running already; sh tools/demo.sh --stop ends it.", "!")
        return 1
    reading, writing = os.pipe()
    if os.fork() > 0:
        os.close(writing)
        with os.fdopen(reading) as result:
            return int(result.read() or 1)
    os.close(reading)
    try:
        with demonstrate() as (demo, status):
            if status == 0:
                directory = demo.milterd.place.mkdir("delivered")
                kept.write(pid=os.getpid(), port=demo.postfix.port, delivered=directory)
                say_how(demo, directory)
                let_go(writing)
                stay(demo, directory)
        kept.remove()
    except (case.Failure, case.Skip) as problem:
        say(f"demo: {problem}", "!")
    except KeyboardInterrupt:
        pass
    except Exception:  # pylint: disable=broad-except # the next line would swallow it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(0)


def let_go(writing):
    """Lets the first process end with status 0, and whoever reads its output."""
    os.setsid()
    os.write(writing, b"0")
    os.close(writing)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def stay(demo, directory):
    """Writes down what arrives until SIGTERM."""
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    number = 0
    while not ended:
        try:
            delivery = demo.sink.one(timeout=0.2)
        except case.Failure:
            continue
        number += 1
        write_delivery(directory, number, delivery)


def say_how(demo, directory):
    say()
    say("milterd and Postfix are left running.", "#")
    say(
        f"""    send a mail     sh tools/demo.sh --send you@example.org friend@example.net <FILE
                    or with any program by SMTP to 127.0.0.1 port {demo.postfix.port}
    delivered is    {directory}/
    milter.conf     {demo.milterd.place.join("milter.conf")}
    milterd's log   {demo.milterd.place.join("log")}
    Postfix's log   {demo.postfix.place.join("log/mail.log")}
    stop both       sh tools/demo.sh --stop"""
    )


def deliveries(directory):
    return sorted(name for name in os.listdir(directory) if not name.endswith(".new"))


def read_delivery(path):
    with open(path, "rb") as file:
        envelope, _, content = file.read().partition(b"\r\n\r\n")
    sender, *recipients = envelope.split(b"\r\n")
    delivery = Delivery(*path_of(sender))
    delivery.recipients = [path_of(line) for line in recipients]
    delivery.content = content
    return delivery


def send(build, sender, recipients):
    """Sends standard input as a mail through what --keep has left running."""
    running = Kept(build).read()
    if not running:
        say("Nothing is running; sh tools/demo.sh --keep starts it.", "!")
        return 1
    if sys.stdin.isatty():
        say("Type the mail: header, an empty line, text; end with Ctrl-D.")
    content = sys.stdin.buffer.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    before = deliveries(running["delivered"])
    with smtp.say(running["port"]) as client:
        del client.transcript[:]
        result = client.message(sender, recipients, content)
        show_dialogue(client.transcript)
        client.quit()
    if result.end is None or result.end.code != 250:
        say("  nothing is delivered")
        return 1
    end = time.monotonic() + 5
    while deliveries(running["delivered"]) == before and time.monotonic() < end:
        time.sleep(0.02)
    new = [name for name in deliveries(running["delivered"]) if name not in before]
    for name in new:
        show_delivery(content, read_delivery(os.path.join(running["delivered"], name)))
    if not new:
        say("  nothing is delivered")
    return 0


def stop(build):
    running = Kept(build).read()
    if not running:
        say("Nothing is running.")
        return 0
    os.kill(running["pid"], signal.SIGTERM)
    case.wait_until(lambda: not Kept(build).read(), "the demonstration to end")
    say("Stopped.")
    return 0
