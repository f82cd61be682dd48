"""A product that one room knows is known to the others under the same name, or says why not."""

from __future__ import annotations

import pytest

from leftopen.cause.registry import clouds, rules
from leftopen.reach.registry import protocols
from leftopen.trace.registry import formats

# One row a product: its name in reach, in cause and in trace. A text in place of a name says why
# that room does not know it.
SLICES = {
    "web server": ("http", "nginx", "clf"),
    "mail server": ("imap", "dovecot", "dovecot"),
    "FTP server": ("ftp", "vsftpd", "vsftpd"),
    "FTP transfers": ("ftp", "vsftpd", "xferlog"),
    "rsync daemon": ("rsync", "rsync", "its log names no bytes by default: a later issue"),
    "Redis": ("redis", "redis", "its log names no reader; INFO counters are a later issue"),
    "PostgreSQL": ("postgresql", "postgresql", "logs no statement by default: a later issue"),
    "Elasticsearch": ("elasticsearch", "elasticsearch.yml: a later issue", "audit: a later issue"),
    "Azure Blob": ("azure_blob", "storage account gates: a later issue", "StorageRead: later"),
    "Azure network": ("a network, not a service", "azure_nsg", "azure_nsg_flow"),
}
ROOMS = {
    0: {p.name for p in protocols()},
    1: {r.product for r in (*rules(), *clouds())},
    2: {f.name for f in formats()},
}


@pytest.mark.parametrize("room", ROOMS)
def test_every_plugin_stands_in_a_slice(room: int) -> None:
    assert ROOMS[room] <= {names[room] for names in SLICES.values()}


@pytest.mark.parametrize("product", SLICES)
def test_a_slice_names_plugins_or_gives_a_reason(product: str) -> None:
    for room, name in enumerate(SLICES[product]):
        assert name in ROOMS[room] or " " in name, f"{name}: neither a plugin nor a reason"
