"""LDAP messages (RFC 4511) in the BER they need (X.690), nothing more, every length bounded.

What can be said here is an anonymous bind, a search and an unbind. What came is taken apart one
level at a time: nothing recurses, so nesting costs a peer's bytes and none of our stack.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.net.dialer import Connection


class NotLdap(ProtocolError):
    """The peer speaks something else, or no longer LDAP."""


MAX_MESSAGE: Final = 1_048_576
MAX_PARTS: Final = 20_000
BASE, SUBTREE = 0, 2  # scopes of a search
BIND_ANSWER, ENTRY, DONE, REFERENCE, EXTENDED = 0x61, 0x64, 0x65, 0x73, 0x78
ANONYMOUS: Final = b"\x02\x01\x03\x04\x00\x80\x00"  # version 3, no name, an empty password
PAGED: Final = b"1.2.840.113556.1.4.319"  # RFC 2696
START_TLS: Final = b"1.3.6.1.4.1.1466.20037"  # RFC 4511 4.14
# One message whose operation is that bind, a search, StartTLS, or an unbind: what the dialer lets
# pass.
ALLOWED: Final = (
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02(?:\x01.|\x02..)"
    rb"(?:\x60\x07\x02\x01\x03\x04\x00\x80\x00\Z|\x63|\x42\x00\Z"
    rb"|\x77\x18\x80\x161\.3\.6\.1\.4\.1\.1466\.20037\Z)",
)


@dataclass(frozen=True, slots=True)
class Message:
    """One LDAPMessage: its number, the tag of its operation and what is inside of that."""

    number: int
    tag: int
    content: bytes
    controls: bytes = b""


@dataclass(frozen=True, slots=True)
class Result:
    """An LDAPResult: 0 is success; `said` may be hostile."""

    code: int
    said: bytes = b""
    referrals: tuple[bytes, ...] = ()
    cookie: bytes = b""  # of the paged control: empty at the last page


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the directory, or with `referrals` a pointer to another server."""

    name: bytes
    attributes: dict[bytes, list[bytes]] = field(default_factory=dict)
    referrals: tuple[bytes, ...] = ()

    def first(self, attribute: bytes) -> str:
        """The first value of an attribute as text, whatever the case of its name."""
        for name, values in self.attributes.items():
            if name.lower() == attribute.lower() and values:
                return values[0].decode("utf-8", "replace")
        return ""


def encoded(tag: int, *parts: bytes) -> bytes:
    """One element with a definite length."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(number: int, tag: int = 2) -> bytes:
    """An INTEGER or ENUMERATED that is not negative."""
    return encoded(tag, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def bind(number: int) -> bytes:
    """The anonymous bind (RFC 4513 5.1.1)."""
    return encoded(0x30, integer(number), encoded(0x60, ANONYMOUS))


def start_tls(number: int) -> bytes:
    """The request to go on inside TLS (RFC 4511 4.14.1)."""
    return encoded(0x30, integer(number), encoded(0x77, encoded(0x80, START_TLS)))


def search(
    number: int,
    base: bytes,
    scope: int,
    *attributes: bytes,
    entries: int = 0,
    page: int = 0,
    cookie: bytes = b"",
) -> bytes:
    """A search for (objectClass=*) of at most `entries`, in pages of `page`; 0 leaves either out.

    Aliases are never dereferenced: they may lead out of the base.
    """
    wanted = encoded(
        0x63,
        encoded(4, base),
        integer(scope, 0x0A),
        integer(0, 0x0A),
        integer(entries),
        integer(5),  # seconds that the server may take
        b"\x01\x01\x00",
        encoded(0x87, b"objectClass"),
        encoded(0x30, *(encoded(4, name) for name in attributes)),
    )
    controls = b""
    if page:
        value = encoded(4, encoded(0x30, integer(page), encoded(4, cookie)))
        controls = encoded(0xA0, encoded(0x30, encoded(4, PAGED), value))
    return encoded(0x30, integer(number), wanted, controls)


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element in turn; raises NotLdap where they do not fill `data`."""
    at = 0
    for _ in range(MAX_PARTS):
        if at == len(data):
            return
        if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
            raise NotLdap("not a BER element")
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            octets = size & 0x7F
            if not 1 <= octets <= 4 or at + octets > len(data):
                raise NotLdap("a length that LDAP does not use")
            size = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if at + size > len(data):
            raise NotLdap("a length that leads beyond its message")
        yield tag, data[at : at + size]
        at += size
    if at < len(data):
        raise NotLdap(f"more than {MAX_PARTS} elements")


