"""etcd."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from urllib.parse import quote, urlencode

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access

SECRET = "postgres://app:correct-horse@db/people"


@contextmanager
def etcd(*, v2: bool) -> Iterator[servers.Server]:
    """A cluster of one."""
    binary = servers.need("etcd")
    port, peer = servers.free_port(), servers.free_port()
    url, between = f"http://{servers.CLIENT}:{port}", f"http://{servers.CLIENT}:{peer}"
    with servers.scratch() as folder:
        argv = [binary, "--data-dir", str(folder / "data"), "--listen-client-urls", url]
        argv += ["--advertise-client-urls", url, "--listen-peer-urls", between]
        argv += ["--initial-advertise-peer-urls", between]
        argv += ["--initial-cluster", f"default={between}"]
        argv += ["--enable-v2"] * v2
        with servers.running(argv, folder, port) as server:
            yield server


def send(server: servers.Server, method: str, path: str, body: str) -> int:
    """What the owner may do."""
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    kind = "application/x-www-form-urlencoded" if method == "PUT" else "application/json"
    try:
        client.request(method, path, body, {"Content-Type": kind})
        done = client.getresponse()
        done.read()
        return done.status
    finally:
        client.close()


def put(server: servers.Server, key: str, value: str) -> None:
    assert send(server, "PUT", f"/v2/keys{quote(key)}", urlencode({"value": value})) == 201


def put_v3(server: servers.Server, key: bytes, value: bytes) -> None:
    text = {"key": base64.b64encode(key).decode(), "value": base64.b64encode(value).decode()}
    assert send(server, "POST", "/v3/kv/put", json.dumps(text)) == 200


def close_v3(server: servers.Server) -> None:
    """Turn authentication on: after that a read without a login is a 400."""
    root = {"name": "root", "password": "correct-horse"}
    assert send(server, "POST", "/v3/auth/user/add", json.dumps(root)) == 200
    assert send(server, "POST", "/v3/auth/role/add", json.dumps({"name": "root"})) == 200
    grant = json.dumps({"user": "root", "role": "root"})
    assert send(server, "POST", "/v3/auth/user/grant", grant) == 200
    assert send(server, "POST", "/v3/auth/enable", "{}") == 200
    assert send(server, "POST", "/v3/kv/range", json.dumps({"key": "YQ=="})) == 400


@contextmanager
def _open() -> Iterator[servers.Server]:
    with etcd(v2=False) as server:
        put_v3(server, b"/app/db", SECRET.encode())
        put_v3(server, b"/top", b"x")
        yield server


@contextmanager
def _closed() -> Iterator[servers.Server]:
    with etcd(v2=False) as server:
        put_v3(server, b"/app/db", SECRET.encode())
        close_v3(server)
        yield server


@contextmanager
def _open_behind() -> Iterator[servers.Server]:
    with etcd(v2=True) as server:
        put(server, "/app/db url", SECRET)
        put(server, "/top", "x")
        close_v3(server)
        yield server


def _status(server: servers.Server) -> object:
    """The revision, which every write counts up, and the index of v2."""
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        client.request("POST", "/v3/maintenance/status", "{}")
        return json.loads(client.getresponse().read())["header"]["revision"]
    finally:
        client.close()


OPEN = Config("etcd: open", "etcd", Access.GIVES_DATA, _open, 2379, objects=2, state=_status)
CLOSED = Config("etcd: auth on", "etcd", Access.ASKS_CREDENTIAL, _closed, 2379, state=_status)
CONFIGS = (
    OPEN,
    CLOSED,
    *with_tls((OPEN, CLOSED), 2379),
    Config(
        "etcd: auth on, and v2 open",
        "etcd",
        Access.GIVES_DATA,
        _open_behind,
        2379,
        objects=2,
        state=_status,
    ),
    Config("etcd: empty", "etcd", Access.LISTS, partial(etcd, v2=False), 2379, state=_status),
)
