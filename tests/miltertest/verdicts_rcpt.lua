-- Every verdict at RCPT. A refusal is for that recipient, accept and discard are for the
-- message.

--[=[ chain main
{ plugin = "probe"; script = (
    "rcpt <skip@x>: skip", "rcpt <done@x>: done", "rcpt <accept@x>: accept",
    "rcpt <reject@x>: reject", "rcpt <tempfail@x>: tempfail", "rcpt <discard@x>: discard",
    "rcpt <reply@x>: reply 550 5.1.1 no such user", "rcpt <failure@x>: failure",
    "eom: say-envelope" ); }
]=]
--[=[ log
NOQUEUE: client=192.0.2.7 rcpt=<reject@x> chain=... verdict=reject plugin=probe event=rcpt
NOQUEUE: client=192.0.2.7 rcpt=<tempfail@x> chain=... verdict=tempfail plugin=probe event=rcpt
NOQUEUE: client=192.0.2.7 rcpt=<reply@x> chain=... verdict=reject plugin=probe event=rcpt reply="550 5.1.1 no such user"
warning: NOQUEUE: plugin=probe chain=... event=rcpt: failed; on_failure answers tempfail
NOQUEUE: client=192.0.2.7 rcpt=<failure@x> chain=... verdict=tempfail plugin=probe event=rcpt
4XyZ1: plugin=probe: recipient: <continue@x>
4XyZ1: plugin=probe: recipient: <last@x>
4XyZ1: from=<a@example.org> to=<continue@x>,<last@x> ... verdict=accept edits=0 ...
NOQUEUE: from=<b@example.org> to=<accept@x> ... verdict=accept plugin=probe event=rcpt edits=0 ...
... end: accepted at rcpt by probe
NOQUEUE: from=<c@example.org> to=<one@x>,<discard@x> ... verdict=discard plugin=probe event=rcpt edits=0 ...
... end: discarded at rcpt by probe
NOQUEUE: from=<d@example.org> to=<done@x> ... verdict=accept edits=0 ...
NOQUEUE: plugin=probe: rcpt <skip@x>
NOQUEUE: from=<e@example.org> to=<skip@x>,<reject@x> ... verdict=accept edits=0 ...
]=]

local c = client()

expect("continue", c, "mailfrom", "<a@example.org>")
expect("continue", c, "rcptto", "<continue@x>")
expect("reject", c, "rcptto", "<reject@x>")
expect("tempfail", c, "rcptto", "<tempfail@x>")
expect("reply", c, "rcptto", "<reply@x>")
expect("tempfail", c, "rcptto", "<failure@x>")
expect("continue", c, "rcptto", "<last@x>")
step(c, "macro", SMFIC_DATA, "i", "4XyZ1")
expect("continue", c, "eom")

expect("continue", c, "mailfrom", "<b@example.org>")
expect("accept", c, "rcptto", "<accept@x>")
mt.abort(c)

expect("continue", c, "mailfrom", "<c@example.org>")
expect("continue", c, "rcptto", "<one@x>")
expect("discard", c, "rcptto", "<discard@x>")

expect("continue", c, "mailfrom", "<d@example.org>")
expect("accept", c, "rcptto", "<done@x>")
mt.abort(c)

-- After skip the plugin is asked about no more recipients.
expect("continue", c, "mailfrom", "<e@example.org>")
expect("continue", c, "rcptto", "<skip@x>")
expect("continue", c, "rcptto", "<reject@x>")
expect("continue", c, "eom")
mt.disconnect(c)