def _next(parts: Iterator[tuple[int, bytes]], *tags: int) -> bytes:
    tag, content = next(parts, (-1, b""))
    if tag not in tags:
        raise NotLdap("an element of another type than LDAP has there")
    return content


def _number(content: bytes) -> int:
    if not 1 <= len(content) <= 4:
        raise NotLdap("a number of a size that LDAP does not use")
    return int.from_bytes(content, "big", signed=True)


def parse_message(data: bytes) -> Message:
    """The inside of one LDAPMessage; raises NotLdap."""
    parts = elements(data)
    number = _number(_next(parts, 2))
    tag, content = next(parts, (0, b""))
    if tag & 0xC0 != 0x40:
        raise NotLdap("no operation of LDAP")
    return Message(number, tag, content, next((c for t, c in parts if t == 0xA0), b""))


def parse_result(message: Message) -> Result:
    """The LDAPResult in an answer, with the cookie of the paged control; raises NotLdap."""
    parts = elements(message.content)
    code = _number(_next(parts, 0x0A))
    _next(parts, 4)
    said = _next(parts, 4)
    leads = tuple(url for tag, c in parts if tag == 0xA3 for _, url in elements(c))
    return Result(code, said, leads[:20], _cookie(message.controls))


def _cookie(controls: bytes) -> bytes:
    for tag, control in elements(controls):
        fields = [content for kind, content in elements(control) if kind == 4]
        if tag == 0x30 and len(fields) == 2 and fields[0] == PAGED:
            inner = elements(_next(elements(fields[1]), 0x30))
            _next(inner, 2)
            return _next(inner, 4)[:4096]
    return b""


def parse_entry(message: Message) -> Entry:
    """The entry or the references in an answer to a search; raises NotLdap."""
    parts = elements(message.content)
    if message.tag == REFERENCE:
        return Entry(b"", referrals=tuple(url for tag, url in parts if tag == 4)[:20])
    name = _next(parts, 4)
    attributes: dict[bytes, list[bytes]] = {}
    for _, attribute in elements(_next(parts, 0x30)):
        inner = elements(attribute)
        kind = _next(inner, 4)
        attributes[kind] = [value for tag, value in elements(_next(inner, 0x31)) if tag == 4]
    return Entry(name, attributes)


async def read_message(connection: Connection) -> Message:
    """The next message; raises NotLdap, and ProtocolError where it is over the limit."""
    head = await connection.read_exactly(2)
    size = head[1]
    if head[0] != 0x30 or size in (0, 0x80) or size > 0x84:
        raise NotLdap("not an LDAP message")
    if size & 0x80:
        size = int.from_bytes(await connection.read_exactly(size & 0x7F), "big")
    if size > MAX_MESSAGE:
        raise ProtocolError(f"a message of {size} bytes where {MAX_MESSAGE} are the limit")
    return parse_message(await connection.read_exactly(size))


def as_text(entry: Entry) -> bytes:
    """An entry as lines `attribute: value`; a value that is no text stays out, by its size."""
    lines = [b"dn: " + entry.name]
    for name, values in entry.attributes.items():
        for value in values:
            text = value.decode("utf-8", "replace")
            binary = "\0" in text or "\ufffd" in text
            shown = b"(%d bytes)" % len(value) if binary else value.replace(b"\n", b"\n ")
            lines.append(name + b": " + shown)
    return b"\n".join(lines) + b"\n"
