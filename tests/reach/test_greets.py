"""SSH, SMTP, STOMP, OpenWire, Finger and SQL Server: fakes of recorded and documented answers.

None of these is proved further than what it says to anybody, so a fake holds all there is.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.reach.api import Context
from leftopen.reach.protocols.finger import FINGER, users_of
from leftopen.reach.protocols.mssql import MSSQL, PRELOGIN, version_of
from leftopen.reach.protocols.openwire import OPENWIRE, info_of
from leftopen.reach.protocols.smtp import EHLO, QUIT, SMTP
from leftopen.reach.protocols.ssh import SSH, software_of
from leftopen.reach.protocols.stomp import CONNECT, DISCONNECT, STOMP, frame_of
from probing import Limits, Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]
Handle = Callable[[servers.Conversation], None]


def text(key: str, value: str) -> bytes:
    return (
        struct.pack(">H", len(key)) + key.encode() + struct.pack(">BH", 9, len(value))
    ) + value.encode()


def wire_format(*properties: bytes) -> bytes:
    body = struct.pack(">i", len(properties)) + b"".join(properties)
    frame = b"\x01ActiveMQ" + struct.pack(">i?i", 12, True, len(body)) + body
    return struct.pack(">i", len(frame)) + frame


def tds(body: bytes, kind: int = 4) -> bytes:
    return struct.pack(">BBHHBB", kind, 1, len(body) + 8, 0, 1, 0) + body


INFO = wire_format(
    b"\0\x05Cache\x01\x01",
    b"\0\x04Size\x05\0\0\x04\0",
    text("ProviderName", "ActiveMQ"),
    text("ProviderVersion", "5.17.2"),
)
SQL = tds(bytes.fromhex("00000b00060100110001ff0f0010d6000003"))
WHO = (
    b"Login     Name       Tty      Idle  Login Time   Office     Office Phone\r\n"
    b"ann       Ann Other  pts/0          Nov 24 10:00 (10.0.0.7)\r\n"
    b"ann       Ann Other  pts/1          Nov 24 10:00 (10.0.0.7)\r\n"
    b"bob                  tty1       2d  Nov 22 09:00\r\n"
)


def greets(data: bytes) -> Handle:
    def handle(client: servers.Conversation) -> None:
        client.say(data)
        while client.hear():
            pass

    return handle


def answers(asked: bytes, data: bytes, *, close: bool = False) -> Handle:
    """Say nothing before exactly this came."""

    def handle(client: servers.Conversation) -> None:
        if client.hear_bytes(len(asked)) == asked:
            client.say(data)
        while not close and client.hear():
            pass

    return handle


def smtp(greeting: bytes, offers: bytes = b"") -> Handle:
    def handle(client: servers.Conversation) -> None:
        client.say(greeting)
        while line := client.hear():
            client.say(
                offers if line == EHLO else b"221 bye\r\n" if line == QUIT else b"500 no\r\n"
            )

    return handle


POSTFIX = b"220 mx.example.org ESMTP Postfix (Debian/GNU)\r\n"
OFFERS = (
    b"250-mx.example.org\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 SMTPUTF8\r\n"
)
CONNECTED = b"CONNECTED\nserver:ActiveMQ/5.17.2\nheart-beat:0,0\nversion:1.2\n\n\0\n"
RABBIT = (
    b"ERROR\nmessage:Bad CONNECT\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n"
    b"content-length:26\n\nAccess refused for user ''\0"
)


@dataclass(frozen=True)
class Kind:
    """A fake, and what a look at it must say."""

    name: str
    handle: Handle
    access: Access
    product: str
    version: str = ""
    words: str = ""


KINDS = (
    Kind("ssh", greets(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), Access.SPEAKS, "OpenSSH", "9.2p1"),
    Kind("ssh", greets(b"SSH-2.0-dropbear\r\n"), Access.SPEAKS, "dropbear"),
    Kind("smtp", smtp(POSTFIX, OFFERS), Access.METADATA, "Postfix", "", "STARTTLS, AUTH PLAIN"),
    Kind(
        "smtp",
        smtp(b"220-mx ESMTP Exim 4.96\r\n220 no spam\r\n", b"250 mx\r\n"),
        Access.METADATA,
        "Exim",
        "4.96",
        "no STARTTLS; whether it relays was not tried",
    ),
    Kind("smtp", smtp(b"554 No SMTP service here\r\n"), Access.SPEAKS, "SMTP"),
    Kind("smtp", smtp(POSTFIX, b"550 no\r\n"), Access.SPEAKS, "Postfix", "", "answered with 550"),
    Kind("stomp", answers(CONNECT, CONNECTED), Access.METADATA, "ActiveMQ", "5.17.2"),
    Kind("stomp", answers(CONNECT, RABBIT), Access.ASKS_CREDENTIAL, "STOMP", "", "Bad CONNECT"),
    Kind(
        "stomp",
        answers(CONNECT, b"ERROR\nmessage:out of memory\n\n\0"),
        Access.UNDETERMINED,
        "STOMP",
    ),
    Kind("openwire", greets(INFO), Access.METADATA, "ActiveMQ", "5.17.2", "OpenWire 12"),
    Kind("openwire", greets(wire_format()), Access.SPEAKS, "ActiveMQ"),
    Kind("finger", answers(b"\r\n", WHO, close=True), Access.LISTS, "finger", "", "2 users"),
    Kind(
        "finger",
        answers(b"\r\n", b"No one logged on.\r\n", close=True),
        Access.METADATA,
        "finger",
    ),
    Kind(
        "finger",
        answers(b"\r\n", b"must provide username\r\n", close=True),
        Access.SPEAKS,
        "finger",
    ),
    Kind(
        "mssql",
        answers(PRELOGIN, SQL),
        Access.METADATA,
        "Microsoft SQL Server",
        "15.0.4310",
        "encryption is required",
    ),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{k.name}-{k.access}-{k.product}")
def test_a_fake(probe: MakeProbe, kind: Kind) -> None:
    with servers.fake(kind.handle) as server:
        proof = probe(kind.name, server.host, server.port).prove()
    assert proof
    assert (proof.access, proof.product, proof.version) == (kind.access, kind.product, kind.version)
    assert kind.words in proof.detail
    assert proof.evidence or kind.access is Access.SPEAKS
    assert "Ann Other" not in repr(proof)


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if k.name in ("ssh", "smtp", "openwire")], ids=lambda k: k.product
)
def test_a_greeting_leads_there(kind: Kind) -> None:
    with servers.fake(kind.handle) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == (kind.name, kind.access)


HOSTILE: dict[str, tuple[str, Handle]] = {
    "openwire, huge": ("openwire", greets(b"\x7f\xff\xff\xff\x01ActiveMQ")),
    "openwire, small": ("openwire", greets(b"\0\0\0\x09\x01ActiveMQ")),
    "openwire, many": ("openwire", greets(wire_format()[:-4] + b"\x7f\xff\xff\xff")),
    "openwire, unknown type": ("openwire", greets(wire_format(b"\0\x01x\x63"))),
    "openwire, long text": ("openwire", greets(wire_format(b"\0\x01x\x09\xff\xff"))),
    "smtp, endless": ("smtp", lambda c: c.flood(b"220-ESMTP\r\n" * 100)),
    "smtp, no end of line": ("smtp", lambda c: c.flood(b"220 ESMTP " + b"x" * 65_536)),
    "smtp, another code": ("smtp", smtp(b"220-ESMTP\r\n250 x\r\n")),
    "smtp, no reply": ("smtp", smtp(POSTFIX, b"hello\r\n")),
    "stomp, endless": ("stomp", lambda c: c.flood(b"CONNECTED\n" + b"a:b\n" * 9999)),
    "stomp, cut": ("stomp", answers(CONNECT, b"CONNECTED\nversion", close=True)),
    "finger, endless": ("finger", lambda c: c.flood(b"Login  Name  Tty\r\n" * 999)),
    "mssql, outside": ("mssql", answers(PRELOGIN, tds(b"\0\xff\xff\0\x06\xff"))),
    "mssql, cut": ("mssql", answers(PRELOGIN, SQL[:12], close=True)),
    "mssql, nothing": ("mssql", answers(PRELOGIN, tds(b"\xff"))),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_fake_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    name, handle = HOSTILE[kind]
    started = time.monotonic()
    limits = Limits(bytes=3_000_000, seconds=3.0)
    with servers.fake(handle) as server, pytest.raises(ProtocolError):
        probe(name, server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


NAMES = ("finger", "mssql", "openwire", "smtp", "ssh", "stomp")


def proved(make: Probe) -> object:
    """A stranger may be told by None, or by an error that the caller does not take as proof."""
    try:
        return make.prove()
    except (ProtocolError, TimeoutError):
        return None


@pytest.mark.parametrize("name", NAMES)
def test_strangers_are_none_of_them(probe: MakeProbe, name: str) -> None:
    def echo(client: servers.Conversation) -> None:
        while data := client.socket.recv(4096):
            client.say(data)

    limits = Limits(seconds=0.2)
    with web(lambda path: answer(b"<html></html>")) as server:
        assert proved(probe(name, server.host, server.port, limits=limits)) is None
    for handle in (echo, greets(b"+OK ready\r\n"), greets(b"220 ready\r\n"), greets(b"")):
        with servers.fake(handle) as fake:
            assert proved(probe(name, fake.host, fake.port, limits=limits)) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_real_redis_is_none_of_them(probe: MakeProbe, name: str) -> None:
    with servers.redis() as other:
        assert proved(probe(name, other.host, other.port, limits=Limits(seconds=0.2))) is None


@pytest.mark.parametrize(
    ("protocol", "line"),
    [
        (SSH, b"SSH-2.0-x\r\n"),
        (OPENWIRE, b"\0"),
        (SMTP, b"MAIL FROM:<a@b>\r\n"),
        (SMTP, EHLO + b"RCPT TO:<a@b>\r\n"),
        (SMTP, b"VRFY root\r\n"),
        (STOMP, b"SUBSCRIBE\nid:0\ndestination:/queue/a\n\n\0"),
        (STOMP, DISCONNECT + b"SEND\n\n\0"),
        (FINGER, b"root\r\n"),
        (FINGER, b"@10.0.0.1\r\n"),
        (MSSQL, PRELOGIN + b"x"),
    ],
)
def test_nothing_else_leaves(probe: MakeProbe, protocol: object, line: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(line)

    with servers.fake(lambda c: c.hear()) as server, pytest.raises(OutOfScope):
        probe(protocol, server.host, server.port).run(send)


def parsed_or_refused(parse: Callable[[bytes], object], data: bytes) -> None:
    try:
        parse(data)
    except ProtocolError:
        return


@given(st.binary(max_size=80), st.integers(0, 80))
def test_fuzz_parsers(data: bytes, cut: int) -> None:
    for parse in (info_of, version_of):
        parsed_or_refused(parse, data)
    parsed_or_refused(info_of, INFO[4 : 4 + cut] + data)
    parsed_or_refused(version_of, SQL[8 : 8 + cut % 18] + data)
    for quiet in (software_of, frame_of, users_of):
        quiet(data)
    frame_of(b"CONNECTED\n" + data)
    found = users_of(WHO + data.replace(b"\n", b""))
    assert found is not None
    assert {"ann"} <= set(found)
