"""Local times without a zone or a year, made into instants; what had to be assumed is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from leftopen.model.errors import UsageError

_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTHS = {name: number for number, name in enumerate(_NAMES, start=1)}
LAST = 2**31 - 1  # marks pack a time and a line into one integer


def zone_named(name: str) -> ZoneInfo:
    """The IANA time zone.

    Raises:
        UsageError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"time zone {name!r} is not known; use a name like Europe/Berlin"
        ) from None


class Clock:
    """Makes instants of one file's local times, line after line.

    Syslog and Dovecot write no year (RFC 3164, 4.1.2). The first line gets the latest year in
    which it is not after the file was last written; a jump back of more than half a year starts
    the next one. A time that the zone has twice is taken as the first of the two.
    """

    def __init__(self, zone: str, mtime: float, year: int | None = None) -> None:
        """`mtime` in seconds since 1970; `year` of the first line where it is known."""
        self._zone = zone_named(zone)
        self._name = zone
        self._written = datetime.fromtimestamp(max(0.0, min(mtime, LAST)), UTC) + timedelta(days=1)
        self._year = year
        self._given = year is not None
        self._month = 0
        self._inferred = 0

    @property
    def said(self) -> str:
        """What was assumed, for people."""
        said = f"{self._name} taken as declared"
        if self._inferred:
            said += f"; year {self._inferred} of the first line "
            said += "as given" if self._given else "inferred from the file's time of change"
        return said

    def instant(self, year: int | None, month: str, day: str, hms: str) -> int | None:
        """Seconds since 1970 of e.g. (None, "Feb", "8", "03:12:45"); None: no such time."""
        number = MONTHS.get(month)
        if number is None or len(hms) != 8:
            return None
        try:
            clock = int(hms[:2]), int(hms[3:5]), min(int(hms[6:]), 59)
            given = self._guess(number, int(day)) if year is None else year
            made = datetime(given, number, int(day), *clock, tzinfo=self._zone)
            seconds = int(made.timestamp())
        except (ValueError, OverflowError):
            return None
        return seconds if 0 <= seconds <= LAST else None

    def iso(self, text: str, offset: str) -> int | None:
        """Seconds since 1970 of "2023-02-08T03:12:45" with an offset or in the declared zone."""
        try:
            made = datetime.fromisoformat(text + offset)
            seconds = int((made if made.tzinfo else made.replace(tzinfo=self._zone)).timestamp())
        except (ValueError, OverflowError):
            return None
        return seconds if 0 <= seconds <= LAST else None

    def _guess(self, month: int, day: int) -> int:
        if self._year is None:
            self._year = self._written.year
            if (month, day) > (self._written.month, self._written.day):
                self._year -= 1
        elif self._month - month > 6:
            self._year += 1
        elif month - self._month > 6 and self._month:
            return self._year - 1  # a late line of the old year
        self._inferred = self._inferred or self._year
        self._month = month
        return self._year
