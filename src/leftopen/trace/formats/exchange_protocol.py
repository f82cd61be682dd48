"""Exchange IMAP4 and POP3 protocol logs.

learn.microsoft.com, protocol logging for POP3 and IMAP4. One line per command, comma separated, UTC
with milliseconds. Traps: off by default; "#Fields:" names the columns and may come again (names of
columns are those of Exchange 2013 to 2019 and could not be checked against a vendor's page); rpsize
is the size of one answer as handed on, so not tight, and a blank one is unknown; how many messages
"fetch 1:*" gave is not said, so every such command counts as one unit at least; addresses are
ip:port; behind a load balancer cIp is the balancer.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.lines import by_line

FIELDS_MAX = 60
_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z?")
_BODY = re.compile(
    r"\b(?:BODY(?:\.PEEK)?\[(?!HEADER)|RFC822(?!\.SIZE|\.HEADER)|BINARY(?:\.PEEK)?\[)"
)
_LISTING = ("LIST", "LSUB", "UIDL", "STATUS", "SEARCH", "UID SEARCH", "TOP", "SELECT", "EXAMINE")


def recognise(head: bytes, name: str) -> int:
    """By the directives at the top of every file."""
    log = re.search(rb"^#Log-type: (?:IMAP4?|POP3?)\b", head, re.MULTILINE | re.IGNORECASE)
    columns = re.search(rb"^#Fields: ?dateTime,sessionId,", head, re.MULTILINE | re.IGNORECASE)
    return 97 if log and columns else 85 if columns and b",rpsize," in head else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Commands of each client."""
    reader = _Reader(options)
    return by_line(blocks, reader.parse)


class _Reader:
    """Remembers which columns the file has."""

    def __init__(self, options: ReadOptions) -> None:
        self._clock = Clock("UTC", options.mtime)
        self._fields: list[str] = []

    def parse(self, number: int, text: str) -> list[Row] | None:
        """Rows of one line; None to reject; directives have none."""
        if text.startswith("#"):
            if text.lower().startswith("#fields:"):
                names = [name.strip().lower() for name in text[8:].split(",")]
                self._fields = names if len(names) <= FIELDS_MAX else []
            return []
        try:
            values = next(csv.reader([text], strict=True), [])
        except csv.Error:
            return None
        if not self._fields or len(values) != len(self._fields):
            return None
        item = dict(zip(self._fields, values, strict=True))
        found = _ISO.fullmatch(item.get("datetime", ""))
        time = self._clock.iso(found[1], "Z") if found else None
        return None if time is None else [_row(number, time, item)]


def _row(number: int, time: int, item: dict[str, str]) -> Row:
    peer = web.host_and_port(item.get("cip", ""))
    local = web.host_and_port(item.get("sip", ""))
    size = web.count_of(item.get("rpsize", ""))
    act, units = _act(item.get("command", "").upper(), item.get("parameters", "").upper(), item)
    return Row(
        line=number,
        time=time,
        client=peer[0] if peer else web.UNATTRIBUTED,
        port=local[1] if local else 0,
        act=act if size != 0 else min(act, Act.LOOKED),
        bytes=size,
        units=units if size != 0 else 0,
        user=item.get("user", "") not in ("", "-"),
    )


def _act(command: str, parameters: str, item: dict[str, str]) -> tuple[Act, int]:
    """What a command gave; a context that says NO, BAD or -ERR is a failure."""
    context = item.get("context", "").upper().replace('"', "")
    if re.search(r"\bR=(?:NO|BAD|-ERR)|^-ERR", context):
        return Act.TOUCHED, 0
    if command == "RETR" or (command in ("FETCH", "UID FETCH", "UID") and _BODY.search(parameters)):
        return Act.WHOLE, 1
    if command in ("FETCH", "UID FETCH", "UID", *_LISTING):
        return Act.LISTED, 0
    return Act.TOUCHED if command == "OPENSESSION" else Act.LOOKED, 0


HEAD = (
    "#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n#Log-type: IMAP4 Log\r\n"
    "#Date: 2023-02-08T00:00:00.123Z\r\n"
    "#Fields: dateTime,sessionId,seqNumber,sIp,cIp,user,duration,rqsize,rpsize,command,"
    "parameters,context\r\n"
)
EXAMPLE = HEAD + (
    "2023-02-08T03:12:44.123Z,01,0,10.0.0.4:143,203.0.113.9:50000,,1,0,40,OpenSession,,\r\n"
    "2023-02-08T03:12:45.123Z,01,1,10.0.0.4:143,203.0.113.9:50000,kim,9,20,30,login,***,R=OK\r\n"
    "2023-02-08T03:12:46.123Z,01,2,10.0.0.4:143,203.0.113.9:50000,kim,9,20,2097152,fetch,"
    '"1:* (FLAGS, BODY[])",R=OK\r\n'
    "\r\n"
    "2023-02-08T03:12:47.123Z,01,3,[fe80::1]:993,[2001:db8::7]:5,kim,9,2,,uid,FETCH 1 FLAGS,R=OK\n"
    "2023-02-08T03:12:48.123Z,02,1,10.0.0.4:110,203.0.113.9:50001,,9,20,30,pass,***,R=-ERR no\r\n"
)

FORMAT = LogFormat(
    name="exchange_protocol",
    kind="session",
    protocols=("imap", "pop3"),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=False,
    tight=False,
    stamped="end",
    has_zone=True,
    examples=(
        Example(
            text=EXAMPLE,
            rows=(
                {"line": 6, "client": "203.0.113.9", "port": 143, "act": 0, "user": False},
                {"line": 7, "act": Act.LOOKED, "user": True, "bytes": 30},
                {
                    "line": 8,
                    "time": 1675825966,
                    "act": Act.WHOLE,
                    "bytes": 2097152,
                    "units": 1,
                },
                {"line": 10, "client": "2001:db8::7", "port": 993, "act": 2, "bytes": None},
                {"line": 11, "port": 110, "act": Act.TOUCHED},
            ),
        ),
    ),
    counterexamples=(
        EXAMPLE.splitlines()[5] + "\n",
        HEAD + EXAMPLE.splitlines()[5].replace("2023-02-08", "2023-02-30") + "\n",
        HEAD + EXAMPLE.splitlines()[5] + ",\n",
    ),
    source="learn.microsoft.com/exchange/clients/pop3-and-imap4/configure-protocol-logging",
)
