-- Recipients are added, with and without ESMTP arguments, and deleted; the sender is changed.
-- miltertest has no check for arguments and the sender: letters and lengths are.

--[=[ chain main
{ plugin = "probe"; script = (
    "eom <rcpts@x>: add-rcpt <new@example.net>", "eom <rcpts@x>: add-rcpt bare@example.net",
    "eom <rcpts@x>: delete-rcpt <one@example.net>",
    "eom <undone@x>: add-rcpt <new@example.net>", "eom <undone@x>: delete-rcpt <new@example.net>",
    "eom <args@x>: add-rcpt <par@example.net> NOTIFY=NEVER",
    "eom <sender@x>: sender <other@example.org>",
    "eom <null@x>: sender <>",
    "eom <par@x>: sender <other@example.org> RET=HDRS ENVID=42",
    "eom <other@x>: delete-rcpt <not@example.net>" ); }
]=]
--[=[ packets
- 18
+ 18
+ 17
2 31
e 20
e 3
e 38
]=]
--[=[ log
4XyZ1: from=<rcpts@x> to=<one@example.net> ... edits=3 ...
4XyZ1: from=<undone@x> ... edits=0 ...
4XyZ1: from=<args@x> ... edits=1 ...
4XyZ1: from=<sender@x> ... edits=1 ...
4XyZ1: from=<null@x> ... edits=1 ...
4XyZ1: from=<par@x> ... edits=1 ...
warning: 4XyZ1: ... milter_delete_rcpt: the message has no such recipient
4XyZ1: from=<other@x> ... edits=0 ...
]=]

local c = client()

local function edit(sender)
    message(c, sender)
    expect("continue", c, "eom")
end

edit("<rcpts@x>")
edited(c, MT_RCPTADD, "<new@example.net>")
edited(c, MT_RCPTADD, "bare@example.net")
edited(c, MT_RCPTDELETE, "<one@example.net>")
unedited(c, MT_RCPTDELETE, "<new@example.net>")

edit("<undone@x>")
unedited(c, MT_RCPTADD, "<new@example.net>")
unedited(c, MT_RCPTDELETE, "<new@example.net>")

edit("<args@x>")
unedited(c, MT_RCPTADD, "<par@example.net>") -- it is another packet

for _, name in ipairs({ "sender", "null", "par", "other" }) do
    edit("<" .. name .. "@x>")
end
mt.disconnect(c)
