"""Fakes of Neo4j."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import servers
from lab.config import Config
from lab.fakes import talk
from leftopen.model.exposure import Access
from leftopen.reach import bolt_wire as bolt
from leftopen.reach.protocols.neo4j import COUNT, LABELS, NODE

Fake = Callable[[servers.Conversation], None]
MAIL = "ada.lovelace@example.org"
OK = b"\xb1\x70\xa0"
SERVER = "Neo4j/5.12.0"
UNAUTHORIZED = "Neo.ClientError.Security.Unauthorized"


def mapping(**values: str) -> bytes:
    parts = (bolt.text(k) + bolt.text(v) for k, v in values.items())
    return bytes((0xA0 | len(values),)) + b"".join(parts)


def failure(code: str) -> bytes:
    return b"\xb1\x7f" + mapping(code=code, message="unsupported authentication token")


def record(value: bytes) -> bytes:
    return b"\xb1\x71\x91" + value


PERSON = b"\xb3\x4e\x01\x91" + bolt.text("Person") + mapping(mail=MAIL)
OPEN: Mapping[str, tuple[bytes, ...]] = {
    LABELS: (record(bolt.text("Person")), record(bolt.text("a\\u0060b")), OK),
    COUNT: (record(b"\xc9\x01\xf4"), OK),
    NODE: (record(PERSON), OK),
    "MATCH (n:`Person`)": (record(PERSON), OK),
}


def neo4j(
    version: tuple[int, int] = (5, 2),
    *,
    login: bytes = OK,
    answers: Mapping[str, tuple[bytes, ...]] = OPEN,
    server: str = SERVER,
    got: list[bytes] | None = None,
) -> Fake:
    """A fake server of one version of Bolt."""
    welcome = b"\xb1\x70" + mapping(server=server, connection_id="bolt-1")

    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(20)
        client.say(bytes((0, 0, version[1], version[0])))
        waiting: tuple[bytes, ...] = ()
        while head := client.hear_bytes(2):
            body = client.hear_bytes(int.from_bytes(head, "big"))
            client.hear_bytes(2)
            if got is not None:
                got.append(body)
            kind = body[1]
            said: tuple[bytes, ...] = (OK,)
            if kind == 0x01:
                said = (welcome if login == OK or version >= (5, 1) else login,)
            elif kind == 0x6A:
                said = (login,)
            elif kind == 0x10:
                found = (a for cypher, a in answers.items() if cypher.encode() in body)
                waiting = next(found, (OK,))
                said = waiting if waiting[0][1] == 0x7F else (OK,)
            elif kind == 0x3F:
                said = waiting
            client.say(b"".join(bolt.message(one) for one in said))

    return handle


CONFIGS = (
    Config(
        "Neo4j (fake): open",
        "neo4j",
        Access.GIVES_DATA,
        talk(neo4j()),
        7687,
        objects=500,
        fake=True,
    ),
    Config(
        "Neo4j (fake): a login",
        "neo4j",
        Access.ASKS_CREDENTIAL,
        talk(neo4j(login=failure(UNAUTHORIZED))),
        7687,
        fake=True,
    ),
)
