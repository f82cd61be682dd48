"""Envoy and Istio access logs (default text format).

envoyproxy.io, access log usage. UTC, stamped at the start of the request, written at its end.
Traps: the default format names no peer: of X-Forwarded-For only the last address was put there by
a proxy, and by this Envoy only where it stands at the edge, so the rest is never used, and without
it the client is "unattributed" (Istio's format names the peer near the end of the line); bytes sent
are the body; DC in the flags is a client that left (cut short); status 0 is no answer; filters and
runtime sampling leave out requests; in containers a line has a CRI or syslog frame before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.lines import by_line, share
from leftopen.trace.syslog import FRAME_PYTHON, unframe

_CRI = r"(?:\d{4}-\d\d-\d\dT\S{8,25} (?:stdout|stderr) [FP] )?"
_LINE = re.compile(
    _CRI + r"\[(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z\] "
    r'"(?P<method>[^ "]*+) ?(?P<target>[^ "]*+)[^"]*+" (?P<code>\d{1,3}) '
    r"(?P<flags>[A-Za-z,-]{1,60}) "
    # Istio: details of the response, the failure's reason; then numbers in both.
    r'(?:\S{1,255} (?:\S{1,255} )?"[^"]*+" )?\d{1,60} (?P<size>\d{1,60}) \d{1,18} (?:\d{1,18}|-) '
    r'"(?P<forwarded>[^"]*+)" "(?P<agent>[^"]*+)"(?P<rest>.*)'
)
_SEEN = re.compile(FRAME_PYTHON + _LINE.pattern)
# Istio: upstream, cluster, local address, then both ends of the downstream connection.
_PEER = re.compile(r' "[^"]*" \S+ \S+ \S+:\d{1,5} (?P<peer>\S{2,60}) \S+ \S+$')


def recognise(head: bytes, name: str) -> int:
    """The share of lines that have the shape."""
    return min(96, share(head, _SEEN))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Requests of each client."""
    clock = Clock(options.zone, options.mtime, options.year)

    def parse(number: int, text: str) -> list[Row] | None:
        found = _LINE.fullmatch(text) or _LINE.fullmatch(unframe(text, clock).text)
        time = found and clock.iso(found["iso"], "Z")
        return None if found is None or time is None else [_row(number, time, found)]

    return by_line(blocks, parse)


def _row(number: int, time: int, found: re.Match[str]) -> Row:
    size, code = web.count_of(found["size"]), int(found["code"])
    path = web.path_of(found["target"])
    cut = "DC" in found["flags"].split(",")
    act = web.act_of(found["method"], path, code, size, cut=cut)
    return Row(
        line=number,
        time=time,
        client=_client(found),
        act=act,
        status=code // 100 if 100 <= code <= 599 else 0,
        bytes=size,
        object=path if act >= Act.PART else None,
        agent=found["agent"][: web.AGENT_MAX] if found["agent"] != "-" else None,
    )


def _client(found: re.Match[str]) -> str:
    peer = _PEER.search(found["rest"][-2048:])
    told = peer["peer"] if peer else found["forwarded"].rpartition(",")[2]
    address = web.host_and_port(told)
    return address[0] if address else web.UNATTRIBUTED


# The vendor's own sample of the default format.
DEFAULT = (
    '[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" '
    '"nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80"\n'
    '[2016-04-15T20:17:01.310Z] "GET /a.pst HTTP/1.1" 200 DC 0 9000 226 - "192.0.2.1, 203.0.113.9" '
    '"-" "c" "h" "10.0.2.1:80"\n'
    "\n"
    '[2016-04-15T20:17:02.310Z] "GET /b.pst HTTP/1.1" 200 - 0 9000 226 100 "-" "x" "c" "h" "-"\n'
)
# istio.io, tasks/observability/logs/access-log.
ISTIO = (
    '2020-11-25T21:26:18.500000000Z stdout F [2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" '
    '200 - via_upstream - "-" 0 135 4 4 "-" "curl/7.73.0-DEV" "84961386-6d84-929d" "httpbin:8000" '
    '"127.0.0.1:80" inbound|8000|| 127.0.0.1:41854 10.44.1.27:80 10.44.1.23:37652 '
    "outbound_.8000_._.httpbin default\n"
)

FORMAT = LogFormat(
    name="envoy",
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
            text=DEFAULT,
            rows=(
                {
                    "line": 1,
                    "time": 1460751420,
                    "client": "10.0.35.28",
                    "act": Act.LOOKED,
                    "status": 2,
                    "bytes": 0,
                    "agent": "nsq2http",
                },
                {"line": 2, "client": "203.0.113.9", "act": Act.PART, "object": "/a.pst"},
                {"line": 4, "client": web.UNATTRIBUTED, "act": Act.WHOLE, "bytes": 9000},
            ),
        ),
        Example(
            text=ISTIO,
            rows=(
                {
                    "time": 1606339578,
                    "client": "10.44.1.23",
                    "act": Act.WHOLE,
                    "bytes": 135,
                    "object": "/status/418",
                },
            ),
        ),
    ),
    counterexamples=(
        DEFAULT.splitlines()[0].replace("2016-04-15", "2016-02-30") + "\n",
        DEFAULT.splitlines()[0][:80] + "\n",
        '[2016-04-15T20:17:00.310Z] "GET / HTTP/2" x - 1 0 2 1 "10.0.35.28" "-" "c" "l" "t"\n',
    ),
    source="envoyproxy.io/docs access_log/usage, default format; istio.io access logs",
)
