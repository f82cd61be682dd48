"""vsftpd's own log (vsftpd.log).

vsftpd logging.c: `OK DOWNLOAD` and `FAIL DOWNLOAD` lines with bytes, `CONNECT`, `OK LOGIN`, and
with log_ftp_protocol the commands. Local time without a zone, stamped at the end of a transfer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.lines import by_line, share

_LINE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}) "
    r"(?P<hms>\d\d:\d\d:\d\d) (?P<year>\d{4}) \[pid \d{1,10}\] (?:\[(?P<user>[^\]]{0,255})\] )?"
    r'(?P<what>[A-Za-z ]{2,40}): Client "(?P<client>[0-9A-Za-z.:_%-]{1,253})"(?P<rest>.*)'
)
# The path is the client's own text: bytes and rate are read from the end of the line.
_TRANSFER = re.compile(
    r', "(?P<name>.{0,4096})"(?:, (?P<size>\d{1,18}) bytes)?(?:, [0-9.]+Kbyte/sec)?\s*'
)
_LISTING = re.compile(r', "(?:LIST|NLST|MLSD|MLST|STAT)\b', re.IGNORECASE)
ANONYMOUS = ("", "ftp", "anonymous")


def recognise(head: bytes, name: str) -> int:
    """The share of lines that have the shape."""
    return min(95, share(head, _LINE))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Transfers, log-ins and commands of each client."""
    clock = Clock(options.zone, options.mtime)

    def parse(number: int, text: str) -> list[Row] | None:
        found = _LINE.fullmatch(text)
        time = found and clock.instant(
            int(found["year"]), found["month"], found["day"], found["hms"]
        )
        return None if found is None or time is None else _rows(number, time, found)

    return by_line(blocks, parse, clock=lambda: clock.said)


def _rows(number: int, time: int, found: re.Match[str]) -> list[Row] | None:
    what, rest = found["what"], found["rest"]
    user = (found["user"] or "").lower() not in ANONYMOUS
    row = Row(number, time, found["client"].lower(), user=user)
    if not what.endswith(" DOWNLOAD"):
        listing = what == "FTP command" and _LISTING.match(rest)
        looked = what.startswith(("OK ", "FTP "))
        return [row._replace(act=Act.LISTED if listing else Act.LOOKED if looked else Act.TOUCHED)]
    moved = _TRANSFER.fullmatch(rest)
    if moved is None:
        return None
    size, whole = int(moved["size"] or 0), what == "OK DOWNLOAD"
    if not whole and not size:
        return [row]  # refused or missing: an attempt
    return [
        row._replace(
            act=Act.WHOLE if whole else Act.PART,
            bytes=size,
            content=size if whole else 0,
            object=moved["name"],
        )
    ]


EXAMPLE = (
    'Wed Feb  8 03:12:40 2023 [pid 2] CONNECT: Client "::ffff:203.0.113.9"\n'
    'Wed Feb  8 03:12:41 2023 [pid 1] [ftp] OK LOGIN: Client "203.0.113.9", anon password "a@b"\n'
    'Wed Feb  8 03:12:42 2023 [pid 3] [ftp] FTP command: Client "203.0.113.9", "LIST"\n'
    'Wed Feb  8 03:12:45 2023 [pid 3] [ftp] OK DOWNLOAD: Client "203.0.113.9", "/pub/a.mbox", '
    "2097152 bytes, 812.55Kbyte/sec\n"
    'Wed Feb  8 03:12:46 2023 [pid 3] [kim] FAIL DOWNLOAD: Client "203.0.113.9", "/pub/b", '
    "4096 bytes, 8.00Kbyte/sec\n"
    'Wed Feb  8 03:12:47 2023 [pid 3] [kim] FAIL DOWNLOAD: Client "203.0.113.9", "/no", '
    "0.00Kbyte/sec\n"
)

FORMAT = LogFormat(
    name="vsftpd",
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
                {"line": 1, "time": 1675825960, "act": Act.TOUCHED},
                {"line": 2, "act": Act.LOOKED, "user": False},
                {"line": 3, "act": Act.LISTED},
                {
                    "line": 4,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "bytes": 2097152,
                    "content": 2097152,
                    "object": "/pub/a.mbox",
                },
                {"line": 5, "act": Act.PART, "bytes": 4096, "content": 0, "user": True},
                {"line": 6, "act": Act.TOUCHED, "bytes": 0, "object": None},
            ),
        ),
    ),
    counterexamples=(
        'Wed Feb 30 03:12:40 2023 [pid 2] CONNECT: Client "203.0.113.9"\n',
        'Wed Feb  8 03:12:45 2023 [pid 3] [ftp] OK DOWNLOAD: Client "203.0.113.9"\n',
        'Wed Feb  8 03:12:40 2023 [pid 2] CONNECT: Client "203.0.113.9\n',
    ),
    source="vsftpd logging.c, vsftpd.conf(5)",
)
