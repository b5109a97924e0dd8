-- An event that the mail server cannot leave out comes, and is answered.

--[=[ chain main
{ plugin = "probe_min"; script = ( "eom: add X-Checked: yes" ); }
]=]
--[=[ chain large
{ plugin = "probe_large"; }
]=]
--[=[ chain exact
{ plugin = "probe_exact"; script = ( "header: add X-Seen: yes" ); }
]=]
--[=[ log
4XyZ1: from=<a@example.org> to=<one@example.net> client=192.0.2.7 ... verdict=accept edits=1 ...
]=]

-- Nothing but EOH can be left out.
local c = connect()
negotiate(c, 6, 0x1ff, SMFIP_NOEOH)
agreed(c, "ADDHDRS", "NOEOH")
expect("continue", c, "conninfo", "client.example.org", "192.0.2.7")
expect("continue", c, "helo", "client.example.org")
expect("continue", c, "unknown", "XYZZY")
expect("continue", c, "mailfrom", "<a@example.org>")
expect("continue", c, "rcptto", "<one@example.net>")
step(c, "macro", SMFIC_DATA, "i", "4XyZ1")
expect("continue", c, "data")
expect("continue", c, "header", "Subject", "a subject")
left_out(c, "eoh")
expect("continue", c, "eom")
edited(c, MT_HDRADD, "X-Checked", "yes")
mt.disconnect(c)

-- No options at all is how the first version of the protocol said its own six.
c = connect()
negotiate(c, 2, 0x1ff, 0)
agreed(c, "ADDHDRS", "NOCONNECT NOHELO NOMAIL NORCPT NOBODY NOHDRS")
mt.disconnect(c)

-- Of the larger packets the largest that is offered.
local offers = {
    [0] = "",
    [SMFIP_MDS_256K] = "MDS_256K",
    [SMFIP_MDS_1M] = "MDS_1M",
    [SMFIP_MDS_256K + SMFIP_MDS_1M] = "MDS_1M",
}
for offer, wanted in pairs(offers) do
    c = connect("large")
    negotiate(c, 6, 0x1ff, SMFIP_NOCONNECT + offer)
    agreed(c, "CHGBODY", ("NOCONNECT " .. wanted):gsub(" $", ""), 1)
    mt.disconnect(c)
end

-- Exact header values without LEADSPC: the space is assumed and nothing is lost.
c = connect("exact")
negotiate(c, 6, 0x1ff, 0x0fffff)
agreed(c, "ADDHDRS CHGHDRS", "NOCONNECT NOHELO NOMAIL NORCPT NOBODY NOUNKNOWN NODATA NR_EOH")
expect("continue", c, "header", "Subject", "a subject")
expect("continue", c, "eom")
check(mt.getheader(c, "X-Seen", 0) == "yes", "X-Seen comes without the space of the wire")
mt.disconnect(c)
