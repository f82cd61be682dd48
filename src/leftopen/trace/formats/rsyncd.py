"""rsync daemon log (rsyncd.log or syslog).

rsyncd.conf(5). Lines of one session are joined by process id. Traps: local time without a zone;
transfer logging is off by default, so without file lines the objects are unknown; %l in a file line
is the file's size, not what moved, so the bytes of a session are those of its "sent" line alone
(within 20 bytes of the client's count, research/trace.md 2.4) and file lines count 0; an aborted
file leaves no line, but the session's line still comes; a session without it has unknown bytes;
"sent" of a session that received an upload is protocol, not content. A changed log format is
rejected, never guessed.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.lines import by_line, share
from leftopen.trace.syslog import unframe

OPEN_SESSIONS = 100_000
_OWN = re.compile(
    r"(?P<day>\d{4}/\d\d/\d\d) (?P<hms>\d\d:\d\d:\d\d) \[(?P<pid>\d{1,10})\] (?P<text>.*)"
)
_SEEN = re.compile(
    r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\d{1,10}\] .|"
    r"(?:<\d{1,3}>)?(?:1 )?[A-Z0-9][^\[]{10,100} rsyncd?(?:\[\d{1,10}\]: | \d)"
)
_ADDRESS = r"(?P<client>[0-9A-Fa-f.:]{2,45}(?:%\w{1,15})?)"
_CONNECT = re.compile(rf"connect from \S{{1,255}} \({_ADDRESS}\)")
_MODULE = re.compile(rf"rsync (?P<way>on|to) .{{1,4096}} from \S{{1,300}} \({_ADDRESS}\)")
_REFUSED = re.compile(rf"(?:rsync: |rsync denied |auth failed |unknown module ).*\({_ADDRESS}\).*")
_FILE = re.compile(
    rf"(?P<op>send|recv|del\.) \S{{1,255}} \[{_ADDRESS}\] \S{{0,255}} "
    r"\((?P<login>[^)]{0,255})\) (?P<name>.{1,4096}) (?P<size>\d{1,60})"
)
_SENT = re.compile(r"sent (?P<sent>[\d,]{1,60}) bytes  received [\d,]{1,60} bytes  total size .*")


@dataclass(slots=True)
class _Session:
    row: Row
    act: int = Act.LOOKED
    uploads: bool = False


def recognise(head: bytes, name: str) -> int:
    """The share of lines with the daemon's own stamp, where some are about a session."""
    about = re.search(
        rb"(?:connect|rsync (?:on|to) .{1,300}) ?from \S{1,255} \(|sent [\d,]+ bytes  "
        rb"received|\] building file list|rsyncd version|rsync denied on",
        head,
    )
    return min(95, share(head, _SEEN)) if about else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Sessions and the files that they name."""
    sessions = _Sessions(Clock(options.zone, options.mtime, options.year))
    return by_line(blocks, sessions.parse, sessions.finish, lambda: sessions.clock.said)


class _Sessions:
    """Open sessions by process id."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._open: OrderedDict[str, _Session] = OrderedDict()

    def parse(self, number: int, text: str) -> list[Row] | None:
        """Rows of one line; None to reject."""
        own = _OWN.fullmatch(text)
        if own:
            stamp = f"{own['day'].replace('/', '-')}T{own['hms']}"
            time, pid, said = self.clock.iso(stamp, ""), own["pid"], own["text"]
        else:
            framed = unframe(text, self.clock)
            if framed.tag and framed.tag not in ("rsync", "rsyncd"):
                return None if framed.time is None else [Row(number, framed.time)]
            time, pid, said = framed.time, framed.pid, framed.text
        return None if time is None else self._rows(number, time, pid, said)

    def finish(self) -> list[Row]:
        """What is still open when the file ends: bytes unknown."""
        left = [s.row._replace(bytes=None, act=s.act) for s in self._open.values()]
        self._open.clear()
        return left

    def _rows(self, number: int, time: int, pid: str, said: str) -> list[Row]:
        found = _CONNECT.fullmatch(said)
        if found:
            return [Row(number, time, found["client"].lower())]
        found = _MODULE.fullmatch(said)
        if found:
            return self._begin(
                pid, Row(number, time, found["client"].lower(), act=Act.LOOKED), found
            )
        found = _FILE.fullmatch(said)
        if found:
            return [self._file(pid, Row(number, time, found["client"].lower()), found)]
        found = _SENT.fullmatch(said)
        if found:
            return [self._end(pid, Row(number, time), found)]
        found = _REFUSED.fullmatch(said)
        return [Row(number, time, found["client"].lower() if found else None)]

    def _begin(self, pid: str, row: Row, found: re.Match[str]) -> list[Row]:
        given_up = [self._open.pop(pid)] if pid in self._open else []
        if len(self._open) >= OPEN_SESSIONS:
            given_up.append(self._open.popitem(last=False)[1])
        # "rsync on m/" reads, "rsync to m/" writes; both were let in.
        self._open[pid] = _Session(row, uploads=found["way"] == "to")
        return [*(s.row._replace(bytes=None, act=s.act) for s in given_up), row]

    def _file(self, pid: str, row: Row, found: re.Match[str]) -> Row:
        session = self._open.get(pid)
        user = found["login"] != ""
        if found["op"] != "send":
            return row._replace(act=Act.LOOKED, user=user)
        if session:
            session.act = Act.WHOLE
        return row._replace(act=Act.WHOLE, object=found["name"], user=user)

    def _end(self, pid: str, row: Row, found: re.Match[str]) -> Row:
        session = self._open.pop(pid, None)
        sent = web.count_of(found["sent"].replace(",", ""))
        client = session.row.client if session else web.UNATTRIBUTED
        if session and session.uploads:
            return row._replace(client=client, act=Act.LOOKED, bytes=sent)
        # Without file lines: names were listed at least, and what else is in the bytes.
        act = max(session.act if session else Act.LOOKED, Act.LISTED)
        return row._replace(client=client, act=act, bytes=sent, content=sent or 0)


