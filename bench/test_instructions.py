#!/usr/bin/env python3
"""A message must not cost more than 5 % over the kept number of instructions.

The figures are in bench/instructions; "make bench-instructions" writes them anew where
there is a good reason for a higher one.
"""

import sys

import filters
import instructions

ALLOWED = 1.05


def main():
    why = instructions.can_count()
    rows = [row for row in instructions.kept() if row[1] == instructions.compiler()]
    if not why and not rows:
        why = f"no figures are kept for {instructions.compiler()}"
    if why:
        print(f"SKIPPED: {why}")
        return 77
    before, now = rows[-1][2], instructions.measure()
    failed = False
    for way in instructions.WAYS:
        grown = now[way] > before[way] * ALLOWED
        failed |= grown
        print(f"{'FAIL' if grown else 'ok'}: {way}: {now[way]} instructions a message, "
              f"{before[way]} kept ({now[way] / before[way] - 1:+.1%})")
    if failed:
        print('a message costs more than 5 % over what is kept; if that has to be: '
              '"make bench-instructions"')
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except filters.Failure as failure:
        print(f"FAIL: {failure}")
        sys.exit(1)
