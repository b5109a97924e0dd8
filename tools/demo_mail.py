#!/usr/bin/python3
"""The mails of tools/demo.sh: starts milterd and Postfix, sends, shows, judges.

milter.conf is taken as it stands, but for the lines that belong to a machine:
where the plugins are, who the workers run as, and the port if it is taken. What
should happen to each mail is written down in MAILS.
"""

import argparse
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TOP, "tests"))

# pylint: disable=wrong-import-position
import demo_kept
from demo_show import differences, say, show, show_delivery, show_dialogue
from mta import case, smtp
from mta.milterd import Milterd, program
from mta.postfix import Postfix
from mta.sink import Sink

PORT = "inet:8891@127.0.0.1"  # as milter.conf has it
CLIENT = "127.0.0.1"
ADDED = [f"+ X-Filtered: by milterd for {CLIENT}", "+ X-Hello: checked by milterd"]


class Mail:
    """One mail of the demonstration and what should become of it."""

    def __init__(self, title, sender, recipients, header, expected):
        self.title = title
        self.sender = sender
        self.recipients = recipients
        self.header = header
        self.replies = expected["replies"]  # to MAIL, then to each RCPT
        self.delivered_to = expected.get("to", [])
        self.changes = expected.get("changes", [])

    @property
    def content(self):
        head = [f"From: <{self.sender}>", f"To: <{self.recipients[0]}>", *self.header]
        body = ["Good morning,", "this is a test.", ".", "A dot stood alone on that line."]
        return "".join(line + "\r\n" for line in [*head, "", *body]).encode()


OK_MAIL, OK_RCPT = "250 2.1.0 Ok", "250 2.1.5 Ok"

MAILS = [
    Mail(
        "A plain mail: every plugin lets it pass, two of them add a header",
        "alice@example.org",
        ["bob@example.net"],
        ["Subject: a plain mail"],
        {"replies": [OK_MAIL, OK_RCPT], "to": ["bob@example.net"], "changes": ADDED},
    ),
    Mail(
        "A mail from a sender that access refuses",
        "refused@example.com",
        ["bob@example.net"],
        ["Subject: unwanted"],
        {"replies": ["550 5.7.1 sender refused by milter.conf"]},
    ),
    Mail(
        "A mail for three, of whom access refuses one",
        "alice@example.org",
        ["bob@example.net", "nobody@example.net", "carol@example.net"],
        ["Subject: to three"],
        {
            "replies": [
                OK_MAIL,
                OK_RCPT,
                "550 5.7.1 Access denied: recipient <nobody@example.net>",
                OK_RCPT,
            ],
            "to": ["bob@example.net", "carol@example.net"],
            "changes": ADDED,
        },
    ),
    Mail(
        "A mail with header fields that rules of headers replace and delete",
        "alice@example.org",
        ["bob@example.net"],
        ["X-Priority: 1 (Highest)", "Subject: URGENT", "X-Remove-Me: please"],
        {
            "replies": [OK_MAIL, OK_RCPT],
            "to": ["bob@example.net"],
            "changes": [
                "- X-Priority: 1 (Highest)",
                "+ X-Priority: 3",
                "- X-Remove-Me: please",
                *ADDED,
            ],
        },
    ),
]

# -- the demonstration -------------------------------------------------------------------


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((CLIENT, port))
        except OSError:
            return False
        return True


def configuration():
    """The text of milter.conf with this machine's values."""
    with open(os.path.join(TOP, "milter.conf"), encoding="utf-8") as file:
        text = file.read()
    settings = {"plugin_dir": 'plugin_dir = "@plugin_dir@";', "user": "@user@"}
    for key, line in settings.items():
        text, count = re.subn(rf"^#?{key} *=.*$", line, text, flags=re.MULTILINE)
        if count != 1:
            raise case.Failure(f"milter.conf has {count} lines for {key}, not one")
    if text.count(f'"{PORT}"') != 1:
        raise case.Failure(f'milter.conf has not one listener "{PORT}"')
    if not port_is_free(int(PORT.partition(":")[2].partition("@")[0])):
        text = text.replace(PORT, f"inet:@port@@{CLIENT}")
    return text


