-- Messages on one connection, with and without an abort between them as Postfix and Sendmail
-- do: each begins with nothing of the last.

--[=[ chain main
{ plugin = "probe"; script = (
    "header X-Add: add X-Added: yes", "header X-Skip: skip", "body stop: done",
    "rcpt <refused@x>: reject", "eom: say-envelope", "eom: say-body" ); }
]=]
--[=[ log
ID1: from=<a@x> to=<one@example.net> ... verdict=accept edits=1 ...
ID1: plugin=probe: end: accepted at eom by nobody
NOQUEUE: plugin=probe: mail <b@x>
ID2: plugin=probe: sender: <b@x>
ID2: plugin=probe: recipient: <two@example.net>
ID2: plugin=probe: body: 8 bytes: second\x0d\x0a
ID2: from=<b@x> to=<two@example.net> ... verdict=accept edits=0 ...
ID3: from=<c@x> to=<one@example.net> ... verdict=abort edits=0 ...
ID3: plugin=probe: abort
ID3: plugin=probe: end: aborted at ... by nobody
ID4: plugin=probe: sender: <d@x>
ID4: plugin=probe: recipient: <four@example.net>
ID4: plugin=probe: body: 21 bytes: Dummy message body.\x0d\x0a
ID4: from=<d@x> to=<four@example.net> ... verdict=accept edits=0 ...
ID5: from=<e@x> ... verdict=accept edits=0 ...
ID6: plugin=probe: header X-Skip:[x]
ID6: from=<f@x> ... verdict=accept edits=0 ...
NOQUEUE: plugin=probe: close
]=]

local c = client()

local function begin(sender, rcpt, id)
    expect("continue", c, "mailfrom", sender)
    expect("reject", c, "rcptto", "<refused@x>")
    expect("continue", c, "rcptto", rcpt)
    step(c, "macro", SMFIC_DATA, "i", id)
    expect("continue", c, "data")
end

begin("<a@x>", "<one@example.net>", "ID1")
expect("continue", c, "header", "X-Add", "x")
expect("continue", c, "eoh")
expect("continue", c, "bodystring", "first\r\n")
expect("continue", c, "eom")
edited(c, MT_HDRADD, "X-Added", "yes")

-- As Sendmail goes on.
begin("<b@x>", "<two@example.net>", "ID2")
expect("continue", c, "header", "Subject", "x")
expect("continue", c, "eoh")
expect("continue", c, "bodystring", "second\r\n")
expect("continue", c, "eom")
unedited(c, MT_HDRADD)

-- As Postfix does: an abort after the message, and one in the middle of the next; neither is
-- answered.
mt.abort(c)
begin("<c@x>", "<one@example.net>", "ID3")
expect("continue", c, "header", "X-Add", "x")
expect("continue", c, "eoh")
expect("continue", c, "bodystring", "aborted\r\n")
mt.abort(c)
mt.abort(c)

begin("<d@x>", "<four@example.net>", "ID4")
expect("continue", c, "eom")
unedited(c, MT_HDRADD)

-- What a plugin wants to see no more of is over with the message.
begin("<e@x>", "<one@example.net>", "ID5")
expect("continue", c, "header", "X-Skip", "x")
expect("continue", c, "header", "X-Add", "x")
expect("continue", c, "eom")
unedited(c, MT_HDRADD)

begin("<f@x>", "<one@example.net>", "ID6")
expect("continue", c, "header", "Subject", "x")
expect("continue", c, "header", "X-Skip", "x")
expect("continue", c, "eom")
mt.disconnect(c)
