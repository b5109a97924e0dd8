#!/usr/bin/python3
"""What is kept of a message, and what becomes of one that is over a limit.

headers_limit, body_memory, body_limit and over_limit of milter.conf, and a spool that
fails: no directory, and a disk that is full (played by the limit for the size of
files).
"""

import os
import re
import resource
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import case, wire
from mta.probed import Probed

LOOK = '{ plugin = "probe"; script = ( "eom: say-headers", "eom: say-body" ); }'
REPLACE = '{ plugin = "probe"; script = ( "eom: body-repeat 20000 a line of text" ); }'
HEADERS = [(f"X-{n}", "v" * 50) for n in range(20)]
BODY = b"".join(b"line %06d of the body\r\n" % n for n in range(10000))


def serve(more, test, chain=LOOK, file_size=None):
    """test(a connection past HELO) -> its result and milterd's log."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    probed = Probed([chain], more)
    spool = probed.milterd.place.mkdir("spool")
    os.chmod(spool, 0o1777)
    try:
        if file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, before[1]))
        probed.start()
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        mta = wire.begin(probed.unix())
        answer = test(mta)
        # Whatever happened to the message, the connection goes on.
        case.equal(mta.message("<b@x>", ["<c@x>"])[-1], ("c",), "the next message")
        mta.quit()
        case.equal(os.listdir(spool), [], "files left in spool_dir")
        return answer, probed.take_log()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        probed.stop()


def whole(mta):
    return mta.message("<a@x>", ["<c@x>"], HEADERS, BODY)


def test_within_the_limits_all_is_kept():
    answer, log = serve("", whole)
    case.equal(answer, [("c",)])
    case.equal(len(re.findall(r"field: X-\d+:", log)), 20, "fields that the plugin saw")
    case.true(f"body: {len(BODY)} bytes: line 000000" in log, f"the whole body in {log}")


def test_a_body_over_body_memory_is_in_a_file():
    answer, log = serve('body_memory = "4K"; spool_dir = "@dir@/spool";', whole)
    case.equal(answer, [("c",)])
    case.true(f"body: {len(BODY)} bytes: line 000000" in log, f"the whole body in {log}")


def test_a_new_body_over_body_memory_comes_back_whole():
    small, _ = serve("", whole, chain=REPLACE)
    large, _ = serve('body_memory = "1K"; spool_dir = "@dir@/spool";', whole, chain=REPLACE)
    case.equal(small[-1], ("c",))
    joined = [b"".join(wire.as_bytes(r[1]) for r in a[:-1]) for a in (small, large)]
    case.true(len(joined[0]) > 200000, "a long body")
    case.true(joined[0] == joined[1], "the same body from memory and from a file")


def test_too_many_fields_are_deferred():
    def header(mta):
        mta.mail("<a@x>")
        mta.rcpt("<c@x>")
        mta.data()
        return [mta.header(n, v) for n, v in HEADERS[:6]][-1]

    answer, log = serve("headers_limit = { count = 5; };", header)
    case.equal(answer, ("t",))
    case.true("the header cannot be kept (Message too long); the message is deferred" in log, log)


def test_too_many_bytes_of_header_are_cut_where_the_administrator_says_so():
    answer, log = serve('headers_limit = { bytes = "300"; }; over_limit = "continue";', whole)
    case.equal(answer, [("c",)])
    case.equal(len(re.findall(r"field: X-\d+:", log)), 5, "fields that the plugin saw")
    case.true("the header is cut" in log, log)


def test_recipients_over_the_limit():
    def rcpts(mta):
        mta.mail("<a@x>")
        return [mta.rcpt(f"<{n}@x>") for n in range(4)]

    answer, log = serve("recipients_limit = 3;", rcpts)
    case.equal(answer, [("c",), ("c",), ("c",), ("t",)])
    case.true("the rcpt cannot be kept (Message too long)" in log, log)
    look = '{ plugin = "probe"; script = ( "eom: say-envelope" ); }'
    answer, log = serve(
        'recipients_limit = 3; over_limit = "continue";',
        lambda mta: mta.message("<a@x>", [f"<{n}@x>" for n in range(5)]),
        chain=look,
    )
    case.equal(answer, [("c",)])
    case.equal(re.findall(r"recipient: <(\d)@x>", log), ["0", "1", "2"])


def test_a_forged_result_that_cannot_be_taken_out_defers_the_message():
    def forged(mta):
        mta.header("X-Padding", "v" * 400)
        return mta.header("Authentication-Results", "localhost; spf=pass")

    answer, log = serve(
        'headers_limit = { bytes = "300"; }; over_limit = "continue";',
        forged,
        chain='{ plugin = "probe_auth"; }',
    )
    case.equal(answer, ("t",))
    case.true("the header cannot be kept" in log, log)


def test_a_body_over_body_limit_is_deferred():
    def body(mta):
        mta.mail("<a@x>")
        mta.rcpt("<c@x>")
        mta.data()
        mta.end_of_header()
        return mta.body(BODY[:60000])

    answer, log = serve('body_limit = "50000";', body)
    case.equal(answer, ("t",))
    case.true("the body cannot be kept (Message too long); the message is deferred" in log, log)


def test_a_body_over_body_limit_is_cut_where_the_administrator_says_so():
    answer, log = serve('body_limit = "50000"; over_limit = "continue";', whole)
    case.equal(answer, [("c",)])
    case.true("body: 50000 bytes, cut: line 000000" in log, log)


def test_a_spool_without_directory_defers_the_message():
    def body(mta):
        mta.mail("<a@x>")
        mta.rcpt("<c@x>")
        mta.data()
        mta.end_of_header()
        return mta.body(BODY[:60000])

    answer, log = serve('body_memory = "1K"; spool_dir = "@dir@/nowhere";', body)
    case.equal(answer, ("t",))
    case.true("the body cannot be kept (No such file or directory)" in log, log)


def test_a_full_disk_defers_the_message():
    def body(mta):
        mta.mail("<a@x>")
        mta.rcpt("<c@x>")
        mta.data()
        mta.end_of_header()
        mta.body(BODY[:60000])
        return mta.body(BODY[60000:120000])

    answer, log = serve(
        'body_memory = "1K"; spool_dir = "@dir@/spool";', body, file_size=100000
    )
    case.equal(answer, ("t",))
    case.true("the body cannot be kept (File too large)" in log, log)


def test_a_full_disk_under_a_new_body_sends_no_half_of_it():
    answer, log = serve(
        'body_memory = "1K"; spool_dir = "@dir@/spool";',
        lambda mta: mta.message("<a@x>", ["<c@x>"]),
        chain='{ plugin = "probe"; script = ( "eom <a@x>: body-repeat 20000 a line of text" ); }',
        file_size=100000,
    )
    case.equal(answer, [("t",)])
    case.true("milter_replace_body: the body cannot be kept: File too large" in log, log)


if __name__ == "__main__":
    case.run(globals())
