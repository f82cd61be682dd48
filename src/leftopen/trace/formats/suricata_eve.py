"""Suricata EVE log (eve.json): flow, http and stats events.

Traps, each handled here: a flow is written when it times out or at shutdown, so one that still
runs shows nothing; flow.bytes_toclient counts frames on the wire, http.length the body, so an http
event names the object and its bytes count only where no flow of that flow_id is in the file;
src_ip of a flow is the side that Suricata saw first; timestamps carry an offset without a colon;
stats events say how many packets the kernel dropped (capture.kernel_drops, a running total): more
drops are a Gap, and a restart begins again at 0. Other events show that the sensor was recording
(docs.suricata.io/en/latest/output/eve/eve-json-format.html).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from leftopen.model.gap import Reason
from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row, Trouble
from leftopen.trace.instants import address, outgoing, utc
from leftopen.trace.json_records import BAD_JSON, by_record, natural

OPEN_FLOWS = 200_000  # whose http events wait for their flow event; then the oldest is given up
OBJECT_MAX, AGENT_MAX = 4096, 200


class _Flow(msgspec.Struct):
    bytes_toclient: int | float | None = None
    pkts_toclient: int | float | None = None


class _Http(msgspec.Struct):
    url: str = ""
    http_method: str = ""
    http_user_agent: str | None = None
    status: int | str | None = None
    length: int | float | None = None


class _Capture(msgspec.Struct):
    kernel_drops: int | None = None


class _Stats(msgspec.Struct):
    capture: _Capture | None = None


class _Event(msgspec.Struct):
    timestamp: str
    event_type: str
    flow_id: int | None = None
    src_ip: str | None = None
    dest_ip: str | None = None
    dest_port: int | None = None
    flow: _Flow | None = None
    http: _Http | None = None
    stats: _Stats | None = None


_event = msgspec.json.Decoder(_Event)


def recognise(head: bytes, name: str) -> int:
    """By the names that every event has."""
    first = head.lstrip().split(b"\n", 1)[0]
    known = first[:1] == b"{" and b'"event_type"' in first and b'"timestamp"' in first
    return 96 if known and (b'"flow_id"' in head or b'"stats"' in first) else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Flows and requests by the side that began them."""
    reader = _Reader(options.port)
    return by_record(blocks, "events", reader.rows, reader.finish, reader.troubles)


class _Reader:
    def __init__(self, port: int | None) -> None:
        self._port = port
        self._waiting: OrderedDict[int, Row] = OrderedDict()  # http bytes without a flow so far
        self._drops: int | None = None
        self._lost: list[Trouble] = []

    def rows(self, number: int, raw: msgspec.Raw | bytes) -> list[Row] | None:
        """One event."""
        try:
            event = _event.decode(raw)
        except BAD_JSON:
            return None
        time = utc(event.timestamp)
        if time is None:
            return None
        nobody = Row(number, time)
        if event.stats and event.stats.capture:
            self._dropped(event.stats.capture.kernel_drops, event.timestamp)
        if event.event_type not in ("flow", "http"):
            return [nobody]
        source, target = address(event.src_ip or ""), address(event.dest_ip or "")
        port = event.dest_port or 0
        if source is None or target is None or not 0 <= port <= 65535:
            return None
        if outgoing(source, target) or self._port not in (None, port):
            return [nobody]
        row = nobody._replace(client=source, port=port)
        if event.event_type == "flow":
            return [self._flow(row, event)]
        return self._http(row, event)

    def finish(self) -> list[Row]:
        """Bodies whose flow never came: their length is all that is known."""
        left = list(self._waiting.values())
        self._waiting.clear()
        return left

    def troubles(self) -> tuple[Trouble, ...]:
        """Dropped packets since the last call."""
        made, self._lost = tuple(self._lost), []
        return made

    def _flow(self, row: Row, event: _Event) -> Row:
        self._waiting.pop(event.flow_id or 0, None)
        flow = event.flow or _Flow()
        sent = natural(flow.bytes_toclient)
        return row._replace(bytes=sent, act=Act.TOUCHED if sent == 0 else Act.LOOKED)

    def _http(self, row: Row, event: _Event) -> list[Row]:
        http = event.http or _Http()
        status, size = natural(http.status) or 0, natural(http.length)
        path = _path(http.url)
        act = web.act_of(http.http_method or "GET", path, status, size)
        named = row._replace(
            act=act,
            status=status // 100 if 100 <= status <= 599 else 0,
            object=path if act >= Act.PART else None,
            agent=(http.http_user_agent or "")[:AGENT_MAX] or None,
        )
        return [named, *self._wait(event.flow_id, row._replace(act=Act.LOOKED, bytes=size))]

    def _wait(self, flow: int | None, body: Row) -> list[Row]:
        if not flow:
            return [body]
        before = self._waiting.get(flow)
        if before is not None:
            known = before.bytes is not None and body.bytes is not None
            both = (before.bytes or 0) + (body.bytes or 0)
            body = body._replace(bytes=both if known else None)
        self._waiting[flow] = body
        return [self._waiting.popitem(last=False)[1]] if len(self._waiting) > OPEN_FLOWS else []

    def _dropped(self, drops: int | None, at: str) -> None:
        if drops is None or drops < 0:
            return
        before = self._drops if self._drops is not None and self._drops <= drops else 0
        if drops > before:
            detail = f"the kernel dropped {drops - before} packets up to {at[:40]}"
            self._lost.append(Trouble(Reason.LOST, detail))
        self._drops = drops


