-- Every verdict at DATA. The sender says which one the plugin gives.

--[=[ chain main
{ plugin = "probe"; script = (
    "data <skip@x>: skip", "data <done@x>: done", "data <accept@x>: accept",
    "data <reject@x>: reject", "data <tempfail@x>: tempfail", "data <discard@x>: discard",
    "data <reply@x>: reply 554 5.7.1 not at data", "data <failure@x>: failure" ); }
]=]
--[=[ log
4XyZ1: from=<accept@x> to=<one@example.net> ... verdict=accept plugin=probe event=data edits=0 ...
... end: accepted at data by probe
4XyZ1: from=<reject@x> ... verdict=reject plugin=probe event=data edits=0 ...
... end: rejected at data by probe
4XyZ1: from=<tempfail@x> ... verdict=tempfail plugin=probe event=data edits=0 ...
... end: tempfailed at data by probe
4XyZ1: from=<discard@x> ... verdict=discard plugin=probe event=data edits=0 ...
... end: discarded at data by probe
4XyZ1: from=<reply@x> ... verdict=reject plugin=probe event=data reply="554 5.7.1 not at data" edits=0 ...
... end: rejected at data by probe: 554 5.7.1 not at data
warning: 4XyZ1: plugin=probe chain=... event=data: failed; on_failure answers tempfail
4XyZ1: from=<failure@x> ... verdict=tempfail plugin=probe event=data edits=0 ...
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
    expect(case[2], c, "data")
    mt.abort(c)
end

message(c, "<skip@x>", "4XyZ2")
expect("continue", c, "eom")
mt.disconnect(c)
