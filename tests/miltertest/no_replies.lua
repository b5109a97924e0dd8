-- A chain that only observes: no packet is answered before the end of the message, and every
-- event arrives.

--[=[ chain main
{ plugin = "probe_observe"; script = ( "rcpt: add X-Recipient: seen", "eom: add X-End: seen" ); }
]=]
--[=[ log
NOQUEUE: plugin=probe_observe: connect [client.example.org] inet [192.0.2.7] 12345
NOQUEUE: plugin=probe_observe: helo [client.example.org]
NOQUEUE: plugin=probe_observe: unknown [XYZZY]
NOQUEUE: plugin=probe_observe: mail <a@example.org>
NOQUEUE: plugin=probe_observe: rcpt <one@example.net>
4XyZ1: plugin=probe_observe: data
4XyZ1: plugin=probe_observe: header From:[Somebody <somebody@example.org>]
4XyZ1: plugin=probe_observe: header Subject:[a subject]
4XyZ1: plugin=probe_observe: eoh
4XyZ1: plugin=probe_observe: body, 8 bytes: [a body]
4XyZ1: plugin=probe_observe: eom
4XyZ1: from=<a@example.org> to=<one@example.net> ... verdict=accept edits=2 ...
]=]

-- A reply too many would be taken for the answer to the end of the message.
local c = connect()
negotiate(c)
expect("continue", c, "conninfo", "client.example.org", "192.0.2.7")
expect("continue", c, "helo", "client.example.org")
expect("continue", c, "unknown", "XYZZY")
message(c, "<a@example.org>")
expect("continue", c, "eom")
edited(c, MT_HDRADD, "X-Recipient", "seen")
edited(c, MT_HDRADD, "X-End", "seen")
mt.disconnect(c)
