-- The mail server hears of a skip when every plugin has seen enough of the body, not before;
-- a mail server that does not know skip never does.

--[=[ chain main
{ plugin = "probe_light"; name = "first"; script = ( "body first: skip", "body both: skip" ); },
{ plugin = "probe_light"; name = "second"; script = ( "body second: skip", "body both: skip" ); }
]=]
--[=[ chain keeps
{ plugin = "probe_light"; name = "first"; script = ( "body: skip" ); },
{ plugin = "probe_large"; name = "second"; script = ( "eom: say-body" ); }
]=]
--[=[ log
NOQUEUE: plugin=first: body, 5 bytes: [one]
NOQUEUE: plugin=second: body, 5 bytes: [one]
NOQUEUE: plugin=first: body, 7 bytes: [first]
NOQUEUE: plugin=second: body, 7 bytes: [first]
NOQUEUE: plugin=second: body, 5 bytes: [two]
NOQUEUE: plugin=second: body, 8 bytes: [second]
NOQUEUE: plugin=first: eom
NOQUEUE: plugin=second: eom
NOQUEUE: plugin=first: body, 6 bytes: [both]
NOQUEUE: plugin=second: body, 6 bytes: [both]
NOQUEUE: plugin=first: eom
NOQUEUE: plugin=first: body, 6 bytes: [both]
NOQUEUE: plugin=second: body, 6 bytes: [both]
NOQUEUE: plugin=first: eom
NOQUEUE: plugin=second: body, 6 bytes: [more]
NOQUEUE: plugin=second: body: 12 bytes...
]=]

local function begin(c)
    expect("continue", c, "mailfrom", "<a@example.org>")
    expect("continue", c, "rcptto", "<one@example.net>")
    expect("continue", c, "header", "Subject", "a subject")
    expect("continue", c, "eoh")
end

local c = client()
agreed(c, "ADDHDRS", "SKIP")
begin(c)
expect("continue", c, "bodystring", "one\r\n")
expect("continue", c, "bodystring", "first\r\n")
expect("continue", c, "bodystring", "two\r\n")
expect("skip", c, "bodystring", "second\r\n")
expect("continue", c, "eom")
-- The next message is another matter.
begin(c)
expect("skip", c, "bodystring", "both\r\n")
expect("continue", c, "eom")
mt.disconnect(c)

-- Without SKIP, as Postfix speaks version 4: the plugins are asked no more all the same.
c = connect()
negotiate(c, 4, 0x1ff, 0x37f)
agreed(c, "ADDHDRS", "")
begin(c)
expect("continue", c, "bodystring", "both\r\n")
expect("continue", c, "bodystring", "more\r\n")
expect("continue", c, "eom")
mt.disconnect(c)

-- A plugin that keeps the body keeps all of it.
c = connect("keeps")
negotiate(c)
expect("continue", c, "bodystring", "both\r\n")
expect("continue", c, "bodystring", "more\r\n")
expect("continue", c, "eom")
mt.disconnect(c)
