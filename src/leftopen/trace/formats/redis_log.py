"""Redis and Valkey server log.

redis.io, redis.conf loglevel; src/socket.c, networking.c, replication.c. Traps: local time without
a zone; "Accepted ip:port" is logged only at loglevel verbose, and at the default (notice) no client
is named at all, so silence proves nothing; no command and no byte is logged: a connection has
unknown bytes, never 0 (the ceiling is total_net_output_bytes of INFO); cmd= on close (verbose) is
the last command; a replica that asks for a full resync gets the whole data set, and that is logged
at notice; a client closed for its output buffer was reading much.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import MONTHS, Clock
from leftopen.trace.lines import by_line, share
from leftopen.trace.syslog import FRAME_PYTHON, unframe

_LINE = re.compile(
    r"\d{1,10}:(?P<role>[XCSM]) (?P<day>\d\d) (?P<month>[A-Z][a-z]{2}) (?P<year>\d{4}) "
    r"(?P<hms>\d\d:\d\d:\d\d)(?:\.\d{3})? [.\-*#] (?P<text>.*)"
)
_SEEN = re.compile(FRAME_PYTHON + _LINE.pattern)
_PEER = r"(?P<peer>\[?[0-9A-Fa-f.:]{2,45}\]?:\d{1,5})"
_ACCEPTED = re.compile(rf"Accepted {_PEER}")
_RESYNC = re.compile(rf"(?:Full resync requested by (?:replica|slave)) {_PEER}.*")
_REPLICA = re.compile(rf"(?:Replica|Slave) {_PEER} asks for synchronization")
_ATTACK = re.compile(
    rf"Possible SECURITY ATTACK detected\..*Connection(?: from {_PEER})? aborted\."
)
_CLIENT = re.compile(rf"(?:Client|Closing).{{0,200}}\baddr={_PEER} .*")
_COMMAND = re.compile(r"\bcmd=(?P<command>[a-z|+_-]{1,40})(?: |$)")
_OUTPUT = re.compile(r"\btot-net-out=(?P<sent>\d{1,60})\b")  # Redis 8: bytes sent to this client
LISTS = ("keys", "scan", "info", "dbsize", "randomkey", "config|get", "client|list")
_NO_READ = ("NULL", "ping", "auth", "hello", "select", "quit", "set", "del", "flushall", "client")


def recognise(head: bytes, name: str) -> int:
    """The share of lines that have the shape."""
    return min(95, share(head, _SEEN))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Connections and replicas; other lines show that the log was recording."""
    clock = Clock(options.zone, options.mtime, options.year)

    def parse(number: int, text: str) -> list[Row] | None:
        found = _LINE.fullmatch(text) or _LINE.fullmatch(unframe(text, clock).text)
        if found is None:
            return None
        month = f"{MONTHS.get(found['month'], 0):02d}"
        time = clock.iso(f"{found['year']}-{month}-{found['day']}T{found['hms']}", "")
        return None if time is None else [_row(Row(number, time), found["text"])]

    return by_line(blocks, parse, clock=lambda: clock.said)


def _row(row: Row, said: str) -> Row:
    for pattern, act, sent in (
        (_ACCEPTED, Act.TOUCHED, None),
        (_RESYNC, Act.WHOLE, None),  # the whole data set, unnamed
        (_REPLICA, Act.LOOKED, None),
        (_ATTACK, Act.TOUCHED, 0),
    ):
        found = pattern.fullmatch(said)
        if found:
            units = 1 if act == Act.WHOLE else 0
            return row._replace(client=_address(found), act=act, bytes=sent, units=units)
    found = _CLIENT.fullmatch(said[:4096])
    if found is None:
        return row
    command, output = _COMMAND.search(said), _OUTPUT.search(said)
    sent = web.count_of(output["sent"]) if output else None
    name = command["command"] if command else "NULL"
    act = Act.LISTED if name in LISTS else Act.LOOKED if name in _NO_READ else Act.PART
    return row._replace(client=_address(found), act=act, bytes=sent)


def _address(found: re.Match[str]) -> str:
    host = (found["peer"] or "").rpartition(":")[0].strip("[]")
    return host.lower() if web.ADDRESS.fullmatch(host) else web.UNATTRIBUTED


EXAMPLE = (
    "811:C 08 Feb 2023 03:12:44.123 # Redis version=7.0.8, bits=64\n"
    "811:M 08 Feb 2023 03:12:45.123 - Accepted 203.0.113.9:50000\n"
    "811:M 08 Feb 2023 03:12:46.123 - Client closed connection id=3 addr=203.0.113.9:50000 "
    "laddr=10.0.0.4:6379 fd=8 name= cmd=hgetall user=default\n"
    "\n"
    "811:M 08 Feb 2023 03:12:47.123 * Replica 198.51.100.4:6379 asks for synchronization\n"
    "811:M 08 Feb 2023 03:12:47.124 * Full resync requested by replica 198.51.100.4:6379\n"
    "811:M 08 Feb 2023 03:12:48.123 # Possible SECURITY ATTACK detected. It looks like somebody is "
    "sending POST or Host: commands to Redis. Connection from 2001:db8::7:5 aborted.\n"
)

FORMAT = LogFormat(
    name="redis_log",
    kind="session",
    protocols=("redis",),
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=False,
    tight=False,
    stamped="start (accepted), end (closed)",
    has_zone=False,
    examples=(
        Example(
            text=EXAMPLE,
            rows=(
                {"line": 1, "time": 1675825964, "client": None},
                {"line": 2, "client": "203.0.113.9", "act": Act.TOUCHED, "bytes": None},
                {"line": 3, "client": "203.0.113.9", "act": Act.PART, "bytes": None},
                {"line": 5, "client": "198.51.100.4", "act": Act.LOOKED},
                {"line": 6, "client": "198.51.100.4", "act": Act.WHOLE, "units": 1, "bytes": None},
                {"line": 7, "client": "2001:db8::7", "act": Act.TOUCHED, "bytes": 0},
            ),
        ),
    ),
    counterexamples=(
        "811:M 31 Feb 2023 03:12:45.123 - Accepted 203.0.113.9:50000\n",
        "811:M 08 Feb 2023 03:12:45.123 - Accepted <b>\n",
        "811:M 08 Feb 2023 03:12:45.123 ! Accepted 203.0.113.9:50000\n",
    ),
    source="github.com/redis/redis src/socket.c, networking.c, replication.c, server.c",
)
