"""MySQL and MariaDB general query log.

dev.mysql.com, The General Query Log; sql/log.cc. Traps: off by default, and log_output=TABLE leaves
the file empty; no bytes, no rows, no success: a statement has unknown bytes, never 0, and is logged
when it came in, whether it failed or not; the client is on the Connect line only, found again by
the thread's number, and else "unattributed"; a Connect line is written before the password is
checked, "Access denied" after it; users and databases are the client's own text: where they make
the line read two ways its client is "unattributed"; MySQL 5.7 and later write UTC or an offset,
MySQL 5.6 and MariaDB local time without a zone, and only when the second changed; statements are
written as they came, so a line break in one starts a line of its own, which belongs to the
statement, and a client can write lines that look like records: nothing tells them apart; sockets,
pipes and shared memory are no client from outside; a Binlog Dump hands on every change.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.lines import SAMPLE_LINES, by_line
from leftopen.trace.statements import Text, given

THREADS = 100_000  # remembered at once; the oldest is given up first
LOCAL = "local"  # came by socket: known, and no client from outside
_TEXTS = ("Query", "Execute", "Prepare")  # what has a statement, perhaps of several lines
_WHOLE = ("Binlog Dump", "Binlog Dump GTID", "Table Dump", "Clone")
_COMMANDS = (
    "Query|Connect|Quit|Prepare|Execute|Close stmt|Reset stmt|Init DB|Field List|Ping|Statistics|"
    "Binlog Dump GTID|Binlog Dump|Table Dump|Clone|Change user|Register Slave|Register Replica|"
    "Long Data|Fetch|Refresh|Shutdown|Processlist|Kill|Debug|Set option|Daemon|Sleep|Time|Error|"
    "Create DB|Drop DB|Connect Out|Delayed insert|Reset connection|Reset Connection|"
    "Bulk_execute|Subscribe to MySQL X|Unimpl get tid"
)
_LINE = re.compile(
    r"(?:(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?P<offset>Z|[+-]\d\d:\d\d)"
    r"|(?P<day>\d{6}) (?P<hms>[ \d]\d:\d\d:\d\d)|\t)\t {0,20}(?P<thread>\d{1,20}) "
    rf"(?P<command>{_COMMANDS})(?:\t(?P<text>.*))?"
)
_HEADER = re.compile(
    r".{1,1024}, Version: .{1,256} started with:|Tcp port: .{0,1024}|Time\s{1,8}Id Command\s.*"
)
_CONNECT = re.compile(r"@(?P<host>[^@ ]{0,253}) on(?: |$)")
_USING = re.compile(r" using (?P<how>TCP/IP|SSL/TLS|Socket|Named Pipe|Shared Memory)$")
_HOST = re.compile(r"[0-9A-Za-z:][0-9A-Za-z.:_%-]{0,252}")
_DENIED = "Access denied for user "


def recognise(head: bytes, name: str) -> int:
    """By records, of which there must be more than other lines outside statements."""
    text = head.decode("utf-8", "replace").split("\n")
    seen = [line.strip("\r\0")[:8192] for line in text[:SAMPLE_LINES]]
    stray = fits = 0
    inside = False
    for line in seen:
        found = _LINE.fullmatch(line)
        if found:
            fits, inside = fits + 1, found["command"] in _TEXTS
        elif line.strip() and not inside and not _HEADER.fullmatch(line):
            stray += 1
    return min(96, 100 * fits // (fits + stray)) if fits else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Connections and statements of each client."""
    reader = _Reader(Clock(options.zone, options.mtime, options.year))
    return by_line(blocks, reader.parse, reader.finish, lambda: reader.said)