def _path(url: str) -> str:
    if "://" in url[:16]:
        url = "/" + url.partition("://")[2].partition("/")[2]
    return url.partition("?")[0][:OBJECT_MAX]


def _example(kind: str, **changes: object) -> str:
    event: dict[str, object] = {
        "timestamp": "2023-02-08T03:12:45.123456+0000",
        "flow_id": 1676750115612680,
        "in_iface": "eth0",
        "event_type": kind,
        "src_ip": "203.0.113.9",
        "src_port": 50123,
        "dest_ip": "10.0.0.4",
        "dest_port": 80,
        "proto": "TCP",
    }
    return json.dumps(event | changes) + "\n"


_GOT = {"pkts_toclient": 1500, "bytes_toserver": 900, "bytes_toclient": 2157152}
_ASKED = {
    "hostname": "mail.example",
    "url": "/a%20b.mbox?x=1",
    "http_user_agent": "Wget/1.21",
    "http_method": "GET",
    "status": 200,
    "length": 2097152,
}
_DROPS = {"uptime": 9, "capture": {"kernel_packets": 99, "kernel_drops": 7}}

FORMAT = LogFormat(
    name="suricata_eve",
    kind="flow",
    protocols=(),
    recognise=recognise,
    read=read,
    byte_meaning="l3",
    names_objects=True,
    tight=True,
    stamped="end",
    has_zone=True,
    examples=(
        Example(
            text=_example("http", http=_ASKED)
            + _example("flow", flow=_GOT)
            + _example("http", http=_ASKED, flow_id=2)
            + _example("flow", flow={"bytes_toclient": 0}, flow_id=3, src_ip="198.51.100.4")
            + _example("flow", flow={}, flow_id=4)
            + _example("flow", flow=_GOT, flow_id=5, src_ip="10.0.0.4", dest_ip="192.0.2.7")
            + _example("stats", stats=_DROPS)
            + _example("dns"),
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "port": 80,
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 0,
                    "object": "/a%20b.mbox",
                    "agent": "Wget/1.21",
                },
                {"line": 2, "bytes": 2157152, "act": Act.LOOKED, "object": None},
                {"line": 3, "bytes": 0, "act": Act.WHOLE},
                {"line": 4, "client": "198.51.100.4", "bytes": 0, "act": Act.TOUCHED},
                {"line": 5, "bytes": None, "act": Act.LOOKED},
                {"line": 6, "client": None},
                {"line": 7, "client": None},
                {"line": 8, "client": None},
                {"line": 3, "bytes": 2097152, "act": Act.LOOKED, "object": None},
            ),
        ),
    ),
    counterexamples=(
        _example("flow", timestamp="9999-12-31T23:59:59.0+0000"),
        _example("flow", src_ip="nobody"),
        _example("flow", dest_port=70000),
        _example("flow", dest_port="80"),
        _example("flow", flow={"bytes_toclient": "x"}),
    ),
    source="docs.suricata.io/en/latest/output/eve/eve-json-format.html",
    unit="record",
)
