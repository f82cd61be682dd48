"""VictoriaMetrics: series and samples."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config
from leftopen.model.exposure import Access

OWNER = "ada.lovelace@example.org"


@contextmanager
def victoriametrics(*, data: bool = False, closed: bool = False) -> Iterator[servers.Server]:
    """VictoriaMetrics, with one series when asked."""
    binary = servers.need("victoria-metrics")
    port = servers.free_port()
    with servers.scratch() as folder:
        argv = [binary, f"-storageDataPath={folder}/data"]
        argv += [f"-httpListenAddr={servers.CLIENT}:{port}", "-memory.allowedBytes=64MB"]
        argv += ["-httpAuth.username=bob", "-httpAuth.password=x"] if closed else []
        with servers.running(argv, folder, port) as server:
            if data:
                before = int(time.time() * 1000) - 60_000  # an export ends with this second
                line = f'payroll_sum{{owner="{OWNER}"}} 42 {before}\n'
                ask(server, "POST", "/api/v1/import/prometheus", line)
                ask(server, "GET", "/internal/force_flush")
            yield server


def ask(server: servers.Server, method: str, path: str, body: str = "") -> int:
    client = http.client.HTTPConnection(server.host, server.port, timeout=5)
    client.request(method, path, body)
    answered = client.getresponse()
    answered.read()
    client.close()
    return answered.status


def _row(name: str, access: Access, *, data: bool = False, closed: bool = False) -> Config:
    return Config(
        f"victoriametrics: {name}",
        "victoriametrics",
        access,
        lambda: victoriametrics(data=data, closed=closed),
        8428,
    )


CONFIGS = (
    _row("open", Access.GIVES_DATA, data=True),
    _row("open and empty", Access.METADATA),
    _row("httpAuth", Access.ASKS_CREDENTIAL, closed=True),
)
