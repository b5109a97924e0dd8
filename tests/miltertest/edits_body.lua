-- The body is replaced, in any number of calls, and made empty; a message is quarantined.

--[=[ chain main
{ plugin = "probe"; script = (
    "eom <body@x>: body a new one", "eom <body@x>: body \r\n",
    "eom <empty@x>: body ",
    "eom <pieces@x>: body-repeat 40 0123456789abcd\r\n",
    "eom <hold@x>: quarantine looks odd",
    "body <early@x>: body early",
    "eom <order@x>: add X-A: a", "eom <order@x>: body b", "eom <order@x>: quarantine c",
    "eom <order@x>: add X-D: d" ); }
]=]
--[=[ log
4XyZ1: from=<body@x> ... verdict=accept edits=1 ...
4XyZ1: from=<empty@x> ... edits=1 ...
4XyZ1: from=<pieces@x> ... edits=1 ...
4XyZ1: from=<hold@x> ... verdict=quarantine edits=1 ...
... end: quarantined at eom by nobody
4XyZ1: from=<order@x> ... verdict=quarantine edits=4 ...
4XyZ1: from=<none@x> ... edits=0 ...
]=]
--[=[ packets
b 11
b 0
b 640
q 10
h 6
h 6
b 1
q 2
]=]

local c = client()

local function edit(sender)
    message(c, sender)
    expect("continue", c, "eom")
end

edit("<body@x>")
edited(c, MT_BODYCHANGE)
edited(c, MT_BODYCHANGE, "a new one\r\n")
unedited(c, MT_QUARANTINE)

edit("<empty@x>")
edited(c, MT_BODYCHANGE, "")

edit("<pieces@x>")
edited(c, MT_BODYCHANGE, string.rep("0123456789abcd\r\n", 40))

edit("<hold@x>")
edited(c, MT_QUARANTINE)
edited(c, MT_QUARANTINE, "looks odd")
unedited(c, MT_BODYCHANGE)

edit("<order@x>")

edit("<none@x>")
unedited(c, MT_BODYCHANGE)
unedited(c, MT_QUARANTINE)
mt.disconnect(c)
