"""PostgreSQL server log: text with the usual prefixes (also by syslog), csvlog and jsonlog.

postgresql.org, Error Reporting and Logging. Traps: connections and statements are off by default,
so silence proves nothing; no bytes and no rows: a client has unknown bytes, never 0; text prefixes
are the owner's own: read are those that begin with %t, %m or %n, and the client is that of the line
"connection received" of the same process or session (%p, %c), or the one that the prefix names (%h,
%r), else "unattributed"; a statement is logged before it runs, so that an error of the same session
within a minute takes it back; one with line breaks is one record: in text its lines begin with a
tab, in CSV they are quoted, and a client cannot forge a record there, for its quotes are doubled;
zones are abbreviations: UTC and GMT are taken as they are, others where the declared zone has them;
[local] is a socket, no client from outside; a user's name is no login where the method is trust.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

import msgspec

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import LAST, Clock, zone_named
from leftopen.trace.lines import SAMPLE_LINES, by_line
from leftopen.trace.statements import Text, given
from leftopen.trace.syslog import unframe

SESSIONS = 100_000  # remembered at once; the oldest is given up first
UNDO = 60  # seconds in which an error takes a statement back
LOCAL = "[local]"
_STAMP = (
    r"(?:(?P<iso>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d{1,6})? "
    r"(?P<zone>[A-Za-z]{1,6}|[+-]\d\d(?::?\d\d)?)|(?P<epoch>\d{9,11})\.\d{3})"
)
_LEVEL = r"(?:DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC)"
_MORE = r"(?:STATEMENT|DETAIL|HINT|CONTEXT|QUERY|LOCATION|BACKTRACE)"
_TEXT = re.compile(
    rf"{_STAMP}(?P<prefix>(?:[ :,|\-].{{0,400}}?)??)(?<![A-Za-z0-9_])"
    rf"(?P<level>{_LEVEL}|{_MORE}):  (?P<said>.*)"
)
_BARE = re.compile(rf"(?P<prefix>.{{0,400}}?)(?P<level>{_LEVEL}|{_MORE}):  (?P<said>.*)")
_PART = re.compile(r"\[\d{1,10}-(?P<part>\d{1,10})\] ")  # of syslog: record and line of it
_PID = re.compile(r"\[(\d{1,10})\]")
_SESSION = re.compile(r"(?<![0-9A-Za-z])([0-9a-f]{8}\.[0-9a-f]{1,8})(?![0-9A-Za-z])")
_PEER = re.compile(
    r"(?:^|(?<=[ =:,|\[(@]))"
    r"(\[local\]|(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9A-Fa-f]{1,4}:|::)[0-9A-Fa-f:.]{1,41})"
    r"(?:\(\d{1,5}\))?(?=[ :,|\])]|$)"
)
_FIELD = r'(?:"(?:[^"]|"")*+"|[^",\n]*+)'
_CSV_STAMP = _STAMP.replace("iso", "csv_iso").replace("zone", "csv_zone").replace("epoch", "e")
# log_time, user, database, process, connection_from, session_id, line, tag, start, two
# transactions, severity, state, message; later columns differ by version.
_CSV = re.compile(
    rf"{_STAMP},{_FIELD},{_FIELD},(?P<pid>\d*+),(?P<peer>{_FIELD}),(?P<session>[0-9a-f.]*+),\d*+,"
    rf"{_FIELD},{_FIELD},{_FIELD},\d*+,(?P<level>{_LEVEL}),(?P<state>\w*+),(?P<said>{_FIELD})(?:,|$)"
)
# The start of a record that text inside quotes cannot be: a single quote, then something else.
_CSV_START = re.compile(
    rf"{_CSV_STAMP},{_FIELD},{_FIELD},\d*+,{_FIELD},[0-9a-f.]*+,\d*+,{_FIELD},{_FIELD},{_FIELD},"
    rf'\d*+,{_LEVEL},\w*+,"[^",]'
)
_JSON = re.compile(rf'\{{"timestamp":"{_STAMP}",')
_RECEIVED = re.compile(r"connection received: host=(\S{1,253})(?: port=\d{1,5})?")
_CLOSED = re.compile(r"disconnection: session time: .* host=(\S{1,253})(?: port=\d{1,5})?")
_LOGGED_IN = re.compile(r"connection authorized: |replication connection authorized: ")
_METHOD = re.compile(r"connection authenticated: .*\bmethod=(?P<method>[a-z0-9-]{1,20}) \(.*")
_STATEMENT = re.compile(
    r"(?:duration: [0-9.]{1,20} ms  )?(?:statement|execute [^:]{1,128}): (?P<sql>.*)", re.DOTALL
)
_AUDIT = re.compile(
    r"AUDIT: (?:SESSION|OBJECT),\d+,\d+,(?P<kind>[A-Z]{1,20}),(?P<sql>.*)", re.DOTALL
)
_REFUSED = re.compile(
    r"(?:[A-Za-z0-9 -]{1,40} )?authentication failed for user |pg_hba\.conf rejects "
    r'|no pg_hba\.conf entry for (?:replication connection from )?(?:host "(?P<host>[^"]{1,253})")?'
)
_HOST = re.compile(r"[0-9A-Za-z:][0-9A-Za-z.:_%-]{0,252}")


class _Item(msgspec.Struct):
    timestamp: str
    error_severity: str
    message: str = ""
    pid: int = 0
    session_id: str = ""
    remote_host: str = ""


_decoder = msgspec.json.Decoder(_Item)
_BAD_JSON = (msgspec.DecodeError, ValueError, RecursionError)
_WHEN = re.compile(_STAMP)


@dataclass(frozen=True, slots=True)
class _Record:
    """One record of any of the three, in one shape."""

    line: int
    time: int
    key: str  # of the session; "" where it has none
    peer: str  # "" where the record does not name it
    level: str
    said: str


def recognise(head: bytes, name: str) -> int:
    """By records: of text and JSON most lines are one, of CSV a few are enough."""
    text = head.decode("utf-8", "replace").split("\n")
    whole = text[:-1] if len(text) > 1 else text
    seen = [line.strip("\r\0")[:8192] for line in whole[:SAMPLE_LINES]]
    seen = [line for line in seen if line.strip() and not line.startswith("\t")]
    if any(_CSV_START.match(line) for line in seen):
        return 95
    fits = sum(1 for line in seen if _TEXT.match(line) or _by_json(line) or _by_syslog(line))
    return min(95, 100 * fits // len(seen)) if seen else 0


def _by_json(line: str) -> bool:
    return bool(_JSON.match(line)) and '"error_severity":"' in line


def _by_syslog(line: str) -> bool:
    framed = unframe(line, Clock("UTC", 0.0))
    part = _PART.match(framed.text)
    return framed.tag == "postgres" and bool(part)


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Connections and statements of each client."""
    reader = _Reader(options)
    return by_line(blocks, reader.parse, reader.finish, lambda: reader.times.said)


