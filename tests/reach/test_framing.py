"""Frames that come late, in pieces, never, or without an end."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

import servers
from leftopen.model.errors import ProtocolError
from leftopen.reach.api import Context
from leftopen.reach.framing import Frames
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]


def line_of(data: bytes) -> tuple[bytes, int] | None:
    end = data.find(b"\n")
    return (data[:end], end + 1) if end >= 0 else None


def read(probe: MakeProbe, handle: Callable[[servers.Conversation], object]) -> list[bytes]:
    """All frames until none begins within a tenth of a second, or the stream ends."""
    found: list[bytes] = []

    async def work(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            frames = Frames(connection, line_of, 1000)
            while (frame := await frames.next(0.1)) is not None:
                found.append(frame)

    with servers.fake(handle) as server:
        probe("mqtt", server.host, server.port, limits=Limits(seconds=2.0)).run(work)
    return found


def test_frames_in_pieces(probe: MakeProbe) -> None:
    def handle(client: servers.Conversation) -> None:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"one\ntwo\n\nfour\n":
            client.say(bytes([byte]))

    assert read(probe, handle) == [b"one", b"two", b"", b"four"]


def test_silence_is_no_frame(probe: MakeProbe) -> None:
    def handle(client: servers.Conversation) -> None:
        client.say(b"one\n")
        client.hear()

    assert read(probe, handle) == [b"one"]


def test_a_stream_that_ends_inside_a_frame(probe: MakeProbe) -> None:
    with pytest.raises(ProtocolError, match="closed the connection early"):
        read(probe, lambda client: client.say(b"one\ntw"))


def test_a_frame_without_an_end(probe: MakeProbe) -> None:
    with pytest.raises(ProtocolError, match="more than 1000 bytes"):
        read(probe, lambda client: client.flood(b"x" * 5000))
