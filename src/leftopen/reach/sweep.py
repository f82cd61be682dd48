"""Every address and port of the scope, in a random order, the silent ones asked once more.

The raw engine where it is permitted, else connects; both behind `net.sweep.Engine`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Final

from leftopen.model.errors import UsageError
from leftopen.model.scope import Scope, Target
from leftopen.net.budget import Meter
from leftopen.net.pace import Pace, Patience
from leftopen.net.sweep import SECOND_SYN, Answers, ConnectSweep, Engine, State
from leftopen.net.syn import SynSweep
from leftopen.reach.sweep_order import Order
from leftopen.reach.sweep_point import MAX_NOTES, Point, dump, load, pack_numbers
from leftopen.reach.sweep_space import Part, Space

Progress = Callable[[int], object]  # so many more are done
ROUNDS: Final = 2
EXTRA: Final = 1  # one round more where the last one still found much
LEFT: Final = 0.5  # targets that a last round left unheard, by estimate, and are worth another
CANARIES: Final = 64  # connects that check the raw engine when it hears nothing at all
FIRST_WAIT: Final = 0.3  # seconds at least for an answer; the silent are asked again
LAST_WAIT: Final = 1.0
SECOND_WAIT: Final = 0.2  # seconds at least for an answer to the kernel's second SYN
MOMENT: Final = 0.25  # seconds between two looks at the progress
STORE_EVERY: Final = 5.0  # seconds between two checkpoints


@dataclass(frozen=True, slots=True)
class Shard:
    """This machine's share when `of` machines sweep one scope: no target is asked by two."""

    index: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        """Checks the two.

        Raises:
            UsageError: no such shard.
        """
        if not 0 <= self.index < self.of:
            raise UsageError(f"there is no shard {self.index} of {self.of}; count from 0")


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a sweep is."""

    done: int  # of `total` endpoints, an estimate that ends with the truth
    total: int
    open: int
    packets_per_second: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Wish:
    """How to sweep, beside what the scope says."""

    raw: bool = True  # False: connects only
    shard: Shard = Shard()
    resume: bytes = b""  # what `checkpoint` was given last
    checkpoint: Callable[[bytes], object] | None = None
    report: Callable[[Standing], object] | None = None
    look_every: float = MOMENT
    store_every: float = STORE_EVERY


class Sweep:
    """One sweep of one scope. Iterate it for the open ones; then ask for `closed`, `filtered`."""

    def __init__(
        self,
        scope: Scope,
        named: Sequence[tuple[str, str]],
        meter: Meter,
        wish: Wish | None = None,
    ) -> None:
        """`named` are host names with one of their addresses each.

        Raises:
            UsageError: more endpoints than can be swept, or `wish.resume` is not of this sweep.
        """
        self.space = Space(scope, named)
        self._scope, self._meter, self._wish = scope, meter, wish or Wish()
        self._parts = self.space.parts()
        shard, rates = self._wish.shard, scope.file.rates
        salt = repr((scope.sha256, scope.file.sample.seed, tuple(named), shard.of)).encode()
        self._key = blake2b(salt, digest_size=32).digest()
        self._identity = blake2b(self._key + repr(shard).encode(), digest_size=16).digest()
        self._restore(self._first())
        self._drawn = 0
        self._out = False  # all numbers of the round are drawn
        self._started = self._looked = self._stored = time.monotonic()
        self._pace = Pace(rates.connections_per_second)
        self._kernel_asks = rates.timeout_seconds >= SECOND_SYN + SECOND_WAIT
        self._patience = Patience(rates.timeout_seconds, FIRST_WAIT)
        self._syn: SynSweep | None = None

    def _first(self) -> Point:
        """Where to begin: where an earlier process stopped, or at the beginning."""
        bits = (self.space.size + 7) // 8
        if self._wish.resume:
            return load(self._wish.resume, self._identity, bits)
        return Point(
            identity=self._identity,
            part=0,
            round=0,
            position=self._wish.shard.index,
            waiting=b"",
            answered=bytes(bits),
            open=bytes(bits),
            asked=0,
            fresh=0,
            raw=self._wish.raw,
        )

    def _restore(self, point: Point) -> None:
        self._answered, self._open = bytearray(point.answered), bytearray(point.open)
        self._part, self._round, self._position = point.part, point.round, point.position
        self._waiting = point.numbers()
        self._asked, self._fresh, self._raw = point.asked, point.fresh, point.raw
        self._heard = _count(self._answered)
        self._notes = list(point.notes)

    @property
    def open(self) -> int:
        """Endpoints that answered with an open port, or that only a probe can ask."""
        return _count(self._open)

    @property
    def closed(self) -> int:
        """Endpoints that answered RST."""
        return self._heard - self.open

    @property
    def filtered(self) -> int:
        """Endpoints that were asked and did not answer."""
        return self._asked - self._heard

    @property
    def notes(self) -> list[str]:
        """Which engine could not be used and why, and what of the result is in doubt."""
        lately = self._syn.notes() if self._syn else []
        return list(dict.fromkeys([*lately, *self._notes]))[:MAX_NOTES]

    def __iter__(self) -> Iterator[Target]:
        """The open endpoints, to be proved; those of before a resume come first."""
        for number in _numbers(self._open):
            yield self.space.target(number)
        for number, state in self.states():
            if state is not State.CLOSED:
                yield self.space.target(number)

    def states(self) -> Generator[tuple[int, State], None, None]:
        """The number in `space` and the state of each endpoint that answers, once each."""
        try:
            while self._part < len(self._parts):
                yield from self._sweep_part(self._parts[self._part])
                self._begin(self._part + 1, 0)
            self._look()
        finally:
            if self._syn:
                self._syn.close()

    def silent(self) -> Iterator[int]:
        """The numbers in `space` that were asked and did not answer; after `states`."""
        shard = self._wish.shard
        for part in self._parts:
            for _, n in self._order(part).walk(shard.index, shard.of):
                number = part.first + n
                if not _on(self._answered, number) and self.space.admits(number):
                    yield number

    def _begin(self, part: int, round_: int) -> None:
        self._part, self._round, self._position = part, round_, self._wish.shard.index
        self._fresh = 0
        self._store([])

    def _order(self, part: Part) -> Order:
        return Order(part.size, self._key + bytes([part.raw]))

    def _sweep_part(self, part: Part) -> Iterator[tuple[int, State]]:
        order = self._order(part)
        while self._round < ROUNDS + EXTRA:
            engine = self._engine(part)
            yield from self._ask(engine, self._draw(part, order))
            deaf = self._round == 0 and self._raw_here(part) and not self._heard
            if deaf and self._blind(part, order):
                self._notes.append("raw packets hear nothing here (connects do): asked by connects")
                self._raw, self._asked = False, 0
                self._begin(self._part, 0)
                continue
            if self._round + 1 >= self._rounds(part) and not self._worth_more():
                return
            self._begin(self._part, self._round + 1)

    def _worth_more(self) -> bool:
        """Whether so much was first heard in the last round that another one will hear more.

        What one round misses and the next one hears is lost with a probability of about their
        share; that part of what the last round should have heard is missing still.
        """
        if self._round == 0:
            return False
        left = self._fresh**2 / max(1, self._heard)
        if left >= LEFT and self._round + 1 == ROUNDS + EXTRA:
            self._notes.append(f"answers get lost on the way: about {left:.0f} are missing")
            return False
        if left >= LEFT:
            self._pace.lost(time.monotonic())
        return left >= LEFT

    def _rounds(self, part: Part) -> int:
        """One round of connects is two where their time allows the kernel to ask again."""
        return ROUNDS if self._raw_here(part) or not self._kernel_asks else 1

    def _raw_here(self, part: Part) -> bool:
        return part.raw and self._raw

    def _engine(self, part: Part) -> Engine:
        last = self._round > 0
        if last:
            self._patience = self._patience.last(LAST_WAIT)
        if self._raw_here(part):
            try:
                rates = self._scope.file.rates
                self._syn = self._syn or SynSweep(
                    self.space,
                    self.space.gate,
                    self._pace,
                    rates.connections_per_second_per_host,
                )
                self._syn.wait(self._patience)
                return self._syn
            except OSError as e:
                self._raw = False
                self._notes.append(f"no raw packets here ({e.strerror}): asked by connects")
        if self._kernel_asks:
            timeout = self._scope.file.rates.timeout_seconds
            patience = Patience(timeout, SECOND_WAIT, SECOND_SYN)
            return ConnectSweep(self.space, self._meter, patience, packets=2)
        return ConnectSweep(self.space, self._meter, self._patience)

    def _draw(self, part: Part, order: Order) -> Iterator[int]:
        """The numbers to ask in this round from where it stands."""
        self._out = False
        waiting, self._waiting = self._waiting, []
        for number in waiting:  # on their way when an earlier process ended
            if not _on(self._answered, number) and self.space.admits(number):
                self._drawn += 1
                yield number
        answered, admits, step = self._answered, self.space.admits, self._wish.shard.of
        for at, n in order.walk(self._position, step):
            self._position = at + step
            number = part.first + n
            if answered[number >> 3] >> (number & 7) & 1 or not admits(number):
                continue
            if self._round == 0:
                self._asked += 1
            self._drawn += 1
            yield number
        self._out = True

    def _ask(self, engine: Engine, numbers: Iterator[int]) -> Iterator[tuple[int, State]]:
        answers = engine.run(numbers)
        for answer in answers:
            if answer is None:
                if self._out and self._heard == self._asked:
                    answers.close()  # nobody is left to wait for
                if time.monotonic() - self._looked >= self._wish.look_every:
                    self._look()
                    if time.monotonic() - self._stored >= self._wish.store_every:
                        self._store(engine.outstanding())
                continue
            number, state = answer
            at, bit = number >> 3, 1 << (number & 7)
            if self._answered[at] & bit:  # an answer that came twice
                continue
            self._answered[at] |= bit
            self._heard += 1
            self._fresh += 1
            if state is not State.CLOSED:
                self._open[at] |= bit
            yield answer

    def _blind(self, part: Part, order: Order) -> bool:
        """Whether connects hear something of a sample of which raw packets heard nothing."""
        shard = self._wish.shard
        walk = (part.first + n for _, n in order.walk(shard.index, shard.of))
        sample = islice((n for n in walk if self.space.admits(n)), CANARIES)
        patience = Patience(self._scope.file.rates.timeout_seconds, FIRST_WAIT)
        answers: Answers = ConnectSweep(self.space, self._meter, patience).run(sample)
        return any(a is not None and a[1] is not State.FAILED for a in answers)

    def _store(self, outstanding: list[int]) -> None:
        self._stored = time.monotonic()
        if self._wish.checkpoint is None:
            return
        waiting = [n for n in outstanding if not _on(self._answered, n)]
        point = Point(
            identity=self._identity,
            part=self._part,
            round=self._round,
            position=self._position,
            waiting=pack_numbers(waiting),
            answered=bytes(self._answered),
            open=bytes(self._open),
            asked=self._asked,
            fresh=self._fresh,
            raw=self._raw,
            notes=tuple(self.notes),
        )
        self._wish.checkpoint(dump(point))

    def _look(self) -> None:
        self._looked = now = time.monotonic()
        if self._wish.report:
            self._wish.report(self._standing(now))

    def _standing(self, now: float) -> Standing:
        """Packets that were and will be sent, as far as the answers so far let it be told."""
        of = self._wish.shard.of
        whole = [part.size / of for part in self._parts]
        asked, left = 2 * sum(whole[: self._part]), 2 * sum(whole[self._part + 1 :])
        if self._part < len(self._parts):
            size = whole[self._part]
            share = min(1.0, self._position / max(1, self._parts[self._part].size))
            silent = max(0.0, 1 - self._heard / max(1, self._asked))
            if self._round == 0:
                asked, left = asked + share * size, left + (1 - share + silent) * size
            else:
                asked, left = asked + (1 + share) * size, left + (1 - share) * silent * size
        speed = self._drawn / max(0.001, now - self._started)
        return Standing(
            done=round(sum(whole) * asked / max(1.0, asked + left)),
            total=round(sum(whole)),
            open=self.open,
            packets_per_second=speed,
            seconds_left=left / max(speed, 0.001),
        )


def _on(bits: bytearray, number: int) -> bool:
    return bool(bits[number >> 3] >> (number & 7) & 1)


def _count(bits: bytearray) -> int:
    return int.from_bytes(bits).bit_count()


def _numbers(bits: bytearray) -> Iterator[int]:
    """The bits that are on, without looking at each of the many that are not."""
    for at, byte in enumerate(bytes(bits)):
        if byte:
            yield from (8 * at + n for n in range(8) if byte >> n & 1)
