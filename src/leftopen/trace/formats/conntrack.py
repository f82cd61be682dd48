r"""Connection tracking: conntrack -E and ulogd's JSON (NFCT).

Traps, each handled here: lines have a time only with `conntrack -E -o timestamp`, others are
rejected; counts exist only with net.netfilter.nf_conntrack_acct=1 and mostly on DESTROY: without
them what was sent is unknown, never 0; the second src= of a line is the way back, and its bytes are
what our side sent; behind DNAT the server is the source of the way back; NEW and UPDATE count
nothing yet; a connection that still runs shows nothing; a daemon that falls behind loses events
(ENOBUFS) and does not write so here (conntrack(8), ulogd2 output/ulogd_output_JSON.c).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime

import msgspec

from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.instants import address, epoch, outgoing
from leftopen.trace.json_records import BAD_JSON, natural
from leftopen.trace.lines import by_line, share

_LINE = re.compile(
    r"\[(?P<at>\d{1,12})(?:\.\d{1,9})?\s*\]\s+\[?(?P<event>NEW|UPDATE|DESTROY)\]?\s+(?P<rest>.*)"
)
_PAIR = re.compile(r"\b(src|dst|sport|dport|packets|bytes)=([0-9A-Fa-f.:]{1,45})(?=\s|$)")


class _Ulogd(msgspec.Struct):
    timestamp: str = ""
    src_ip: str = ""
    dest_ip: str = ""
    dest_port: int = 0
    event: int | None = msgspec.field(name="ct.event", default=None)
    sent: int | float | str | None = msgspec.field(name="reply.raw.pktlen", default=None)
    received: int | float | str | None = msgspec.field(name="orig.raw.pktlen", default=None)
    start: int | None = msgspec.field(name="flow.start.sec", default=None)
    end: int | None = msgspec.field(name="flow.end.sec", default=None)
    back_ip: str = msgspec.field(name="reply.ip.saddr.str", default="")
    orig_source: str = msgspec.field(name="orig.ip.saddr.str", default="")
    orig_target: str = msgspec.field(name="orig.ip.daddr.str", default="")
    orig_port: int = msgspec.field(name="orig.l4.dport", default=0)


_ulogd = msgspec.json.Decoder(_Ulogd)
DESTROY = 4  # NFCT_T_DESTROY of libnetfilter_conntrack


def recognise(head: bytes, name: str) -> int:
    """The share of event lines, or the names that ulogd writes."""
    first = head.lstrip().split(b"\n", 1)[0]
    if first[:1] == b"{":
        return 95 if b'"orig.ip.' in first or b'"ct.event"' in first else 0
    return min(95, share(head, _LINE))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Connections by the side that began them."""
    clock = Clock(options.zone, options.mtime)

    def parse(number: int, text: str) -> list[Row] | None:
        if text.startswith("{"):
            return _of_json(number, text, clock, options.port)
        found = _LINE.match(text)
        time = epoch(int(found["at"])) if found else None
        if found is None or time is None:
            return None
        return _of_line(number, time, found["event"], found["rest"], options.port)

    return by_line(blocks, parse, clock=lambda: clock.said)


def _of_line(number: int, time: int, event: str, rest: str, port: int | None) -> list[Row] | None:
    seen: dict[str, list[str]] = {}
    for name, value in _PAIR.findall(rest):
        seen.setdefault(name, []).append(value)
    ways = [address(v) for v in (*seen.get("src", ())[:2], *seen.get("dst", ())[:1])]
    ports = [natural(v) for v in seen.get("dport", ())[:1]] or [0]
    if len(ways) != 3:
        return None
    source, back, target = ways
    counts = [natural(v) for v in seen.get("bytes", ())]
    sent = counts[1] if len(counts) > 1 else None
    if source is None or back is None or target is None or ports[0] is None or ports[0] > 65535:
        return None
    row = Row(number, time, source, ports[0])
    return [_row(row, back, ended=event == "DESTROY", sent=sent, port=port)]


def _row(row: Row, server: str, *, ended: bool, sent: int | None, port: int | None) -> Row:
    if outgoing(row.client or "", server) or port not in (None, row.port):
        return Row(row.line, row.time)
    if not ended:
        return row
    return row._replace(bytes=sent, act=Act.TOUCHED if sent == 0 else Act.LOOKED)


