-- Every verdict at a piece of the body. Its first line says which one the plugin gives.

--[=[ chain main
{ plugin = "probe_light"; name = "probe"; script = (
    "body skip: skip", "body done: done", "body accept: accept",
    "body reject: reject", "body tempfail: tempfail", "body discard: discard",
    "body reply: reply 554 5.7.1 not that", "body failure: failure" ); }
]=]
--[=[ log
NOQUEUE: from=<accept@x> to=<one@example.net> ... verdict=accept plugin=probe event=body edits=0 ...
... end: accepted at body by probe
NOQUEUE: from=<reject@x> ... verdict=reject plugin=probe event=body edits=0 ...
... end: rejected at body by probe
NOQUEUE: from=<tempfail@x> ... verdict=tempfail plugin=probe event=body edits=0 ...
... end: tempfailed at body by probe
NOQUEUE: from=<discard@x> ... verdict=discard plugin=probe event=body edits=0 ...
... end: discarded at body by probe
NOQUEUE: from=<reply@x> ... verdict=reject plugin=probe event=body reply="554 5.7.1 not that" edits=0 ...
... end: rejected at body by probe: 554 5.7.1 not that
warning: NOQUEUE: plugin=probe chain=... event=body: failed; on_failure answers tempfail
NOQUEUE: from=<failure@x> ... verdict=tempfail plugin=probe event=body edits=0 ...
NOQUEUE: from=<done@x> ... verdict=accept edits=0 ...
NOQUEUE: plugin=probe: eom
NOQUEUE: from=<skip@x> ... verdict=accept edits=0 ...
NOQUEUE: plugin=probe: eom
NOQUEUE: from=<continue@x> ... verdict=accept edits=0 ...
]=]

local c = client()

local function up_to_body(sender)
    expect("continue", c, "mailfrom", sender)
    expect("continue", c, "rcptto", "<one@example.net>")
    expect("continue", c, "data")
    expect("continue", c, "header", "Subject", "a subject")
    expect("continue", c, "eoh")
    expect("continue", c, "bodystring", "the first piece\r\n")
end

for _, case in ipairs({
    { "accept", "accept" }, { "reject", "reject" }, { "tempfail", "tempfail" },
    { "discard", "discard" }, { "reply", "reply" }, { "failure", "tempfail" },
    { "done", "accept" },
}) do
    up_to_body("<" .. case[1] .. "@x>")
    expect(case[2], c, "bodystring", case[1] .. "\r\n")
    mt.abort(c)
end

up_to_body("<skip@x>")
expect("skip", c, "bodystring", "skip\r\n")
expect("continue", c, "eom")

up_to_body("<continue@x>")
expect("continue", c, "bodystring", "continue\r\n")
expect("continue", c, "eom")
mt.disconnect(c)
