-- Two plugins in a chain: the first that decides ends it, done ends one of them alone, and
-- the second sees the message as the first has edited it.

--[=[ chain main
{ plugin = "probe"; name = "first"; script = (
    "mail <allowed@x>: accept", "mail <done@x>: done", "mail <both@x>: done",
    "rcpt <no@x>: reply 550 5.1.1 first says no",
    "eom: change 1 Subject: edited", "eom: add X-First: yes", "eom: add-rcpt <new@x>" ); },
{ plugin = "probe"; name = "second"; script = (
    "mail <allowed@x>: reject", "mail <both@x>: done", "rcpt <no@x>: tempfail",
    "rcpt <maybe@x>: tempfail",
    "eom: say-envelope", "eom: say-headers", "eom: delete X-First" ); }
]=]
--[=[ log
NOQUEUE: plugin=first: mail <allowed@x>
NOQUEUE: from=<allowed@x> ... verdict=accept plugin=first event=mail edits=0 ...
NOQUEUE: plugin=first: end: accepted at mail by first
NOQUEUE: from=<both@x> ... verdict=accept edits=0 ...
NOQUEUE: plugin=first: mail <done@x>
NOQUEUE: plugin=second: mail <done@x>
NOQUEUE: plugin=second: rcpt <no@x>
NOQUEUE: ... rcpt=<no@x> ... verdict=tempfail plugin=second event=rcpt
NOQUEUE: plugin=first: rcpt <no@x>
NOQUEUE: ... rcpt=<no@x> ... plugin=first event=rcpt reply="550 5.1.1 first says no"
NOQUEUE: ... rcpt=<maybe@x> ... plugin=second event=rcpt
4XyZ1: plugin=second: recipient: <one@example.net>
4XyZ1: plugin=second: recipient: <new@x>
4XyZ1: plugin=second: field: Subject:[edited] ...
4XyZ1: plugin=second: field: X-First:[yes] ...
4XyZ1: from=<a@x> to=<one@example.net> ... verdict=accept edits=2 ...
]=]

local c = client()
expect("accept", c, "mailfrom", "<allowed@x>")
mt.abort(c)
expect("accept", c, "mailfrom", "<both@x>")
mt.abort(c)
expect("continue", c, "mailfrom", "<done@x>")
expect("tempfail", c, "rcptto", "<no@x>")
mt.abort(c)

expect("continue", c, "mailfrom", "<a@x>")
expect("reply", c, "rcptto", "<no@x>")
expect("tempfail", c, "rcptto", "<maybe@x>")
expect("continue", c, "rcptto", "<one@example.net>")
step(c, "macro", SMFIC_DATA, "i", "4XyZ1")
expect("continue", c, "header", "Subject", "a subject")
expect("continue", c, "eom")
edited(c, MT_HDRCHANGE, "Subject", "edited")
edited(c, MT_RCPTADD, "<new@x>")
unedited(c, MT_HDRADD, "X-First")
mt.disconnect(c)
