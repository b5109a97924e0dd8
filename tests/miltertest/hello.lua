-- The plugin hello on a plain message.

--[=[ chain main
{ plugin = "@plugin_dir@/hello.so"; header = "X-Seen"; text = "by mx1"; }
]=]
--[=[ chain wrong
{ plugin = "@plugin_dir@/hello.so"; header = "X Seen"; }
]=]
--[=[ chain beside
{ plugin = "probe"; }, { plugin = "@plugin_dir@/hello.so"; }
]=]
--[=[ log
warning: ... plugin=hello chain=... event=eom: milter_add_header: "X Seen" is no header name ...
warning: ... plugin=hello chain=... event=eom: failed; on_failure answers tempfail
4XyZ1: from=<a@example.org> ... verdict=accept edits=1 ...
]=]

local c = connect()
negotiate(c)
agreed(c, "ADDHDRS", "NOCONNECT NOHELO NOMAIL NORCPT NOBODY NOHDRS NOEOH NOUNKNOWN NODATA")
expect("continue", c, "eom")
edited(c, MT_HDRADD, "X-Seen", "by mx1")
mt.disconnect(c)

c = connect("wrong")
negotiate(c)
expect("tempfail", c, "eom")
mt.disconnect(c)

c = client("beside")
message(c, "<a@example.org>")
expect("continue", c, "eom")
edited(c, MT_HDRADD, "X-Hello", "checked by milterd")
mt.disconnect(c)
