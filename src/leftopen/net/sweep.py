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
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Protocol

from leftopen.net.budget import Meter
from leftopen.net.pace import Patience

MAX_IN_FLIGHT = 24_000
MAX_HELD_BACK = 4096  # targets that wait for their host's rate
SPARE_FILES = 128  # left for the store, logs and the rest of the process
_NO_LINGER = struct.pack("ii", 1, 0)  # close with RST: no TIME_WAIT entry for each open port
_LOCAL = frozenset({errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM, errno.EPERM, errno.EACCES})
SECOND_SYN = 1.0  # seconds after which the kernel itself asks again (RFC 6298 2.1; tcp(7))
_AMBIGUOUS = 0.9 * SECOND_SYN  # a later answer may be to that, and tells no time


class State(Enum):
    """What a target said."""

    OPEN = "open"
    CLOSED = "closed"  # RST
    FAILED = "failed"  # this machine could not ask


Answers = Generator[tuple[int, State] | None, None, None]


class Places(Protocol):
    """What the numbers of targets stand for."""

    def place(self, number: int) -> tuple[str, int]:
        """Address and port, checked by the scope.

        Raises:
            OutOfScope: the scope does not admit it.
        """
        ...

    def place4(self, number: int) -> tuple[int, int]:
        """Address (as a number) and port of a target in an IPv4 network; not checked."""
        ...

    def find4(self, address: int, port: int) -> int | None:
        """The number of an IPv4 address and port, if they have one."""
        ...


class Engine(Protocol):
    """One way to ask many targets once each."""

    def run(self, numbers: Iterator[int]) -> Answers:
        """The targets that answered, as they do: OPEN, CLOSED, or FAILED where none was asked.

        A target that is not told of was silent. None comes between them, a few times a second at
        least: a moment for the caller to look at the clock and at `outstanding`.

        Raises:
            OutOfScope: a number stands for a place outside the scope.
        """
        ...

    def outstanding(self) -> list[int]:
        """The numbers taken from the iterator whose answer is still awaited, at such a moment."""
        ...


def in_flight_limit() -> int:
    """How many sockets this process may have open at once; `many_files` lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_IN_FLIGHT if hard < 0 else max(16, min(MAX_IN_FLIGHT, hard - SPARE_FILES))


@contextmanager
def many_files(count: int) -> Iterator[None]:
    """Raise the soft limit of open files for so many sockets, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_FILES
    if 0 <= soft < wanted:
        most = wanted if hard < 0 else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class ConnectSweep:
    """One pass over many targets, at most `limit` connects in flight, within the Meter's rates."""

    def __init__(
        self,
        places: Places,
        meter: Meter,
        patience: Patience,
        *,
        packets: int = 1,
        limit: int | None = None,
    ) -> None:
        """`patience` says how long an answer is awaited; `packets` is what one connect may cost.

        Where the wait is longer than SECOND_SYN the kernel asks again by itself, and the rates
        are kept for both packets.
        """
        self._places = places
        self._meter = meter
        self._patience = patience
        self._packets = packets
        self._limit = limit or in_flight_limit()
        self._poll = select.epoll()
        self._flying: dict[int, tuple[socket.socket, int, float]] = {}
        self._started: deque[tuple[float, int, int]] = deque()  # when, file, number
        self._held: list[tuple[float, int]] = []  # by the time their host is due
        self._done: deque[tuple[int, State]] = deque()

    def run(self, numbers: Iterator[int]) -> Answers:
        """See Engine. The process's guard judges each connect once more."""
        with many_files(self._limit):
            yield from self._run(numbers)

    def _run(self, numbers: Iterator[int]) -> Answers:
        more = True
        try:
            while more or self._held or self._flying or self._done:
                more = self._launch(numbers) if more or self._held else False
                self._gather()
                while self._done:
                    yield self._done.popleft()
                yield None
        finally:
            for channel, _, _ in self._flying.values():
                channel.close()
            self._poll.close()

    def outstanding(self) -> list[int]:
        """See Engine."""
        return [n for _, n, _ in self._flying.values()] + [n for _, n in self._held]

    def _launch(self, numbers: Iterator[int]) -> bool:
        """Start what the rates allow now; whether `numbers` may hold more."""
        until = time.monotonic() + 0.05  # then answers are looked at again
        while len(self._flying) < self._limit and (now := time.monotonic()) < until:
            if self._held and self._held[0][0] <= now:
                number = heapq.heappop(self._held)[1]
            elif len(self._held) >= MAX_HELD_BACK:
                return True
            elif (fresh := next(numbers, None)) is None:
                return False
            else:
                number = fresh
            address, port = self._places.place(number)
            if (wait := self._meter.wait(address, now)) > 0:
                heapq.heappush(self._held, (now + wait, number))
                continue
            start = self._meter.slot(address, now)
            for _ in range(1, self._packets):
                self._meter.slot(address, now)
            while (left := start - time.monotonic()) > 0.001:  # below that, sleeping costs more
                self._gather(left)  # an answer ends it early, and its time has not come yet
            self._connect(number, address, port)
        return True

    def _connect(self, number: int, address: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            channel = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:  # out of files or of memory: try again when others have ended
            if self._flying:
                heapq.heappush(self._held, (time.monotonic() + 0.1, number))
            else:
                self._done.append((number, State.FAILED))
            return
        started = time.monotonic()
        try:
            code = channel.connect_ex((address, port))
        except BaseException:
            channel.close()
            raise
        if code == errno.EINPROGRESS:
            file = channel.fileno()
            self._flying[file] = (channel, number, started)
            self._started.append((started, file, number))
            self._poll.register(file, select.EPOLLOUT)
        else:
            self._finish(channel, number, code)

    def _gather(self, seconds: float | None = None) -> None:
        """Take in answers, and give up on those whose time is over."""
        if seconds is None:
            idle = not self._done and (self._flying or self._held)
            seconds = 0.02 if idle else 0.0
        if self._flying:
            # Every answer that is there is heard before anything is given up as silent: the
            # reader may have been away for longer than the time of an answer.
            for file, _ in self._poll.poll(seconds, len(self._flying)):
                channel, number, started = self._flying.pop(file)
                code = channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code in (0, errno.ECONNREFUSED):
                    took = time.monotonic() - started
                    if took < _AMBIGUOUS:
                        self._patience.heard(took)
                self._finish(channel, number, code)
        elif seconds:
            time.sleep(seconds)
        self._expire(time.monotonic() - self._patience.seconds)

    def _expire(self, before: float) -> None:
        while self._started and self._started[0][0] <= before:
            started, file, number = self._started.popleft()
            flying = self._flying.get(file)
            if flying is not None and flying[1:] == (number, started):  # else the file is reused
                del self._flying[file]
                flying[0].close()

    def _finish(self, channel: socket.socket, number: int, code: int) -> None:
        state = None
        if code == 0 and channel.getsockname() == channel.getpeername():
            state = State.CLOSED  # both ends are ours: TCP simultaneous open on loopback
        elif code == 0:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            state = State.OPEN
        elif code == errno.ECONNREFUSED:
            state = State.CLOSED
        elif code in _LOCAL:
            state = State.FAILED
        channel.close()
        if state:
            self._done.append((number, state))
