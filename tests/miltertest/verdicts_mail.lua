-- Every verdict at MAIL. The sender says which one the plugin gives.

--[=[ chain main
{ plugin = "probe"; script = (
    "mail <skip@x>: skip", "mail <done@x>: done", "mail <accept@x>: accept",
    "mail <reject@x>: reject", "mail <tempfail@x>: tempfail", "mail <discard@x>: discard",
    "mail <reply@x>: reply 550 5.7.1 not from here", "mail <failure@x>: failure" ); }
]=]
--[=[ log
NOQUEUE: from=<accept@x> client=192.0.2.7 ... verdict=accept plugin=probe event=mail edits=0 ...
... end: accepted at mail by probe
NOQUEUE: from=<reject@x> client=192.0.2.7 ... verdict=reject plugin=probe event=mail edits=0 ...
... end: rejected at mail by probe
NOQUEUE: from=<tempfail@x> ... verdict=tempfail plugin=probe event=mail edits=0 ...
... end: tempfailed at mail by probe
NOQUEUE: from=<discard@x> ... verdict=discard plugin=probe event=mail edits=0 ...
... end: discarded at mail by probe
NOQUEUE: from=<reply@x> ... verdict=reject plugin=probe event=mail reply="550 5.7.1 not from here" edits=0 ...
... end: rejected at mail by probe: 550 5.7.1 not from here
warning: NOQUEUE: plugin=probe chain=... event=mail: failed; on_failure answers tempfail
NOQUEUE: from=<failure@x> ... verdict=tempfail plugin=probe event=mail edits=0 ...
NOQUEUE: from=<done@x> ... verdict=accept edits=0 ...
4XyZ1: from=<skip@x> to=<one@example.net> ... verdict=accept edits=0 ...
4XyZ2: from=<continue@x> to=<one@example.net> ... verdict=accept edits=0 ...
]=]

-- All on one connection: a verdict ends its own message alone. Sendmail goes on with the next
-- MAIL at once, Postfix aborts before it.
local c = client()
for _, case in ipairs({
    { "accept", "accept" }, { "reject", "reject" }, { "tempfail", "tempfail" },
    { "discard", "discard" }, { "reply", "reply" }, { "failure", "tempfail" },
    { "done", "accept" },
}) do
    expect(case[2], c, "mailfrom", "<" .. case[1] .. "@x>")
    if case[1] ~= "tempfail" then
        mt.abort(c)
    end
end

message(c, "<skip@x>", "4XyZ1")
expect("continue", c, "eom")
message(c, "<continue@x>", "4XyZ2")
expect("continue", c, "eom")
mt.disconnect(c)
