"""UDP for a probe: datagrams to one Target and back, under the same rules as a connection.

The scope, the allow-list of what may be sent, the budget and the meter are the dialer's. Only what
comes from the Target's own address is heard; a server may answer from another port of it, as TFTP
does (RFC 1350, 4), and that port must be in scope before anything is sent to it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from leftopen.model.errors import BudgetSpent, OutOfScope
from leftopen.net.dialer import Dialer
from leftopen.net.guard import plain

MAX_WAITING: Final = 64  # datagrams that wait to be read; the rest is dropped, as UDP may
LARGEST: Final = 65_507


class Datagrams(asyncio.DatagramProtocol):
    """An exchange of datagrams within a budget. Made by `exchange`."""

    def __init__(self, dialer: Dialer) -> None:
        """Counts as one connection of the dialer's budget."""
        self._dialer = dialer
        self._address = plain(dialer.target.endpoint.address)
        self._waiting: asyncio.Queue[tuple[bytes, int]] = asyncio.Queue(MAX_WAITING)
        self.transport: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, address: tuple[str | object, int]) -> None:
        """Something came: kept when it is from the Target's address (asyncio calls it)."""
        if plain(str(address[0]).split("%", 1)[0]) == self._address and not self._waiting.full():
            self._waiting.put_nowait((data, address[1]))

    def send(self, data: bytes, port: int | None = None) -> None:
        """Send one datagram to the Target, or to another port of its address.

        Raises:
            OutOfScope: the port is excluded, or no rule of the allow-list matches.
            BudgetSpent: no time left.
        """
        port = self._dialer.target.endpoint.port if port is None else port
        if not self._dialer.permits(self._address, port):
            raise OutOfScope(f"{self._address} port {port} is not in scope")
        if not any(rule.match(data) for rule in self._dialer.allowed):
            raise OutOfScope(f"not on the allow-list of read verbs: {data[:40]!r}")
        assert self.transport is not None
        if self._dialer.budget.seconds_left:  # raises when the time is used up
            self.transport.sendto(data, (self._address, port))

    async def receive(self, seconds: float) -> tuple[bytes, int] | None:
        """The next datagram and the port that it came from; None for silence of so many seconds.

        Raises:
            BudgetSpent: the time or the bytes of this probe are used up.
        """
        left = self._dialer.budget.seconds_left
        try:
            data, port = await asyncio.wait_for(self._waiting.get(), min(seconds, left))
        except TimeoutError:
            if left <= seconds:
                raise BudgetSpent("no answer within the time of this probe") from None
            return None
        self._dialer.heard = self._dialer.heard or data[:64]
        self._dialer.budget.take(len(data))
        self._dialer.meter.take(self._dialer.target.endpoint.address, len(data))
        return data, port


@asynccontextmanager
async def exchange(dialer: Dialer) -> AsyncIterator[Datagrams]:
    """A socket for datagrams to the dialer's Target, closed at the end of the block.

    Raises:
        OutOfScope: the Target's port is excluded.
        BudgetSpent: no connection or time left.
    """
    endpoint = dialer.target.endpoint
    if not dialer.permits(endpoint.address, endpoint.port):
        raise OutOfScope(f"{endpoint.address} port {endpoint.port} is not in scope")
    dialer.budget.connect()
    dialer.budget.extend(await dialer.meter.connection(endpoint.address))
    family = socket.AF_INET6 if ":" in plain(endpoint.address) else socket.AF_INET
    loop = asyncio.get_running_loop()
    # Bound by its first datagram: the system chooses address and port, as for a connection.
    transport, made = await loop.create_datagram_endpoint(lambda: Datagrams(dialer), family=family)
    made.transport = transport
    try:
        yield made
    finally:
        transport.abort()
