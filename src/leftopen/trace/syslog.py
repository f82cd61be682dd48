"""The syslog frame around a line: taken off, and its time used where the line has none.

RFC 3164 (no year, no zone), its ISO 8601 variant by rsyslog and systemd, and RFC 5424, with or
without the priority. A line without a frame is its own text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from leftopen.trace.clock import Clock

# In both regular expression dialects (Python and Rust), without groups.
_DAY = r"[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}"
_ISO = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_TAG = r"[^ :\[\]<>\"|]{1,64}(?:\[[0-9]{1,10}\])?"
_OLD = rf"(?:{_DAY}|{_ISO}) (?:[^ ]{{1,255}} )?{_TAG}: "
_NEW = (
    rf"<[0-9]{{1,3}}>1 (?:{_ISO}|-) [^ ]{{1,255}} [^ ]{{1,48}} [^ ]{{1,128}} [^ ]{{1,32}} "
    r"(?:-|\[[^\]]{0,1024}\]) (?:\x{FEFF})?"
)
# To be put before the pattern of a line: the frame, or nothing.
FRAME = rf"(?:(?:<[0-9]{{1,3}}>)?{_OLD}|{_NEW})?"
FRAME_PYTHON = FRAME.replace(r"\x{FEFF}", "\ufeff")

_CLASSIC = re.compile(
    r"(?:<\d{1,3}>)?(?:(?P<month>[A-Z][a-z]{2}) (?P<day>[ \d]\d) (?P<hms>\d\d:\d\d:\d\d)"
    r"|(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?(?P<offset>Z|[+-]\d\d:?\d\d)?) "
    r'(?:\S{1,255} )?(?P<tag>[^ :\[\]<>"|]{1,64})(?:\[(?P<pid>\d{1,10})\])?: '
)
_STRUCTURED = re.compile(
    r"<\d{1,3}>1 (?:(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?"
    r"(?P<offset>Z|[+-]\d\d:\d\d)|-) \S{1,255} (?P<tag>\S{1,48}) (?P<pid>\S{1,128}) \S{1,32} "
    r"(?:-|\[[^\]]{0,1024}\]) \ufeff?"
)


@dataclass(frozen=True, slots=True)
class Framed:
    """One line without its frame; `tag` is empty where there was none."""

    text: str
    time: int | None = None  # seconds since 1970; None: no frame, or no such time
    tag: str = ""
    pid: str = ""


def unframe(line: str, clock: Clock) -> Framed:
    """Take the syslog frame off a line; `clock` gives its time a year and a zone."""
    new = _STRUCTURED.match(line)
    if new:
        time = clock.iso(new["iso"], new["offset"]) if new["iso"] else None
        return Framed(line[new.end() :], time, new["tag"], new["pid"].strip("-"))
    old = _CLASSIC.match(line)
    if old is None:
        return Framed(line)
    if old["iso"]:
        time = clock.iso(old["iso"], old["offset"] or "")
    else:
        time = clock.instant(None, old["month"], old["day"], old["hms"])
    return Framed(line[old.end() :], time, old["tag"], old["pid"] or "")
