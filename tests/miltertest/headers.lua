-- The plugin headers on a plain message.

--[=[ chain main
{ plugin = "@plugin_dir@/headers.so"; rules = (
    "delete X-Spam-*", "insert 1 X-Client: ${client_addr} (${helo})",
    "replace Subject: [external] ${value}", "add X-Auth: ${auth_authen}",
    "add X-For: ${rcpt} of ${sender}" ); }
]=]
--[=[ log
4XyZ1: from=<a@example.org> to=<one@example.net> ... verdict=accept edits=5 ...
4XyZ2: from=<b@example.org> ... verdict=accept edits=4 ...
]=]

-- Of the events those that the rules need.
local c = connect()
negotiate(c)
agreed(c, "ADDHDRS CHGHDRS",
    "NOBODY NOUNKNOWN NODATA NR_CONN NR_HELO NR_MAIL NR_RCPT NR_HDR NR_EOH")
expect("continue", c, "conninfo", "client.example.org", "192.0.2.7")
expect("continue", c, "helo", "client.example.org")

expect("continue", c, "mailfrom", "<a@example.org>")
expect("continue", c, "rcptto", "<one@example.net>")
expect("continue", c, "header", "X-Spam-Flag", "NO")
expect("continue", c, "header", "Subject", "a subject")
expect("continue", c, "header", "x-spam-score", "1")
step(c, "macro", SMFIC_EOM, "i", "4XyZ1")
expect("continue", c, "eom")
edited(c, MT_HDRDELETE, "X-Spam-Flag", 1)
edited(c, MT_HDRDELETE, "x-spam-score", 1)
edited(c, MT_HDRCHANGE, "Subject", "[external] a subject")
edited(c, MT_HDRINSERT, "X-Client", "192.0.2.7 (client.example.org)", 1)
edited(c, MT_HDRADD, "X-For", "one@example.net of a@example.org")
unedited(c, MT_HDRADD, "X-Auth")

step(c, "macro", SMFIC_MAIL, "{auth_authen}", "somebody")
expect("continue", c, "mailfrom", "<b@example.org>")
expect("continue", c, "rcptto", "<two@example.net>")
expect("continue", c, "header", "Subject", "another")
step(c, "macro", SMFIC_EOM, "i", "4XyZ2")
expect("continue", c, "eom")
edited(c, MT_HDRADD, "X-Auth", "somebody")
edited(c, MT_HDRADD, "X-For", "two@example.net of b@example.org")
mt.disconnect(c)
