"""FTP transfer log (xferlog: wu-ftpd, ProFTPD, vsftpd in standard format).

xferlog(5). One line per transfer, stamped at its end, local time without a zone. Direction o is a
download; completion i was cut short, and its size is what the server handed on: 65,536 logged for
53,248 taken (research/trace.md 2.4), so only completed sizes are certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.lines import by_line, share

_LINE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}) "
    r"(?P<hms>\d\d:\d\d:\d\d) (?P<year>\d{4}) \d{1,10} (?P<client>[0-9A-Za-z.:_%-]{1,253}) "
    r"(?P<size>\d{1,18}) (?P<name>.{1,4096}) [ab] [_CUT] (?P<way>[iod]) (?P<mode>[agr]) "
    r"(?:.{0,255}) \S{1,64} [01] \S{1,255} (?P<done>[ci])\s*"
)


def recognise(head: bytes, name: str) -> int:
    """The share of lines that have the shape."""
    return min(95, share(head, _LINE))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Transfers; an upload or deletion is a visit that took nothing."""
    clock = Clock(options.zone, options.mtime)

    def parse(number: int, text: str) -> list[Row] | None:
        found = _LINE.fullmatch(text)
        time = found and clock.instant(
            int(found["year"]), found["month"], found["day"], found["hms"]
        )
        return None if found is None or time is None else [_row(number, time, found)]

    return by_line(blocks, parse, clock=lambda: clock.said)


def _row(number: int, time: int, found: re.Match[str]) -> Row:
    client, user = found["client"].lower(), found["mode"] == "r"
    if found["way"] != "o":
        return Row(number, time, client, act=Act.LOOKED, user=user)
    size, whole = int(found["size"]), found["done"] == "c"
    return Row(
        line=number,
        time=time,
        client=client,
        act=Act.WHOLE if whole else Act.PART,
        bytes=size,
        content=size if whole else 0,
        object=found["name"],
        user=user,
    )


EXAMPLE = (
    "Wed Feb  8 03:12:45 2023 12 203.0.113.9 2097152 /pub/a_file.mbox b _ o a anon@ ftp 0 * c\n"
    "Wed Feb  8 03:13:45 2023 1 ::ffff:203.0.113.9 65536 /pub/b c.mbox b _ o r kim ftp 0 * i\n"
    "Wed Feb  8 03:14:45 2023 1 203.0.113.9 10 /pub/up b _ i a anon@ ftp 0 * c\n"
)

FORMAT = LogFormat(
    name="xferlog",
    kind="app",
    protocols=("ftp",),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=True,
    stamped="end",
    has_zone=False,
    examples=(
        Example(
            text=EXAMPLE,
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "bytes": 2097152,
                    "content": 2097152,
                    "object": "/pub/a_file.mbox",
                    "user": False,
                },
                {"line": 2, "act": Act.PART, "content": 0, "object": "/pub/b c.mbox", "user": True},
                {"line": 3, "act": Act.LOOKED, "bytes": 0, "object": None},
            ),
        ),
    ),
    counterexamples=(
        "Wed Feb  8 03:12:45 2023 12 203.0.113.9 20 /pub/a b _ o a anon@ ftp 0 * x\n",
        "Wed Feb 31 03:12:45 2023 12 203.0.113.9 20 /pub/a b _ o a anon@ ftp 0 * c\n",
        "Wed Feb  8 03:12:45 2023 12 203.0.113.9 -1 /pub/a b _ o a anon@ ftp 0 * c\n",
    ),
    source="xferlog(5), proftpd.org/docs/howto/Logging.html",
)
