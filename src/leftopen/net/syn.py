"""The raw sweep: SYN packets without a connection, no state per target, answers by cookie.

It needs CAP_NET_RAW. Packets leave through a raw IPv4 socket, so that routes, neighbours, tunnels
and the machine's own packet filter are the kernel's business; answers are heard on a packet
socket. The source port is held by a bound socket that neither listens nor connects: no other
program gets it, and the kernel itself answers each SYN-ACK with RST (RFC 9293 3.10.7.1), so that
no target is left with a half-open connection.
"""

from __future__ import annotations

import errno
import heapq
import secrets
import select
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from leftopen.model.errors import OutOfScope
from leftopen.net.gate import Gate
from leftopen.net.pace import Pace, Patience
from leftopen.net.packets import Batch, dropped, listener
from leftopen.net.sweep import MAX_HELD_BACK, Answers, Places, State
from leftopen.net.syn_frames import (
    ADDRESS_BYTES,
    HEARD_SLOT,
    SLOT,
    Cookies,
    Sender,
    lay_out,
    sender,
    write,
)

_MOST_AT_ONCE: Final = 256  # packets of one system call
_HEARD_AT_ONCE: Final = 1024
_TURN: Final = 0.01  # seconds that one batch is worth, so that answers are read between
_TIMED: Final = 4  # of so many packets the time of one is kept
_MOST_TIMED: Final = 32_768
_FULL: Final = frozenset({errno.EAGAIN, errno.ENOBUFS})
_REFUSED_HERE: Final = frozenset({errno.EPERM, errno.EACCES})
_TRIES: Final = 200  # of 5 ms, while the kernel has no room for a packet


