#!/usr/bin/python3
"""Plays tests/transcripts/*.txt, each dialogue in four ways.

whole: a packet at a time, waiting for each answer. grouped: all that stands between two
answers in one write. bytes: one write for each byte. stream: the whole dialogue in
one write. The same answers must come in the same order, and the log must say the same.
What a transcript is and how it is written: tests/mta/transcript.py.
"""

import glob
import os
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import case, transcript
from mta.probed import Probed

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "transcripts")

# pylint: disable=invalid-name
probed = None
failed = False


def setup():
    global probed  # pylint: disable=global-statement
    case.true(DIALOGUES, f"no transcripts in {FOLDER}")
    probed = Probed(dialogue.chain for dialogue in DIALOGUES)
    probed.start()


def teardown():
    if probed:
        probed.stop()


def played(dialogue):
    """A test function: the dialogue in every way."""

    def test():
        for mode in transcript.MODES:
            over_tcp = mode in ("bytes", "grouped")
            address = probed.tcp(dialogue.chain) if over_tcp else probed.unix(dialogue.chain)
            probed.take_log()
            try:
                transcript.play(dialogue, address, mode)
                transcript.check_log(dialogue, transcript.log_lines(probed.take_log()))
            except case.Failure as problem:
                raise case.Failure(f"played {mode}: {problem}") from problem

    return test


DIALOGUES = [
    dialogue
    for file in sorted(glob.glob(os.path.join(FOLDER, "*.txt")))
    for dialogue in transcript.read(file)
]

for each in DIALOGUES:
    if f"test_{each.name}" in globals():
        raise SystemExit(f"{each.file}:{each.number}: a second dialogue with this title")
    globals()[f"test_{each.name}"] = played(each)

if __name__ == "__main__":
    case.run(globals())
