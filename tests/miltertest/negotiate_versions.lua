-- Versions 2 to 6 with what Postfix offers for each, and those that there are not.

--[=[ chain main
{ plugin = "probe"; script = ( "eom: say-connection", "eom: add X-Checked: yes" ); }
]=]
--[=[ chain observe
{ plugin = "probe_observe"; script = ( "eom: add X-Checked: yes" ); }
]=]
--[=[ log
... version 2 chain ...
... version 3 chain ...
... version 4 chain ...
... version 5 chain ...
... version 6 chain ...
... version 6 chain ...
... version 6 chain ...
warning: connection from ... closed: protocol version 0 is not supported, only 2 to 6
warning: connection from ... closed: protocol version 1 is not supported, only 2 to 6
]=]

local all = 0x1ff
local offered = {
    { 2, 0x7f, "" },
    { 3, 0x17f, "" },
    { 4, 0x37f, "" },
    { 5, 0x3ff, "NR_HDR" },
    { 6, 0x1fffff, "SKIP NR_CONN NR_HELO NR_MAIL NR_RCPT NR_DATA NR_HDR NR_UNKN NR_EOH NR_BODY" },
    { 7, 0x3fffff, "SKIP NR_CONN NR_HELO NR_MAIL NR_RCPT NR_DATA NR_HDR NR_UNKN NR_EOH NR_BODY" },
    { 100, 0x1fffff, "SKIP NR_CONN NR_HELO NR_MAIL NR_RCPT NR_DATA NR_HDR NR_UNKN NR_EOH NR_BODY" },
}

for _, offer in ipairs(offered) do
    local version, protocol, options = offer[1], offer[2], offer[3]
    for _, chain in ipairs({ "main", "observe" }) do
        local c = connect(chain)
        negotiate(c, version, all, protocol)
        -- What was not offered is not asked for, and then every event is answered.
        if chain == "observe" then
            agreed(c, "ADDHDRS", options)
        end
        expect("continue", c, "conninfo", "client.example.org", "192.0.2.7")
        expect("continue", c, "helo", "client.example.org")
        expect("continue", c, "mailfrom", "<a@example.org>")
        expect("continue", c, "rcptto", "<b@example.net>")
        if version >= 4 then
            expect("continue", c, "data")
        end
        expect("continue", c, "header", "Subject", "a subject")
        expect("continue", c, "eoh")
        expect("continue", c, "bodystring", "a body\r\n")
        expect("continue", c, "eom")
        edited(c, MT_HDRADD, "X-Checked", "yes")
        mt.disconnect(c)
    end
end

for version = 0, 1 do
    local c = connect()
    check(mt.negotiate(c, version, 0x7f, all) ~= nil, "version " .. version .. " is taken")
    mt.disconnect(c, false)
end
