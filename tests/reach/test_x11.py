"""X11: a real Xvfb without access control and with a cookie; answers that lie, fakes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.xvfb import xvfb
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.reach.api import Context
from leftopen.reach.protocols.x11 import SETUP, read_setup
from probing import Limits, Probe
from reaching import answer

MakeProbe = Callable[..., Probe]


def test_one_without_access_control_opens(probe: MakeProbe) -> None:
    with xvfb(open=True) as server:
        proof = probe("x11", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert "1 screens" in proof.detail
    assert "320 x 200" in proof.detail
    assert proof.product == "The X.Org Foundation"


def test_one_with_a_cookie_asks_for_it(probe: MakeProbe) -> None:
    with xvfb(open=False) as server:
        proof = probe("x11", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL
    assert "authorization" in proof.detail.lower()


def saying(data: bytes) -> Callable[[servers.Conversation], None]:
    def handle(client: servers.Conversation) -> None:
        assert client.hear_bytes(len(SETUP)) == SETUP
        client.say(data)
        assert client.hear() == b""  # nothing is asked for after that

    return handle


def test_a_display_that_wants_more_asks(probe: MakeProbe) -> None:
    with servers.fake(saying(b"\x02" + bytes(5) + b"\x01\0" + b"more")) as server:
        proof = probe("x11", server.host, server.port).prove()
    assert proof is not None
    assert (proof.access, "more" in proof.detail) == (Access.ASKS_CREDENTIAL, True)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "less than it says": (b"\x01\0\x0b\0\0\0\xff\xffxx", "closed the connection early|no answer"),
    "too short": (b"\x01\0\x0b\0\0\0\x01\0" + bytes(4), "too short"),
    "a vendor beyond the end": (
        b"\x01\0\x0b\0\0\0\x08\0" + bytes(16) + b"\xff\xff\0\0\x01\0" + bytes(10),
        "shorter than it says",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_display_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    data, words = HOSTILE[kind]
    started = time.monotonic()
    with servers.fake(saying(data)) as server:
        display = probe("x11", server.host, server.port, limits=Limits(seconds=1.0))
        with pytest.raises(ProtocolError, match=words):
            display.prove()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("said", [answer(b"no", "400 Bad Request"), SETUP, b"-ERR x\r\n\0\0\0"])
def test_strangers_are_no_display(probe: MakeProbe, said: bytes) -> None:
    with servers.fake(saying(said)) as server:
        assert probe("x11", server.host, server.port).prove() is None


def test_no_request_leaves(probe: MakeProbe) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(b"\x49\x02\x05\0" + bytes(16))  # GetImage

    with servers.fake(lambda client: client.hear()) as server, pytest.raises(OutOfScope):
        probe("x11", server.host, server.port).run(send)


@given(st.binary(max_size=120))
def test_fuzz_any_setup_is_read_or_an_error(body: bytes) -> None:
    try:
        found = read_setup(body)
    except ProtocolError:
        return
    assert found.vendor in body
    assert 0 <= found.screens < 256
