-- What is asked for follows from the tables of a chain's plugins: exactly the actions that
-- they declare, and left out exactly the events that nobody wants.

--[=[ chain main
{ plugin = "probe"; }
]=]
--[=[ chain light
{ plugin = "probe_light"; }
]=]
--[=[ chain min
{ plugin = "probe_min"; }
]=]
--[=[ chain observe
{ plugin = "probe_observe"; }
]=]
--[=[ chain exact
{ plugin = "probe_exact"; }
]=]
--[=[ chain rejected
{ plugin = "probe_rejected"; }
]=]
--[=[ chain large
{ plugin = "probe_large"; }
]=]
--[=[ chain macros
{ plugin = "probe_macros"; }
]=]
--[=[ chain two
{ plugin = "probe_min"; }, { plugin = "probe_exact"; }, { plugin = "probe_macros"; }
]=]
--[=[ chain both
{ plugin = "probe_observe"; }, { plugin = "probe_light"; }
]=]
--[=[ chain none
# no plugin
]=]

local function check_table(chain, actions, options)
    local c = connect(chain)
    negotiate(c)
    agreed(c, actions, options)
    mt.disconnect(c)
end

local nothing_before_eom = "NOCONNECT NOHELO NOMAIL NORCPT NOBODY NOHDRS NOEOH NOUNKNOWN NODATA"

-- All events, with an answer to each. The body is kept, so it cannot be skipped.
check_table("main",
    "ADDHDRS CHGBODY ADDRCPT DELRCPT CHGHDRS QUARANTINE CHGFROM ADDRCPT_PAR", "")

check_table("light", "ADDHDRS", "SKIP")
check_table("min", "ADDHDRS", nothing_before_eom)

-- Callbacks that decide nothing need no answer.
check_table("observe", "ADDHDRS",
    "SKIP NR_CONN NR_HELO NR_MAIL NR_RCPT NR_DATA NR_HDR NR_UNKN NR_EOH NR_BODY")
-- But beside one that does they wait with it.
check_table("both", "ADDHDRS", "SKIP")

-- Changing header fields needs them kept, which needs their end.
check_table("exact", "ADDHDRS CHGHDRS",
    "NOCONNECT NOHELO NOMAIL NORCPT NOBODY NOUNKNOWN NODATA NR_EOH HDR_LEADSPC")
check_table("rejected", "ADDRCPT",
    "NOCONNECT NOHELO NOBODY NOHDRS NOEOH NOUNKNOWN NODATA RCPT_REJ")
check_table("large", "CHGBODY",
    "NOCONNECT NOHELO NOMAIL NORCPT NOHDRS NOEOH NOUNKNOWN NODATA")
check_table("macros", "SETSYMLIST",
    "NOCONNECT NOHELO NORCPT NOBODY NOHDRS NOEOH NOUNKNOWN NODATA")

check_table("two", "ADDHDRS CHGHDRS SETSYMLIST",
    "NOCONNECT NOHELO NORCPT NOBODY NOUNKNOWN NODATA NR_EOH HDR_LEADSPC")
check_table("none", "", nothing_before_eom)
