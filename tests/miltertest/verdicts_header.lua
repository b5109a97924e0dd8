-- Every verdict at a header field. Its name says which one the plugin gives.

--[=[ chain main
{ plugin = "probe"; script = (
    "header X-Skip: skip", "header X-Done: done", "header X-Accept: accept",
    "header X-Reject: reject", "header X-Tempfail: tempfail", "header X-Discard: discard",
    "header X-Reply: reply 554 5.7.1 not with that", "header X-Failure: failure",
    "eom: say-headers" ); }
]=]
--[=[ log
4XyZ1: from=<accept@x> ... verdict=accept plugin=probe event=header edits=0 ...
... end: accepted at header by probe
4XyZ1: from=<reject@x> ... verdict=reject plugin=probe event=header edits=0 ...
... end: rejected at header by probe
4XyZ1: from=<tempfail@x> ... verdict=tempfail plugin=probe event=header edits=0 ...
... end: tempfailed at header by probe
4XyZ1: from=<discard@x> ... verdict=discard plugin=probe event=header edits=0 ...
... end: discarded at header by probe
4XyZ1: from=<reply@x> ... verdict=reject plugin=probe event=header reply="554 5.7.1 not with that" edits=0 ...
... end: rejected at header by probe: 554 5.7.1 not with that
warning: 4XyZ1: plugin=probe chain=... event=header: failed; on_failure answers tempfail
4XyZ1: from=<failure@x> ... verdict=tempfail plugin=probe event=header edits=0 ...
4XyZ1: from=<done@x> ... verdict=accept edits=0 ...
4XyZ1: plugin=probe: header X-Skip:...
4XyZ1: plugin=probe: eoh
4XyZ1: plugin=probe: field: X-Skip:...
4XyZ1: plugin=probe: field: X-Reject:...
4XyZ1: from=<skip@x> ... verdict=accept edits=0 ...
]=]

local c = client()

local function up_to_header(sender)
    expect("continue", c, "mailfrom", sender)
    expect("continue", c, "rcptto", "<one@example.net>")
    step(c, "macro", SMFIC_DATA, "i", "4XyZ1")
    expect("continue", c, "data")
    expect("continue", c, "header", "Subject", "a subject")
end

for _, case in ipairs({
    { "accept", "accept" }, { "reject", "reject" }, { "tempfail", "tempfail" },
    { "discard", "discard" }, { "reply", "reply" }, { "failure", "tempfail" },
    { "done", "accept" },
}) do
    up_to_header("<" .. case[1] .. "@x>")
    expect(case[2], c, "header", "X-" .. case[1], "value")
    mt.abort(c)
end

-- After skip the plugin gets no more fields, and sees those that are kept all the same. The mail
-- server is not told: it would not understand, before the body.
up_to_header("<skip@x>")
expect("continue", c, "header", "X-Skip", "value")
expect("continue", c, "header", "X-Reject", "value")
expect("continue", c, "eom")
mt.disconnect(c)
