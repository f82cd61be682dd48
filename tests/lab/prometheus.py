"""Prometheus."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access

# bob, correct-horse
HASH = "$2y$05$abcdefghijklmnopqrstuuZ0Fx87Pb/Aqb0E90lfvCwzXnaFKUHpS"
OWNER = "ada.lovelace@example.org"
CONF = """\
global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}
scrape_configs:
  - job_name: payroll
    static_configs: [{{targets: ["{host}:{port}"], labels: {{owner: "{owner}"}}}}]
"""


@contextmanager
def prometheus(*, closed: bool = False, scraping: bool = True) -> Iterator[servers.Server]:
    """Prometheus, once its first sample is there."""
    binary = servers.need("prometheus")
    port = servers.free_port()
    with servers.scratch() as folder:
        conf = folder / "prometheus.yml"
        said = CONF.format(host=servers.CLIENT, port=port, owner=OWNER)
        conf.write_text(said if scraping else "scrape_configs: []\n")
        argv = [binary, f"--config.file={conf}", f"--storage.tsdb.path={folder}/data"]
        argv += [f"--web.listen-address={servers.CLIENT}:{port}"]
        if closed:
            config = folder / "web.yml"
            config.write_text(f"basic_auth_users: {{bob: '{HASH}'}}\n")
            argv += [f"--web.config.file={config}"]
        servers.give(folder)
        with servers.running(argv, folder, port) as server:
            if not closed:
                wait(server, '"value"' if scraping else '"success"')
            yield server


def wait(server: servers.Server, word: str) -> None:
    """Until a query is answered with this."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        client = http.client.HTTPConnection(server.host, server.port, timeout=5)
        client.request("GET", "/api/v1/query?query=up")
        said = client.getresponse().read().decode()
        client.close()
        if word in said:
            return
    raise RuntimeError(f"no {word} in {said}")


OPEN = Config("Prometheus: open", "prometheus", Access.GIVES_DATA, prometheus, 9090, sized=True)
CLOSED = Config(
    "Prometheus: web.config",
    "prometheus",
    Access.ASKS_CREDENTIAL,
    partial(prometheus, closed=True),
    9090,
)
CONFIGS = (
    OPEN,
    CLOSED,
    *with_tls((OPEN, CLOSED), 9090),
    Config(
        "Prometheus: no targets",
        "prometheus",
        Access.SPEAKS,
        partial(prometheus, scraping=False),
        9090,
    ),
)
