"""VNC: a real x11vnc with and without a password; other servers' handshakes, fakes."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.x11vnc import x11vnc
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.reach import rfb_wire
from leftopen.reach.api import Context
from probing import Limits, Probe
from reaching import QUICK, look

MakeProbe = Callable[..., Probe]
Handle = Callable[[servers.Conversation], object]
PATIENT = replace(QUICK, greeting_seconds=1.5)  # x11vnc takes up to 0.3 s to say hello


def test_one_without_a_password_opens() -> None:
    with x11vnc(open=True) as server:
        seen = look(server.host, server.port, PATIENT).observation
    assert (seen.protocol, seen.access) == ("vnc", Access.LISTS)
    assert "320 x 200" in seen.detail
    assert seen.containers == ("payroll desk",)


def test_one_with_a_password_asks_for_it() -> None:
    with x11vnc(open=False) as server:
        seen = look(server.host, server.port, PATIENT).observation
    assert (seen.protocol, seen.access) == ("vnc", Access.ASKS_CREDENTIAL)
    assert "security types 2" in seen.detail


INIT = struct.pack(">HH16sI", 1024, 768, b"", 4) + b"desk"


def serving(hello: bytes, offer: bytes, *talk: tuple[int, bytes]) -> Handle:
    """Says hello, hears the version, offers; then hears so many bytes and answers, each in turn."""

    def handle(client: servers.Conversation) -> None:
        client.say(hello)
        version = client.hear_bytes(12)
        if not version:  # only the greeting was wanted
            return
        assert version.startswith(b"RFB 003.00")
        client.say(offer)
        for size, said in talk:
            client.hear_bytes(size)
            client.say(said)
        assert client.hear_bytes(1) == b""  # no event, no request of the screen

    return handle


V3, V7, V8 = b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.008\n"
OPEN: dict[str, Handle] = {
    "3.3": serving(V3, b"\0\0\0\x01", (1, INIT)),
    "3.7": serving(V7, b"\x02\x02\x01", (1, b""), (1, INIT)),
    "3.8": serving(V8, b"\x01\x01", (1, b"\0\0\0\0"), (1, INIT)),
    "3.889 of Apple": serving(b"RFB 003.889\n", b"\x02\x1e\x01", (1, b"\0\0\0\0"), (1, INIT)),
    "5.0 of RealVNC": serving(b"RFB 005.000\n", b"\x01\x01", (1, b"\0\0\0\0"), (1, INIT)),
}


@pytest.mark.parametrize("version", OPEN)
def test_every_version_opens(version: str) -> None:
    with servers.fake(OPEN[version]) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access, seen.containers) == ("vnc", Access.LISTS, ("desk",))
    assert "1024 x 768" in seen.detail


def inside(*kinds: int) -> bytes:
    return b"\0" + bytes([len(kinds)]) + b"".join(struct.pack(">I", kind) for kind in kinds)


VEN = (1, b"\0\x02")
LESS: dict[str, tuple[Handle, Access, str, list[Reason]]] = {
    "TigerVNC": (
        serving(V8, b"\x02\x13\x02", VEN, (2, inside(258, 2))),
        Access.ASKS_CREDENTIAL,
        "19, 2",
        [],
    ),
    "TLSNone": (
        serving(V8, b"\x01\x13", VEN, (2, inside(258, 257))),
        Access.METADATA,
        "TLSNone",
        [Reason.UNSUPPORTED],
    ),
    "TightVNC": (serving(V8, b"\x02\x10\x02"), Access.UNDETERMINED, "Tight", [Reason.UNSUPPORTED]),
    "VeNCrypt 0.1": (
        serving(V8, b"\x01\x13", (1, b"\0\x01")),
        Access.UNDETERMINED,
        "VeNCrypt",
        [Reason.MISBEHAVED, Reason.UNSUPPORTED],
    ),
    "3.3 with a password": (serving(V3, b"\0\0\0\x02"), Access.ASKS_CREDENTIAL, "2", []),
    "too many failures": (
        serving(V8, b"\0\0\0\0\x08too many"),
        Access.UNDETERMINED,
        "too many",
        [Reason.REFUSED],
    ),
}


@pytest.mark.parametrize("kind", LESS)
def test_handshakes_that_prove_less(kind: str) -> None:
    handle, access, words, reasons = LESS[kind]
    with servers.fake(handle) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("vnc", access)
    assert words in seen.detail
    assert [g.reason for g in outcome.gaps] == reasons


LONG = struct.pack(">HH16sI", 1, 1, b"", 2**31)
HOSTILE: dict[str, tuple[Handle, str]] = {
    "a long name": (serving(V8, b"\x01\x01", (1, b"\0\0\0\0"), (1, LONG)), "are the limit"),
    "a long reason": (serving(V8, b"\0\x7f\xff\xff\xff"), "are the limit"),
    "None, then refused": (serving(V8, b"\x01\x01", (1, b"\0\0\0\x01")), "then refused"),
    "half a list": (serving(V8, b"\xff\x02"), "no answer within"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    handle, words = HOSTILE[kind]
    started = time.monotonic()
    with servers.fake(handle) as server:
        vnc = probe("vnc", server.host, server.port, limits=Limits(seconds=1.0))
        with pytest.raises(ProtocolError, match=words):
            vnc.prove()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "event", [b"\x03\0" + bytes(8), b"\x04\x01" + bytes(6), b"\x05" + bytes(5)]
)
def test_neither_screen_nor_events_are_asked_for(probe: MakeProbe, event: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(event)

    with servers.fake(lambda client: client.hear()) as server, pytest.raises(OutOfScope):
        probe("vnc", server.host, server.port).run(send)


@given(st.binary(max_size=20) | st.from_regex(rb"RFB \d{3}\.\d{3}\n", fullmatch=True))
def test_fuzz_any_hello_is_a_version_or_none(hello: bytes) -> None:
    assert rfb_wire.spoken(hello) in (None, 3, 7, 8)
