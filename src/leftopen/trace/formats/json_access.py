"""Web access logs as JSON, one object per line (nginx log_format json, Envoy, Traefik).

The owner names the keys: they are found by a table of usual names, of which the first present
counts. Traps: nginx $bytes_sent includes headers, $body_bytes_sent does not; an empty
$request_completion (nginx) or DC in response_flags (Envoy) says cut short; nginx writes numbers as
strings and "-" for nothing; all values count what was handed on, not what arrived, so not tight;
x_forwarded_for is the client's own claim and is not used; Docker wraps a line in another object
("log"), which is taken off. A key that is missing is unknown: no client named means "unattributed".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from leftopen.trace import web
from leftopen.trace.api import Act, Chunk, Example, LogFormat, ReadOptions, Row
from leftopen.trace.clock import LAST, MONTHS, Clock
from leftopen.trace.lines import SAMPLE_LINES, by_line
from leftopen.trace.syslog import unframe

# Usual names, the surest first: of nginx, of Envoy, of Traefik.
CLIENT = (
    *("remote_addr", "remote_address", "remote_ip", "client_ip", "clientip", "client"),
    *("downstream_remote_address", "downstream_direct_remote_address", "ClientHost", "ClientAddr"),
)
CODE = ("status", "response_code", "DownstreamStatus", "http_status", "status_code")
SENT = (
    *("bytes_sent", "body_bytes_sent", "size", "bytes", "DownstreamContentSize", "response_size"),
)
TIME = (
    *("msec", "time_iso8601", "start_time", "StartUTC", "@timestamp", "timestamp", "time"),
    *("time_local", "ts"),
)
METHOD = ("request_method", "method", "RequestMethod", "http_method")
TARGET = ("request_uri", "uri", "path", "RequestPath", "url", "x_envoy_original_path")
REQUEST = ("request",)  # nginx: method, target and version in one
AGENT = ("http_user_agent", "user_agent", "request_User-Agent", "agent", "useragent")
LOGIN = ("remote_user", "ClientUsername", "user")
PORT = ("server_port",)
FLAGS = ("response_flags",)
_KNOWN = (CODE, TIME, (*TARGET, *REQUEST))
_decoder = msgspec.json.Decoder(dict[str, Any])
_BAD_JSON = (msgspec.DecodeError, ValueError, RecursionError)
_ISO = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?(Z|[+-]\d\d:?\d\d)?")
_LOCAL = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d{4})")
_EPOCH = re.compile(r"(\d{1,13})(?:\.\d{1,9})?")


def recognise(head: bytes, name: str) -> int:
    """The share of lines that are objects with a status, a time and a request by usual names."""
    text = head.decode("utf-8", "replace").split("\n")
    whole = text[:-1] if len(text) > 1 else text
    seen = [line for line in whole[:SAMPLE_LINES] if line.strip()]
    clock = Clock("UTC", 0.0)
    found = [_object(unframe(line[:16384], clock).text) for line in seen]
    fit = sum(1 for o in found if o is not None and _is_request(o))
    return min(92, 100 * fit // len(seen)) if seen else 0


def _is_request(item: Mapping[str, Any]) -> bool:
    named = all(_first(item, names) is not None for names in _KNOWN)
    flat = not any(isinstance(item.get(key), dict) for key in ("request", "http", "httpRequest"))
    return named and flat and (_first(item, CLIENT) or _first(item, SENT)) is not None


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Requests of each client."""
    clock = Clock(options.zone, options.mtime, options.year)

    def parse(number: int, text: str) -> list[Row] | None:
        item = _object(unframe(text, clock).text)
        return None if item is None else _rows(number, item, clock)

    return by_line(blocks, parse)


def _object(text: str) -> dict[str, Any] | None:
    """The object of a line; of a container's log, the one inside."""
    try:
        item = _decoder.decode(text.strip())
        inner = item.get("log")
        if isinstance(inner, str) and "stream" in item:
            return _decoder.decode(inner.strip())
    except _BAD_JSON:
        return None
    return item


