-- An abort at every stage, and where no message is open. Then on_end comes once to each plugin
-- that has seen something of the message.

--[=[ chain main
{ plugin = "probe"; name = "first"; script = ( "mail <done@x>: done" ); },
{ plugin = "probe_min"; name = "second"; }
]=]
--[=[ log
NOQUEUE: plugin=first: mail <at-mail@x>
NOQUEUE: from=<at-mail@x> client=192.0.2.7 ... verdict=abort edits=0 ...
NOQUEUE: plugin=first: abort
NOQUEUE: plugin=first: end: aborted at ... by nobody
NOQUEUE: from=<at-rcpt@x> to=<one@example.net> ... verdict=abort edits=0 ...
NOQUEUE: plugin=first: end: aborted at ... by nobody
NOQUEUE: from=<at-data@x> ... verdict=abort edits=0 ...
NOQUEUE: from=<at-header@x> ... verdict=abort edits=0 ...
NOQUEUE: from=<at-eoh@x> ... verdict=abort edits=0 ...
NOQUEUE: from=<at-body@x> ... verdict=abort edits=0 ...
NOQUEUE: plugin=first: end: aborted at ... by nobody
NOQUEUE: from=<done@x> ... verdict=abort edits=0 ...
NOQUEUE: plugin=first: abort
NOQUEUE: plugin=first: end: aborted at ... by nobody
4XyZ1: plugin=first: eom
4XyZ1: plugin=second: eom
4XyZ1: from=<last@x> ... verdict=accept edits=0 ...
4XyZ1: plugin=first: end: accepted at eom by nobody
4XyZ1: plugin=second: end: accepted at eom by nobody
NOQUEUE: plugin=first: close
NOQUEUE: plugin=second: close
]=]

local c = client()
mt.abort(c)
mt.abort(c)

local steps = {
    { "mail" },
    { "rcpt", "rcptto", "<one@example.net>" },
    { "data", "data" },
    { "header", "header", "Subject", "a subject" },
    { "eoh", "eoh" },
    { "body", "bodystring", "a body\r\n" },
}
for last = 1, #steps do
    expect("continue", c, "mailfrom", "<at-" .. steps[last][1] .. "@x>")
    for at = 2, last do
        expect("continue", c, table.unpack(steps[at], 2))
    end
    mt.abort(c)
end

expect("continue", c, "mailfrom", "<done@x>")
mt.abort(c)

message(c, "<last@x>")
expect("continue", c, "eom")
mt.abort(c)
mt.disconnect(c)
