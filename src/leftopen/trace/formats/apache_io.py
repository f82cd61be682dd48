"""Apache access logs with bytes on the wire (combinedio: %I %O of mod_logio).

httpd.apache.org, mod_logio. The line of combined, and after it bytes received and sent, headers and
TLS included. Traps: stamped when the request came in, written at its end; %O smaller than %b says
that the answer was cut short; on an aborted download %O was still 5 times what the client took
(0.51 MB for 0.10 MB, research/trace.md 0.4), because it counts what entered the socket: not tight.
%O in place of %b, as in Debian's own combined, cannot be told from %b and is read as plain clf.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import MONTHS, Clock
from leftopen.trace.lines import SAMPLE_LINES, by_line
from leftopen.trace.syslog import FRAME_PYTHON

_QUOTED = r'"(?:[^"\\]|\\.)*+"'  # possessive: linear on any line
_LINE = re.compile(
    FRAME_PYTHON + r"(?:[^ ]{1,255}:\d{1,5} )?(?P<client>[0-9A-Za-z:][0-9A-Za-z.:_%-]{0,252}) "
    r"[^ ]{1,255} (?P<login>[^\[\"]{1,255}) \[(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/"
    r"(?P<year>\d{4}):(?P<hms>\d\d:\d\d:\d\d) (?P<zone>[+-]\d{4})\] "
    r'"(?P<method>[^ "\\]*+) ?(?P<target>(?:[^ "\\]|\\.)*+)(?:[^"\\]|\\.)*+" (?P<code>\d{3}) '
    rf'(?P<body>\d{{1,60}}|-) {_QUOTED} "(?P<agent>(?:[^"\\]|\\.)*+)" '
    r"(?P<received>\d{1,60}) (?P<sent>\d{1,60})\s*"
)


def recognise(head: bytes, name: str) -> int:
    """The share of lines that end in two counts, the second no less than the body."""
    text = head.decode("utf-8", "replace").split("\n")
    whole = text[:-1] if len(text) > 1 else text
    seen = [line.strip("\r\0")[:8192] for line in whole[:SAMPLE_LINES] if line.strip()]
    found = [_LINE.fullmatch(line) for line in seen]
    fit = sum(1 for m in found if m)
    larger = sum(1 for m in found if m and int(m["sent"]) >= int(m["body"].replace("-", "0")))
    return min(97, 2 + 100 * fit // len(seen)) if fit and 2 * larger > fit else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Requests of each client, with the bytes that were sent for them."""
    clock = Clock("UTC", options.mtime)

    def parse(number: int, text: str) -> list[Row] | None:
        found = _LINE.fullmatch(text)
        month = found and f"{MONTHS.get(found['month'], 0):02d}"
        time = found and clock.iso(
            f"{found['year']}-{month}-{found['day']}T{found['hms']}", found["zone"]
        )
        return None if found is None or time is None else [_row(number, time, found)]

    return by_line(blocks, parse)


def _row(number: int, time: int, found: re.Match[str]) -> Row:
    body = web.count_of("0" if found["body"] == "-" else found["body"])
    sent, code = web.count_of(found["sent"]), int(found["code"])
    cut = body is not None and sent is not None and sent < body
    path = web.path_of(found["target"])
    act = web.act_of(found["method"], path, code, body, cut=cut)
    return Row(
        line=number,
        time=time,
        client=found["client"],
        act=act,
        status=code // 100 if 100 <= code <= 599 else 0,
        bytes=sent,
        object=path if act >= Act.PART else None,
        agent=found["agent"][: web.AGENT_MAX],
        user=found["login"].strip() != "-",
    )


EXAMPLE = (
    '203.0.113.9 - - [08/Feb/2023:04:12:45 +0100] "GET /mail/a.mbox?x HTTP/1.1" 200 2097152 "-" '
    '"Wget/1.21" 180 2097480\n'
    '203.0.113.9 - kim [08/Feb/2023:04:12:46 +0100] "GET /mail/b.mbox HTTP/1.1" 200 2097152 "-" '
    '"a \\" b" 180 510000\n'
    "\n"
    'v.example.org:443 2001:db8::7 - - [08/Feb/2023:04:12:47 +0100] "GET /mail/ HTTP/1.1" 200 512 '
    '"-" "x" 180 800\n'
    '203.0.113.9 - - [08/Feb/2023:04:12:48 +0100] "HEAD /a HTTP/1.1" 200 - "-" "-" 90 300\n'
)

FORMAT = LogFormat(
    name="apache_io",
    kind="app",
    protocols=("http",),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=False,
    stamped="start",
    has_zone=True,
    examples=(
        Example(
            text=EXAMPLE,
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 2097480,
                    "object": "/mail/a.mbox",
                    "agent": "Wget/1.21",
                    "user": False,
                },
                {"line": 2, "act": Act.PART, "bytes": 510000, "user": True},
                {"line": 4, "client": "2001:db8::7", "act": Act.LISTED, "bytes": 800},
                {"line": 5, "act": Act.LOOKED, "bytes": 300, "object": None},
            ),
        ),
    ),
    counterexamples=(
        '203.0.113.9 - - [31/Feb/2023:04:12:45 +0100] "GET / HTTP/1.1" 200 5 "-" "x" 180 300\n',
        '203.0.113.9 - - [08/Feb/2023:04:12:45 +0100] "GET / HTTP/1.1" 200 5 "-" "x" 180\n',
        '- - - [08/Feb/2023:04:12:45 +0100] "GET / HTTP/1.1" 200 5 "-" "x" 180 300\n',
    ),
    source="httpd.apache.org/docs/2.4/mod/mod_logio.html",
)
