"""Fakes of Cassandra."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import servers
from lab.config import Config
from lab.fakes import talk
from leftopen.model.exposure import Access
from leftopen.reach import cassandra_wire as wire
from leftopen.reach.protocols.cassandra import SIZES, TABLES

Fake = Callable[[servers.Conversation], None]
MAIL = "ada.lovelace@example.org"
TEXT = b"\x00\x0d"
PEOPLE = b'SELECT JSON * FROM "shop"."people" LIMIT '


def text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def number(value: int) -> bytes:
    return value.to_bytes(4, "big", signed=True)


def rows(*values: tuple[bytes, ...], kind: bytes = TEXT, flags: int = 1, columns: int = 0) -> bytes:
    """The body of a RESULT of kind Rows."""
    columns = columns or (len(values[0]) if values else 2)
    head = number(2) + number(flags) + number(columns)
    head += number(3) + b"abc" if flags & 2 else b""
    head += text(b"ks") + text(b"t") + (text(b"c") + kind) * columns + number(len(values))
    return head + b"".join(number(len(v)) + v for row in values for v in row)


def error(code: int, said: bytes) -> tuple[int, bytes]:
    return wire.ERROR, number(code) + text(said)


OPTIONS = (
    b"\x00\x02"
    + text(b"COMPRESSION")
    + b"\x00\x01"
    + text(b"lz4")
    + text(b"CQL_VERSION")
    + b"\x00\x01"
    + text(b"3.4.6")
)
READY = (wire.READY, b"")
LISTED = rows((b"system", b"local"), (b"shop", b"people"), (b"shop", b"empty"), (b"a b", b"c"))
ROW = b'{"mail": "%s"}' % MAIL.encode()
ESTIMATES = rows(
    (b"shop", b"people", (30).to_bytes(8, "big"), (50).to_bytes(8, "big")),
    (b"system", b"local", (9).to_bytes(8, "big"), (9).to_bytes(8, "big")),
)
OPEN = {TABLES: LISTED, SIZES: ESTIMATES, PEOPLE: rows((ROW,))}


def cassandra(
    newest: int = 5,
    *,
    started: tuple[int, bytes] = READY,
    answers: Mapping[bytes, bytes | tuple[int, bytes]] = OPEN,
    flags: int = 0,
    got: list[bytes] | None = None,
) -> Fake:
    """A fake server that knows the versions up to `newest`."""

    def reply(opcode: int, body: bytes) -> tuple[int, bytes]:
        if opcode == 5:
            return wire.SUPPORTED, OPTIONS
        if opcode == 1:
            return started
        cql = body[4 : 4 + int.from_bytes(body[:4], "big")]
        found = next((a for start, a in answers.items() if cql.startswith(start)), rows(columns=1))
        return found if isinstance(found, tuple) else (wire.RESULT, found)

    def handle(client: servers.Conversation) -> None:
        while head := client.hear_bytes(9):
            body = client.hear_bytes(int.from_bytes(head[5:], "big"))
            if got is not None:
                got.append(head + body)
            version = min(head[0], newest)
            opcode, said = reply(head[4], body)
            if head[0] > newest:
                opcode, said = error(0x0A, b"Invalid or unsupported protocol version")
            if flags & 8 and opcode == wire.RESULT:
                said = b"\x00\x01" + text(b"Read 5000 tombstones") + said
            sent = flags if opcode == wire.RESULT else 0
            answer = bytes((version | 0x80, sent, 0, 0, opcode)) + number(len(said)) + said
            client.say(answer)

    return handle


LOGIN = (wire.AUTHENTICATE, text(b"org.apache.cassandra.auth.PasswordAuthenticator"))


CONFIGS = (
    Config(
        "Cassandra (fake): open",
        "cassandra",
        Access.GIVES_DATA,
        talk(cassandra()),
        9042,
        objects=30,
        fake=True,
    ),
    Config(
        "Cassandra (fake): a login",
        "cassandra",
        Access.ASKS_CREDENTIAL,
        talk(cassandra(started=LOGIN)),
        9042,
        fake=True,
    ),
)
