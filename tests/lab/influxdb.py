"""InfluxDB 1."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from urllib.parse import quote

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access

MAIL = "ada.lovelace@example.org"
ODD = 'a "b"\\c ; DROP DATABASE people'
CONF = """\
reporting-disabled = true
bind-address = "{host}:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[monitor]
store-enabled = false
[http]
bind-address = "{host}:{port}"
auth-enabled = {auth}
"""


@contextmanager
def influxd(*, auth: bool = False) -> Iterator[servers.Server]:
    """influxd 1.x; with `auth` it has one administrator."""
    binary = servers.need("influxd")
    port, rpc = servers.free_port(), servers.free_port()
    with servers.scratch() as folder:
        conf = folder / "influxdb.conf"
        given = {"host": servers.CLIENT, "port": port, "rpc": rpc, "folder": folder}
        conf.write_text(CONF.format(**given, auth=str(auth).lower()))
        servers.give(folder)
        with servers.running([binary, "-config", str(conf)], folder, port) as server:
            if auth:
                post(server, "/query", "CREATE USER root WITH PASSWORD 'x' WITH ALL PRIVILEGES")
            yield server


def post(server: servers.Server, path: str, statement: str = "", points: str = "") -> bytes:
    """What the owner may do."""
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    path = f"{path}?q={quote(statement)}" if statement else path
    try:
        client.request("POST", path, points)
        done = client.getresponse()
        assert done.status in (200, 204), done.read()
        return done.read()
    finally:
        client.close()


POINTS = f'visits,country=gb email="{MAIL}"\nsales value=1\n'


@contextmanager
def _open() -> Iterator[servers.Server]:
    with influxd() as server:
        post(server, "/query", "CREATE DATABASE people")
        post(
            server, "/write?db=people", points=f'visits,country=gb email="{MAIL}"\nsales value=1\n'
        )
        yield server


def _series(server: servers.Server) -> object:
    return post(server, "/query", "SHOW SERIES ON people; SHOW DATABASES")


def _databases(server: servers.Server) -> object:
    return post(server, "/query", "SHOW DATABASES")


OPEN = Config(
    "InfluxDB: open", "influxdb", Access.GIVES_DATA, _open, 8086, objects=2, state=_series
)
CLOSED = Config(
    "InfluxDB: a login", "influxdb", Access.ASKS_CREDENTIAL, partial(influxd, auth=True), 8086
)
CONFIGS = (
    OPEN,
    CLOSED,
    *with_tls((OPEN, CLOSED), 8086),
    Config("InfluxDB: empty", "influxdb", Access.LISTS, influxd, 8086, state=_databases),
)
