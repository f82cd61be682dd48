"""json-server (of npm), which knows no login."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access

HELD = {"people": [{"id": 1, "ssn": "078-05-1120"}, {"id": 2}], "profile": {"name": "x"}}


@contextmanager
def json_server() -> Iterator[servers.Server]:
    """Two tables of three records."""
    node, port = servers.need("node"), servers.free_port()
    with servers.scratch() as folder:
        (folder / "db.json").write_text(json.dumps(HELD))
        servers.give(folder)
        argv = [
            node,
            str(servers.from_npm("json-server")),
            "--host",
            servers.CLIENT,
            "--port",
            str(port),
            "--read-only",
        ]
        with servers.running([*argv, "db.json"], folder, port) as server:
            yield server


def _held(server: servers.Server) -> object:
    """The file that it would write to."""
    return (server.folder / "db.json").read_bytes()


_OPEN = Config("json-server: open", "json_server", Access.GIVES_DATA, json_server, 3000)
CONFIGS = (_OPEN, *with_tls((_OPEN,), 3000))
