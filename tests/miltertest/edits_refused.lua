-- What a plugin may not ask for is refused and logged with its name, and nothing of it
-- arrives: what its table does not declare, what is asked for too early, what is malformed.

--[=[ chain light
{ plugin = "probe_light"; script = (
    "eom: change 1 Subject: changed", "eom: body new", "eom: add-rcpt <c@example.net>",
    "eom: delete-rcpt <one@example.net>", "eom: sender <other@example.org>",
    "eom: quarantine hold", "eom: add X-Good: yes" ); }
]=]
--[=[ chain early
{ plugin = "probe"; script = (
    "connect: add X-Early: connect", "helo: add X-Early: helo", "mail: progress",
    "eom: add X-Good: yes" ); }
]=]
--[=[ chain wrong
{ plugin = "probe"; script = (
    "eom: add Bad Name: x", "eom: add : x", "eom: add X-Cr: a\rb", "eom: add X-No-Value",
    "eom: add-rcpt", "eom: add-rcpt <a\r\nb@x>", "eom: quarantine",
    "eom: quarantine two\nlines", "eom: body-null", "eom: add X-Good: yes" ); }
]=]
--[=[ log
warning: NOQUEUE: plugin=probe_light chain=... event=eom: milter_change_header: its table does not declare MILTER_CHANGES_HEADERS
NOQUEUE: plugin=probe_light: told: milter_change_header: ...
NOQUEUE: plugin=probe_light: change: refused, not declared
warning: ... milter_replace_body: its table does not declare MILTER_REPLACES_BODY
warning: ... milter_add_rcpt: its table does not declare MILTER_ADDS_RCPTS
warning: ... milter_delete_rcpt: its table does not declare MILTER_DELETES_RCPTS
warning: ... milter_change_sender: its table does not declare MILTER_CHANGES_SENDER
warning: ... milter_quarantine: its table does not declare MILTER_QUARANTINES
... verdict=accept edits=1 ...
warning: ... plugin=probe chain=... event=connect: milter_add_header: only from MAIL to the end of message
... add: refused, wrong stage
warning: ... event=helo: milter_add_header: only from MAIL to the end of message
warning: ... event=mail: milter_progress: only at the end of message
... verdict=accept edits=1 ...
warning: ... milter_add_header: "Bad Name" is no header name (printable, no colon or space)
... add: refused, wrong value
warning: ... milter_add_header: "" is no header name ...
warning: ... milter_add_header: the value holds a CR without LF
warning: ... milter_add_header: no value
warning: ... milter_add_rcpt: "" is no address
warning: ... milter_add_rcpt: "<a\x0d\x0ab@x>" is no address
warning: ... milter_quarantine: a reason is needed, one line of at most 900 bytes
warning: ... milter_quarantine: a reason is needed, one line of at most 900 bytes
warning: ... milter_replace_body: no data
... verdict=accept edits=1 ...
]=]

for _, chain in ipairs({ "light", "early", "wrong" }) do
    local c = client(chain)
    expect("continue", c, "mailfrom", "<a@example.org>")
    expect("continue", c, "rcptto", "<one@example.net>")
    expect("continue", c, "header", "Subject", "a subject")
    expect("continue", c, "eom")
    edited(c, MT_HDRADD, "X-Good", "yes")
    for _, name in ipairs({ "X-Early", "Bad Name", "X-Cr", "X-No-Value" }) do
        unedited(c, MT_HDRADD, name)
    end
    unedited(c, MT_HDRCHANGE)
    unedited(c, MT_BODYCHANGE)
    unedited(c, MT_QUARANTINE)
    unedited(c, MT_RCPTADD, "<c@example.net>")
    unedited(c, MT_RCPTDELETE, "<one@example.net>")
    mt.disconnect(c)
end
