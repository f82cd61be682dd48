"""AFP: Netatalk cannot be had here, so fakes of its documented answers."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.reach.api import Context
from leftopen.reach.protocols.afp import STATUS, _frame, info_of, volumes_of
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]
GUEST = ("DHX2", "No User Authent")


def pascal(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def listed(*texts: str) -> bytes:
    return bytes([len(texts)]) + b"".join(pascal(t) for t in texts)


def info(ways: tuple[str, ...], versions: tuple[str, ...] = ("AFP2.2", "AFP3.4")) -> bytes:
    name, machine = pascal("filer"), pascal("Netatalk3.1.12")
    parts = (machine, listed(*versions), listed(*ways))
    at = 10 + len(name)
    offsets = (at, at + len(parts[0]), at + len(parts[0]) + len(parts[1]))
    return struct.pack(">HHHHH", *offsets, 0, 0x8FFB) + name + b"".join(parts)


def volumes(*names: str) -> bytes:
    return struct.pack(">iB", 0, len(names)) + b"".join(b"\x80" + pascal(n) for n in names)


def said(request: bytes, data: bytes, code: int = 0) -> bytes:
    return (
        struct.pack(
            ">BBHiII", 1, request[1], *struct.unpack(">H", request[2:4]), code, len(data), 0
        )
        + data
    )


def fake(
    ways: tuple[str, ...] = GUEST,
    login: int = 0,
    shown: bytes = volumes("Home", "Scans"),
    noise: bytes = b"",
) -> Callable[[servers.Conversation], None]:
    def handle(client: servers.Conversation) -> None:
        while head := client.hear_bytes(16):
            body = client.hear_bytes(int.from_bytes(head[8:12], "big"))
            if head[1] == 3:
                client.say(said(head, info(ways)))
            elif head[1] == 4:
                client.say(noise + said(head, b""))
            elif body[:1] == b"\x12":
                assert body[1:] == pascal("AFP3.4") + pascal("No User Authent")
                client.say(said(head, b"", login))
            elif body[:1] == b"\x10":
                client.say(said(head, shown))

    return handle


TICKLE = struct.pack(">BBHiII", 0, 5, 9, 0, 0, 0)
STATES: dict[str, tuple[Callable[[servers.Conversation], None], Access, str]] = {
    "guest": (fake(), Access.LISTS, "2 volumes are named to a guest"),
    "guest, with tickles": (fake(noise=TICKLE * 3), Access.LISTS, "2 volumes"),
    "no guest": (fake(("DHX2",)), Access.METADATA, "logins by DHX2"),
    "guest is refused": (fake(login=-5023), Access.ASKS_CREDENTIAL, "FPLogin answers -5023"),
    "guest fails": (fake(login=-5014), Access.METADATA, "FPLogin answers -5014"),
    "no volume": (fake(shown=volumes()), Access.METADATA, "no volume is named"),
}


@pytest.mark.parametrize("kind", STATES)
def test_fakes_open_and_closed(probe: MakeProbe, kind: str) -> None:
    handle, access, words = STATES[kind]
    with servers.fake(handle) as server:
        proof = probe("afp", server.host, server.port).prove()
    assert proof
    assert (proof.access, proof.product) == (access, "Netatalk3.1.12")
    assert words in proof.detail
    assert proof.containers == (("Home", "Scans") if access is Access.LISTS else ())


HOSTILE = {
    "huge": fake(noise=b"\x01\x04\0\x01\0\0\0\0\xff\xff\xff\xff\0\0\0\0"),
    "another answer": fake(noise=said(b"\0\x04\0\x63", b"")),
    "garbage": fake(noise=b"\xff" * 16),
    "tickles only": fake(noise=TICKLE * 9),
    "names outside": fake(shown=volumes("Home")[:-2]),
    "many names": fake(shown=b"\0\0\0\0\xff"),
    "no count": fake(shown=b"\0"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_fakes_end_in_an_error(probe: MakeProbe, kind: str) -> None:
    started = time.monotonic()
    with servers.fake(HOSTILE[kind]) as server, pytest.raises(ProtocolError):
        probe("afp", server.host, server.port, limits=Limits(seconds=3.0)).prove()
    assert time.monotonic() - started < 3


def test_an_info_that_ends_early_is_an_error(probe: MakeProbe) -> None:
    def handle(client: servers.Conversation) -> None:
        client.say(said(client.hear_bytes(16), info(GUEST)[:30]))

    with servers.fake(handle) as server, pytest.raises(ProtocolError):
        probe("afp", server.host, server.port).prove()


def test_strangers_are_not_afp(probe: MakeProbe) -> None:
    def echo(client: servers.Conversation) -> None:
        client.say(client.hear_bytes(16))

    page = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    for handle in (echo, lambda client: client.say(page)):
        with servers.fake(handle) as server:
            assert probe("afp", server.host, server.port).prove() is None


@pytest.mark.parametrize(
    "sent",
    [
        STATUS + b"x",
        _frame(2, 2, b"\x12" + pascal("AFP3.4") + pascal("Cleartxt Passwrd") + pascal("root")),
        _frame(2, 3, b"\x18\0" + b"\0\x20" + pascal("Home")),  # FPOpenVol
    ],
)
def test_nothing_else_leaves(probe: MakeProbe, sent: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(sent)

    with servers.fake(lambda c: c.hear()) as server, pytest.raises(OutOfScope):
        probe("afp", server.host, server.port).run(send)


@given(st.binary(max_size=80), st.integers(0, 80))
def test_fuzz_parsers(data: bytes, cut: int) -> None:
    for parse in (info_of, volumes_of):
        for whole in (data, info(GUEST)[:cut] + data, volumes("Home")[:cut] + data):
            try:
                parse(whole)
            except ProtocolError:
                continue
