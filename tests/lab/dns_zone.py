"""BIND with one zone: who may take it whole is all that differs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import servers
from lab.config import Config, files_of
from leftopen.model.exposure import Access

CLAIMS = 'dns_zones = ["example.org", "Absent.Example."]'
NAMED = """\
options {{
  directory "{folder}"; pid-file none; session-keyfile none; recursion no;
  listen-on port {port} {{ {host}; }}; listen-on-v6 {{ none; }};
  allow-transfer {{ {transfer}; }}; dnssec-validation no; managed-keys-directory "{folder}";
}};
controls {{ }};
zone "example.org" {{ type primary; file "{folder}/zones/example.org"; }};
"""
ZONE = """\
$TTL 60
@ IN SOA ns hostmaster 1 60 60 60 60
@ IN NS ns
ns IN A 192.0.2.1
payroll IN A 192.0.2.2
ada.lovelace IN TXT "a secret"
"""


@contextmanager
def named(transfer: str, zone: str = ZONE) -> Iterator[servers.Server]:
    """BIND with one zone of five records, which `transfer` may take whole."""
    binary = servers.need("named")
    port = servers.free_port()
    with servers.scratch() as folder:
        servers.plant(folder / "zones", {"example.org": zone.encode()})
        conf = folder / "named.conf"
        conf.write_text(
            NAMED.format(folder=folder, port=port, host=servers.CLIENT, transfer=transfer)
        )
        servers.give(folder)
        argv = [binary, "-g", "-c", str(conf), "-n", "1"]
        with servers.running(argv, folder, port) as server:
            await_zone(server)
            yield server


def await_zone(server: servers.Server) -> None:
    """Until BIND has loaded its zones: it listens before."""
    deadline = time.monotonic() + 10
    while "all zones loaded" not in server.log.read_text(errors="replace"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _row(name: str, access: Access, transfer: str, objects: int | None = None) -> Config:
    start = partial(named, transfer)
    state = files_of("zones")  # an update would leave a journal beside the zone
    return Config(name, "dns_zone", access, start, 53, objects=objects, claims=CLAIMS, state=state)


CONFIGS = (
    _row("BIND: transfer to any", Access.GIVES_DATA, "any", 5),
    _row("BIND: transfer to none", Access.REFUSED_OR_ABSENT, "none"),
    _row("BIND: transfer to its own machine", Access.REFUSED_OR_ABSENT, "127.0.0.1"),
)
