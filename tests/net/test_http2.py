"""HTTP/2 against nghttpd, which speaks nothing older, and against servers that lie."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.nghttpd import nghttpd
from leftopen.model.exposure import Access
from leftopen.net.http2 import speaks_http2
from reaching import look, reach_of, read_all, scope_of

PREFACE_ANSWER = b"\0\0\0\x04\0\0\0\0\0"  # an empty SETTINGS frame


@pytest.fixture(scope="module", params=["clear", "TLS"])
def server(request: pytest.FixtureRequest) -> Iterator[servers.Server]:
    with nghttpd(tls=request.param == "TLS") as made:
        yield made


def test_a_server_that_speaks_nothing_older_is_proved_and_read(server: servers.Server) -> None:
    scope = scope_of(ports=(server.port,))
    reach = reach_of(scope)
    (outcome,) = reach.prove([scope.target("127.0.0.1", server.port)])
    assert outcome.observation.access is Access.GIVES_DATA
    assert outcome.observation.protocol == "http"
    _, fetched, gaps = read_all(reach, outcome)
    assert [f.data for f in fetched] == [b"hello over frames"]
    assert gaps == []


def frame(kind: int, payload: bytes, stream: int = 0, flags: int = 0) -> bytes:
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
    return head + payload


HOSTILE: dict[str, Callable[[servers.Conversation], object]] = {
    "settings and silence": lambda client: client.say(PREFACE_ANSWER),
    "endless settings": lambda client: client.flood(PREFACE_ANSWER * 1000),
    "endless pings": lambda client: client.flood(PREFACE_ANSWER + frame(6, b"12345678") * 1000),
    "goaway": lambda client: client.say(PREFACE_ANSWER + frame(7, b"\0" * 4 + b"\0\0\0\x0b")),
    "reset": lambda client: client.say(PREFACE_ANSWER + frame(3, b"\0\0\0\x08", stream=1)),
    "huge frame": lambda client: client.flood(PREFACE_ANSWER + b"\xff\xff\xff\0\0\0\0\0\1" + b"x"),
    "continuations": lambda client: client.flood(
        PREFACE_ANSWER + frame(1, b"", stream=1) + frame(9, b"", stream=1) * 1000
    ),
    "header bomb": lambda client: client.say(
        PREFACE_ANSWER + frame(1, b"\x40\x01x\x7f\xe1\x1f" + b"y" * 4096 + b"\xbe" * 9000, 1, 4)
    ),
    "push": lambda client: client.say(PREFACE_ANSWER + frame(5, b"\0\0\0\x02\x82", 1, 4)),
    "window of nothing": lambda client: client.say(
        PREFACE_ANSWER + frame(1, b"\x88", 1, 4) + frame(8, b"\0\0\0\0", 1)
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_frames_prove_nothing(kind: str) -> None:
    with servers.fake(HOSTILE[kind]) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access in (Access.MISBEHAVES, Access.SPEAKS)
    assert outcome.gaps


@given(st.binary(max_size=40))
def test_fuzz_what_begins_http2(first: bytes) -> None:
    assert speaks_http2(first) in (True, False)
    assert speaks_http2(PREFACE_ANSWER + first)
    assert not speaks_http2(b"HTTP/1.1 " + first)
