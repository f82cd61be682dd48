"""node_exporter, open and behind web.config."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access

HASH = "$2y$05$abcdefghijklmnopqrstuuZ0Fx87Pb/Aqb0E90lfvCwzXnaFKUHpS"  # bob, correct-horse


@contextmanager
def node_exporter(*, closed: bool) -> Iterator[servers.Server]:
    """node_exporter with two of its collectors."""
    binary = servers.need("prometheus-node-exporter")
    port = servers.free_port()
    with servers.scratch() as folder:
        argv = [binary, f"--web.listen-address={servers.CLIENT}:{port}"]
        argv += ["--collector.disable-defaults", "--collector.uname", "--collector.loadavg"]
        if closed:
            config = folder / "web.yml"
            config.write_text(f"basic_auth_users: {{bob: '{HASH}'}}\n")
            argv += [f"--web.config.file={config}"]
        servers.give(folder)
        with servers.running(argv, folder, port) as server:
            yield server


_OPEN = Config(
    "node_exporter: open",
    "exporter",
    Access.GIVES_DATA,
    partial(node_exporter, closed=False),
    9100,
    sized=True,
)
_CLOSED = Config(  # its refusal is that of Prometheus, whose toolkit it is
    "node_exporter: web.config",
    "prometheus",
    Access.ASKS_CREDENTIAL,
    partial(node_exporter, closed=True),
    9100,
)
CONFIGS = (_OPEN, _CLOSED, *with_tls((_OPEN, _CLOSED), 9100))
