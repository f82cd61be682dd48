"""MongoDB server log (4.4 and later, JSON).

mongodb.com, Log Messages. Traps: every connection is logged, but of operations only those slower
than slowms (100 ms by default, fewer with sampleRate): a connection has unknown bytes, never 0, and
no line about reads proves nothing; reslen of a "Slow query" is the size of one answer; lines of an
operation may have no remote: it is found by the connection's number in ctx, and else is
"unattributed"; collections are named (ns), documents are not; $date has an offset. Message ids are
kept between versions where texts are not: 22943 accepted, 51800 client metadata, 51803 slow query.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import msgspec

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.lines import by_line, share
from leftopen.trace.syslog import unframe

OPEN_CONNECTIONS = 100_000
ACCEPTED, METADATA, SLOW = 22943, 51800, 51803
LOGGED_IN = (20250, 5286306)
READS = ("find", "aggregate", "getmore", "count", "distinct", "mapreduce", "explain")
LISTS = ("listdatabases", "listcollections", "listindexes", "dbstats", "collstats")
_DATE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:?\d\d)")
_SEEN = re.compile(r'(?:.{0,200}: )?\{ ?"t": ?\{ ?"\$date": ?"[^"]{10,40}" ?\}, ?"s": ?"[A-Z]\d?"')
_CONNECTION = re.compile(r"conn\d{1,18}")


class _Date(msgspec.Struct):
    date: str = msgspec.field(name="$date")


class _Line(msgspec.Struct):
    t: _Date
    id: int
    ctx: str = ""
    attr: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(_Line)
_BAD_JSON = (msgspec.DecodeError, ValueError, RecursionError)


def recognise(head: bytes, name: str) -> int:
    """The share of lines that begin as MongoDB's do."""
    return min(97, share(head, _SEEN))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Connections and slow operations of each client."""
    reader = _Reader(Clock(options.zone, options.mtime, options.year))
    return by_line(blocks, reader.parse)


class _Reader:
    """Remembers the client of each connection."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._clients: OrderedDict[str, tuple[str, bool]] = OrderedDict()

    def parse(self, number: int, text: str) -> list[Row] | None:
        """The row of one line; None to reject."""
        try:
            line = _decoder.decode(unframe(text, self._clock).text)
        except _BAD_JSON:
            return None
        found = _DATE.fullmatch(line.t.date)
        time = self._clock.iso(found[1], found[2]) if found else None
        return None if time is None else [self._row(Row(number, time), line)]

    def _row(self, row: Row, line: _Line) -> Row:
        attr = line.attr
        peer = web.host_and_port(str(attr.get("remote") or attr.get("client") or "")[:64])
        if line.id == ACCEPTED:
            self._remember(f"conn{attr.get('connectionId')}", peer[0] if peer else "")
            client = peer[0] if peer else web.UNATTRIBUTED
            return row._replace(client=client, bytes=None)
        if not _CONNECTION.fullmatch(line.ctx):
            return row
        known = self._clients.get(line.ctx, (web.UNATTRIBUTED, False))
        mine = row._replace(client=peer[0] if peer else known[0], user=known[1])
        if line.id in LOGGED_IN:
            self._remember(line.ctx, mine.client or "", user=True)
            return mine._replace(act=Act.LOOKED, user=True)
        if line.id == METADATA:
            return mine._replace(act=Act.LOOKED, agent=_agent(attr))
        return _slow(mine, attr) if line.id == SLOW else mine

    def _remember(self, connection: str, client: str, *, user: bool = False) -> None:
        if len(self._clients) >= OPEN_CONNECTIONS:
            self._clients.popitem(last=False)
        self._clients[connection[:32]] = (client or web.UNATTRIBUTED, user)


def _slow(row: Row, attr: dict[str, Any]) -> Row:
    """An answer, with its size and how many documents it gave."""
    size, count = _count(attr.get("reslen")), _count(attr.get("nreturned"))
    command = attr.get("command")
    name = next(iter(command), "").lower() if isinstance(command, dict) else ""
    row = row._replace(act=Act.LOOKED, bytes=size)
    if attr.get("errCode") or attr.get("errName"):
        return row._replace(act=Act.TOUCHED)
    if name in LISTS:
        return row._replace(act=Act.LISTED)
    if name in READS and count != 0:
        place = str(attr.get("ns") or "")[: web.OBJECT_MAX]
        return row._replace(act=Act.PART, units=count or 0, object=place)
    return row


def _count(value: object) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18
    return value if good and isinstance(value, int) else None


def _agent(attr: dict[str, Any]) -> str | None:
    document = attr.get("doc")
    driver = document.get("driver") if isinstance(document, dict) else None
    name = driver.get("name") if isinstance(driver, dict) else None
    return str(name)[: web.AGENT_MAX] if name else None


def _line(second: int, number: int, context: str, attr: str) -> str:
    return (
        f'{{"t":{{"$date":"2023-02-08T04:12:{second}.123+01:00"}},"s":"I",  "c":"NETWORK",  '
        f'"id":{number}, "ctx":"{context}","msg":"x","attr":{{{attr}}}}}\n'
    )


EXAMPLE = (
    _line(45, ACCEPTED, "listener", '"remote":"203.0.113.9:50000","connectionId":7')
    + _line(46, METADATA, "conn7", '"remote":"203.0.113.9:50000","doc":{"driver":{"name":"PyM"}}')
    + _line(47, SLOW, "conn7", '"ns":"a.b","command":{"find":"b"},"nreturned":101,"reslen":90000')
    + "\n"
    + _line(48, SLOW, "conn8", '"ns":"a.$cmd","command":{"listCollections":1},"reslen":700')
    + _line(49, 5286306, "conn7", '"client":"203.0.113.9:50000","user":"kim"')
    + _line(50, 22430, "ftdc", '"remote":"203.0.113.9:50000"')
)

FORMAT = LogFormat(
    name="mongodb_log",
    kind="app",
    protocols=("mongodb",),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=False,
    stamped="end",
    has_zone=True,
    examples=(
        Example(
            text=EXAMPLE,
            rows=(
                {"line": 1, "time": 1675825965, "client": "203.0.113.9", "act": 0, "bytes": None},
                {"line": 2, "act": Act.LOOKED, "agent": "PyM", "user": False},
                {
                    "line": 3,
                    "client": "203.0.113.9",
                    "act": Act.PART,
                    "bytes": 90000,
                    "units": 101,
                    "object": "a.b",
                },
                {"line": 5, "client": web.UNATTRIBUTED, "act": Act.LISTED, "bytes": 700},
                {"line": 6, "client": "203.0.113.9", "user": True},
                {"line": 7, "client": None},
            ),
        ),
    ),
    counterexamples=(
        EXAMPLE.splitlines()[0].replace("2023-02-08", "2023-02-30") + "\n",
        EXAMPLE.splitlines()[0][:150] + "\n",
        '{"t":"2023-02-08T04:12:45Z","id":22943,"attr":{"remote":"203.0.113.9:5"}}\n',
    ),
    source="mongodb.com/docs/manual/reference/log-messages",
)
