"""Reads FTP listings: MLSD (RFC 3659) and the two common shapes of LIST, Unix and DOS.

LIST has no standard: its dates have no zone and often no year, so its times are good enough to
draw a sample by and for nothing else. A name is taken as it stands; what no command could name
again is told to the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

MAX_LINES: Final = 20_000
_MONTHS: Final = b"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_UNIX: Final = re.compile(
    rb"([-dl])[-rwxsStTlL]{9}[.+@]? +\d+ +\S+(?: +\S+){0,4} +(\d{1,18}) +"
    rb"(?:((?i:" + _MONTHS + rb")) +(\d{1,2}) +(?:(\d{1,2}):(\d\d)|(\d{4}))"
    rb"|(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d)) (.+)",
    re.DOTALL,
)
_OTHER_UNIX: Final = re.compile(rb"[bcpsD][-rwxsStTlL]{9}|total \d+\Z")  # devices, sockets, a sum
_DOS: Final = re.compile(
    rb"(\d\d)-(\d\d)-(\d{4}|\d\d) +(\d\d):(\d\d) *([AP]M)? +(?:(<DIR>)|(\d{1,18})) +(.+)",
    re.DOTALL,
)
_MODIFY: Final = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One child of a folder. Links are left out: they may lead anywhere."""

    name: bytes
    folder: bool
    size: int | None = None
    time: datetime | None = None

    @property
    def usable(self) -> bool:
        """Whether a command can name it again."""
        return not re.search(rb"[\x00\r\n/\xff]", self.name) and len(self.name) <= 1024


def parse_list(data: bytes, now: datetime) -> tuple[list[Entry], int]:
    """The children in an answer to LIST, and how many lines no rule could read."""
    return _parse(data, lambda line: _unix(line, now) or _dos(line))


def parse_mlsd(data: bytes) -> tuple[list[Entry], int]:
    """The children in an answer to MLSD, and how many lines no rule could read."""
    return _parse(data, _mlsd)


class _Skip:
    """A line that is understood and names no file or folder."""


_SKIP: Final = _Skip()
_Read = Entry | _Skip | None


def _parse(data: bytes, read: Callable[[bytes], _Read]) -> tuple[list[Entry], int]:
    entries, rejected = [], 0
    lines = data.split(b"\n")
    for line in lines[:MAX_LINES]:
        found = read(line.rstrip(b"\r")) if line.strip() else _SKIP
        if isinstance(found, Entry) and found.name not in (b".", b".."):
            entries.append(found)
        rejected += found is None
    return entries, rejected + max(0, len(lines) - MAX_LINES)


def _unix(line: bytes, now: datetime) -> _Read:
    if _OTHER_UNIX.match(line):
        return _SKIP
    if not (found := _UNIX.fullmatch(line)):
        return None
    kind, size, month, day, hour, minute, year, *iso, name = found.groups()
    if kind == b"l":
        return _SKIP
    if month:
        number = _MONTHS.split(b"|").index(month.title()) + 1
        time = _time(year or b"%d" % now.year, b"%d" % number, day, hour or b"0", minute or b"0")
        if not year and time and time > now + timedelta(days=1):
            # without a year it is one of the last twelve months
            time = _time(b"%d" % (now.year - 1), b"%d" % number, day, hour, minute)
    else:
        time = _time(*iso)
    return Entry(name, kind == b"d", None if kind == b"d" else int(size), time)


def _dos(line: bytes) -> _Read:
    if not (found := _DOS.fullmatch(line)):
        return None
    month, day, year, hour, minute, half, folder, size, name = found.groups()
    if half:
        hour = b"%d" % (int(hour) % 12 + (12 if half == b"PM" else 0))
    if len(year) == 2:
        year = (b"19" if year >= b"70" else b"20") + year
    time = _time(year, month, day, hour, minute)
    return Entry(name, bool(folder), None if folder else int(size), time)


def _mlsd(line: bytes) -> _Read:
    facts, space, name = line.partition(b" ")
    if not space or not name or b"=" not in facts:
        return None
    said = dict(_fact(fact) for fact in facts.split(b";") if b"=" in fact)
    kind = said.get(b"type", b"").lower()
    if kind not in (b"file", b"dir"):
        return _SKIP  # cdir, pdir, links and devices (OS.unix=...)
    size = said.get(b"size", b"")
    found = _MODIFY.fullmatch(said.get(b"modify", b""))
    time = _time(*found.groups()) if found else None
    known = int(size) if re.fullmatch(rb"\d{1,18}", size) else None
    return Entry(name, kind == b"dir", known if kind == b"file" else None, time)


def _fact(fact: bytes) -> tuple[bytes, bytes]:
    key, _, value = fact.partition(b"=")
    return key.lower(), value


def _time(*parts: bytes) -> datetime | None:
    try:
        return datetime(*(int(part) for part in parts), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:  # a day that no month has
        return None
