-- Header values with their leading space as it is, both ways, for a plugin that asks for it;
-- the plugin beside it does not notice.

--[=[ chain main
{ plugin = "probe_exact"; name = "exact"; script = (
    "eom: add X-None:none", "eom: add X-One: one", "eom: add X-Two:  two",
    "eom: change 1 Subject:\tchanged" ); },
{ plugin = "probe_light"; name = "other"; script = ( "eom: add X-Other: other" ); }
]=]
--[=[ log
NOQUEUE: plugin=exact: header Subject:[ one]
NOQUEUE: plugin=other: header Subject:[one]
NOQUEUE: plugin=exact: header X-Two:[  two]
NOQUEUE: plugin=other: header X-Two:[ two]
NOQUEUE: plugin=exact: header X-Tab:[ \x09tab]
NOQUEUE: plugin=other: header X-Tab:[\x09tab]
NOQUEUE: plugin=exact: header X-Empty:[ ]
NOQUEUE: plugin=other: header X-Empty:[]
]=]

local c = client()
agreed(c, "ADDHDRS CHGHDRS", "SKIP HDR_LEADSPC")
expect("continue", c, "mailfrom", "<a@example.org>")
expect("continue", c, "rcptto", "<one@example.net>")
-- miltertest, too, puts a space before each value then.
for _, field in ipairs({
    { "Subject", "one" }, { "X-Two", " two" }, { "X-Tab", "\ttab" }, { "X-Empty", "" },
}) do
    expect("continue", c, "header", field[1], field[2])
end
expect("continue", c, "eom")
edited(c, MT_HDRADD, "X-None", "none")
edited(c, MT_HDRADD, "X-One", " one")
edited(c, MT_HDRADD, "X-Two", "  two")
edited(c, MT_HDRCHANGE, "Subject", "\tchanged")
-- The mail server adds no space now, so the host does.
edited(c, MT_HDRADD, "X-Other", " other")
mt.disconnect(c)
