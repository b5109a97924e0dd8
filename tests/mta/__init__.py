"""Runs a real mail server, privately, with milterd behind it.

    postfix.Postfix   a Postfix of its own: configuration, queue, ports, log
    sendmail.Sendmail the same for Sendmail, unpacked into a cache directory
    milterd.Milterd   milterd on a milter.conf that the test gives
    sink.Sink         receives what the mail server delivers, byte by byte
    smtp.Client       sends mail as exactly the bytes that the test gives
    rules             a configuration, a mail, and what the one makes of the other
    case.run          runs the test functions of a file and prints TAP

Everything lives in one temporary directory (place.Place) and on loopback
ports; nothing outside is changed and no name is looked up anywhere.
"""
