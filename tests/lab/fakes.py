"""Fakes as rows of the table: web servers of a few lines, and conversations."""

from __future__ import annotations

import http.client
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import servers
from lab.config import Start
from reaching import Answer, web


def pages(reply: Answer) -> Start:
    """A fake web server that answers each path so."""

    @contextmanager
    def start() -> Iterator[servers.Server]:
        with web(reply) as fake:
            yield servers.Server(fake.host, fake.port)

    return start


def talk(handle: Callable[[servers.Conversation], object]) -> Start:
    """A fake that talks so with each client; what it cannot read ends the conversation."""

    def patient(client: servers.Conversation) -> None:
        with suppress(IndexError, struct.error):
            handle(client)

    @contextmanager
    def start() -> Iterator[servers.Server]:
        with servers.fake(patient) as fake:
            yield servers.Server(fake.host, fake.port)

    return start


def got(server: servers.Server, path: str) -> bytes:
    """What a server answers to GET, for the state of a row."""
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        client.request("GET", path)
        return client.getresponse().read()
    finally:
        client.close()
