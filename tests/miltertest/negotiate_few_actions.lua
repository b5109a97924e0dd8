-- A mail server that offers less than the plugins want: the log says which plugin misses
-- what, such requests are refused, and nothing else changes.

--[=[ chain main
{ plugin = "probe"; name = "wants_all"; script = (
    "eom: add X-Checked: yes", "eom: change 1 Subject: changed", "eom: body replaced",
    "eom: add-rcpt <c@example.net>", "eom: add-rcpt <d@example.net> NOTIFY=NEVER",
    "eom: delete-rcpt <one@example.net>", "eom: sender <other@example.org>",
    "eom: quarantine look at it" ); }
]=]
--[=[ chain macros
{ plugin = "probe_macros"; }
]=]
--[=[ log
warning: plugin=wants_all chain=... the mail server does not offer to replace the body; ...
warning: plugin=wants_all chain=... does not offer to add recipients; ...
warning: plugin=wants_all chain=... does not offer to delete recipients; ...
warning: plugin=wants_all chain=... does not offer to change headers; ...
warning: plugin=wants_all chain=... does not offer to quarantine; ...
warning: plugin=wants_all chain=... does not offer to change the sender; ...
warning: plugin=wants_all chain=... does not offer to add recipients with arguments; ...
warning: 4XyZ1: plugin=wants_all chain=... event=eom: milter_change_header: the mail server does not offer what MILTER_CHANGES_HEADERS stands for
4XyZ1: plugin=wants_all: change: refused, not offered
warning: ... what MILTER_REPLACES_BODY stands for
... body: refused, not offered
warning: ... what MILTER_ADDS_RCPTS stands for
... add-rcpt: refused, not offered
warning: ... what MILTER_ADDS_RCPTS_ARGS stands for
... add-rcpt: refused, not offered
warning: ... what MILTER_DELETES_RCPTS stands for
... delete-rcpt: refused, not offered
warning: ... what MILTER_CHANGES_SENDER stands for
... sender: refused, not offered
warning: ... what MILTER_QUARANTINES stands for
... quarantine: refused, not offered
4XyZ1: from=<a@example.org> ... verdict=accept edits=1 ...
warning: plugin=wants_all chain=... does not offer to change headers; ...
warning: plugin=wants_all chain=... does not offer to quarantine; ...
warning: plugin=wants_all chain=... does not offer to change the sender; ...
warning: plugin=wants_all chain=... does not offer to add recipients with arguments; ...
]=]

local function say_hello(c)
    expect("continue", c, "conninfo", "client.example.org", "192.0.2.7")
    expect("continue", c, "helo", "client.example.org")
end

local c = connect()
negotiate(c, 6, SMFIF_ADDHDRS, 0x1fffff)
agreed(c, "ADDHDRS", "")
say_hello(c)
message(c, "<a@example.org>")
expect("continue", c, "eom")
edited(c, MT_HDRADD, "X-Checked", "yes")
unedited(c, MT_HDRCHANGE)
unedited(c, MT_BODYCHANGE)
unedited(c, MT_RCPTADD, "<c@example.net>")
unedited(c, MT_RCPTDELETE, "<one@example.net>")
unedited(c, MT_QUARANTINE)
mt.disconnect(c)

-- No actions at all is how the first version of the protocol said its own four.
c = connect()
negotiate(c, 2, 0, 0x7f)
agreed(c, "ADDHDRS CHGBODY ADDRCPT DELRCPT", "")
mt.disconnect(c, false)

-- Macros are asked for where that was offered alone.
c = connect("macros")
negotiate(c, 6, 0xff, 0x1fffff)
agreed(c, "", "NOCONNECT NOHELO NORCPT NOBODY NOHDRS NOEOH NOUNKNOWN NODATA")
mt.disconnect(c)
