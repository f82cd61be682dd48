"""Redis INFO snapshots (also Valkey, KeyDB): counters, two or more in one file.

Each snapshot is the answer to INFO (redis-cli INFO), one after the other. Traps, each handled here:
INFO holds no date but for server_time_usec (Redis 7), so an older snapshot needs a line
"# 2023-02-08T03:12:45Z" above it (date -u +'# %FT%TZ'); without either it is rejected;
total_net_output_bytes is the sum since the start or since CONFIG RESETSTAT, and it falls back to 0
at either: another run_id, or a smaller figure, means that what was sent between is at least the new
one and otherwise unknown; it counts replicas and the owner's own clients as well, so it is a
ceiling: it read 1,000,017 for a theft of 1,000,012 bytes (research/trace.md 0.2); it names no
client and no key (redis.io/docs/latest/commands/info).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from leftopen.model.gap import Reason
from leftopen.trace.api import Chunk, Example, LogFormat, ReadOptions, Trouble, frame
from leftopen.trace.instants import epoch, utc
from leftopen.trace.lines import BAD_KEPT, split
from leftopen.trace.metric_series import WIDEST, Point, chunk

_FIELD = re.compile(r"([A-Za-z0-9_.-]{1,80}):(.{0,4096})")
_SECTION = re.compile(r"# [A-Z][A-Za-z_ ]{0,40}")
_STAMP = re.compile(r"# (\d{4}-\d\d-\d\d[T ]\S{8,30})")


def recognise(head: bytes, name: str) -> int:
    """By the fields that every INFO has."""
    names = (b"redis_version:", b"run_id:", b"total_net_output_bytes:")
    return 96 if sum(n in head for n in names) >= 2 else 0


class _Snapshot:
    """The fields of one INFO as they are read; `line` is that of its first."""

    def __init__(self, line: int, stamp: int | None) -> None:
        self.line = line
        self.stamp = stamp
        self.run = ""
        self.sent: int | None = None

    def take(self, name: str, value: str) -> None:
        """One field."""
        number = int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None
        if name == "run_id":
            self.run = value[:64]
        elif name == "total_net_output_bytes":
            self.sent = number
        elif name == "server_time_usec" and number is not None:
            self.stamp = epoch(number // 1_000_000)


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Lines as they are, and at the end a row for every stretch between two snapshots."""
    reader = _Reader()
    for lines in split(blocks):
        bad: list[int] = []
        blank = rejected = 0
        for number, text in enumerate(lines.text.to_list(), lines.first):
            if text is not None and not text.strip():
                blank += 1
            elif text is None or not reader.take(number, text.rstrip("\r")):
                rejected += 1
                bad.append(number)
        yield Chunk(
            rows=frame(()),
            lines=lines.text.len(),
            rejected=rejected,
            blank=blank,
            bad=tuple(bad[:BAD_KEPT]),
            troubles=lines.troubles,
        )
    yield reader.finish()


class _Reader:
    def __init__(self) -> None:
        self._done: list[_Snapshot] = []
        self._open: _Snapshot | None = None
        self._stamp: int | None = None

    def take(self, number: int, text: str) -> bool:
        """One line; whether it is one of INFO."""
        if found := _STAMP.fullmatch(text):
            self._stamp = utc(found[1].replace(" ", "T"))
            return self._stamp is not None
        if _SECTION.fullmatch(text):
            return True
        field = _FIELD.fullmatch(text)
        if field is None:
            return False
        if self._open is None or field[1] == "redis_version":
            self._begin(number)
        if self._open:
            self._open.take(field[1], field[2])
        return True

    def _begin(self, number: int) -> None:
        if self._open:
            self._done.append(self._open)
        self._open, self._stamp = _Snapshot(number, self._stamp), None

    def finish(self) -> Chunk:
        """What was sent between each snapshot and the next."""
        every = [*self._done, *([self._open] if self._open else [])]
        timed = [s for s in every if s.stamp is not None and s.sent is not None]
        troubles: list[Trouble] = []
        if len(timed) < len(every):
            detail = "INFO without a time or without total_net_output_bytes"
            troubles.append(Trouble(Reason.NO_TIME, detail, len(every) - len(timed)))
        if len(timed) < 2:
            troubles.append(Trouble(Reason.NOT_GIVEN, "a ceiling needs two snapshots of INFO"))
        timed.sort(key=lambda s: s.stamp or 0)
        made = [_between(a, b, troubles) for a, b in pairwise(timed)]
        points = chunk([point for point in made if point], 1, tuple(troubles))
        return Chunk(
            rows=points.rows,
            lines=0,
            rejected=0,
            claimed=points.claimed,
            troubles=points.troubles,
        )


def _between(before: _Snapshot, after: _Snapshot, troubles: list[Trouble]) -> Point | None:
    start, seconds = before.stamp or 0, (after.stamp or 0) - (before.stamp or 0)
    if not 0 < seconds <= WIDEST:
        return None
    old, new = before.sent or 0, after.sent or 0
    if new < old or before.run != after.run:
        detail = f"restarted or reset between {start} and {after.stamp} (epoch): sent is unknown"
        troubles.append(Trouble(Reason.NO_COUNT, detail))
        return Point(start, seconds, None)
    return Point(start, seconds, new - old)


def _example(at: str, sent: str, run: str = "a" * 40, version: str = "6.2.1") -> str:
    return (
        f"{at}# Server\r\nredis_version:{version}\r\nrun_id:{run}\r\ntcp_port:6379\r\n\r\n"
        f"# Stats\r\ntotal_connections_received:7\r\ntotal_net_output_bytes:{sent}\r\n\r\n"
        "# Keyspace\r\ndb0:keys=7,expires=0,avg_ttl=0\r\n"
    )


_THREE, _FOUR = "# 2023-02-08T03:00:00Z\r\n", "# 2023-02-08T04:00:00Z\r\n"

FORMAT = LogFormat(
    name="redis_info",
    kind="counter",
    protocols=("ceiling",),  # no exposure: without clients it covers nothing
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=False,
    tight=False,
    stamped="end of the interval",
    has_zone=True,
    examples=(
        Example(
            text=_example(_THREE, "1000") + _example(_FOUR, "1001017"),
            rows=({"time": 1675828800, "client": None, "bytes": 1000017},),
        ),
        Example(
            text=_example(_THREE, "1000") + _example(_FOUR, "70", run="b" * 40),
            rows=({"time": 1675828800, "client": None, "bytes": None},),
        ),
    ),
    counterexamples=(
        _example(_THREE, "1000"),
        _example("", "1000") + _example("", "2000"),
        _example(_THREE, "-1") + _example(_FOUR, "9" * 30),
    ),
    source="redis.io/docs/latest/commands/info",
)
