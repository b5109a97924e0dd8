-- Macros: by stage, the later stage first, with braces and without; gone when the message
-- or the connection is.

--[=[ chain main
{ plugin = "probe"; script = (
    "connect: say-macro j", "connect: say-macro {daemon_name}", "connect: say-macro daemon_name",
    "helo: say-macro tls_version", "helo: say-macro j",
    "mail: say-macro {mail_addr}", "mail: say-macro i", "mail: say-macro {rcpt_addr}",
    "rcpt: say-macro {rcpt_addr}", "rcpt: say-macro mail_addr", "rcpt: say-macro v",
    "data: say-macro i", "eom: say-macro v", "eom: say-macro i", "eom: say-macro {empty}",
    "eom: say-macros" ); }
]=]
--[=[ log
NOQUEUE: plugin=probe: macro j = [mx.example.org]
NOQUEUE: plugin=probe: macro {daemon_name} = [smtpd]
NOQUEUE: plugin=probe: macro daemon_name = [smtpd]
NOQUEUE: plugin=probe: macro tls_version = [TLSv1.3]
NOQUEUE: plugin=probe: macro j = [mx.example.org]
NOQUEUE: plugin=probe: macro {mail_addr} = [a@example.org]
NOQUEUE: plugin=probe: macro i is not known
NOQUEUE: plugin=probe: macro {rcpt_addr} is not known
NOQUEUE: plugin=probe: macro {rcpt_addr} = [one@example.net]
NOQUEUE: plugin=probe: macro mail_addr = [a@example.org]
NOQUEUE: plugin=probe: macro v = [at rcpt]
4XyZ1: plugin=probe: macro {rcpt_addr} = [two@example.net]
4XyZ1: plugin=probe: macro v = [at connect]
4XyZ1: plugin=probe: macro i = [4XyZ1]
4XyZ2: plugin=probe: macro v = [at eom]
4XyZ2: plugin=probe: macro i = [4XyZ2]
4XyZ2: plugin=probe: macro {empty} = []
4XyZ2: plugin=probe: macros: i = [4XyZ2]
4XyZ2: plugin=probe: macros: v = [at eom]
4XyZ2: plugin=probe: macros: {empty} = []
4XyZ2: plugin=probe: macros: i = [4XyZ1]
4XyZ2: plugin=probe: macros: {rcpt_addr} = [two@example.net]
4XyZ2: plugin=probe: macros: {mail_addr} = [a@example.org]
4XyZ2: plugin=probe: macros: {tls_version} = [TLSv1.3]
4XyZ2: plugin=probe: macros: j = [mx.example.org]
NOQUEUE: plugin=probe: macro {mail_addr} is not known
NOQUEUE: plugin=probe: macro i is not known
NOQUEUE: plugin=probe: macro {rcpt_addr} is not known
NOQUEUE: plugin=probe: macro {rcpt_addr} is not known
NOQUEUE: plugin=probe: macro v = [at connect]
NOQUEUE: plugin=probe: macro i is not known
NOQUEUE: plugin=probe: close
NOQUEUE: plugin=probe: macro j is not known
]=]

local c = connect()
step(c, "macro", SMFIC_CONNECT, "j", "mx.example.org", "{daemon_name}", "smtpd", "v", "at connect")
expect("continue", c, "conninfo", "client.example.org", "192.0.2.7")
step(c, "macro", SMFIC_HELO, "{tls_version}", "TLSv1.3")
expect("continue", c, "helo", "client.example.org")
step(c, "macro", SMFIC_MAIL, "{mail_addr}", "a@example.org")
expect("continue", c, "mailfrom", "<a@example.org>")
step(c, "macro", SMFIC_RCPT, "{rcpt_addr}", "one@example.net", "v", "at rcpt")
expect("continue", c, "rcptto", "<one@example.net>")
-- A list takes the place of the last one of its stage.
step(c, "macro", SMFIC_RCPT, "i", "4XyZ1", "{rcpt_addr}", "two@example.net")
expect("continue", c, "rcptto", "<two@example.net>")
expect("continue", c, "data")
step(c, "macro", SMFIC_EOM, "i", "4XyZ2", "v", "at eom", "{empty}", "")
expect("continue", c, "eom")

-- Another message: of the last one nothing is left, of the connection all.
expect("continue", c, "mailfrom", "<b@example.org>")
expect("continue", c, "rcptto", "<one@example.net>")
expect("continue", c, "data")
mt.abort(c)
mt.disconnect(c)

-- Another connection.
c = connect()
expect("continue", c, "conninfo", "client.example.org", "192.0.2.7")
mt.disconnect(c)
