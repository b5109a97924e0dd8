-- Verdicts that cannot be sent when they are given are kept, and no plugin is asked after
-- them: an accept while edits wait for the end of the message, and anything where the mail
-- server expects no answer. What a plugin that only observes decides is a failure.

--[=[ chain main
{ plugin = "probe"; name = "first"; script = (
    "rcpt: add X-Early: yes", "rcpt <allowed@x>: accept", "header X-Bad: reject" ); },
{ plugin = "probe"; name = "second"; script = ( "rcpt: reject", "eom: add X-Late: no" ); }
]=]
--[=[ chain observe
{ plugin = "probe_observe"; script = ( "header X-Bad: reject", "eom: add X-Late: yes" ); }
]=]
--[=[ chain observe_continue
{ plugin = "probe_observe"; on_failure = "continue"; script = (
    "header X-Bad: reject", "eom: add X-Late: yes" ); }
]=]
--[=[ log
NOQUEUE: plugin=first: rcpt <allowed@x>
4XyZ1: from=<a@example.org> to=<allowed@x>,<next@x> ... verdict=accept plugin=first event=rcpt edits=1 ...
warning: NOQUEUE: plugin=probe_observe chain=... event=header: the verdict reject (4) is not possible here; on_failure answers tempfail
NOQUEUE: from=<b@example.org> ... verdict=tempfail plugin=probe_observe event=header edits=0 ...
warning: NOQUEUE: plugin=probe_observe chain=... event=header: the verdict reject (4) is not possible here; on_failure answers continue
NOQUEUE: from=<c@example.org> ... verdict=accept edits=0 ...
]=]

local c = client()
expect("continue", c, "mailfrom", "<a@example.org>")
expect("continue", c, "rcptto", "<allowed@x>")
expect("continue", c, "rcptto", "<next@x>")
expect("continue", c, "unknown", "XYZZY")
step(c, "macro", SMFIC_DATA, "i", "4XyZ1")
expect("continue", c, "data")
expect("continue", c, "header", "X-Bad", "the plugin is not asked any more")
expect("continue", c, "eoh")
expect("continue", c, "bodystring", "a body\r\n")
expect("accept", c, "eom")
edited(c, MT_HDRADD, "X-Early", "yes")
unedited(c, MT_HDRADD, "X-Late")
mt.disconnect(c)

c = client("observe")
expect("continue", c, "mailfrom", "<b@example.org>")
expect("continue", c, "header", "X-Bad", "no answer is due")
expect("tempfail", c, "eom")
unedited(c, MT_HDRADD)
mt.disconnect(c)

c = client("observe_continue")
expect("continue", c, "mailfrom", "<c@example.org>")
expect("continue", c, "header", "X-Bad", "no answer is due")
expect("accept", c, "eom") -- as if done, and nobody else is left
unedited(c, MT_HDRADD)
mt.disconnect(c)