class _Times:
    """Instants of times with the abbreviation of a zone."""

    def __init__(self, options: ReadOptions) -> None:
        self.clock = Clock(options.zone, options.mtime, options.year)
        self._zone = zone_named(options.zone)
        self._other: set[str] = set()
        self._assumed = False

    @property
    def said(self) -> str:
        """What was assumed about the times."""
        if not (self._assumed or self._other):
            return "none here, every time names UTC or an offset"
        names = ", ".join(sorted(self._other))
        return self.clock.said + (f"; the log itself says {names}" if names else "")

    def instant(self, found: re.Match[str]) -> int | None:
        """Seconds since 1970; None: no such time."""
        if found["epoch"]:
            seconds = int(found["epoch"])
            return seconds if seconds <= LAST else None
        text, zone = found["iso"], found["zone"]
        if zone in ("UTC", "GMT"):
            return self.clock.iso(text, "Z")
        if zone[0] in "+-":
            return self.clock.iso(text, zone if len(zone) > 3 else f"{zone}:00")
        self._assumed = True
        try:
            local = datetime.fromisoformat(text)
            for fold in (0, 1):  # the hour that a zone has twice has two names
                made = local.replace(tzinfo=self._zone, fold=fold)
                if made.tzname() == zone:
                    return self.clock.iso(f"{made.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", "Z")
        except (ValueError, OverflowError):
            return None
        if len(self._other) < 5:
            self._other.add(zone)
        return self.clock.iso(text, "")


