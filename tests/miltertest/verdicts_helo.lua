-- Every verdict at HELO. The name given says which one the plugin gives.

--[=[ chain main
{ plugin = "probe"; script = (
    "helo skip: skip", "helo done: done", "helo accept: accept",
    "helo reject: reject", "helo tempfail: tempfail",
    "helo reply: reply 550 5.7.1 your name is not good", "helo discard: discard",
    "helo failure: failure" ); }
]=]
--[=[ log
NOQUEUE: client=192.0.2.7 helo=done chain=... verdict=accept
NOQUEUE: client=192.0.2.7 helo=accept chain=... verdict=accept plugin=probe event=helo
NOQUEUE: client=192.0.2.7 helo=reject chain=... verdict=reject plugin=probe event=helo
NOQUEUE: client=192.0.2.7 helo=tempfail chain=... verdict=tempfail plugin=probe event=helo
NOQUEUE: client=192.0.2.7 helo=reply chain=... verdict=reject plugin=probe event=helo reply="550 5.7.1 your name is not good"
warning: NOQUEUE: plugin=probe chain=... event=helo: the verdict discard (6) is not possible here; on_failure answers tempfail
NOQUEUE: client=192.0.2.7 helo=discard chain=... verdict=tempfail plugin=probe event=helo
warning: NOQUEUE: plugin=probe chain=... event=helo: failed; on_failure answers tempfail
NOQUEUE: client=192.0.2.7 helo=failure chain=... verdict=tempfail plugin=probe event=helo
]=]

local function say_helo(reply, name)
    local c = connect()
    expect("continue", c, "conninfo", "client.example.org", "192.0.2.7")
    expect(reply, c, "helo", name)
    return c
end

-- HELO may come again, with another name.
local c = say_helo("continue", "skip")
expect("continue", c, "helo", "client.example.org")
expect("continue", c, "mailfrom", "<a@example.org>")
mt.disconnect(c)

for _, case in ipairs({
    { "done", "accept" }, { "accept", "accept" }, { "reject", "reject" },
    { "tempfail", "tempfail" }, { "reply", "reply" }, { "discard", "tempfail" },
    { "failure", "tempfail" },
}) do
    c = say_helo(case[2], case[1])
    expect(case[2], c, "mailfrom", "<a@example.org>")
    mt.disconnect(c)
end
