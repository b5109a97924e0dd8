"""What edits should make of a message: a second, plain answer to compare with.

A message is a list of fields and the rest of what plugins change. Requests are those of
tests/plugins/probe, written as its script has them; each is applied at once to the one
list there is, so plugins that follow each other see what those before them have done.
"""


class Field:
    """raw: everything after the colon, folds as LF and white space."""

    def __init__(self, name, raw, own=False):
        self.name, self.raw, self.own = name, raw, own

    def is_called(self, name):
        return not self.own and self.name.lower() == name.lower()

    def delivered(self):
        text = f"{self.name}:{self.raw}".replace("\n", "\r\n")
        return b"Received" if self.own else text.encode("utf-8", "surrogateescape")


def _split(text, exact):
    """ "NAME: value" -> name, raw; None for a value that is not there."""
    name, colon, value = text.partition(":")
    if not colon:
        return name, None
    if not exact:
        value = value[1:] if value.startswith(" ") else value
    return name, value


def _raw(value, exact):
    """A value of a plugin as it goes behind the colon."""
    lines = value.replace("\r\n", "\n").rstrip("\n").split("\n")
    folded = "\n".join(
        [lines[0], *(line if line[:1] in (" ", "\t") else "\t" + line for line in lines[1:])]
    )
    return folded if exact else " " + folded


def as_smtp(body):
    """A body as it is delivered: line ends CRLF, the last one always there."""
    body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return body if not body or body.endswith(b"\r\n") else body + b"\r\n"


class Mail:
    """fields: as delivered where nobody edits, the mail server's own Received first."""

    def __init__(self, fields, sender, recipients, body):
        self.fields = [Field("Received", "", own=True)]
        for field in fields[1:]:
            name, _, raw = field.decode("utf-8", "surrogateescape").partition(":")
            self.fields.append(Field(name, raw.replace("\r\n", "\n")))
        self.sender, self.sender_args = sender, []
        self.recipients = {address: [] for address in recipients}
        self.body = body

    def header(self):
        return [field.delivered() for field in self.fields]

    def find(self, name, index=1):
        """The index'th field of that name, None where there is none."""
        found = [field for field in self.fields if field.is_called(name)]
        return found[max(index, 1) - 1] if len(found) >= max(index, 1) else None

    def apply(self, requests, exact=False):
        """One plugin's requests in their order. What it puts into the body in one callback
        is one body."""
        new_body = None
        for request in requests:
            word, _, text = request.partition(" ")
            if word.startswith("body"):
                new_body = (new_body or b"") + self._bytes(word, text)
            else:
                getattr(self, "_" + word.replace("-", "_"))(text, exact)
        if new_body is not None:
            self.body = new_body

    # -- requests

    @staticmethod
    def _bytes(word, text):
        if word == "body-hex":
            return bytes.fromhex(text)
        count = 1
        if word == "body-repeat":
            number, _, text = text.partition(" ")
            count = int(number)
        return text.encode() * count

    def _add(self, text, exact):
        name, value = _split(text, exact)
        self.fields.append(Field(name, _raw(value, exact)))

    def _insert(self, text, exact):
        number, _, field = text.partition(" ")
        name, value = _split(field, exact)
        own = next(at for at, field in enumerate(self.fields) if field.own)
        at = own + int(number) if int(number) else 0
        self.fields.insert(at, Field(name, _raw(value, exact)))

    def _change(self, text, exact):
        number, _, field = text.partition(" ")
        name, value = _split(field, exact)
        found = self.find(name, int(number))
        if found and value:
            found.raw = _raw(value, exact)
        elif found:
            self.fields.remove(found)
        elif value:
            self.fields.append(Field(name, _raw(value, exact)))

    def _replace(self, text, exact):
        name, value = _split(text, exact)
        found = self.find(name)
        if found:
            # An empty value would delete it, so the mail server is told of a space.
            found.raw = _raw(value, exact) if value or exact else "  "

    def _delete(self, name, _):
        self.fields = [field for field in self.fields if not field.is_called(name)]

    def _beside(self, text, exact, offset):
        anchor, _, field = text.partition(" ")
        name, value = _split(field, exact)
        found = self.find(anchor)
        if found:
            self.fields.insert(self.fields.index(found) + offset, Field(name, _raw(value, exact)))

    def _before(self, text, exact):
        self._beside(text, exact, 0)

    def _after(self, text, exact):
        self._beside(text, exact, 1)

    def _add_rcpt(self, text, _):
        address, *args = text.split()
        self.recipients.setdefault(address.strip("<>"), args)

    def _delete_rcpt(self, text, _):
        address = text.strip("<>").lower()
        self.recipients = {a: args for a, args in self.recipients.items() if a.lower() != address}

    def _sender(self, text, _):
        words = text.split()
        self.sender = words[0].strip("<>") if words else ""
        self.sender_args = words[1:]
