"""The connect sweep: which ports answer, by plain non-blocking connects and epoll.

It needs no privilege. An asyncio connect costs seven times the CPU of this (measured, see
research/reach.md 5), so asyncio is kept for the few ports that turn out to be open.
"""

from __future__ import annotations

import errno
import heapq
import resource
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from leftopen.model.scope import Target
from leftopen.net.budget import Meter

MAX_IN_FLIGHT = 16_000
MAX_HELD_BACK = 4096  # targets that wait for their host's rate
SPARE_FILES = 128  # left for the store, logs and the rest of the process
_NO_LINGER = struct.pack("ii", 1, 0)  # close with RST: no TIME_WAIT entry for each open port
_LOCAL = frozenset({errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM, errno.EPERM, errno.EACCES})


class State(Enum):
    """What a connect said."""

    OPEN = "open"
    CLOSED = "closed"  # RST
    SILENT = "silent"  # no answer in time, or an ICMP error on the way
    FAILED = "failed"  # this machine could not ask


@dataclass(frozen=True, slots=True)
class Knock:
    """One target to try, with the caller's number for it."""

    number: int
    target: Target


def in_flight_limit() -> int:
    """How many sockets may be open at once under this process's file limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_IN_FLIGHT if soft < 0 else max(16, min(MAX_IN_FLIGHT, soft - SPARE_FILES))


class ConnectSweep:
    """One pass over many targets, at most `limit` connects in flight, within the Meter's rates."""

    def __init__(self, meter: Meter, *, seconds: float, limit: int | None = None) -> None:
        """`seconds` is the wait for one answer."""
        self._meter = meter
        self._seconds = seconds
        self._limit = limit or in_flight_limit()
        self._poll = select.epoll()
        self._flying: dict[int, tuple[socket.socket, Knock]] = {}
        self._deadlines: deque[tuple[float, int, Knock]] = deque()
        self._held: list[tuple[float, int, Knock]] = []  # by the time their host is due
        self._done: deque[tuple[Knock, State]] = deque()

    def run(self, knocks: Iterator[Knock]) -> Iterator[tuple[Knock, State]]:
        """The state of each target, in the order of the answers.

        Raises:
            OutOfScope: the process's guard refused an address (it never should: Scope made it).
        """
        more = True
        try:
            while more or self._held or self._flying or self._done:
                more = self._launch(knocks) if more or self._held else False
                self._gather()
                while self._done:
                    yield self._done.popleft()
        finally:
            for channel, _ in self._flying.values():
                channel.close()
            self._poll.close()

    def _launch(self, knocks: Iterator[Knock]) -> bool:
        """Start what the rates allow now; whether `knocks` may hold more."""
        until = time.monotonic() + 0.05  # then answers are looked at again
        while len(self._flying) < self._limit and (now := time.monotonic()) < until:
            if self._held and self._held[0][0] <= now:
                knock = heapq.heappop(self._held)[2]
            elif len(self._held) >= MAX_HELD_BACK:
                return True
            elif (fresh := next(knocks, None)) is None:
                return False
            else:
                knock = fresh
            host = knock.target.endpoint.address
            if (wait := self._meter.wait(host, now)) > 0:
                heapq.heappush(self._held, (now + wait, knock.number, knock))
                continue
            start = self._meter.slot(host, now)
            if start - now > 0.001:  # below that, sleeping costs more than it spares
                self._gather(start - now)
            self._connect(knock)
        return True

    def _connect(self, knock: Knock) -> None:
        endpoint = knock.target.endpoint
        family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
        try:
            channel = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:  # out of files or of memory: try again when others have ended
            if self._flying:
                heapq.heappush(self._held, (time.monotonic() + 0.1, knock.number, knock))
            else:
                self._done.append((knock, State.FAILED))
            return
        try:
            code = channel.connect_ex((endpoint.address, endpoint.port))
        except BaseException:
            channel.close()
            raise
        if code == errno.EINPROGRESS:
            number = channel.fileno()
            self._flying[number] = (channel, knock)
            self._deadlines.append((time.monotonic() + self._seconds, number, knock))
            self._poll.register(number, select.EPOLLOUT)
        else:
            self._finish(channel, knock, code)

    def _gather(self, seconds: float | None = None) -> None:
        """Take in answers, and give up on those whose time is over."""
        if seconds is None:
            idle = not self._done and (self._flying or self._held)
            seconds = 0.02 if idle else 0.0
        if self._flying:
            # Every answer that is there is heard before anything is given up as silent: the
            # reader may have been away for longer than the time of an answer.
            for number, _ in self._poll.poll(seconds, len(self._flying)):
                channel, knock = self._flying.pop(number)
                code = channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self._finish(channel, knock, code)
        elif seconds:
            time.sleep(seconds)
        self._expire(time.monotonic())

    def _expire(self, now: float) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number, knock = self._deadlines.popleft()
            flying = self._flying.get(number)
            if flying is not None and flying[1] is knock:  # else answered, the number is reused
                del self._flying[number]
                flying[0].close()
                self._done.append((knock, State.SILENT))

    def _finish(self, channel: socket.socket, knock: Knock, code: int) -> None:
        if code == 0 and channel.getsockname() == channel.getpeername():
            state = State.CLOSED  # both ends are ours: TCP simultaneous open on loopback
        elif code == 0:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            state = State.OPEN
        elif code == errno.ECONNREFUSED:
            state = State.CLOSED
        else:
            state = State.FAILED if code in _LOCAL else State.SILENT
        channel.close()
        self._done.append((knock, state))
