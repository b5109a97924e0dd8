-- Every verdict at connect. The client's name says which one the plugin gives.

--[=[ chain main
{ plugin = "probe"; script = (
    "connect skip: skip", "connect done: done", "connect accept: accept",
    "connect reject: reject", "connect tempfail: tempfail",
    "connect reply: reply 554 5.7.1 no mail from you", "connect shut: reply 421 4.7.0 go away",
    "connect discard: discard", "connect failure: failure" ); }
]=]
--[=[ log
NOQUEUE: client=192.0.2.7 name=done chain=... verdict=accept
NOQUEUE: client=192.0.2.7 name=accept chain=... verdict=accept plugin=probe event=connect
NOQUEUE: client=192.0.2.7 name=reject chain=... verdict=reject plugin=probe event=connect
NOQUEUE: client=192.0.2.7 name=tempfail chain=... verdict=tempfail plugin=probe event=connect
NOQUEUE: client=192.0.2.7 name=reply chain=... verdict=reject plugin=probe event=connect reply="554 5.7.1 no mail from you"
NOQUEUE: client=192.0.2.7 name=shut chain=... verdict=tempfail plugin=probe event=connect reply="421 4.7.0 go away"
warning: NOQUEUE: plugin=probe chain=... event=connect: the verdict discard (6) is not possible here; on_failure answers tempfail
NOQUEUE: client=192.0.2.7 name=discard chain=... verdict=tempfail plugin=probe event=connect
warning: NOQUEUE: plugin=probe chain=... event=connect: failed; on_failure answers tempfail
NOQUEUE: client=192.0.2.7 name=failure chain=... verdict=tempfail plugin=probe event=connect
]=]

for name, reply in pairs({ continue = "continue", skip = "continue" }) do
    local c = connect()
    expect(reply, c, "conninfo", name, "192.0.2.7")
    expect("continue", c, "helo", "client.example.org")
    mt.disconnect(c)
end

-- In the order of the log above. A verdict is for the whole connection: where the mail server
-- goes on all the same, it gets the same answer.
for _, case in ipairs({
    { "done", "accept" }, { "accept", "accept" }, { "reject", "reject" },
    { "tempfail", "tempfail" }, { "reply", "reply" }, { "shut", "reply" },
    { "discard", "tempfail" }, { "failure", "tempfail" },
}) do
    local c = connect()
    expect(case[2], c, "conninfo", case[1], "192.0.2.7")
    expect(case[2], c, "helo", "client.example.org")
    expect(case[2], c, "mailfrom", "<a@example.org>")
    mt.disconnect(c)
end
