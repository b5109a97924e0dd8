-- Body chunks of over 64 KB where that was agreed upon; where it was not they are a fault, which
-- ends that connection alone.

--[=[ chain main
{ plugin = "probe_large"; script = ( "eom: say-body" ); }
]=]
--[=[ log
NOQUEUE: plugin=probe_large: body, 65536 bytes: ...
NOQUEUE: plugin=probe_large: body, 65536 bytes: ...
NOQUEUE: plugin=probe_large: body, 3 bytes: ...
NOQUEUE: plugin=probe_large: body: 131075 bytes...
NOQUEUE: plugin=probe_large: body, 65536 bytes: ...
warning: connection from ... closed: a packet of length zero or over 65535 bytes
NOQUEUE: plugin=probe_large: body, 65535 bytes: ...
NOQUEUE: plugin=probe_large: body: 65535 bytes...
]=]

local name = os.tmpname()

local function write_file(length)
    local file = assert(io.open(name, "wb"))
    file:write(string.rep("x", length))
    file:close()
end

-- miltertest sends files in pieces of 65536 bytes, one more than otherwise fits.
local function send(length, offer)
    write_file(length)
    local c = connect()
    negotiate(c, 6, 0x1ff, 0x1fffff + offer)
    return c, mt.bodyfile(c, name)
end

local done, problem = pcall(function()
    for _, offer in ipairs({ SMFIP_MDS_256K, SMFIP_MDS_1M }) do
        local c, wrong = send(2 * 65536 + 3, offer)
        check(wrong == nil, wrong)
        expect("continue", c, "eom")
        mt.disconnect(c)
    end
    local c, wrong = send(65536, 0)
    check(wrong ~= nil, "a packet that is too large is taken")
    mt.disconnect(c, false)

    c, wrong = send(65535, 0)
    check(wrong == nil, wrong)
    expect("continue", c, "eom")
    mt.disconnect(c)
end)
os.remove(name)
check(done, problem)
