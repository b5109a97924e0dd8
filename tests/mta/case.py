"""Runs the test functions of a file and prints TAP.

A test file defines functions test_...(), optionally setup() and teardown()
around all of them, and ends with case.run(globals()). Functions run in the
order of the file. The exit status is that of automake's simple test driver:
0 when all passed, 77 when nothing could run, else 1. Names given on the
command line choose the tests that hold one of them; a name that fits none is
an error.
"""

import signal
import sys
import time
import traceback

EXIT_SKIP = 77


class Skip(Exception):
    """Raised by a test, or by setup(), that cannot run here; says why."""


class Failure(AssertionError):
    """An expectation that was not met; the text says which."""


def equal(got, expected, what="value"):
    """Fails unless got == expected; shows both, of lists from where they differ."""
    if got == expected:
        return
    if isinstance(got, list) and isinstance(expected, list):
        same = 0
        while same < min(len(got), len(expected)) and got[same] == expected[same]:
            same += 1
        what = f"{what}, from item {same} of {len(expected)}, got {len(got)}"
        got, expected = got[same : same + 4], expected[same : same + 4]
    raise Failure(f"{what}:\n  expected {_short(expected)}\n  got      {_short(got)}")


def _short(value):
    text = repr(value)
    return text if len(text) < 1000 else f"{text[:500]} ... {text[-500:]} ({len(text)} letters)"


def true(condition, what):
    if not condition:
        raise Failure(what)


def wait_until(condition, what, timeout=20.0):
    """Waits until condition() gives something true and returns that."""
    end = time.monotonic() + timeout
    pause = 0.002
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure(f"waited {timeout:g} s in vain: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def _comment(text):
    for line in text.rstrip("\n").split("\n"):
        print("# " + line.encode("ascii", "backslashreplace").decode())


def _explain(problem):
    """Where an expectation failed and why; of any other exception the whole trace."""
    if isinstance(problem, Failure):
        where = [f for f in traceback.extract_tb(problem.__traceback__) if f.filename != __file__]
        _comment("".join(f"{f.filename}:{f.lineno}: {f.line}\n" for f in where))
        _comment(str(problem))
    else:
        _comment("".join(traceback.format_exception(problem)))


def _attempt(function):
    """None, or the exception that function ended with."""
    try:
        function()
    except (Exception, KeyboardInterrupt) as problem:  # pylint: disable=broad-except
        return problem
    return None


def _report(number, name, problem, seconds):
    """Prints one test's line and returns its outcome."""
    if problem is None:
        print(f"ok {number} - {name} ({seconds:.2f} s)")
        outcome = "passed"
    elif isinstance(problem, Skip):
        print(f"ok {number} - {name} # SKIP {problem}")
        outcome = "skipped"
    else:
        print(f"not ok {number} - {name} ({seconds:.2f} s)")
        _explain(problem)
        outcome = "failed"
    sys.stdout.flush()
    return outcome


def _bail(text):
    print(f"Bail out! {text}")
    sys.exit(1)


def run(names):
    """Runs what globals() of a test file holds; ends the program."""
    tests = [(n, f) for n, f in names.items() if n.startswith("test_") and callable(f)]
    wanted = sys.argv[1:]
    if wanted:
        tests = [(n, f) for n, f in tests if any(w in n for w in wanted)]
        if not tests:
            _bail(f"no test is called {' or '.join(wanted)}")
    setup = names.get("setup", lambda: None)
    teardown = names.get("teardown", lambda: None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # teardown() comes in any case

    problem = _attempt(setup)
    if problem is not None:
        _attempt(teardown)
        if isinstance(problem, Skip):
            print(f"1..0 # SKIP {problem}")
            sys.exit(EXIT_SKIP)
        _explain(problem)
        _bail("setup failed")

    print(f"1..{len(tests) + 1}")
    outcomes = []
    for name, function in tests:
        begin = time.monotonic()
        problem = _attempt(function)
        seconds = time.monotonic() - begin
        outcomes.append(_report(len(outcomes) + 1, name[5:].replace("_", " "), problem, seconds))
        if isinstance(problem, KeyboardInterrupt):
            break
    names["failed"] = "failed" in outcomes  # so that teardown() can show logs
    begin = time.monotonic()
    problem = _attempt(teardown)
    end = _report(len(tests) + 1, "all stops in good order", problem, time.monotonic() - begin)
    if names["failed"] or end == "failed":
        sys.exit(1)
    sys.exit(EXIT_SKIP if set(outcomes) == {"skipped"} else 0)