class Demo:
    """milterd, Postfix, and the sink that Postfix delivers to."""

    def __init__(self, build):
        os.environ["MILTERD"] = os.path.join(build, "milterd")
        os.environ["PLUGIN_DIR"] = os.path.join(build, "plugins")
        self.sink = Sink()
        self.milterd = Milterd(configuration())
        self.postfix = None

    def start(self):
        conf = self.milterd.place.join("milter.conf")
        say(f"milterd -t -c {conf}", "#")
        command = [program(), "-t", "-c", conf]
        test = subprocess.run(command, capture_output=True, text=True, check=False)
        show(test.stdout + test.stderr)
        if test.returncode != 0:
            raise case.Failure(f"milterd -t ended with status {test.returncode}")
        milters = re.search(r"smtpd_milters *= *(\S+)", test.stdout)
        if not milters:
            raise case.Failure("milterd -t does not say what main.cf needs")
        self.milterd.start()
        self.postfix = Postfix(self.sink.port, milters=milters[1])
        self.postfix.start()
        say(f"Postfix listens on 127.0.0.1 port {self.postfix.port}, milterd behind it.")

    def send(self, mail):
        """Sends one mail, shows what happens; returns what is wrong with that."""
        with smtp.say(self.postfix.port) as client:
            del client.transcript[:]
            result = client.message(mail.sender, mail.recipients, mail.content)
            transcript = list(client.transcript)
            client.quit()
        show_dialogue(transcript)
        problems = []
        replies = [str(reply) for reply in [result.mail, *result.rcpt]]
        if replies != mail.replies:
            problems.append(f"the replies should be {mail.replies}")
        if not mail.delivered_to:
            say("  nothing is delivered")
            return problems
        if result.end is None or result.end.code != 250:
            return [*problems, "the mail should be accepted"]
        delivered = self.sink.one()
        show_delivery(mail.content, delivered)
        if delivered.addresses != mail.delivered_to or delivered.sender != mail.sender:
            problems.append(f"it should go from {mail.sender} to {mail.delivered_to}")
        changes = [line for line in differences(mail.content, delivered.content) if line[0] in "+-"]
        if changes != mail.changes:
            problems.append(f"the changes should be {mail.changes}")
        return problems

    def judge_logs(self):
        """What milterd and Postfix said; returns what should not be there."""
        say("What milterd logged", "#")
        show(self.milterd.log())
        self.postfix.wait_for_empty_queue()
        problems = [f"Postfix: {line}" for line in self.postfix.warnings()]
        problems += [f"milterd: {line}" for line in self.milterd.warnings()]
        if self.sink.waiting():
            problems.append(f"{self.sink.waiting()} more deliveries than there should be")
        return problems

    def run(self):
        """The whole demonstration; the number of outcomes that are not as they should be."""
        wrong = 0
        self.start()
        for number, mail in enumerate(MAILS, 1):
            say()
            say(f"{number}. {mail.title}", "#")
            wrong += verdict(self.send(mail))
        say()
        wrong += verdict(self.judge_logs(), "no warning in milterd's log and Postfix's")
        return wrong

    def stop(self):
        """Ends all of it, also where one part of it will not end in good order."""
        with contextlib.ExitStack() as last_first:
            last_first.callback(self.sink.stop)
            for each in (self.milterd, self.postfix):
                if each:
                    last_first.callback(each.remove)
                    last_first.callback(each.stop)


def verdict(problems, good="as it should be"):
    """Says whether it was as it should be; 0 or 1."""
    for problem in problems:
        say(f"  NOT AS IT SHOULD BE: {problem}", "!")
    if not problems:
        say(f"  {good}", "=")
    return 1 if problems else 0


def finish(wrong):
    say()
    if wrong:
        say(f"{wrong} of {len(MAILS) + 1} outcomes are not as they should be.", "!")
        return 1
    say(f"All {len(MAILS)} mails fared as they should.", "=")
    return 0


@contextlib.contextmanager
def demonstration(build):
    """Everything is started, shown and judged: (demo, exit status); stopped when left."""
    demo = Demo(build)
    try:
        yield demo, finish(demo.run())
    finally:
        demo.stop()


def run_once(build):
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with demonstration(build) as (_, status):
        return status


def main():
    parser = argparse.ArgumentParser(description="The mails of tools/demo.sh")
    parser.add_argument("--build", default="build", help="where milterd was built")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--keep", action="store_true", help="leave both running")
    group.add_argument("--stop", action="store_true", help="end what --keep left running")
    group.add_argument("--send", nargs="+", metavar="ADDRESS", help="sender and recipients")
    given = parser.parse_args()
    build = os.path.abspath(given.build)
    if given.send and len(given.send) < 2:
        parser.error("--send takes a sender and at least one recipient")
    try:
        if given.stop:
            return demo_kept.stop(build)
        if given.send:
            return demo_kept.send(build, given.send[0], given.send[1:])
        if given.keep:
            return demo_kept.keep(build, lambda: demonstration(build))
        return run_once(build)
    except (case.Failure, case.Skip) as problem:
        say(f"demo: {problem}", "!")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # of "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
