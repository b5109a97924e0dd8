"""The configuration that the tests behind a real mail server share, a mail that is
hard on it, and what the rules of the one make of the other.
"""

CONFIGURATION = """
@user@
plugin_dir = "@plugin_dir@";
log = { level = "debug"; };
workers = { processes = 2; };

listeners = (
    { socket = "inet:127.0.0.1:@port@"; chain = "incoming"; },
    { socket = "unix:@dir@/socket"; mode = "0666"; chain = "incoming"; }
);

chains = {
    incoming = (
        { plugin = "access";
          rules = [
            "accept client 192.0.2.7",
            "reject client 127.0.0.9 550 5.7.1 no mail from ${client_addr}",
            "reject client 192.0.2.0/24 550 5.7.1 no mail from ${client_addr}",
            "reject client 2001:db8:7::/48 550 5.7.1 no mail from ${client_addr}",
            "reject name .dialup.example.com 550 5.7.25 ${client_name} is no mail server",
            "tempfail helo friend 450 4.7.1 say who you are",
            "reject sender refused@example.com 554 5.7.9 we refuse 100% of ${sender}",
            "tempfail sender busy@example.com 451 4.7.1 come back later",
            "discard sender @discard.example.com",
            "reject rcpt nobody@example.net 550 5.1.1 there is no ${rcpt}",
            "tempfail rcpt slow@example.net 450 4.2.1 ${rcpt} is slow",
            "reject rcpt plain@example.net" ]; },
        { plugin = "headers";
          rules = [
            "insert 0 X-Above: all",
            "insert 1 X-Client: ${client_addr} ${client_name} ${helo}",
            "replace Subject: [ext] ${value}",
            "delete X-Spam-*",
            "add X-Sender: ${sender}",
            "add X-Queue: ${queue_id} of ${j}" ]; },
        "hello"
    );
};
"""

# Everything about a header that something on the way could spoil.
MAIL = (
    b"From: Somebody <somebody@example.org>\r\n"
    b"To: one@example.net,\r\n"
    b"\ttwo@example.net\r\n"
    b"X-Spam-Score: 1\r\n"
    b"SUBJECT: fold\r\n"
    b"  and space\r\n"
    b"X-No-Space:value\r\n"
    b"X-Two-Spaces:  value \r\n"
    b"X-Tab:\tvalue\r\n"
    b"X-Empty:\r\n"
    b"X-Eight-Bit: gr\xc3\xbc\xc3\x9fe \xff\r\n"
    b"X-Twice: 1\r\n"
    b"x-spam-flag: YES\r\n"
    b"X-Twice: 2\r\n"
    b"Message-Id: <1@example.org>\r\n"
    b"\r\n"
    b"text\r\n"
    b".a dot\r\n"
    b"..two dots\r\n"
    b"100% \xfc\xff tab\t\r\n"
    b"\r\n"
)


def fields(delivery):
    """The header with the mail server's own field, which differs each time, cut short."""
    return [b"Received" if b"by mta.example.test (" in f else f for f in delivery.fields()]


def as_edited(header, client, sender, queue_id):
    """What the rules above make of a header that is delivered so without milter."""
    out = [b"X-Above: all"]
    for field in header:
        if field == b"Received":
            out += [field, b"X-Client: " + client]
        elif field.lower().startswith(b"subject:"):
            name, _, value = field.partition(b":")
            out.append(name + b": [ext]" + value)
        elif not field.lower().startswith(b"x-spam-"):
            out.append(field)
    if sender:
        out.append(b"X-Sender: " + sender.encode())
    out.append(b"X-Queue: " + queue_id.encode() + b" of mta.example.test")
    out.append(b"X-Hello: checked by milterd")
    return out