class _Reader:
    """Remembers the client of each thread, and the statement that may go on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._threads: OrderedDict[str, tuple[str, bool]] = OrderedDict()
        self._time: int | None = None  # of the last line that had one
        self._open: tuple[Row, Text] | None = None
        self._due: list[Row] = []
        self._local_time = False

    @property
    def said(self) -> str:
        """What was assumed about the times."""
        return (
            self._clock.said if self._local_time else "none here, every time names UTC or an offset"
        )

    def parse(self, number: int, text: str) -> list[Row] | None:
        """Rows that are due at one line; None to reject it."""
        found = _LINE.fullmatch(text)
        if found is None:
            if _HEADER.fullmatch(text):
                return self.finish()
            if self._open is None:
                return None
            self._open[1].add(text)  # the statement goes on
            return []
        self._due = self.finish()
        if found["iso"] or found["day"]:
            self._time = self._instant(found)
        if self._time is None:
            return None  # what is due waits for a line that is read
        made = self._row(Row(number, self._time), found)
        due, self._due = self._due, []
        return due if made is None else [*due, made]

    def finish(self) -> list[Row]:
        """What is due: the statement that has ended."""
        due, self._due = self._due, []
        if self._open is None:
            return due
        (row, text), self._open = self._open, None
        act, table = given(str(text))
        return [*due, row._replace(act=act, object=table and table[: web.OBJECT_MAX])]

    def _instant(self, found: re.Match[str]) -> int | None:
        if found["iso"]:
            return self._clock.iso(found["iso"], found["offset"])
        self._local_time = True
        day, hms = found["day"], found["hms"].replace(" ", "0")
        return self._clock.iso(f"20{day[:2]}-{day[2:4]}-{day[4:]}T{hms}", "")

    def _row(self, row: Row, found: re.Match[str]) -> Row | None:
        thread, command, text = found["thread"], found["command"], found["text"] or ""
        if command in ("Connect", "Change user") and not text.startswith(_DENIED):
            self._remember(thread, *_client(text))
        client, user = self._threads.get(thread, (web.UNATTRIBUTED, False))
        if client == LOCAL or command in ("Daemon", "Connect Out", "Sleep"):
            return row
        mine = row._replace(client=client, bytes=None, act=Act.LOOKED, user=user)
        if command == "Connect":  # the password comes after it
            return mine._replace(act=Act.TOUCHED, user=False)
        if command in ("Query", "Execute"):
            self._open = mine, Text()
            self._open[1].add(text)
            return None
        if command == "Prepare":  # nothing is given yet
            self._open = mine, Text()
            self._open[1].add("prepare")
            return None
        if command in _WHOLE:
            return mine._replace(act=Act.WHOLE, units=1)
        if command == "Fetch":
            return mine._replace(act=Act.PART)
        return mine._replace(act=Act.LISTED if command == "Field List" else Act.LOOKED)

    def _remember(self, thread: str, client: str, user: bool) -> None:
        if len(self._threads) >= THREADS:
            self._threads.popitem(last=False)
        self._threads[thread] = client, user


def _client(text: str) -> tuple[str, bool]:
    """Who connects, and whether with a user's name."""
    how = _USING.search(text[-40:])
    if how and how["how"] not in ("TCP/IP", "SSL/TLS"):
        return LOCAL, True
    found = list(_CONNECT.finditer(text[:4096]))
    hosts = {at["host"] for at in found if _HOST.fullmatch(at["host"])}
    if len(found) != 1 or not hosts:
        return web.UNATTRIBUTED, not text.startswith("@")
    return hosts.pop().lower(), not text.startswith("@")


MARIADB = (
    "/usr/sbin/mariadbd, Version: 10.11.19-MariaDB-log (Debian 12). started with:\n"
    "Tcp port: 3306  Unix socket: /run/mysqld/mysqld.sock\n"
    "Time\t\t    Id Command\tArgument\n"
    "230208  3:12:45\t     3 Connect\tkim@203.0.113.9 on d using TCP/IP\n"
    "\t\t     3 Query\tselect *\n"
    "from t\n"
    "\n"
    "where a>0\n"
    "\t\t     3 Query\tshow tables\n"
    "230208  3:12:46\t     3 Quit\t\n"
    "\t\t     4 Connect\tnope@203.0.113.9 on d using TCP/IP\n"
    "\t\t     4 Connect\tAccess denied for user 'nope'@'203.0.113.9' (using password: NO)\n"
)
MYSQL8 = (
    "2023-02-08T03:12:45.123456Z\t    8 Connect\troot@localhost on  using Socket\n"
    "2023-02-08T03:12:45.123456Z\t    8 Query\tselect * from secret\n"
    "2023-02-08T04:12:46.123456+01:00\t    9 Query\tSELECT * FROM `d`.`t`\n"
    "2023-02-08T03:12:47.123456Z\t   10 Connect\trep@db2.example on  using SSL/TLS\n"
    "2023-02-08T03:12:48.123456Z\t   10 Binlog Dump\tLog: 'b.1'  Pos: 4\n"
)

FORMAT = LogFormat(
    name="mysql_general",
    kind="app",
    protocols=("mysql",),
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=True,
    tight=False,
    stamped="start",
    has_zone=False,
    examples=(
        Example(
            text=MARIADB,
            rows=(
                {
                    "line": 4,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "act": Act.TOUCHED,
                    "bytes": None,
                    "user": False,
                },
                {"line": 5, "act": Act.PART, "object": "t", "bytes": None, "user": True},
                {"line": 9, "time": 1675825965, "act": Act.LISTED, "object": None},
                {"line": 10, "time": 1675825966, "act": Act.LOOKED},
                {"line": 11, "client": "203.0.113.9", "act": Act.TOUCHED},
                {"line": 12, "client": "203.0.113.9", "act": Act.TOUCHED},
            ),
        ),
        Example(
            text=MYSQL8,
            rows=(
                {"line": 1, "time": 1675825965, "client": None},
                {"line": 2, "client": None, "object": None},
                {
                    "line": 3,
                    "time": 1675825966,
                    "client": web.UNATTRIBUTED,
                    "act": Act.WHOLE,
                    "object": "`d`.`t`",
                },
                {"line": 4, "client": "db2.example", "act": Act.TOUCHED},
                {"line": 5, "client": "db2.example", "act": Act.WHOLE, "units": 1, "bytes": None},
            ),
        ),
    ),
    counterexamples=(
        "\t\t     3 Query\tselect 1\n",
        "230231  3:12:45\t     3 Connect\tkim@203.0.113.9 on d using TCP/IP\n",
        "2023-02-08T03:12:45.123456Z\t    8 Conect\tkim@203.0.113.9 on  using TCP/IP\n",
    ),
    source="dev.mysql.com/doc/refman/8.4/en/query-log.html; mariadb sql/log.cc",
)
