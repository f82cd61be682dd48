"""Targets that come out of files: cloud inventories, and scans that others made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import servers
from leftopen.model.errors import ScopeError
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.run.inputs import open_scope
from leftopen.run.pipeline import investigate

GRAPH = {
    "data": [
        {
            "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/"
            "publicIPAddresses/forgotten",
            "name": "forgotten",
            "type": "microsoft.network/publicipaddresses",
            "properties": {"ipAddress": "8.8.4.4"},
        },
        {
            "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/"
            "storageAccounts/mails",
            "name": "mails",
            "type": "microsoft.storage/storageaccounts",
            "properties": {
                "primaryEndpoints": {"blob": "https://mails.blob.core.windows.net/"},
                "allowBlobPublicAccess": True,
            },
        },
    ]
}
AUTHORITY = (
    '[authority]\norganisation = "o"\napprover = "a"\nreference = "r"\nvalid_until = 2099-01-01\n'
)


def scope_file(folder: Path, text: str) -> Path:
    path = folder / "scope.toml"
    path.write_text(f"version = 1\n{text}")
    return path


def test_what_an_inventory_names_is_in_scope_and_exclusions_win(tmp_path: Path) -> None:
    (tmp_path / "graph.json").write_text(json.dumps(GRAPH))
    text = '[targets]\ninventories = ["graph.json"]\nports = [80, 81]\nexclude = ["8.8.4.4:81"]\n'
    inputs = open_scope(scope_file(tmp_path, AUTHORITY + text))
    assert inputs.scope.covers("8.8.4.4", 80)
    assert not inputs.scope.covers("8.8.4.4", 81)
    assert not inputs.scope.covers("8.8.8.8", 80)
    assert [(g.reason, "its containers are not" in g.detail) for g in inputs.gaps] == [
        (Reason.NOT_GIVEN, True)
    ]


def test_another_inventory_is_another_scope(tmp_path: Path) -> None:
    path = scope_file(tmp_path, AUTHORITY + '[targets]\ninventories = ["graph.json"]\n')
    (tmp_path / "graph.json").write_text(json.dumps(GRAPH))
    first = open_scope(path).scope.sha256
    assert open_scope(path).scope.sha256 == first
    changed = json.dumps(GRAPH).replace("8.8.4.4", "8.8.4.5")
    (tmp_path / "graph.json").write_text(changed)
    assert open_scope(path).scope.sha256 != first


def test_a_public_address_of_an_inventory_needs_the_authority_too(tmp_path: Path) -> None:
    (tmp_path / "graph.json").write_text(json.dumps(GRAPH))
    with pytest.raises(ScopeError, match=r"8\.8\.4\.4.*authority"):
        open_scope(scope_file(tmp_path, '[targets]\ninventories = ["graph.json"]\n'))


def test_a_missing_inventory_is_a_gap(tmp_path: Path) -> None:
    inputs = open_scope(scope_file(tmp_path, '[targets]\ninventories = ["none.json"]\n'))
    assert [g.reason for g in inputs.gaps] == [Reason.UNREADABLE]


NMAP = """<?xml version="1.0"?>
<nmaprun scanner="nmap" args="nmap" start="1700000000" version="7.93">
<host starttime="1700000000" endtime="1700000001"><status state="up"/>
<address addr="127.0.0.1" addrtype="ipv4"/><ports>
<port protocol="tcp" portid="{port}"><state state="open"/></port>
<port protocol="tcp" portid="{shut}"><state state="closed"/></port></ports></host>
<host><status state="up"/><address addr="127.9.9.9" addrtype="ipv4"/><ports>
<port protocol="tcp" portid="80"><state state="open"/></port></ports></host>
<runstats><finished time="1700000002"/></runstats></nmaprun>
"""


def test_a_scan_by_others_takes_the_place_of_the_sweep(tmp_path: Path) -> None:
    with servers.redis() as server, servers.fake(lambda client: None) as other:
        servers.redis_cli(server, "SET", "k", "v")
        (tmp_path / "nmap.xml").write_text(NMAP.format(port=server.port, shut=other.port))
        text = '[targets]\nnetworks = ["127.0.0.1/32"]\n[imports]\nsweep = ["nmap.xml"]\n'
        made, _ = investigate(scope_file(tmp_path, text), tmp_path / "case")
        assert other.connections == 0
    (case,) = made.cases
    assert case.exposure.endpoint.port == server.port
    assert case.exposure.access is Access.GIVES_DATA
    outside = [g for g in made.gaps if g.reason is Reason.OUT_OF_SCOPE]
    assert [g.count for g in outside] == [1]


def test_what_others_saw_closed_bounds_nothing(tmp_path: Path) -> None:
    with servers.redis() as server:
        servers.redis_cli(server, "SET", "k", "v")
        shut = NMAP.format(port=1, shut=server.port)
        (tmp_path / "nmap.xml").write_text(shut)
        text = f'[targets]\nnetworks = ["127.0.0.1/32"]\nports = [{server.port}]\n'
        text += '[imports]\nfiles = ["nmap.xml"]\n'
        made, _ = investigate(scope_file(tmp_path, text), tmp_path / "case")
    (case,) = [c for c in made.cases if c.exposure.endpoint.port == server.port]
    assert case.exposure.opened.after is None
