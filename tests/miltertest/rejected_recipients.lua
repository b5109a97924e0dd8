-- Recipients that the mail server itself has refused are told to the plugins that ask for them
-- and to no other. Nothing can be decided about them.

--[=[ chain main
{ plugin = "probe_rejected"; name = "asks"; script = ( "rcpt: continue" ); },
{ plugin = "probe"; name = "other"; script = ( "eom: say-envelope" ); }
]=]
--[=[ chain rejects
{ plugin = "probe_rejected"; name = "asks"; script = ( "rcpt: reject" ); }
]=]
--[=[ log
NOQUEUE: plugin=asks: rcpt <one@example.net>
NOQUEUE: plugin=other: rcpt <one@example.net>
NOQUEUE: plugin=asks: rcpt <gone@example.net> (rejected)
4XyZ1: plugin=other: recipient: <one@example.net>
4XyZ1: from=<a@example.org> to=<one@example.net> client=192.0.2.7 ... verdict=accept ...
NOQUEUE: plugin=asks: rcpt <gone@example.net> (rejected)
NOQUEUE: plugin=asks: rcpt <one@example.net>
... rcpt=<one@example.net> ... verdict=reject ...
]=]

local rejected = { "{rcpt_mailer}", "error", "{rcpt_host}", "5.1.1",
    "{rcpt_addr}", "550 5.1.1 <gone@example.net>: no such user" }

local c = client()
expect("continue", c, "mailfrom", "<a@example.org>")
step(c, "macro", SMFIC_RCPT, "{rcpt_mailer}", "smtp", "{rcpt_addr}", "one@example.net")
expect("continue", c, "rcptto", "<one@example.net>")
step(c, "macro", SMFIC_RCPT, table.unpack(rejected))
expect("continue", c, "rcptto", "<gone@example.net>")
step(c, "macro", SMFIC_DATA, "i", "4XyZ1")
expect("continue", c, "eom")
mt.disconnect(c)

c = connect("rejects")
negotiate(c)
expect("continue", c, "mailfrom", "<a@example.org>")
step(c, "macro", SMFIC_RCPT, table.unpack(rejected))
expect("continue", c, "rcptto", "<gone@example.net>")
step(c, "macro", SMFIC_RCPT, "{rcpt_mailer}", "smtp", "{rcpt_addr}", "one@example.net")
expect("reject", c, "rcptto", "<one@example.net>")
mt.disconnect(c)
