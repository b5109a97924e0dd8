-- Every verdict at the end of the message. The sender says which one the plugin gives. Edits go
-- out with the verdicts that let the message pass, and with no other.

--[=[ chain main
{ plugin = "probe"; script = (
    "eom: add X-Checked: yes",
    "eom <skip@x>: skip", "eom <done@x>: done", "eom <accept@x>: accept",
    "eom <reject@x>: reject", "eom <tempfail@x>: tempfail", "eom <discard@x>: discard",
    "eom <reply@x>: reply 550 5.7.1 not this", "eom <failure@x>: failure",
    "eom <suspend@x>: suspend", "eom <wrong@x>: wrong", "eom <bare@x>: bare-reply" ); }
]=]
--[=[ log
4XyZ1: from=<continue@x> ... verdict=accept edits=1 ...
... end: accepted at eom by nobody
4XyZ1: from=<skip@x> ... verdict=accept edits=1 ...
4XyZ1: from=<done@x> ... verdict=accept edits=1 ...
4XyZ1: from=<accept@x> ... verdict=accept plugin=probe event=eom edits=1 ...
... end: accepted at eom by probe
4XyZ1: from=<reject@x> ... verdict=reject plugin=probe event=eom edits=0 ...
... end: rejected at eom by probe
4XyZ1: from=<tempfail@x> ... verdict=tempfail plugin=probe event=eom edits=0 ...
... end: tempfailed at eom by probe
4XyZ1: from=<discard@x> ... verdict=discard plugin=probe event=eom edits=0 ...
... end: discarded at eom by probe
4XyZ1: from=<reply@x> ... verdict=reject plugin=probe event=eom reply="550 5.7.1 not this" edits=0 ...
... end: rejected at eom by probe: 550 5.7.1 not this
warning: 4XyZ1: plugin=probe chain=... event=eom: failed; on_failure answers tempfail
4XyZ1: from=<failure@x> ... verdict=tempfail plugin=probe event=eom edits=0 ...
warning: 4XyZ1: ... the verdict suspend (8) is not possible here; on_failure answers tempfail
4XyZ1: from=<suspend@x> ... verdict=tempfail ...
warning: 4XyZ1: ... the verdict invalid (10) is not possible here; on_failure answers tempfail
4XyZ1: from=<wrong@x> ... verdict=tempfail ...
warning: 4XyZ1: ... failed; on_failure answers tempfail
4XyZ1: from=<bare@x> ... verdict=tempfail ...
]=]

local c = client()
for _, case in ipairs({
    { "continue", "continue", true }, { "skip", "continue", true }, { "done", "continue", true },
    { "accept", "accept", true }, { "reject", "reject" }, { "tempfail", "tempfail" },
    { "discard", "discard" }, { "reply", "reply" }, { "failure", "tempfail" },
    { "suspend", "tempfail" }, { "wrong", "tempfail" }, { "bare", "tempfail" },
}) do
    message(c, "<" .. case[1] .. "@x>")
    expect(case[2], c, "eom")
    check(mt.eom_check(c, MT_HDRADD, "X-Checked", "yes") == (case[3] == true),
        "edits with " .. case[1])
    mt.abort(c)
end
mt.disconnect(c)
