-- Every verdict at an unknown command. Accept would make Postfix's smtpd panic there, discard
-- would lose the next message on both mail servers, so neither is let through.

--[=[ chain main
{ plugin = "probe"; script = (
    "unknown REJECT: reject", "unknown TEMPFAIL: tempfail",
    "unknown REPLY: reply 502 5.5.1 what?", "unknown ACCEPT: accept", "unknown DONE: done",
    "unknown DISCARD: discard", "unknown FAILURE: failure", "unknown SKIP: skip",
    "unknown XLINE one two: reply 501 5.5.2 a whole line" ); }
]=]
--[=[ log
NOQUEUE: plugin=probe: unknown ...XYZZY...
NOQUEUE: client=192.0.2.7 command=REJECT chain=... verdict=reject plugin=probe event=unknown
NOQUEUE: client=192.0.2.7 command=TEMPFAIL chain=... verdict=tempfail plugin=probe event=unknown
NOQUEUE: client=192.0.2.7 command=REPLY chain=... verdict=reject plugin=probe event=unknown reply="502 5.5.1 what?"
NOQUEUE: client=192.0.2.7 command=XLINE one two chain=... reply="501 5.5.2 a whole line"
warning: NOQUEUE: plugin=probe chain=... event=unknown: the verdict accept (3) is not possible here; on_failure answers tempfail
warning: NOQUEUE: plugin=probe chain=... event=unknown: the verdict done (2) is not possible here; on_failure answers tempfail
warning: NOQUEUE: plugin=probe chain=... event=unknown: the verdict discard (6) is not possible here; on_failure answers tempfail
warning: NOQUEUE: plugin=probe chain=... event=unknown: failed; on_failure answers tempfail
4XyZ1: from=<a@example.org> to=<one@example.net> ... verdict=accept edits=0 ...
]=]

-- Before HELO too.
local c = connect()
expect("continue", c, "conninfo", "client.example.org", "192.0.2.7")
expect("continue", c, "unknown", "XYZZY")
expect("continue", c, "unknown", "")
expect("continue", c, "helo", "client.example.org")

for _, case in ipairs({
    { "REJECT", "reject" }, { "TEMPFAIL", "tempfail" }, { "REPLY", "reply" },
    { "XLINE one two", "reply" }, { "ACCEPT", "tempfail" }, { "DONE", "tempfail" },
    { "DISCARD", "tempfail" }, { "FAILURE", "tempfail" },
}) do
    expect(case[2], c, "unknown", case[1])
end

-- In the middle of a message it changes nothing.
expect("continue", c, "mailfrom", "<a@example.org>")
expect("reject", c, "unknown", "REJECT")
expect("continue", c, "rcptto", "<one@example.net>")
expect("tempfail", c, "unknown", "TEMPFAIL")
step(c, "macro", SMFIC_DATA, "i", "4XyZ1")
expect("continue", c, "eom")

-- Skip holds to the end of the connection or the next message.
expect("continue", c, "unknown", "SKIP")
mt.disconnect(c)
