-- Replies with a text, as they arrive at the end of a message.

--[=[ chain main
{ plugin = "probe"; script = (
    "eom <one@x>: reply 550 5.7.1 not this", "eom <four@x>: reply 451 4.3.0 come again",
    "eom <lines@x>: reply 550 5.7.1 one\ntwo\nthree",
    "eom <plain@x>: reply 554 - no enhanced code",
    "eom <format@x>: replyf 552 5.3.4 made by a format",
    "eom <percent@x>: reply 550 5.7.1 100% spam",
    "eom <shut@x>: reply 421 4.3.2 closing down",
    "eom <class@x>: reply 550 4.7.1 the classes differ", "eom <code@x>: reply 250 2.0.0 fine",
    "eom <cr@x>: reply 550 5.7.1 one\r\ntwo" ); }
]=]
--[=[ log
4XyZ1: from=<one@x> ... reply="550 5.7.1 not this" ...
4XyZ1: from=<four@x> ... verdict=tempfail ... reply="451 4.3.0 come again" ...
4XyZ1: from=<lines@x> ... reply="550 5.7.1 one two three" ...
4XyZ1: from=<plain@x> ... reply="554 no enhanced code" ...
4XyZ1: from=<format@x> ... reply="552 5.3.4 made by a format" ...
4XyZ1: from=<percent@x> ... reply="550 5.7.1 100% spam" ...
4XyZ1: from=<shut@x> ... verdict=tempfail ... reply="421 4.3.2 closing down" ...
warning: 4XyZ1: plugin=probe chain=... event=eom: milter_reply: the enhanced code "4.7.1" does not fit the code 550
... told: milter_reply: the enhanced code "4.7.1" does not fit the code 550
warning: ... failed; on_failure answers tempfail
warning: ... milter_reply: a reply's code must be 4xx or 5xx, not 250
warning: ... failed; on_failure answers tempfail
warning: ... milter_reply: a reply's text cannot hold the control character 0x0d
warning: ... failed; on_failure answers tempfail
]=]

local c = client()
for _, case in ipairs({
    { "one", "550", "5.7.1", "not this" },
    { "four", "451", "4.3.0", "come again" },
    { "lines", "550-5.7.1 one\r\n550-5.7.1 two\r\n550", "5.7.1", "three" },
    { "plain", "554", "no", "enhanced code" },
    { "format", "552", "5.3.4", "made by a format" },
    -- A single % is a format to Sendmail; both mail servers make one of two.
    { "percent", "550", "5.7.1", "100%% spam" },
    { "shut", "421", "4.3.2", "closing down" },
}) do
    message(c, "<" .. case[1] .. "@x>")
    expect("reply", c, "eom")
    edited(c, MT_SMTPREPLY, case[2], case[3], case[4])
    unedited(c, MT_SMTPREPLY, case[2], case[3], case[4] .. "!")
end

for _, name in ipairs({ "class", "code", "cr" }) do
    message(c, "<" .. name .. "@x>")
    expect("tempfail", c, "eom")
end
mt.disconnect(c)
