-- What miltertest runs: it plays the script that is named in the variable `script`, which
-- finds these functions defined. tests/miltertest.py says how a script is written.
--
-- A function here ends the script with an error that names the script's line where
-- something is not as it should be. miltertest does not print errors by itself.

local replies = {
    continue = SMFIR_CONTINUE,
    accept = SMFIR_ACCEPT,
    reject = SMFIR_REJECT,
    tempfail = SMFIR_TEMPFAIL,
    discard = SMFIR_DISCARD,
    reply = SMFIR_REPLYCODE,
    skip = SMFIR_SKIP,
}

-- Packets whose macros miltertest has no name for.
SMFIC_DATA, SMFIC_EOH, SMFIC_BODY, SMFIC_EOM = 84, 78, 66, 69

local checks = 0

function check(condition, what, level)
    if not condition then
        error(what, (level or 1) + 1)
    end
    checks = checks + 1
end

-- A step that is carried out, whatever milterd says.
function step(conn, what, ...)
    local problem = mt[what](conn, ...)
    check(problem == nil, what .. ": " .. tostring(problem), 2)
end

-- A step upon which milterd says `reply`. Where it was agreed that it says nothing, that
-- counts as "continue".
function expect(reply, conn, what, ...)
    local problem = mt[what](conn, ...)
    check(problem == nil, what .. ": " .. tostring(problem), 2)
    local got = mt.getreply(conn)
    check(got == replies[reply],
        string.format("%s: expected %s, got '%s'", what, reply, string.char(got)), 2)
end

-- A step that was not agreed upon.
function left_out(conn, what, ...)
    local done, problem = pcall(mt[what], conn, ...)
    check(not done and string.find(tostring(problem), "negotiated SMFIP_NO"),
        what .. " was agreed upon", 2)
end

-- A connection to one of the script's chains, "main" unless named.
function connect(chain)
    local conn = mt.connect(_G["socket_" .. (chain or "main")])
    check(conn ~= nil, "no connection to chain " .. (chain or "main"), 2)
    return conn
end

-- What the mail server offers: all, unless told. miltertest takes the two last the other
-- way round than its manual says.
function negotiate(conn, version, actions, protocol)
    local problem = mt.negotiate(conn, version, protocol, actions)
    check(problem == nil, "negotiate: " .. tostring(problem), 2)
end

-- A connection on which a client has said HELO.
function client(chain)
    local conn = connect(chain)
    negotiate(conn)
    expect("continue", conn, "conninfo", "client.example.org", "192.0.2.7")
    expect("continue", conn, "helo", "client.example.org")
    return conn
end

-- A message up to its end, with its queue id as Postfix tells it.
function message(conn, sender, id)
    expect("continue", conn, "mailfrom", sender)
    expect("continue", conn, "rcptto", "<one@example.net>")
    step(conn, "macro", SMFIC_DATA, "i", id or "4XyZ1")
    expect("continue", conn, "data")
    expect("continue", conn, "header", "From", "Somebody <somebody@example.org>")
    expect("continue", conn, "header", "Subject", "a subject")
    expect("continue", conn, "eoh")
    expect("continue", conn, "bodystring", "a body\r\n")
end

-- Whether an edit was asked for; called with what mt.eom_check takes.
function edited(conn, ...)
    check(mt.eom_check(conn, ...), "not asked for: " .. table.concat({...}, ", ", 2), 2)
end

function unedited(conn, ...)
    check(not mt.eom_check(conn, ...), "asked for: " .. table.concat({...}, ", ", 2), 2)
end

local actions = { "ADDHDRS", "CHGBODY", "ADDRCPT", "DELRCPT", "CHGHDRS", "QUARANTINE", "CHGFROM",
    "ADDRCPT_PAR", "SETSYMLIST" }
local options = { "NOCONNECT", "NOHELO", "NOMAIL", "NORCPT", "NOBODY", "NOHDRS", "NOEOH",
    "NOUNKNOWN", "NODATA", "SKIP", "RCPT_REJ", "NR_CONN", "NR_HELO", "NR_MAIL", "NR_RCPT",
    "NR_DATA", "NR_HDR", "NR_UNKN", "NR_EOH", "NR_BODY", "HDR_LEADSPC", "MDS_256K", "MDS_1M" }

local function asked(conn, test, prefix, names)
    local found = {}
    for _, name in ipairs(names) do
        local number = _G[prefix .. name]
        check(type(number) == "number", "miltertest does not know " .. prefix .. name)
        if test(conn, number) then
            found[#found + 1] = name
        end
    end
    return table.concat(found, " ")
end

-- Exactly these actions and options were asked for, by names without SMFIF_ and SMFIP_.
function agreed(conn, want_actions, want_options)
    local got = asked(conn, mt.test_action, "SMFIF_", actions)
    check(got == want_actions, "actions: expected [" .. want_actions .. "], got [" .. got .. "]", 2)
    got = asked(conn, mt.test_option, "SMFIP_", options)
    check(got == want_options, "options: expected [" .. want_options .. "], got [" .. got .. "]", 2)
end

local fine, problem = xpcall(dofile, debug.traceback, script)
if fine then
    mt.echo("passed " .. checks .. " checks")
else
    mt.echo("failed: " .. tostring(problem))
    os.exit(1)
end
