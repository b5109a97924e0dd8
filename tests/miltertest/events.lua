-- What plugins are told at each event: all arguments, and every byte.

--[=[ chain main
{ plugin = "probe"; script = ( "eom: say-envelope", "eom: say-headers", "eom: say-body",
    "eom: say-connection" ); }
]=]
--[=[ log
NOQUEUE: plugin=probe: connect [client.example.org] inet [192.0.2.7] 12345
NOQUEUE: plugin=probe: helo [other.example.org]
NOQUEUE: plugin=probe: mail <a@example.org> SIZE=1000 BODY=8BITMIME
NOQUEUE: plugin=probe: rcpt <one@example.net>
NOQUEUE: plugin=probe: rcpt <Two@EXAMPLE.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y
4XyZ1: plugin=probe: data
4XyZ1: plugin=probe: header From:[Somebody <a@example.org>]
4XyZ1: plugin=probe: header To:[one@example.net,\x0a\x09Two@EXAMPLE.net]
4XyZ1: plugin=probe: header X-Eight-Bit:[grüße \xff]
4XyZ1: plugin=probe: header X-Empty:[]
4XyZ1: plugin=probe: header X-Tab:[\x09value ]
4XyZ1: plugin=probe: eoh
4XyZ1: plugin=probe: body, 8 bytes: [.a dot]
4XyZ1: plugin=probe: body, 14 bytes: []
4XyZ1: plugin=probe: eom
4XyZ1: plugin=probe: sender: <a@example.org> SIZE=1000 BODY=8BITMIME
4XyZ1: plugin=probe: recipient: <one@example.net>
4XyZ1: plugin=probe: recipient: <Two@EXAMPLE.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y
4XyZ1: plugin=probe: field: X-Tab:[\x09value ] raw [ \x09value ]
4XyZ1: plugin=probe: body: 22 bytes: .a dot...
4XyZ1: plugin=probe: client client.example.org helo other.example.org version 6 chain ... queue id 4XyZ1 session ...
4XyZ1: plugin=probe: end: accepted at eom by nobody
NOQUEUE: plugin=probe: mail <>
NOQUEUE: plugin=probe: close
]=]

local c = connect()
expect("continue", c, "conninfo", "client.example.org", "192.0.2.7")
expect("continue", c, "helo", "client.example.org")
expect("continue", c, "helo", "other.example.org")
expect("continue", c, "mailfrom", "<a@example.org>", "SIZE=1000", "BODY=8BITMIME")
expect("continue", c, "rcptto", "<one@example.net>")
expect("continue", c, "rcptto", "<Two@EXAMPLE.net>", "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;x@y")
step(c, "macro", SMFIC_DATA, "i", "4XyZ1")
expect("continue", c, "data")
expect("continue", c, "header", "From", "Somebody <a@example.org>")
expect("continue", c, "header", "To", "one@example.net,\n\tTwo@EXAMPLE.net")
expect("continue", c, "header", "X-Eight-Bit", "gr\xc3\xbc\xc3\x9fe \xff")
expect("continue", c, "header", "X-Empty", "")
expect("continue", c, "header", "X-Tab", "\tvalue ")
expect("continue", c, "eoh")
expect("continue", c, "bodystring", ".a dot\r\n")

-- A NUL goes through a file only.
local name = os.tmpname()
local file = assert(io.open(name, "wb"))
file:write("\0line two\r\n\xff\r\n")
file:close()
local sent, problem = pcall(expect, "continue", c, "bodyfile", name)
os.remove(name)
check(sent, problem)
expect("continue", c, "eom")

expect("continue", c, "mailfrom", "<>")
mt.abort(c)
mt.disconnect(c)
