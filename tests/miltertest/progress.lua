-- Progress goes out at once, before the edits and the verdict, and only at the end of message.

--[=[ chain main
{ plugin = "probe"; script = (
    "body: progress", "eom: progress", "eom: add X-Checked: yes", "eom: progress" ); }
]=]
--[=[ packets
p 0
p 0
h 14
c 0
]=]
--[=[ log
warning: 4XyZ1: plugin=probe chain=... event=body: milter_progress: only at the end of message
4XyZ1: plugin=probe: progress: refused, wrong stage
4XyZ1: from=<a@example.org> ... verdict=accept edits=1 ...
]=]

local c = client()
message(c, "<a@example.org>")
expect("continue", c, "eom")
edited(c, MT_HDRADD, "X-Checked", "yes")
mt.disconnect(c)
