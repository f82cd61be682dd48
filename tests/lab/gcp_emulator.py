"""gcp-storage-emulator (of PyPI): buckets as of Google Cloud Storage."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import servers
from lab.config import Config, with_tls
from lab.shared import shared
from leftopen.model.exposure import Access

SECRET = b"number 078-05-1120\n"
OBJECTS = {"2023/a.eml": SECRET, "2023/c": SECRET * 9, "top.pst": b"x" * 9000}


def post(port: int, path: str, body: bytes, kind: str) -> None:
    client = http.client.HTTPConnection(servers.CLIENT, port, timeout=10)
    try:
        client.request("POST", path, body, {"Content-Type": kind})
        assert client.getresponse().status == 200
    finally:
        client.close()


@contextmanager
def emulator() -> Iterator[servers.Server]:
    """gcp-storage-emulator of PyPI."""
    binary = servers.from_pypi("gcp-storage-emulator")
    port = servers.free_port()
    with servers.scratch() as folder:
        argv = [binary, "start", "--host", servers.CLIENT, "--port", str(port), "--in-memory"]
        with servers.running(argv, folder, port) as server:
            post(port, "/storage/v1/b?project=x", b'{"name": "box"}', "application/json")
            for name, content in OBJECTS.items():
                to = f"/upload/storage/v1/b/box/o?uploadType=media&name={quote(name, safe='')}"
                post(port, to, content, "text/plain")
            yield server


_ONE = shared(emulator)


def _bucket(name: str, access: Access, path: str, objects: int | None = None) -> Config:
    return Config(
        f"gcp-storage-emulator: {name}",
        "gcs",
        access,
        _ONE,
        80,
        objects=objects,
        store="gcs",
        path=path,
    )


CONFIGS = (
    _bucket("bucket", Access.GIVES_DATA, "/box", 3),
    _bucket("absent bucket", Access.SPEAKS, "/nope"),
    *with_tls((_bucket("bucket", Access.GIVES_DATA, "/box", 3),), 443),
)
