"""How the demonstration shows things: SMTP dialogues, and what was changed in a mail."""

import difflib
import os
import sys

COLOURS = {"+": "32", "-": "31", "S": "36", "#": "1", "!": "1;31", "=": "32", "~": "2"}


def say(text="", colour=None):
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    if colour and coloured and os.environ.get("TERM") != "dumb":
        text = f"\033[{COLOURS[colour]}m{text}\033[0m"
    print(text, flush=True)


def printable(data):
    text = data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)


def show(text):
    for line in text.splitlines():
        say(f"    {printable(line)}")


def show_dialogue(transcript):
    for who, text in transcript:
        say(f"    {who}: {printable(text)}", "S" if who == "S" else None)


def differences(sent, delivered):
    """
    Of two contents: ["  same", "- only sent", "+ only delivered"]; "~ " is the field
    that Postfix itself puts before a mail.
    """
    own, old, new = [], sent.splitlines(), delivered.splitlines()
    at = next((n for n, line in enumerate(new) if line.lower().startswith(b"received:")), None)
    if at is not None:
        end = at + 1
        while new[end : end + 1] and new[end][:1] in (b" ", b"\t"):
            end += 1
        own = new[at:end]
        del new[at:end]
    lines = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for what, i, j, k, m in matcher.get_opcodes():
        if what == "equal":
            lines += [f"  {printable(line)}" for line in old[i:j]]
        else:
            lines += [f"- {printable(line)}" for line in old[i:j]]
            lines += [f"+ {printable(line)}" for line in new[k:m]]
    place = min(at or 0, len(lines))
    return lines[:place] + [f"~ {printable(line)}" for line in own] + lines[place:]


def show_delivery(sent, delivered):
    """sent: the content; delivered: a sink.Delivery."""
    say("  delivered, with what the plugins changed (~ is Postfix's own):")
    say(f"      MAIL FROM:<{printable(delivered.sender)}>")
    for address, _ in delivered.recipients:
        say(f"      RCPT TO:<{printable(address)}>")
    say()
    for line in differences(sent, delivered.content):
        say(f"    {line}", line[0] if line[0] in "+-~" else None)
