"""Alertmanager, with and without an alert."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import servers
from lab.config import Config, with_tls
from leftopen.model.exposure import Access

OWNER = "ada.lovelace@example.org"
CONF = "route: {receiver: payroll-team}\nreceivers: [{name: payroll-team}]\n"


@contextmanager
def alertmanager(*, alert: bool) -> Iterator[servers.Server]:
    """Alertmanager with one receiver and, when asked, one alert."""
    binary = servers.need("prometheus-alertmanager")
    port = servers.free_port()
    with servers.scratch() as folder:
        conf = folder / "alertmanager.yml"
        conf.write_text(CONF)
        argv = [binary, f"--config.file={conf}", f"--storage.path={folder}/data"]
        argv += [f"--web.listen-address={servers.CLIENT}:{port}", "--cluster.listen-address="]
        servers.give(folder)
        with servers.running(argv, folder, port) as server:
            if alert:
                labels = {"alertname": "DiskFull", "owner": OWNER}
                client = http.client.HTTPConnection(server.host, server.port, timeout=5)
                body = json.dumps([{"labels": labels}])
                fields = {"Content-Type": "application/json"}
                client.request("POST", "/api/v2/alerts", body, fields)
                assert client.getresponse().status == 200
                client.close()
            yield server


def _kept(server: servers.Server) -> object:
    """Its alerts and silences."""
    client = http.client.HTTPConnection(server.host, server.port, timeout=5)
    said = []
    for path in ("alerts", "silences"):
        client.request("GET", f"/api/v2/{path}")
        said.append(json.loads(client.getresponse().read()))
    client.close()
    return said


def _row(name: str, access: Access, objects: int, *, alert: bool) -> Config:
    start = partial(alertmanager, alert=alert)
    return Config(name, "alertmanager", access, start, 9093, objects, state=_kept)


_ALERT = _row("Alertmanager: an alert", Access.GIVES_DATA, 1, alert=True)
CONFIGS = (
    _ALERT,
    _row("Alertmanager: no alert", Access.LISTS, 0, alert=False),
    *with_tls((_ALERT,), 9093),
)
