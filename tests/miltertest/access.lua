-- The plugin access on plain messages.

--[=[ chain main
{ plugin = "@plugin_dir@/access.so"; rules = (
    "continue client 192.0.2.1", "reject client 192.0.2.0/24 554 5.7.1 ${client_addr} is blocked",
    "tempfail name unknown 450 4.7.25 no host name", "reject helo localhost 5.7.1 you are not me",
    "reject sender @bad.example 550 5.7.1 no mail from ${sender}",
    "accept sender boss@example.org",
    "reject rcpt gone@example.net 550 5.1.1 ${rcpt} is gone", "discard rcpt trap@example.net" ); },
{ plugin = "probe"; script = ( "mail <boss@example.org>: reject" ); }
]=]
--[=[ log
... verdict=reject plugin=access event=mail reply="554 5.7.1 198.51.100.7... ...
]=]

local c
