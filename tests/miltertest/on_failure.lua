-- What answers in a plugin's place when it fails is what milter.conf says; the edits that it
-- has asked for go with it, those of others stay.

--[=[ chain default
{ plugin = "probe"; script = ( "mail <fails@x>: failure" ); }
]=]
--[=[ chain reject
{ plugin = "probe"; on_failure = "reject"; script = ( "mail <fails@x>: failure" ); }
]=]
--[=[ chain continue
{ plugin = "probe"; name = "before"; script = ( "mail: add X-Before: yes" ); },
{ plugin = "probe"; name = "fails"; on_failure = "continue"; script = (
    "mail: add X-Fails: yes", "rcpt: failure", "eom: add X-Fails: at eom" ); },
{ plugin = "probe"; name = "after"; script = ( "eom: add X-After: yes" ); }
]=]
--[=[ log
warning: ... plugin=probe chain=... event=mail: failed; on_failure answers tempfail
... told: failed; on_failure answers tempfail
warning: ... plugin=probe chain=... event=mail: failed; on_failure answers reject
warning: ... plugin=fails chain=... event=rcpt: failed; on_failure answers continue
4XyZ1: plugin=after: eom
4XyZ1: from=<a@example.org> ... verdict=accept edits=2 ...
]=]

local c = client("default")
expect("tempfail", c, "mailfrom", "<fails@x>")
mt.disconnect(c)

c = client("reject")
expect("reject", c, "mailfrom", "<fails@x>")
mt.disconnect(c)

c = client("continue")
message(c, "<a@example.org>")
expect("continue", c, "eom")
edited(c, MT_HDRADD, "X-Before", "yes")
edited(c, MT_HDRADD, "X-After", "yes")
unedited(c, MT_HDRADD, "X-Fails")
mt.disconnect(c)
