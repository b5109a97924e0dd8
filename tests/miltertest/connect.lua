-- Clients of every family that miltertest can play.

--[=[ chain main
{ plugin = "probe"; }
]=]
--[=[ log
NOQUEUE: plugin=probe: connect [client.example.org] inet [192.0.2.7] 12345
NOQUEUE: plugin=probe: close
NOQUEUE: plugin=probe: connect [[192.0.2.9]] inet [192.0.2.9] 12345
NOQUEUE: plugin=probe: close
NOQUEUE: plugin=probe: connect [six.example.org] inet6 [2001:db8::7] 12345
NOQUEUE: plugin=probe: close
NOQUEUE: plugin=probe: connect [long.example.org] inet6 [2001:db8::7] 12345
NOQUEUE: plugin=probe: close
NOQUEUE: plugin=probe: connect [localhost] inet6 [::1] 12345
NOQUEUE: plugin=probe: close
NOQUEUE: plugin=probe: connect [unknown] unknown [] 0
NOQUEUE: plugin=probe: close
]=]

for _, case in ipairs({
    { "client.example.org", "192.0.2.7" },
    { "[192.0.2.9]", "192.0.2.9" },
    { "six.example.org", "2001:db8::7" },
    { "long.example.org", "2001:0DB8:0:0:0:0:0:7" },
    { "localhost", "::1" },
    { "unknown", "unspec" },
}) do
    local c = connect()
    expect("continue", c, "conninfo", case[1], case[2])
    mt.disconnect(c)
end
