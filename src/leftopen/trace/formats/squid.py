"""Squid access log (native and combined).

squid.conf logformat. Traps: stamped at the end; %<st includes headers and counts what was handed to
the kernel (5.0 times the truth on an aborted download, research/trace.md 0.4), so it is not tight;
_ABORTED, _TIMEDOUT and _FAIL in the result code mean cut short; status 000 is no answer;
strip_query_terms (on by default) takes the query away; a CONNECT tunnel names no object. The client
is the party that asked Squid; of a reverse proxy, that is the stranger.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import LAST, MONTHS, Clock
from leftopen.trace.lines import by_line, share
from leftopen.trace.syslog import FRAME_PYTHON, unframe

_RESULT = r"(?P<result>(?:TCP|UDP|NONE|TAG)[A-Z_]{0,60})"
_NATIVE = re.compile(
    r"(?P<epoch>\d{1,11})\.\d{3} +-?\d{1,18} (?P<client>[0-9A-Za-z.:_%-]{1,253}) "
    + _RESULT
    + r"/(?P<code>\d{3}) (?P<size>-?\d{1,60}) (?P<method>\S{1,64}) (?P<target>\S+) "
    r"(?P<login>\S+) [A-Z_]{2,60}/\S+ \S+.*"
)
_COMBINED = re.compile(
    r"(?P<client>[0-9A-Za-z.:_%-]{1,253}) \S+ (?P<login>[^\[\"]{1,255}) "
    r"\[(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<hms>\d\d:\d\d:\d\d) "
    r'(?P<zone>[+-]\d{4})\] "(?P<method>[^ "]*) (?P<target>[^\s"]*+)[^"]*+" (?P<code>\d{3}) '
    r'(?P<size>-?\d{1,60}) (?:"[^"]*" "(?P<agent>[^"]*)" )?' + _RESULT + r":[A-Z_]{2,60}\s*"
)
_ANY = re.compile(
    f"{FRAME_PYTHON}(?:{re.sub('P<[a-z]+>', ':', _NATIVE.pattern)}|"
    f"{re.sub('P<[a-z]+>', ':', _COMBINED.pattern)})"
)
_CUT = ("ABORTED", "TIMEDOUT", "FAIL")


def recognise(head: bytes, name: str) -> int:
    """The share of lines that carry a result code of Squid."""
    return min(97, share(head, _ANY))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Requests of each client."""
    clock = Clock(options.zone, options.mtime, options.year)

    def parse(number: int, text: str) -> list[Row] | None:
        inner = unframe(text, clock).text
        found = _NATIVE.fullmatch(inner)
        if found:
            time = int(found["epoch"])
            return [_row(number, time, found, "")] if time <= LAST else None
        found = _COMBINED.fullmatch(inner)
        at = found and _time(clock, found)
        return [_row(number, at, found, found["agent"] or "")] if found and at is not None else None

    return by_line(blocks, parse)


def _time(clock: Clock, found: re.Match[str]) -> int | None:
    """The instant of "08/Feb/2023:03:12:45 +0100": the local time less its offset."""
    number = f"{MONTHS.get(found['month'], 0):02d}"
    return clock.iso(f"{found['year']}-{number}-{found['day']}T{found['hms']}", found["zone"])


def _row(number: int, time: int, found: re.Match[str], agent: str) -> Row:
    size, code = web.count_of(found["size"]), int(found["code"])
    path = web.path_of(found["target"])
    cut = any(word in found["result"] for word in _CUT)
    act = web.act_of(found["method"], path, code, size, cut=cut)
    return Row(
        line=number,
        time=time,
        client=found["client"].lower(),
        act=act,
        status=code // 100 if 100 <= code <= 599 else 0,
        bytes=size,
        object=path if act >= Act.PART else None,
        agent=agent[: web.AGENT_MAX] or None,
        user=found["login"] != "-",
    )


# The first line is the vendor's (wiki.squid-cache.org, Features/LogFormat).
NATIVE = (
    "1066036250.129    180 192.0.2.224 TCP_MISS/200 411 GET http://example.com/minitri.flg - "
    "DIRECT/198.51.100.56 text/html\n"
    "1675825965.001   5000 203.0.113.9 TCP_MISS_ABORTED/200 500000 GET http://h/mail/a.mbox kim "
    "FIRSTUP_PARENT/10.0.0.4 -\n"
    "1675825966.001      0 203.0.113.9 TCP_DENIED/403 3900 CONNECT example.net:443 - HIER_NONE/- "
    "text/html\n"
    "1675825967.001    900 203.0.113.9 TCP_TUNNEL/200 9000 CONNECT example.net:443 - "
    "HIER_DIRECT/198.51.100.8 -\n"
    "1675825968.001      0 2001:db8::7 NONE_NONE/000 0 - error:transaction-end-before-headers - "
    "HIER_NONE/- -\n"
)
COMBINED = (
    '203.0.113.9 - - [08/Feb/2023:04:12:45 +0100] "GET http://h/a.mbox?x HTTP/1.1" 200 2097152 '
    '"-" "Wget/1.21" TCP_MISS:FIRSTUP_PARENT\n'
    "\n"
    '203.0.113.9 - - [08/Feb/2023:04:12:46 +0100] "GET http://h/mail/ HTTP/1.1" 200 700 '
    "TCP_HIT:HIER_NONE\n"
)

FORMAT = LogFormat(
    name="squid",
    kind="app",
    protocols=("http",),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=False,
    stamped="end",
    has_zone=True,
    examples=(
        Example(
            text=NATIVE,
            rows=(
                {
                    "line": 1,
                    "time": 1066036250,
                    "client": "192.0.2.224",
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 411,
                    "object": "/minitri.flg",
                    "user": False,
                },
                {"line": 2, "act": Act.PART, "bytes": 500000, "user": True},
                {"line": 3, "act": Act.TOUCHED, "status": 4, "object": None},
                {"line": 4, "act": Act.LOOKED, "bytes": 9000, "object": None},
                {"line": 5, "client": "2001:db8::7", "act": Act.TOUCHED, "status": 0, "bytes": 0},
            ),
        ),
        Example(
            text=COMBINED,
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "act": Act.WHOLE,
                    "object": "/a.mbox",
                    "agent": "Wget/1.21",
                },
                {"line": 3, "act": Act.LISTED, "agent": None},
            ),
        ),
    ),
    counterexamples=(
        "99999999999.001 1 203.0.113.9 TCP_MISS/200 4 GET http://h/a - DIRECT/h text/html\n",
        "1675825965.001 1 203.0.113.9 TCP_MISS/200 4 GET http://h/a\n",
        '203.0.113.9 - - [31/Feb/2023:04:12:45 +0100] "GET http://h/ HTTP/1.1" 200 7 T:H\n',
    ),
    source="squid-cache.org/Doc/config/logformat; wiki.squid-cache.org/Features/LogFormat",
)