def _first(item: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of these keys that says something, as text."""
    for name in names:
        value = item.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            text = str(value)
            if text not in ("", "-"):
                return text
    return None


def _rows(number: int, item: dict[str, Any], clock: Clock) -> list[Row] | None:
    time = _time(_first(item, TIME) or "", clock)
    code = _first(item, CODE) or ""
    if time is None or not re.fullmatch(r"\d{1,3}", code):
        return None
    method, target = _request(item)
    size = web.count_of(_first(item, SENT) or "")
    path = web.path_of(target)
    act = web.act_of(method, path, int(code), size, cut=_is_cut(item))
    return [
        Row(
            line=number,
            time=time,
            client=_client(item),
            port=_port(item),
            act=act,
            status=int(code) // 100 if 100 <= int(code) <= 599 else 0,
            bytes=size,
            object=path if act >= Act.PART else None,
            agent=(_first(item, AGENT) or "")[: web.AGENT_MAX] or None,
            user=_first(item, LOGIN) is not None,
        )
    ]


def _request(item: dict[str, Any]) -> tuple[str, str]:
    method, target = _first(item, METHOD), _first(item, TARGET)
    line = (_first(item, REQUEST) or "").split(" ")
    if len(line) > 1:
        return method or line[0], line[1]
    return method or "GET", target or ""


def _is_cut(item: dict[str, Any]) -> bool:
    """nginx writes "OK" or nothing for $request_completion; Envoy DC for a client that left."""
    flags = (_first(item, FLAGS) or "").split(",")
    return item.get("request_completion") == "" or "DC" in flags


def _client(item: dict[str, Any]) -> str:
    found = web.host_and_port(_first(item, CLIENT) or "")
    return found[0] if found else web.UNATTRIBUTED


def _port(item: dict[str, Any]) -> int:
    number = web.count_of(_first(item, PORT) or "") or 0
    return number if number <= 65535 else 0


def _time(text: str, clock: Clock) -> int | None:
    iso = _ISO.fullmatch(text)
    if iso:
        return clock.iso(iso[1], iso[2] or "")
    local = _LOCAL.fullmatch(text)
    if local:
        month = f"{MONTHS.get(local[2], 0):02d}"
        return clock.iso(f"{local[3]}-{month}-{local[1]}T{local[4]}", local[5])
    epoch = _EPOCH.fullmatch(text)
    if epoch is None:
        return None
    seconds = int(epoch[1])
    seconds = seconds // 1000 if seconds > LAST else seconds  # milliseconds
    return seconds if seconds <= LAST else None


NGINX = (
    '{"time_iso8601":"2023-02-08T04:12:45+01:00","remote_addr":"203.0.113.9","remote_port":"5",'
    '"request":"GET /mail/a%20b.mbox?x HTTP/1.1","status":"200","bytes_sent":"2097480",'
    '"http_user_agent":"Wget/1.21","remote_user":"-","request_completion":"OK",'
    '"server_port":"443"}\n'
    '{"msec":"1675825966.123","remote_addr":"2001:db8::7","request_method":"GET",'
    '"request_uri":"/b.mbox","status":206,"body_bytes_sent":5000,"remote_user":"kim"}\n'
    "\n"
    '{"time_local":"08/Feb/2023:04:12:47 +0100","remote_addr":"203.0.113.9",'
    '"request":"GET /c HTTP/1.1","status":200,"bytes_sent":70,"request_completion":""}\n'
)
ENVOY = (
    '{"start_time":"2023-02-08T03:12:45.123Z","method":"GET","path":"/a.pst","protocol":"HTTP/1.1",'
    '"response_code":200,"response_flags":"DC","bytes_received":0,"bytes_sent":4096,"duration":7,'
    '"user_agent":"curl/8","downstream_remote_address":"203.0.113.9:50000",'
    '"x_forwarded_for":"192.0.2.1"}\n'
    '{"start_time":"2023-02-08T03:12:46.123Z","method":"GET","path":"/","response_code":0,'
    '"response_flags":"DC","bytes_sent":0,"downstream_remote_address":"[2001:db8::7]:50000"}\n'
)
TRAEFIK = (
    '{"ClientAddr":"203.0.113.9:50000","ClientHost":"203.0.113.9","ClientUsername":"-",'
    '"DownstreamContentSize":2097152,"DownstreamStatus":200,"RequestMethod":"GET",'
    '"RequestPath":"/a.pst","StartUTC":"2023-02-08T03:12:45.123456789Z",'
    '"request_User-Agent":"curl/8","level":"info","time":"2023-02-08T04:12:45+01:00"}\n'
)

FORMAT = LogFormat(
    name="json_access",
    kind="app",
    protocols=("http",),
    recognise=recognise,
    read=read,
    byte_meaning="app",
    names_objects=True,
    tight=False,
    stamped="end (nginx), start (Envoy, Traefik)",
    has_zone=True,
    examples=(
        Example(
            text=NGINX,
            rows=(
                {
                    "line": 1,
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "port": 443,
                    "act": Act.WHOLE,
                    "status": 2,
                    "bytes": 2097480,
                    "object": "/mail/a%20b.mbox",
                    "agent": "Wget/1.21",
                    "user": False,
                },
                {"line": 2, "time": 1675825966, "client": "2001:db8::7", "act": 3, "user": True},
                {"line": 4, "time": 1675825967, "act": Act.PART, "object": "/c"},
            ),
        ),
        Example(
            text=ENVOY,
            rows=(
                {"line": 1, "client": "203.0.113.9", "act": Act.PART, "bytes": 4096},
                {"line": 2, "client": "2001:db8::7", "act": Act.TOUCHED, "status": 0, "bytes": 0},
            ),
        ),
        Example(
            text=TRAEFIK,
            rows=(
                {
                    "time": 1675825965,
                    "client": "203.0.113.9",
                    "act": Act.WHOLE,
                    "bytes": 2097152,
                    "object": "/a.pst",
                    "agent": "curl/8",
                    "user": False,
                },
            ),
        ),
    ),
    counterexamples=(
        '{"time_iso8601":"2023-02-30T04:12:45+01:00","remote_addr":"203.0.113.9","status":200}\n',
        '{"time_iso8601":"2023-02-08T04:12:45+01:00","remote_addr":"203.0.113.9","status":"x"}\n',
        '{"remote_addr":"203.0.113.9","status":200,"request":"GET / HTTP/1.1"}\n',
        '["203.0.113.9"]\n{"remote_addr":"203.0.113.9"\n',
    ),
    source="nginx.org ngx_http_log_module; envoyproxy.io access log; doc.traefik.io access-logs",
)
