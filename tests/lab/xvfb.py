"""Xvfb: an X11 display over TCP."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import servers
from lab.config import Config
from leftopen.model.exposure import Access


def cookie(folder: Path) -> Path:
    """An authority file with one cookie for every address (FamilyWild)."""
    parts = (b"", b"", b"MIT-MAGIC-COOKIE-1", b"0123456789abcdef")
    packed = b"".join(struct.pack(">H", len(part)) + part for part in parts)
    path = folder / "authority"
    path.write_bytes(struct.pack(">H", 0xFFFF) + packed)
    return path


@contextmanager
def xvfb(*, open: bool) -> Iterator[servers.Server]:
    """A display of 320 x 200; TCP port 6000 is its number 0."""
    binary = servers.need("Xvfb")
    port = servers.free_port()
    with servers.scratch() as folder:
        argv = [binary, f":{port - 6000}", "-screen", "0", "320x200x8", "-listen", "tcp"]
        argv += ["-nolisten", "unix", "-nolisten", "local", "-noreset"]
        argv += ["-ac"] if open else ["-auth", str(cookie(folder))]
        servers.give(folder)
        with servers.running(argv, folder, port) as server:
            yield server


CONFIGS = (
    Config("xvfb: no access control", "x11", Access.LISTS, lambda: xvfb(open=True), 6000),
    Config("xvfb: a cookie", "x11", Access.ASKS_CREDENTIAL, lambda: xvfb(open=False), 6000),
)
