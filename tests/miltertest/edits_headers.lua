-- Header fields are added, inserted, changed and deleted.

--[=[ chain main
{ plugin = "probe"; script = (
    "eom <add@x>: add X-One: first", "eom <add@x>: add X-One: second",
    "eom <add@x>: add X-Folded: a\n\tb", "eom <add@x>: add X-Eight-Bit: gr\xc3\xbc\xc3\x9fe \xff",
    "eom <insert@x>: insert 0 X-Top: top", "eom <insert@x>: insert 1 X-First: first",
    "eom <insert@x>: insert 3 X-Third: third",
    "eom <insert@x>: before X-Again X-Before: before",
    "eom <change@x>: change 2 X-Again: changed", "eom <change@x>: replace Subject: replaced",
    "eom <change@x>: change 9 X-New: beyond the last",
    "eom <delete@x>: change 2 X-Again:", "eom <delete@x>: delete Subject",
    "eom <every@x>: delete X-Again",
    "eom <nothing@x>: change 9 X-Again:", "eom <nothing@x>: change 1 X-Not-There:",
    "mail <early@x>: add X-Early: mail", "rcpt: add X-Recipient: seen",
    "body: add X-Body: seen" ); }
]=]
--[=[ log
4XyZ1: from=<add@x> ... edits=6 ...
4XyZ1: from=<insert@x> ... edits=6 ...
4XyZ1: from=<change@x> ... edits=5 ...
4XyZ1: from=<delete@x> ... edits=4 ...
4XyZ1: from=<every@x> ... edits=5 ...
4XyZ1: from=<nothing@x> ... edits=2 ...
4XyZ1: from=<early@x> ... edits=3 ...
]=]

local c = client()

local function edit(sender)
    expect("continue", c, "mailfrom", sender)
    expect("continue", c, "rcptto", "<one@example.net>")
    step(c, "macro", SMFIC_DATA, "i", "4XyZ1")
    for _, field in ipairs({ "From", "X-Again", "Subject", "X-Again", "X-Again" }) do
        expect("continue", c, "header", field, "value")
    end
    expect("continue", c, "eoh")
    expect("continue", c, "bodystring", "a body\r\n")
    expect("continue", c, "eom")
    -- What was asked for at RCPT and BODY comes with every one.
    edited(c, MT_HDRADD, "X-Recipient", "seen")
    edited(c, MT_HDRADD, "X-Body", "seen")
end

edit("<add@x>")
edited(c, MT_HDRADD, "X-One", "first")
edited(c, MT_HDRADD, "X-One", "second")
edited(c, MT_HDRADD, "X-Folded", "a\n\tb")
edited(c, MT_HDRADD, "X-Eight-Bit", "gr\xc3\xbc\xc3\x9fe \xff")
unedited(c, MT_HDRCHANGE)
-- miltertest counts from the last.
check(mt.getheader(c, "X-One", 0) == "second", "X-One, the last")
check(mt.getheader(c, "X-One", 1) == "first", "X-One, the one before")

edit("<insert@x>")
edited(c, MT_HDRINSERT, "X-Top", "top", 0)
edited(c, MT_HDRINSERT, "X-First", "first", 1)
-- Number 3 then is X-Again, below X-First and From.
edited(c, MT_HDRINSERT, "X-Third", "third", 3)
edited(c, MT_HDRINSERT, "X-Before", "before", 4)
unedited(c, MT_HDRCHANGE)

edit("<change@x>")
edited(c, MT_HDRCHANGE, "X-Again", "changed")
edited(c, MT_HDRCHANGE, "Subject", "replaced")
edited(c, MT_HDRADD, "X-New", "beyond the last")
unedited(c, MT_HDRDELETE)

edit("<delete@x>")
edited(c, MT_HDRDELETE, "X-Again", 2)
unedited(c, MT_HDRDELETE, "X-Again", 1)
edited(c, MT_HDRDELETE, "Subject", 1)

-- From the last to the first: that deletes all three on Postfix and on Sendmail.
edit("<every@x>")
for index = 1, 3 do
    edited(c, MT_HDRDELETE, "X-Again", index)
end

edit("<nothing@x>")
unedited(c, MT_HDRCHANGE)
unedited(c, MT_HDRDELETE)

edit("<early@x>")
edited(c, MT_HDRADD, "X-Early", "mail")
mt.disconnect(c)
