"""Relays in front of servers: a usual port on an address of its own, TLS, and a record.

A server is probed through its relay, so that it sees another address than its own (a Dovecot
trusts that one), and every byte that was sent to it is known.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import servers

FROM = "127.0.0.77"  # the address that servers see


@dataclass
class Relay:
    """Where it listens, and what was sent on each connection, in their order."""

    host: str
    port: int
    sent: list[bytearray] = field(default_factory=list)


class Relays:
    """Any number of relays in one thread; use as a context manager."""

    def __init__(self, folder: Path) -> None:
        """`folder` takes the certificate of those that speak TLS."""
        cert, key = servers.certificate(folder)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(cert, key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relays", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None] | None] = set()  # asyncio itself holds them weakly

    def __enter__(self) -> Relays:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        async def stop() -> None:
            for server in self._servers:
                server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def to(self, server: servers.Server, host: str, port: int, *, tls: bool = False) -> Relay:
        """A new relay on `host`:`port` to `server`."""
        relay = Relay(host, port)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            record = bytearray()
            relay.sent.append(record)
            self._tasks.add(asyncio.current_task())
            with suppress(OSError, asyncio.CancelledError):
                far_reader, far_writer = await asyncio.open_connection(
                    server.host, server.port, local_addr=(FROM, 0)
                )
                both = (_pump(reader, far_writer, record), _pump(far_reader, writer, None))
                try:
                    await asyncio.gather(*both)
                finally:
                    far_writer.transport.abort()
            with suppress(AttributeError):  # one of TLS that has closed by itself (Python 3.11)
                writer.transport.abort()
            self._tasks.discard(asyncio.current_task())

        async def listen() -> None:
            context = self._tls if tls else None
            self._servers.append(await asyncio.start_server(serve, host, port, ssl=context))

        asyncio.run_coroutine_threadsafe(listen(), self._loop).result(10)
        return relay


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: bytearray | None
) -> None:
    with suppress(OSError, ssl.SSLError):
        while data := await reader.read(65_536):
            if record is not None:
                record += data
            writer.write(data)
            await writer.drain()
    # Half closed, as it came: an end of the request is not the end of the answer.
    with suppress(OSError, RuntimeError):
        if writer.can_write_eof():
            writer.write_eof()
        elif record is None:  # TLS knows no half; the server has said all
            writer.close()


@contextmanager
def relays() -> Iterator[Relays]:
    """Relays until the end of the block."""
    with servers.scratch() as folder, Relays(folder) as made:
        yield made
