"""NFS mount requests (rpc.mountd in syslog).

nfs-utils, utils/mountd. Traps: the kernel server keeps no log of reads at all, so a mount that was
granted has unknown bytes, and no line proves that nothing was read: an NFSv4 client needs no mount
request, and NFSv3 handles outlive them. The ceiling is the io counter of /proc/net/rpc/nfsd. The
time is syslog's, mostly without year and zone; a client may be given by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.lines import by_line, scattered
from leftopen.trace.syslog import unframe

_TAGS = ("rpc.mountd", "mountd")
_CLIENT = r"(?P<client>[0-9A-Za-z:][0-9A-Za-z.:_%-]{0,252}?)"
_REQUEST = re.compile(
    r"(?P<how>authenticated|refused) (?P<what>mount|unmount) request from "
    + _CLIENT
    + r"(?::(?P<port>\d{1,5}))? for (?P<path>.{1,4096})"
)
_ATTACHED = re.compile(
    rf'v4\.\d client (?P<how>attached|detached): .{{1,255}} from "{_CLIENT}:\d{{1,5}}"'
)
_SEEN = re.compile(
    rb"mountd(?:\[\d{1,10}\])?: (?:(?:authenticated|refused) (?:un)?mount request from "
    rb"|v4\.\d client (?:at|de)tached)"
)


def recognise(head: bytes, name: str) -> int:
    """By requests in a syslog of any programs."""
    return scattered(head, _SEEN)


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Mounts of each client; lines of other programs show that the log was recording."""
    clock = Clock(options.zone, options.mtime, options.year)

    def parse(number: int, text: str) -> list[Row] | None:
        framed = unframe(text, clock)
        if framed.time is None:
            return None
        if framed.tag not in _TAGS:
            return [Row(number, framed.time)]
        return [_row(number, framed.time, framed.text)]

    return by_line(blocks, parse, clock=lambda: clock.said)


def _row(number: int, time: int, said: str) -> Row:
    found = _REQUEST.fullmatch(said) or _ATTACHED.fullmatch(said)
    if found is None:
        return Row(number, time)
    row = Row(number, time, found["client"].lower())
    if found["how"] == "refused":
        return row
    ends = found["how"] == "detached" or "unmount" in said[:24]
    return row._replace(act=Act.LOOKED, bytes=0 if ends else None)


EXAMPLE = (
    "Feb  8 03:12:45 fs rpc.mountd[812]: authenticated mount request from 203.0.113.9:871 for "
    "/srv/mail (/srv)\n"
    "Feb  8 03:12:46 fs rpc.mountd[812]: refused mount request from 198.51.100.4 for /srv (/): "
    "unmatched host\n"
    "\n"
    "Feb  8 03:12:47 fs mountd[812]: authenticated unmount request from h.example.org:871 for "
    "/srv/mail (/srv)\n"
    'Feb  8 03:12:48 fs rpc.mountd[812]: v4.2 client attached: 0x1d from "2001:db8::7:900"\n'
    "Feb  8 03:12:49 fs rpc.mountd[812]: Version 2.6.2 starting\n"
    "Feb  8 03:12:50 fs sshd[9]: Connection closed by 198.51.100.4\n"
)

FORMAT = LogFormat(
    name="nfs_mountd",
    kind="session",
    protocols=("nfs",),
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=False,
    tight=False,
    stamped="start",
    has_zone=False,
    examples=(
        Example(
            text=EXAMPLE,
            options=ReadOptions(year=2023),
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "act": Act.LOOKED,
                    "bytes": None,
                },
                {"line": 2, "client": "198.51.100.4", "act": Act.TOUCHED, "bytes": 0},
                {"line": 4, "client": "h.example.org", "act": Act.LOOKED, "bytes": 0},
                {"line": 5, "client": "2001:db8::7", "act": Act.LOOKED, "bytes": None},
                {"line": 6, "client": None},
                {"line": 7, "client": None},
            ),
        ),
    ),
    counterexamples=(
        "Feb 31 03:12:45 fs rpc.mountd[812]: authenticated mount request from 203.0.113.9 for /\n",
        "authenticated mount request from 203.0.113.9:871 for /srv/mail (/srv)\n",
        "Feb  8 03:12:45 fs rpc.mountd[812]: authenticated mount request from 203.0.113.9\n",
    ),
    source="nfs-utils utils/mountd/mountd.c, auth.c",
)
