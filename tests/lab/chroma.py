"""Chroma (of PyPI) with one collection; its server knows no login."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access

V2 = "/api/v2/tenants/default_tenant/databases"
FOLDER = f"{V2}/default_database/collections"
SSN = "078-05-1120"
RUN = """\
import sys
sys.path.insert(0, sys.argv[1])
import chromadb_rust_bindings
words = ["--path", sys.argv[2], "--host", sys.argv[3], "--port", sys.argv[4]]
chromadb_rust_bindings.cli(["chroma", "run", *words])
"""


@contextmanager
def chroma() -> Iterator[servers.Server]:
    """`chroma run` of the package chromadb (only its Rust part), with a collection of two."""
    found = next(servers.PYPI.glob("lib/python*/site-packages/chromadb_rust_bindings"), None)
    if found is None:
        servers.absent("chromadb is not installed here: make servers")
    packages = str(found.parent)
    port = servers.free_port()
    with servers.scratch() as folder:
        argv = [sys.executable, "-c", RUN, packages, str(folder / "data"), servers.CLIENT]
        with servers.running([*argv, str(port)], folder, port) as server:
            owner(server, FOLDER, {"name": "people"})
            uid = json.loads(owner(server, FOLDER))[0]["id"]
            texts = [f"Ada {SSN}", None]
            given = {"ids": ["a", "b"], "embeddings": [[1, 2], [3, 4]], "documents": texts}
            owner(server, f"{FOLDER}/{uid}/add", given)
            yield server


def owner(server: servers.Server, path: str, body: object = None) -> bytes:
    """What the owner asks for."""
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        fields = {"Content-Type": "application/json"}
        client.request("POST" if body else "GET", path, json.dumps(body) if body else None, fields)
        reply = client.getresponse()
        said = reply.read()
        assert reply.status in (200, 201), said
        return said
    finally:
        client.close()


def collections(server: servers.Server) -> object:
    """Each collection, and how many documents it has."""
    held = json.loads(owner(server, FOLDER))
    return [(c["name"], owner(server, f"{FOLDER}/{c['id']}/count")) for c in held]


_OPEN = Config("Chroma: open", "chroma", Access.GIVES_DATA, chroma, 8000, 2, state=collections)
CONFIGS = (_OPEN, *with_tls((_OPEN,), 8000))
