"""Elasticsearch and OpenSearch _nodes/stats snapshots (transport, http): counters, two or more.

Each snapshot is the answer of GET _nodes/stats/http,transport,os, one a line or one after the
other, taken by the user; between two of the same node the difference is what happened. Traps, each
handled here: counters begin again at 0 when a node restarts (the timestamp goes on, a counter falls
back): then what was sent before is unknown, never 0 and never negative; http counts connections
and no bytes; transport.tx_size_in_bytes is node to node, and is all that the API counts in bytes:
it is no figure of what clients took, so bytes are unknown; http.clients lists the clients that the
node still remembers, with their last request: first aid, lost at a restart, and its
request_size_bytes is what came in (elastic.co/guide/en/elasticsearch/reference/current/
cluster-nodes-stats.html).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from leftopen.model.gap import Reason
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row, Trouble
from leftopen.trace.instants import address, epoch
from leftopen.trace.json_records import BAD_JSON, by_record

CLIENTS_MAX = 100_000  # of one snapshot
NODES_MAX = 10_000
AGENT_MAX, OBJECT_MAX = 200, 4096


class _Client(msgspec.Struct):
    remote_address: str = ""
    agent: str | None = None
    last_uri: str | None = None
    opened_time_millis: int = 0
    last_request_time_millis: int = 0
    request_count: int = 0


class _Http(msgspec.Struct):
    total_opened: int | None = None
    clients: list[msgspec.Raw] | None = None


class _Node(msgspec.Struct):
    timestamp: int
    name: str = ""
    http: _Http | None = None


class _Answer(msgspec.Struct):
    nodes: dict[str, msgspec.Raw]


_answer = msgspec.json.Decoder(_Answer)
_node = msgspec.json.Decoder(_Node)
_client = msgspec.json.Decoder(_Client)
# Paths that hand out documents, names, or neither (the part before a query).
_DATA = ("/_search", "/_msearch", "/_mget", "/_doc/", "/_source/", "/_sql", "/_bulk_get", "/_async")
_NAMES = ("/_cat/", "/_mapping", "/_alias", "/_settings", "/_cluster/state", "/_all")


def recognise(head: bytes, name: str) -> int:
    """By the names around the nodes."""
    if head.lstrip()[:1] != b"{" or b'"nodes"' not in head:
        return 0
    known = b'"total_opened"' in head or b'"current_open"' in head
    return 95 if known and b'"timestamp"' in head else 0


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Remembered clients once each, and a row without a client for every node and snapshot."""
    reader = _Reader()
    return by_record(blocks, "snapshots", reader.rows, troubles=reader.troubles)


class _Reader:
    def __init__(self) -> None:
        self._opened: dict[str, int] = {}
        self._seen: dict[tuple[str, str, int], int] = {}
        self._found: list[Trouble] = []

    def troubles(self) -> tuple[Trouble, ...]:
        """Restarts since the last call."""
        made, self._found = tuple(self._found), []
        return made

    def rows(self, number: int, raw: msgspec.Raw | bytes) -> list[Row] | None:
        """One snapshot."""
        try:
            answer = _answer.decode(raw)
            nodes = {k: _node.decode(v) for k, v in list(answer.nodes.items())[:NODES_MAX]}
        except BAD_JSON:
            return None
        made: list[Row] = []
        for key, node in nodes.items():
            time = epoch(node.timestamp // 1000)
            if time is None:
                return None
            made.append(Row(number, time))
            if node.http:
                self._counted(key, node.http, time)
                made += self._clients(number, key, node.http)
        return made

    def _counted(self, key: str, http: _Http, time: int) -> None:
        opened = http.total_opened
        if opened is None:
            return
        before = self._opened.get(key)
        if before is not None and opened < before:
            detail = f"node {key[:40]} restarted before {time} (epoch): its clients are forgotten"
            self._found.append(Trouble(Reason.LOST, detail))
        self._opened[key] = opened

    def _clients(self, number: int, key: str, http: _Http) -> list[Row]:
        made = []
        for raw in (http.clients or [])[:CLIENTS_MAX]:
            try:
                client = _client.decode(raw)
            except BAD_JSON:
                self._found.append(Trouble(Reason.UNPARSED, "a client that cannot be read"))
                continue
            row = self._row(number, key, client)
            made += [row] if row else []
        if http.clients and len(http.clients) > CLIENTS_MAX:
            over = len(http.clients) - CLIENTS_MAX
            self._found.append(Trouble(Reason.TOO_LARGE, "clients over the limit", over))
        return made

    def _row(self, number: int, key: str, client: _Client) -> Row | None:
        """A remembered client where it asked more than at the snapshot before."""
        who = address(client.remote_address)
        stamp = client.last_request_time_millis or client.opened_time_millis
        time = epoch(stamp // 1000) if stamp >= 0 else None
        if who is None or time is None:
            self._found.append(Trouble(Reason.UNPARSED, "a client without an address or a time"))
            return None
        connection = (key, client.remote_address, client.opened_time_millis)
        if self._seen.get(connection, -1) >= client.request_count:
            return None
        if len(self._seen) < CLIENTS_MAX * 4:
            self._seen[connection] = client.request_count
        act = _act(client)
        return Row(
            line=number,
            time=time,
            client=who,
            act=act,
            bytes=None if act >= Act.LISTED else 0,
            object=(client.last_uri or "").partition("?")[0][:OBJECT_MAX]
            if act >= Act.PART
            else None,
            agent=(client.agent or "")[:AGENT_MAX] or None,
        )


def _act(client: _Client) -> Act:
    path = (client.last_uri or "").partition("?")[0]
    if any(name in path for name in _DATA):
        return Act.PART
    if any(name in path for name in _NAMES):
        return Act.LISTED
    return Act.LOOKED if client.request_count else Act.TOUCHED


def _example(opened: int = 7, at: int = 1675825965123, **client: object) -> str:
    one = {
        "id": 1,
        "agent": "python-requests/2.28",
        "local_address": "10.0.0.4:9200",
        "remote_address": "203.0.113.9:50123",
        "last_uri": "/mail/_search?scroll=1m",
        "opened_time_millis": 1675825900000,
        "last_request_time_millis": 1675825960000,
        "request_count": 70,
        "request_size_bytes": 9000,
    }
    http = {"current_open": 1, "total_opened": opened, "clients": [one | client]}
    node = {"timestamp": at, "name": "n1", "host": "10.0.0.4", "http": http}
    return json.dumps({"cluster_name": "c", "nodes": {"abc": node}}) + "\n"


FORMAT = LogFormat(
    name="elasticsearch_stats",
    kind="counter",
    protocols=("elasticsearch", "opensearch"),
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=False,
    tight=False,
    stamped="last request of a connection",
    has_zone=True,
    examples=(
        Example(
            text=_example() + _example(at=1675829565123),
            rows=(
                {"line": 1, "time": 1675825965, "client": None, "bytes": 0},
                {
                    "line": 1,
                    "time": 1675825960,
                    "client": "203.0.113.9",
                    "act": Act.PART,
                    "bytes": None,
                    "object": "/mail/_search",
                    "agent": "python-requests/2.28",
                },
                {"line": 2, "time": 1675829565, "client": None},
            ),
        ),
    ),
    counterexamples=(
        _example(at=253402300799000, remote_address="x"),
        _example(remote_address="nobody"),
        _example(last_request_time_millis=-5),
        '{"nodes": {"a": {"timestamp": "x", "http": {"total_opened": 1}}}}\n',
    ),
    source="elastic.co/guide/en/elasticsearch/reference/current/cluster-nodes-stats.html",
    unit="snapshot",
)
