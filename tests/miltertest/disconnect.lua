-- A mail server that goes away without a word, at any time: an open message is aborted, on_close
-- comes once, and the next connection is served.

--[=[ chain main
{ plugin = "probe"; }
]=]
--[=[ log
NOQUEUE: plugin=probe: connect [at-connect] ...
NOQUEUE: plugin=probe: close
NOQUEUE: plugin=probe: connect [at-mail] ...
warning: connection from ... closed: the mail server went away in the middle of a message
NOQUEUE: plugin=probe: told: the mail server went away in the middle of a message
NOQUEUE: from=<a@example.org> ... verdict=abort edits=0 ...
NOQUEUE: plugin=probe: abort
NOQUEUE: plugin=probe: end: aborted at ... by nobody
NOQUEUE: plugin=probe: close
NOQUEUE: plugin=probe: connect [at-body] ...
warning: connection from ... closed: the mail server went away in the middle of a message
... end: aborted at ... by nobody
NOQUEUE: plugin=probe: close
NOQUEUE: plugin=probe: connect [client.example.org] ...
... end: accepted at eom by nobody
NOQUEUE: plugin=probe: close
]=]

-- Before anything is said.
local c = connect()
mt.disconnect(c, false)
c = connect()
negotiate(c)
mt.disconnect(c, false)

c = connect()
expect("continue", c, "conninfo", "at-connect", "192.0.2.7")
mt.disconnect(c, false)

c = connect()
expect("continue", c, "conninfo", "at-mail", "192.0.2.7")
expect("continue", c, "mailfrom", "<a@example.org>")
mt.disconnect(c, false)

c = connect()
expect("continue", c, "conninfo", "at-body", "192.0.2.7")
expect("continue", c, "bodystring", "half a mess")
mt.disconnect(c, false)

c = client()
message(c, "<a@example.org>")
expect("continue", c, "eom")
mt.disconnect(c, false)
