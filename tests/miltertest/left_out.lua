-- Events that no plugin wants are left out: of a message only its end is told, and edits come
-- all the same.

--[=[ chain main
{ plugin = "probe_min"; script = ( "eom: add X-Checked: yes" ); }
]=]
--[=[ chain hello
{ plugin = "@plugin_dir@/hello.so"; }
]=]
--[=[ chain none
# no plugin
]=]
--[=[ log
4XyZ1: plugin=probe_min: eom
4XyZ1: from=<a@example.org> to=<one@example.net> ... verdict=accept edits=1 ...
4XyZ1: plugin=probe_min: end: accepted at eom by nobody
4XyZ2: from=<b@example.org> ... verdict=accept edits=1 ...
... verdict=accept edits=0 ...
]=]

local function check_left_out(c)
    left_out(c, "conninfo", "client.example.org", "192.0.2.7")
    left_out(c, "helo", "client.example.org")
    left_out(c, "unknown", "XYZZY")
    left_out(c, "mailfrom", "<a@example.org>")
    left_out(c, "rcptto", "<one@example.net>")
    left_out(c, "data")
    left_out(c, "header", "Subject", "a subject")
    left_out(c, "eoh")
    left_out(c, "bodystring", "a body\r\n")
end

local c = connect()
negotiate(c)
check_left_out(c)
-- Macros come for them too, so that the log can tell of whom the message is.
step(c, "macro", SMFIC_MAIL, "{mail_addr}", "a@example.org")
step(c, "macro", SMFIC_RCPT, "{rcpt_addr}", "<one@example.net>")
step(c, "macro", SMFIC_EOM, "i", "4XyZ1")
expect("continue", c, "eom")
edited(c, MT_HDRADD, "X-Checked", "yes")

-- The next one on the connection, which is aborted, and another.
step(c, "macro", SMFIC_MAIL, "{mail_addr}", "aborted@example.org")
mt.abort(c)
step(c, "macro", SMFIC_MAIL, "{mail_addr}", "b@example.org")
step(c, "macro", SMFIC_EOM, "i", "4XyZ2")
expect("continue", c, "eom")
mt.disconnect(c)

c = connect("hello")
negotiate(c)
check_left_out(c)
expect("continue", c, "eom")
edited(c, MT_HDRADD, "X-Hello", "checked by milterd")
mt.disconnect(c)

c = connect("none")
negotiate(c)
check_left_out(c)
expect("continue", c, "eom")
unedited(c, MT_HDRADD)
mt.disconnect(c)
