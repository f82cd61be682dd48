"""Elasticsearch audit log (JSON).

elastic.co, Audit event types. Traps: auditing is off by default and needs a licence; events.include
leaves out authentication_success, and ignore_filters leaves out users and indices, so silence
proves little; no event counts bytes: unknown, never 0; "_anonymous" is no log-in; only origin.type
rest is a client, and transport and local_node are the cluster itself; the time has an offset, and a
comma before the milliseconds; one request makes several events (realm, access), which are not
several reads of different objects. Indices are named, documents are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import Clock
from leftopen.trace.lines import by_line, share
from leftopen.trace.syslog import unframe

INDICES_MAX = 50  # of one event
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?(Z|[+-]\d\d:?\d\d)?")
_SEEN = re.compile(r'.{0,200}?\{(?=.*"event\.type" ?: ?")(?=.*"event\.action" ?: ?")')
_READ = ("indices:data/read/", "indices:data/write/reindex")
_NAMES = (
    *("indices:monitor/", "cluster:monitor/", "indices:admin/get", "indices:admin/mappings/get"),
    *("indices:admin/aliases/get", "indices:admin/resolve", "indices:admin/mappings/fields/get"),
)
_READING_PATH = re.compile(
    r"/(?:_search|_msearch|_doc|_source|_mget|_sql|_async_search|_pit|_count)\b"
)
_LISTING_PATH = re.compile(r"/(?:_cat|_mapping|_mappings|_alias|_aliases|_stats|_nodes|_cluster)\b")
_GRANTED = ("access_granted", "authentication_success", "run_as_granted", "realm_authentication_ok")


class _Event(msgspec.Struct):
    timestamp: str
    action: str = msgspec.field(name="event.action")
    origin: str = msgspec.field(name="origin.type", default="")
    address: str = msgspec.field(name="origin.address", default="")
    user: str = msgspec.field(name="user.name", default="_anonymous")
    path: str = msgspec.field(name="url.path", default="")
    operation: str = msgspec.field(name="action", default="")
    indices: list[str] = []


_decoder = msgspec.json.Decoder(_Event)
_BAD_JSON = (msgspec.DecodeError, ValueError, RecursionError)


def recognise(head: bytes, name: str) -> int:
    """The share of lines with an event's type and action."""
    return min(96, share(head, _SEEN)) if b'"event.action"' in head else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Requests of each client; events inside the cluster show that it was recording."""
    clock = Clock(options.zone, options.mtime, options.year)

    def parse(number: int, text: str) -> list[Row] | None:
        try:
            event = _decoder.decode(unframe(text, clock).text)
        except _BAD_JSON:
            return None
        found = _STAMP.fullmatch(event.timestamp)
        time = clock.iso(found[1], found[2] or "") if found else None
        return None if time is None else _rows(Row(number, time), event)

    return by_line(blocks, parse, clock=lambda: clock.said)


def _rows(row: Row, event: _Event) -> list[Row]:
    if event.origin != "rest":
        return [row]
    peer = web.host_and_port(event.address)
    user = event.user not in ("", "_anonymous")
    mine = row._replace(client=peer[0] if peer else web.UNATTRIBUTED, user=user)
    if event.action not in _GRANTED:
        return [mine]
    act = _act(event)
    if act < Act.PART:
        return [mine._replace(act=act, bytes=None if act else 0)]
    names = event.indices[:INDICES_MAX] or [event.path]
    took = mine._replace(act=act, bytes=None)
    rest = len(event.indices) - INDICES_MAX
    over = [took._replace(units=rest)] if rest > 0 else []
    return [*(took._replace(object=n[: web.OBJECT_MAX] or "/") for n in names), *over]


def _act(event: _Event) -> Act:
    """By the action where there is one, else by the path of a request that was let in."""
    if event.operation:
        if event.operation.startswith(_READ):
            return Act.PART
        return Act.LISTED if event.operation.startswith(_NAMES) else Act.LOOKED
    if _READING_PATH.search(event.path):
        return Act.PART
    return Act.LISTED if _LISTING_PATH.search(event.path) else Act.LOOKED


# After the vendor's samples (Audit event types), with addresses of documentation.
EXAMPLE = (
    '{"type":"audit","timestamp":"2023-02-08T04:12:45,000+0100","node.id":"x","event.type":"rest",'
    '"event.action":"authentication_success","user.name":"_anonymous","origin.type":"rest",'
    '"origin.address":"203.0.113.9:50000","url.path":"/mail/_search","request.method":"GET"}\n'
    '{"type":"audit","timestamp":"2023-02-08T04:12:45,001+0100","event.type":"transport",'
    '"event.action":"access_granted","user.name":"kim","origin.type":"rest",'
    '"origin.address":"[2001:db8::7]:50000","action":"indices:data/read/search",'
    '"indices":["mail","people"]}\n'
    "\n"
    '{"type":"audit","timestamp":"2023-02-08T04:12:46,000+0100","event.type":"rest",'
    '"event.action":"anonymous_access_denied","origin.type":"rest",'
    '"origin.address":"198.51.100.4:5","url.path":"/mail/_search"}\n'
    '{"type":"audit","timestamp":"2023-02-08T04:12:47,000+0100","event.type":"transport",'
    '"event.action":"access_granted","origin.type":"transport","origin.address":"10.0.0.5:9300",'
    '"action":"indices:data/read/search"}\n'
    '{"type":"audit","timestamp":"2023-02-08T04:12:48,000+0100","event.type":"rest",'
    '"event.action":"authentication_success","origin.type":"rest",'
    '"origin.address":"203.0.113.9:50000","url.path":"/_cat/indices"}\n'
)

FORMAT = LogFormat(
    name="elasticsearch_audit",
    kind="audit",
    protocols=("elasticsearch", "opensearch"),
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=True,
    tight=False,
    stamped="end",
    has_zone=True,
    examples=(
        Example(
            text=EXAMPLE,
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "act": Act.PART,
                    "bytes": None,
                    "object": "/mail/_search",
                    "user": False,
                },
                {"line": 2, "client": "2001:db8::7", "act": 3, "object": "mail", "user": True},
                {"line": 2, "object": "people"},
                {"line": 4, "client": "198.51.100.4", "act": Act.TOUCHED, "bytes": 0},
                {"line": 5, "client": None},
                {"line": 6, "client": "203.0.113.9", "act": Act.LISTED, "bytes": None},
            ),
        ),
    ),
    counterexamples=(
        EXAMPLE.splitlines()[0].replace("2023-02-08", "2023-02-30") + "\n",
        EXAMPLE.splitlines()[0][:200] + "\n",
        '{"timestamp":"2023-02-08T04:12:45,000+0100","origin.address":"203.0.113.9:5"}\n',
    ),
    source="elastic.co/guide/en/elasticsearch/reference/current/audit-event-types.html",
)