def _of_json(number: int, text: str, clock: Clock, port: int | None) -> list[Row] | None:
    try:
        made = _ulogd.decode(text)
    except BAD_JSON:
        return None
    seconds = made.end or made.start
    time = epoch(seconds) if seconds else _stamp(made.timestamp, clock)
    client = address(made.orig_source or made.src_ip)
    server = address(made.back_ip or made.orig_target or made.dest_ip)
    local = made.orig_port or made.dest_port
    if time is None or client is None or server is None or not 0 <= local <= 65535:
        return None
    ended = made.event in (None, DESTROY)
    row = Row(number, time, client, local)
    return [_row(row, server, ended=ended, sent=natural(made.sent), port=port)]


def _stamp(text: str, clock: Clock) -> int | None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return clock.iso(text, "")


EVENTS = (
    "[1675825965.123456]\t    [NEW] tcp      6 120 SYN_SENT src=203.0.113.9 dst=198.51.100.1 "
    "sport=50123 dport=443 [UNREPLIED] src=10.0.0.4 dst=203.0.113.9 sport=443 dport=50123\n"
    "[1675825970.123456]\t[DESTROY] tcp      6 src=203.0.113.9 dst=198.51.100.1 sport=50123 "
    "dport=443 packets=9 bytes=900 src=10.0.0.4 dst=203.0.113.9 sport=443 dport=50123 packets=1500 "
    "bytes=2157152 [ASSURED]\n"
    "[1675825971.123456]\t[DESTROY] tcp      6 src=203.0.113.9 dst=10.0.0.4 sport=50124 dport=443 "
    "src=10.0.0.4 dst=203.0.113.9 sport=443 dport=50124 [ASSURED]\n"
    "[1675825972.123456]\t[DESTROY] tcp      6 src=10.0.0.4 dst=192.0.2.7 sport=50124 dport=443 "
    "packets=1 bytes=60 src=192.0.2.7 dst=10.0.0.4 sport=443 dport=50124 packets=1 bytes=60\n"
)


def _ulogd_line(**changes: object) -> str:
    values: dict[str, object] = {
        "timestamp": "2023-02-08T03:12:45.123456+0000",
        "dvc": "Netfilter",
        "src_ip": "203.0.113.9",
        "src_port": 50123,
        "dest_ip": "10.0.0.4",
        "dest_port": 443,
        "orig.ip.saddr.str": "203.0.113.9",
        "orig.raw.pktlen": 900,
        "reply.ip.saddr.str": "10.0.0.4",
        "reply.raw.pktlen": 2157152,
        "ct.event": 4,
    }
    return json.dumps(values | changes) + "\n"


FORMAT = LogFormat(
    name="conntrack",
    kind="flow",
    protocols=(),
    recognise=recognise,
    read=read,
    byte_meaning="l3",
    names_objects=False,
    tight=True,
    stamped="end (DESTROY)",
    has_zone=False,
    examples=(
        Example(
            text=EVENTS,
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "port": 443,
                    "bytes": 0,
                    "act": Act.TOUCHED,
                },
                {"line": 2, "bytes": 2157152, "act": Act.LOOKED},
                {"line": 3, "bytes": None, "act": Act.LOOKED},
                {"line": 4, "client": None},
            ),
        ),
        Example(
            text=_ulogd_line()
            + _ulogd_line(**{"ct.event": 1})
            + _ulogd_line(**{"reply.raw.pktlen": None}),
            rows=(
                {"line": 1, "time": 1675825965, "client": "203.0.113.9", "bytes": 2157152},
                {"line": 2, "bytes": 0, "act": Act.TOUCHED},
                {"line": 3, "bytes": None},
            ),
        ),
    ),
    counterexamples=(
        EVENTS.split("\n")[1].removeprefix("[1675825970.123456]\t") + "\n",
        EVENTS.split("\n")[1].replace("1675825970", "99999999999") + "\n",
        EVENTS.split("\n")[1].replace("dport=443", "dport=70443") + "\n",
        EVENTS.split("\n")[0].split(" [UN")[0] + "\n",
        _ulogd_line(**{"orig.ip.saddr.str": "nobody"}),
    ),
    source="conntrack(8); ulogd2 output/ulogd_output_JSON.c",
)