class SynSweep:
    """Passes over many targets with one source port and one key; closed by `close`."""

    def __init__(self, places: Places, gate: Gate, pace: Pace, per_host: float) -> None:
        """`per_host` is packets per second to one address.

        Raises:
            OSError: not permitted, or not possible here.
        """
        self._places = places
        self._gate = gate
        self._pace = pace
        self._gap = 1.0 / per_host if per_host < pace.limit else 0.0
        with ExitStack() as made:
            holder = made.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            holder.bind(("", 0))
            self._port = int(holder.getsockname()[1])
            self._rx = made.enter_context(listener(self._port, HEARD_SLOT))
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            self._tx = made.enter_context(raw)
            self._channels = made.pop_all()
        self._poll = select.poll()  # not select: files may have numbers over 1024
        self._poll.register(self._rx, select.POLLIN)
        self._cookies = Cookies(secrets.token_bytes(32))
        self._out = Batch(_MOST_AT_ONCE, SLOT, address=ADDRESS_BYTES)
        lay_out(self._out.bytes)
        self._in = Batch(_HEARD_AT_ONCE, HEARD_SLOT)
        self._senders: dict[int, Sender | None] = {}  # by the first three bytes of a target
        self._patience = Patience(0, 0)
        self._due: dict[int, float] = {}  # address -> when it may be asked again
        self._prune_at = MAX_HELD_BACK
        self._held: list[tuple[float, int]] = []
        self._sent: deque[tuple[float, list[int]]] = deque()  # whose answer is awaited
        self._timed: dict[int, float] = {}
        self._timed_before: dict[int, float] = {}
        self._heard_at = 0.0
        self.dropped = 0  # packets that the kernel had no room for
        self.unsent = 0

    def close(self) -> None:
        """Give the sockets back."""
        self._channels.close()

    def wait(self, patience: Patience) -> None:
        """How long answers of the next pass are awaited; it learns from them, too."""
        self._patience = patience

    def run(self, numbers: Iterator[int]) -> Answers:
        """See Engine."""
        more = True
        # An answer in this pass may be to a packet of the last one, and tells no time.
        self._timed, self._timed_before = {}, {}
        while more or self._held:
            batch: list[int] = []
            if (wait := self._pace.wait(time.monotonic())) <= 0:
                more, batch = self._fill(numbers, more)
            if batch:
                yield from self._send(batch)
            else:
                self._sleep(min(wait, 0.05) if wait > 0 else self._until_due())
            yield from self._listen()
            yield None
        last = self._sent[-1][0] if self._sent else 0.0
        while time.monotonic() < max(last, self._heard_at) + self._patience.seconds:
            self._sleep(0.02)
            yield from self._listen()
            yield None
        self._sent.clear()

    def outstanding(self) -> list[int]:
        """See Engine."""
        numbers = [n for _, batch in self._sent for n in batch]
        return numbers + [n for _, n in self._held]

    def notes(self) -> list[str]:
        """What of the result is in doubt, for people; empty when nothing is."""
        said = []
        if self.dropped:
            said.append(
                f"the kernel dropped {self.dropped} packets before they were read: "
                "as many open ports at most may be missing"
            )
        if self.unsent:
            said.append(f"{self.unsent} packets could not be sent from here")
        return said

    def _fill(self, numbers: Iterator[int], more: bool) -> tuple[bool, list[int]]:
        """Write the next packets; whether `numbers` may hold more, and what was written."""
        now = time.monotonic()
        room = max(1, min(_MOST_AT_ONCE, int(self._pace.rate * _TURN)))
        batch: list[int] = []
        while len(batch) < room:
            if self._held and self._held[0][0] <= now:
                number = heapq.heappop(self._held)[1]
            elif not more or len(self._held) >= MAX_HELD_BACK:
                break
            elif (fresh := next(numbers, None)) is None:
                more = False
                continue
            else:
                number = fresh
            place = self._places.place4(number)
            if self._gap and not self._may(place[0], number, now):
                continue
            if self._write(len(batch), place):
                batch.append(number)
        return more, batch

    def _may(self, address: int, number: int, now: float) -> bool:
        """Book one packet to `address`, or hold the target back until it is due."""
        due = self._due.get(address, 0.0)
        if due > now:
            heapq.heappush(self._held, (due, number))
            return False
        self._due[address] = now + self._gap
        if len(self._due) > self._prune_at:
            self._due = {a: t for a, t in self._due.items() if t > now}
            self._prune_at = max(MAX_HELD_BACK, 2 * len(self._due))
        return True

    def _write(self, slot: int, place: tuple[int, int]) -> bool:
        """Write one SYN, after the scope has been asked for it; False without a route."""
        address, port = place
        if not self._gate.admits(address, port):
            raise OutOfScope(f"refused below the sweep: {_dotted(address)} port {port}")
        block = address >> 8
        if block not in self._senders:
            self._senders[block] = self._sender(address, port)
        sent_by = self._senders[block]
        if sent_by is None:
            self.unsent += 1
            return False
        cookie = self._cookies.of(address, port)
        write(self._out.bytes, slot * SLOT, sent_by, self._port, place, cookie)
        return True

    def _sender(self, address: int, port: int) -> Sender | None:
        """Our own address towards a target: a UDP connect asks the routes and sends nothing."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            if channel.connect_ex((_dotted(address), port)):
                return None
            ours = socket.inet_aton(channel.getsockname()[0])
        return sender(int.from_bytes(ours), self._port)

    def _send(self, batch: list[int]) -> Answers:
        first, tries = 0, 0
        while first < len(batch):
            try:
                first += self._out.send(self._tx, first, len(batch))
                tries = 0
            except OSError as e:
                if e.errno in _FULL and tries < _TRIES:
                    tries += 1
                    self._sleep(0.005)
                    yield from self._listen()
                    continue
                if e.errno in _REFUSED_HERE:  # a broadcast address, or our own packet filter
                    yield batch[first], State.FAILED
                else:
                    self.unsent += 1
                first += 1
        now = time.monotonic()
        self._pace.send(len(batch), now)
        self._sent.append((now, batch))
        if len(self._timed) >= _MOST_TIMED:
            self._timed, self._timed_before = {}, self._timed
        for number in batch[::_TIMED]:
            self._timed[number] = now

    def _listen(self) -> Answers:
        """The answers that have arrived."""
        while count := self._in.receive(self._rx):
            self._heard_at = now = time.monotonic()
            find, timed = self._places.find4, self._timed
            slots = memoryview(self._in.bytes)[: count * HEARD_SLOT]
            for address, port, is_open in self._cookies.check(slots):
                if (number := find(address, port)) is None:
                    continue
                if (sent := timed.pop(number, 0.0) or self._timed_before.pop(number, 0.0)) > 0:
                    self._patience.heard(now - sent)
                yield number, State.OPEN if is_open else State.CLOSED
            if count < _HEARD_AT_ONCE:
                break
        now = time.monotonic()
        while self._sent and self._sent[0][0] + self._patience.seconds < now:
            self._sent.popleft()
        self._account(now)

    def _account(self, now: float) -> None:
        if lost := dropped(self._rx):
            self.dropped += lost
            self._pace.lost(now)
        else:
            self._pace.fine(now)

    def _until_due(self) -> float:
        wait = self._held[0][0] - time.monotonic() if self._held else 0.0
        return max(0.0, min(wait, 0.05))

    def _sleep(self, seconds: float) -> None:
        """Wait, or less when an answer arrives."""
        self._poll.poll(max(0.0, seconds) * 1000)


def _dotted(address: int) -> str:
    return socket.inet_ntoa(address.to_bytes(4))