class _Reader:
    """Takes lines together to records, and records to the rows of sessions."""

    def __init__(self, options: ReadOptions) -> None:
        self.times = _Times(options)
        self._sessions = _Sessions()
        self._open: tuple[_Record, Text] | None = None  # of text: its lines may go on
        self._csv: tuple[int, Text, bool] | None = None  # its first line; whether quotes are open
        self._due: list[Row] = []

    def parse(self, number: int, text: str) -> list[Row] | None:
        """Rows that are due at one line; None to reject it."""
        if self._csv:
            if not _CSV_START.match(text):
                return self._more_csv(text)
            self._end_csv()  # the quote was never closed: the file is damaged there
        if text.startswith("\t"):
            return self._more(text[1:])
        self._end()
        if text.startswith("{"):
            return self._record(self._json(number, text))
        found = _TEXT.match(text)
        if found:
            return self._opened(number, found, self.times.instant(found), "")
        if re.match(rf"{_STAMP},", text):
            self._csv = number, Text(), False
            return self._more_csv(text)
        return self._framed(number, text)

    def finish(self) -> list[Row]:
        """What is due when the file ends."""
        if self._csv:
            self._end_csv()
        self._end()
        due, self._due = self._due, []
        return due + self._sessions.finish()

    def _record(self, record: _Record | None) -> list[Row] | None:
        if record is None:
            return None  # what is due waits for a line that is read
        rows, self._due = self._due + self._sessions.rows(record), []
        return rows

    def _end(self) -> None:
        if self._open:
            (record, text), self._open = self._open, None
            full = _Record(
                record.line, record.time, record.key, record.peer, record.level, str(text)
            )
            self._due += self._sessions.rows(full)

    def _more(self, text: str) -> list[Row] | None:
        if self._open is None:
            return None
        self._open[1].add(text)
        return []

    def _opened(
        self, number: int, found: re.Match[str], time: int | None, pid: str
    ) -> list[Row] | None:
        if time is None:
            return None
        prefix = found["prefix"]
        session, process = _SESSION.search(prefix), _PID.search(prefix)
        key = pid or (process[1] if process else session[1] if session else "")
        peers = [peer for peer in _PEER.findall(prefix) if peer == LOCAL or _is_address(peer)]
        record = _Record(number, time, key, peers[-1] if peers else "", found["level"], "")
        self._open = record, Text()
        self._open[1].add(found["said"])
        due, self._due = self._due, []
        return due

    def _framed(self, number: int, text: str) -> list[Row] | None:
        """A line by syslog: its own number and part, and lines that go on begin with #011."""
        framed = unframe(text, self.times.clock)
        part = _PART.match(framed.text)
        if framed.tag != "postgres" or part is None:
            return None
        body = framed.text[part.end() :]
        if int(part["part"]) > 1:
            return []  # lines of several sessions are mixed: the first line must do
        inner = _TEXT.match(body)
        found = inner or _BARE.match(body)
        time = self.times.instant(inner) if inner else framed.time
        return self._opened(number, found, time, framed.pid) if found else None

    def _json(self, number: int, text: str) -> _Record | None:
        try:
            item = _decoder.decode(text)
        except _BAD_JSON:
            return None
        found = _WHEN.fullmatch(item.timestamp)
        time = self.times.instant(found) if found else None
        if time is None:
            return None
        key = item.session_id or str(item.pid or "")
        return _Record(number, time, key, item.remote_host, item.error_severity, item.message)

    def _more_csv(self, text: str) -> list[Row] | None:
        if self._csv is None:
            return None
        number, kept, quoted = self._csv
        kept.add(text)
        self._csv = number, kept, quoted ^ (text.count('"') % 2 == 1)
        if self._csv[2]:
            return []
        return self._record(self._from_csv())

    def _end_csv(self) -> None:
        record = self._from_csv()
        if record:
            self._due += self._sessions.rows(record)

    def _from_csv(self) -> _Record | None:
        """The record that was kept; one that is cut ends where its text does."""
        if self._csv is None:
            return None
        (number, kept, _), self._csv = self._csv, None
        text = str(kept)
        found = _CSV.match(text) or _CSV.match(text + '"')
        time = self.times.instant(found) if found else None
        if found is None or time is None:
            return None
        peer, said = _plain(found["peer"]), _plain(found["said"])
        host = peer if peer == LOCAL else peer.rpartition(":")[0]
        return _Record(number, time, found["session"] or found["pid"], host, found["level"], said)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _plain(field: str) -> str:
    return field[1:-1].replace('""', '"') if field.startswith('"') else field


