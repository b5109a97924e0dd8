-- Every verdict at the end of the header. The sender says which one the plugin gives.

--[=[ chain main
{ plugin = "probe"; script = (
    "eoh <skip@x>: skip", "eoh <done@x>: done", "eoh <accept@x>: accept",
    "eoh <reject@x>: reject", "eoh <tempfail@x>: tempfail", "eoh <discard@x>: discard",
    "eoh <reply@x>: reply 554 5.7.1 not at eoh", "eoh <failure@x>: failure" ); }
]=]
--[=[ log
4XyZ1: from=<accept@x> to=<one@example.net> ... verdict=accept plugin=probe event=eoh edits=0 ...
... end: accepted at eoh by probe
4XyZ1: from=<reject@x> ... verdict=reject plugin=probe event=eoh edits=0 ...
... end: rejected at eoh by probe
4XyZ1: from=<tempfail@x> ... verdict=tempfail plugin=probe event=eoh edits=0 ...
... end: tempfailed at eoh by probe
4XyZ1: from=<discard@x> ... verdict=discard plugin=probe event=eoh edits=0 ...
... end: discarded at eoh by probe
4XyZ1: from=<reply@x> ... verdict=reject plugin=probe event=eoh reply="554 5.7.1 not at eoh" edits=0 ...
... end: rejected at eoh by probe: 554 5.7.1 not at eoh
warning: 4XyZ1: plugin=probe chain=... event=eoh: failed; on_failure answers tempfail
4XyZ1: from=<failure@x> ... verdict=tempfail plugin=probe event=eoh edits=0 ...
4XyZ1: from=<done@x> ... verdict=accept edits=0 ...
4XyZ2: from=<skip@x> to=<one@example.net> ... verdict=accept edits=0 ...
]=]

local c = client()
for _, case in ipairs({
    { "accept", "accept" }, { "reject", "reject" }, { "tempfail", "tempfail" },
    { "discard", "discard" }, { "reply", "reply" }, { "failure", "tempfail" },
    { "done", "accept" },
}) do
    expect("continue", c, "mailfrom", "<" .. case[1] .. "@x>")
    expect("continue", c, "rcptto", "<one@example.net>")
    step(c, "macro", SMFIC_DATA, "i", "4XyZ1")
    expect("continue", c, "data")
    expect("continue", c, "header", "Subject", "a subject")
    expect(case[2], c, "eoh")
    mt.abort(c)
end

message(c, "<skip@x>", "4XyZ2")
expect("continue", c, "eom")
mt.disconnect(c)
