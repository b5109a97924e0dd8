-- The plugin access on plain messages, with a plugin behind it that refuses what access allows.

--[=[ chain main
{ plugin = "@plugin_dir@/access.so"; rules = (
    "continue client 192.0.2.1", "reject client 192.0.2.0/24 554 5.7.1 ${client_addr} is blocked",
    "reject client 2001:db8::/32", "tempfail name unknown 450 4.7.25 no host name",
    "reject helo localhost 5.7.1 you are not me",
    "reject sender @bad.example 550 5.7.1 no mail from ${sender}",
    "accept sender boss@example.org",
    "reject rcpt gone@example.net 550 5.1.1 ${rcpt} is gone",
    "tempfail rcpt later@example.net", "discard rcpt trap@example.net" ); },
{ plugin = "probe"; script = ( "mail <boss@example.org>: reject", "data: say-envelope" ); }
]=]
--[=[ log
NOQUEUE: from=<a@example.org> client=192.0.2.7 ... verdict=reject plugin=access event=mail reply="554 5.7.1 192.0.2.7 is blocked" edits=0 ...
NOQUEUE: ... client=2001:db8::7 ... verdict=reject plugin=access event=mail reply="550 5.7.1 ... edits=0 ...
NOQUEUE: ... client=198.51.100.9 ... verdict=tempfail ... reply="450 4.7.25 no host name" edits=0 ...
NOQUEUE: ... reply="550 5.7.1 you are not me" edits=0 ...
NOQUEUE: from=<joe@Bad.Example> ... reply="550 5.7.1 no mail from joe@Bad.Example" edits=0 ...
NOQUEUE: from=<boss@example.org> ... verdict=accept plugin=access event=mail edits=0 ...
NOQUEUE: from=<joe@bad.example> to=<gone@example.net> client=192.0.2.1 ... verdict=abort ...
NOQUEUE: client=198.51.100.9 rcpt=<gone@example.net> ... reply="550 5.1.1 gone@example.net is gone"
NOQUEUE: client=198.51.100.9 rcpt=<later@example.net> ... verdict=tempfail plugin=access event=rcpt reply="451 4.7.1 ...
4XyZ1: plugin=probe: recipient: <one@example.net>
4XyZ1: from=<a@example.org> to=<one@example.net> client=198.51.100.9 ... verdict=accept edits=0 ...
NOQUEUE: from=<b@example.org> to=<one@example.net>,<trap@example.net> ... verdict=discard plugin=access event=rcpt ...
]=]

local function at_mail(reply, name, address, helo, sender)
    local c = connect()
    negotiate(c)
    expect("continue", c, "conninfo", name, address)
    expect("continue", c, "helo", helo)
    expect(reply, c, "mailfrom", sender)
    return c
end

for _, case in ipairs({
    { "reply", "client.example.org", "192.0.2.7", "client.example.org", "<a@example.org>" },
    { "reply", "client.example.org", "2001:db8::7", "client.example.org", "<a@example.org>" },
    { "reply", "[198.51.100.9]", "198.51.100.9", "client.example.org", "<a@example.org>" },
    { "reply", "client.example.org", "198.51.100.9", "LocalHost", "<a@example.org>" },
    { "reply", "client.example.org", "198.51.100.9", "client.example.org", "<joe@Bad.Example>" },
    { "accept", "client.example.org", "198.51.100.9", "client.example.org", "<boss@example.org>" },
}) do
    mt.disconnect(at_mail(table.unpack(case)))
end

-- The first rule that matches decides: here it is the first of all.
local c = at_mail("continue", "client.example.org", "192.0.2.1", "localhost", "<joe@bad.example>")
expect("continue", c, "rcptto", "<gone@example.net>")
mt.abort(c)
mt.disconnect(c)

c = at_mail("continue", "client.example.org", "198.51.100.9", "client.example.org",
    "<a@example.org>")
expect("continue", c, "rcptto", "<one@example.net>")
expect("reply", c, "rcptto", "<gone@example.net>")
expect("reply", c, "rcptto", "<later@example.net>")
step(c, "macro", SMFIC_DATA, "i", "4XyZ1")
expect("continue", c, "data")
expect("continue", c, "eom")

expect("continue", c, "mailfrom", "<b@example.org>")
expect("continue", c, "rcptto", "<one@example.net>")
expect("discard", c, "rcptto", "<trap@example.net>")
mt.disconnect(c)