class _Sessions:
    """The client of each session, and its last statement while an error may take it back."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, tuple[str, bool | None]] = OrderedDict()
        self._held: OrderedDict[str, Row] = OrderedDict()

    def finish(self) -> list[Row]:
        """Statements that nothing took back."""
        left = list(self._held.values())
        self._held.clear()
        return left

    def rows(self, record: _Record) -> list[Row]:
        """The rows that are due at one record."""
        due = self._overdue(record.time)
        held = self._held.pop(record.key, None) if record.key else None
        if held:
            failed = record.level in ("ERROR", "FATAL", "PANIC")
            due.append(held._replace(act=Act.TOUCHED, object=None) if failed else held)
        row = self._row(Row(record.line, record.time), record)
        if record.key and row.act >= Act.LISTED:
            self._held[record.key] = row
            return due
        return [*due, row]

    def _overdue(self, now: int) -> list[Row]:
        due = []
        while self._held:
            key, row = next(iter(self._held.items()))
            if abs(now - row.time) <= UNDO and len(self._held) <= SESSIONS:
                break
            due.append(self._held.pop(key))
        return due

    def _row(self, row: Row, record: _Record) -> Row:
        said, key = record.said, record.key
        opened = _RECEIVED.fullmatch(said)
        if opened:
            self._remember(key, opened[1], None)
        known, user = self._clients.get(key, ("", None)) if key else ("", None)
        closed = _CLOSED.fullmatch(said)
        refused = _REFUSED.match(said) if record.level == "FATAL" else None
        named = (closed and closed[1]) or (refused and refused["host"]) or ""
        peer = named or known or record.peer
        statement = _STATEMENT.match(said) if record.level == "LOG" else None
        audit = _AUDIT.match(said) if record.level == "LOG" else None
        mine = self._named(row, peer, user or False)
        if opened or record.level in ("FATAL", "PANIC"):
            # A FATAL of a background process is of no client.
            return mine._replace(user=False) if opened or refused or peer else row
        if closed:
            self._clients.pop(key, None)
            return mine._replace(act=Act.LOOKED)
        method = _METHOD.fullmatch(said)
        if method or _LOGGED_IN.match(said):
            by_password = user is not False and not (method and method["method"] == "trust")
            self._remember(key, peer, by_password)
            return self._named(row, peer, by_password)._replace(act=Act.LOOKED)
        if audit and mine.client and audit["kind"] == "READ":
            return mine._replace(act=Act.PART)
        if statement is None or mine.client is None:
            return row
        act, table = given(statement["sql"])
        return mine._replace(act=act, object=table and table[: web.OBJECT_MAX])

    def _named(self, row: Row, peer: str, user: bool) -> Row:
        if peer == LOCAL:
            return row
        good = _HOST.fullmatch(peer)
        return row._replace(
            client=peer.lower() if good else web.UNATTRIBUTED, bytes=None, user=user
        )

    def _remember(self, key: str, peer: str, user: bool | None) -> None:
        if len(self._clients) >= SESSIONS:
            self._clients.popitem(last=False)
        if key:
            self._clients[key] = peer, user


def _at(second: str, rest: str) -> str:
    return f"2023-02-08 03:12:{second} UTC{rest}\n"


TEXT = (
    _at("44.001", " [7] LOG:  database system is ready to accept connections")
    + _at("45.515", " [9] [unknown]@[unknown] LOG:  connection received: host=203.0.113.9 port=338")
    + _at("45.517", " [9] kim@d LOG:  connection authorized: user=kim database=d")
    + _at("45.520", " [9] kim@d LOG:  statement: select *\n\tfrom t\n\twhere a>0")
    + _at("45.521", " [9] kim@d LOG:  duration: 0.274 ms")
    + _at("45.522", " [9] kim@d LOG:  statement: select * from nope")
    + _at("45.523", ' [9] kim@d ERROR:  relation "nope" does not exist at character 15')
    + _at("45.523", " [9] kim@d STATEMENT:  select * from nope")
    + _at(
        "46.521",
        " [9] kim@d LOG:  disconnection: session time: 0:00:00.009 user=kim database=d "
        "host=203.0.113.9 port=338",
    )
)
CSV = _at(
    "45.520",
    ',"kim","d",9,"203.0.113.9:3381",63e311fd.9,3,"idle",2023-02-08 03:12:45 UTC,3/2,0,LOG,00000,'
    '"statement: copy ""public"".t\nto stdout",,,,,,,,,"psql","client backend",,0',
)


def _json(host: str, session: str, said: str) -> str:
    return (
        f'{{"timestamp":"2023-02-08 03:12:45.520 UTC","user":"kim","pid":9,"remote_host":"{host}",'
        f'"session_id":"{session}","line_num":3,"error_severity":"LOG","message":"{said}"}}\n'
    )


JSON = _json("[local]", "63e311fd.9", "statement: table t") + _json(
    "2001:db8::7", "63e311fd.8", "execute <unnamed>: select 1"
)
RDS = _at("45", ":203.0.113.9(3381):kim@d:[9]:LOG:  statement: select a from pg_class;") + _at(
    "46", "::@:[5]:LOG:  checkpoint starting: time"
)
SYSLOG = (
    "Feb  8 03:12:45 db postgres[9]: [3-1] kim@d LOG:  statement: select a\n"
    "Feb  8 03:12:45 db postgres[9]: [3-2] #011from t\n"
)

FORMAT = LogFormat(
    name="postgresql_log",
    kind="app",
    protocols=("postgresql",),
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=True,
    tight=False,
    stamped="start",
    has_zone=False,
    examples=(
        Example(
            text=TEXT,
            rows=(
                {"line": 1, "time": 1675825964, "client": None},
                {
                    "line": 2,
                    "client": "203.0.113.9",
                    "act": Act.TOUCHED,
                    "bytes": None,
                    "user": False,
                },
                {"line": 3, "client": "203.0.113.9", "act": Act.LOOKED, "user": True},
                {"line": 4, "time": 1675825965, "act": Act.PART, "object": "t", "bytes": None},
                {"line": 7, "client": None},
                {"line": 8, "act": Act.TOUCHED, "object": None},
                {"line": 9, "client": None},
                {"line": 10, "client": None},
                {"line": 11, "client": "203.0.113.9", "act": Act.LOOKED, "bytes": None},
            ),
        ),
        Example(
            text=CSV,
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "object": '"public".t',
                    "bytes": None,
                },
            ),
        ),
        Example(
            text=JSON,
            rows=(
                {"line": 1, "client": None},
                {"line": 2, "client": "2001:db8::7", "act": Act.LOOKED, "bytes": None},
            ),
        ),
        Example(
            text=RDS,
            rows=(
                {"line": 2, "client": None},
                {"line": 1, "client": "203.0.113.9", "act": Act.LISTED, "bytes": None},
            ),
        ),
        Example(
            text=SYSLOG,
            options=ReadOptions(year=2023),
            rows=({"line": 1, "client": web.UNATTRIBUTED, "act": Act.LOOKED},),
        ),
    ),
    counterexamples=(
        TEXT.splitlines()[1].replace("02-08", "02-31") + "\n",
        TEXT.splitlines()[1].replace("LOG:  ", "LOG: ") + "\n",
        f"{CSV.splitlines()[0]}\n".replace("LOG,", "LAG,"),
        JSON.splitlines()[1][:120] + "\n",
    ),
    source="postgresql.org/docs/current/runtime-config-logging.html",
)