EXAMPLE = (
    "2023/02/08 03:12:44 [811] connect from h.example.org (203.0.113.9)\n"
    "2023/02/08 03:12:44 [811] rsync on mail/ from h.example.org (203.0.113.9)\n"
    "2023/02/08 03:12:44 [811] building file list\n"
    "2023/02/08 03:12:45 [811] send h.example.org [203.0.113.9] mail (kim) a b.mbox 2097152\n"
    "2023/02/08 03:12:46 [811] sent 2,100,123 bytes  received 90 bytes  total size 2,097,152\n"
    "\n"
    "2023/02/08 03:12:47 [812] rsync on mail/ from UNKNOWN (2001:db8::7)\n"
    "2023/02/08 03:12:48 [813] auth failed on module mail from h (198.51.100.4): no secret\n"
    "2023/02/08 03:12:49 [814] sent 700 bytes  received 90 bytes  total size 5\n"
)
SYSLOG = (
    "Feb  8 03:12:45 fs rsyncd[9]: rsync to up/ from h (203.0.113.9)\n"
    "Feb  8 03:12:46 fs rsyncd[9]: recv h [203.0.113.9] up () x 5\n"
    "Feb  8 03:12:47 fs rsyncd[9]: sent 50 bytes  received 900 bytes  total size 5\n"
)

FORMAT = LogFormat(
    name="rsyncd",
    kind="session",
    protocols=("rsync",),
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
                {"line": 1, "client": "203.0.113.9", "act": Act.TOUCHED},
                {"line": 2, "client": "203.0.113.9", "act": Act.LOOKED},
                {"line": 3, "client": None},
                {"line": 4, "act": Act.WHOLE, "object": "a b.mbox", "bytes": 0, "user": True},
                {
                    "line": 5,
                    "time": 1675825966,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "bytes": 2100123,
                    "content": 2100123,
                },
                {"line": 7, "client": "2001:db8::7", "act": Act.LOOKED, "bytes": 0},
                {"line": 8, "client": "198.51.100.4", "act": Act.TOUCHED},
                {"line": 9, "client": web.UNATTRIBUTED, "act": Act.LISTED, "bytes": 700},
                {"line": 7, "client": "2001:db8::7", "bytes": None},
            ),
        ),
        Example(
            text=SYSLOG,
            options=ReadOptions(year=2023),
            rows=(
                {"line": 1, "time": 1675825965, "act": Act.LOOKED},
                {"line": 2, "act": Act.LOOKED, "object": None, "user": False},
                {"line": 3, "client": "203.0.113.9", "act": Act.LOOKED, "bytes": 50, "content": 0},
            ),
        ),
    ),
    counterexamples=(
        "2023/02/31 03:12:44 [811] connect from h.example.org (203.0.113.9)\n",
        "2023/02/08 03:12:44 connect from h.example.org (203.0.113.9)\n",
        "2023/02/08 03:12:44 [811] rsyncd version 3.2.7 starting, listening on port 873\n",
    ),
    source="rsyncd.conf(5), rsync clientserver.c, log.c",
)
