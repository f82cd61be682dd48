"""Who a client is: first match wins, every answer names its source."""

from __future__ import annotations

import pytest

from leftopen.model.scope_file import NamedNetworks, Parties
from leftopen.model.trace import PartyKind
from leftopen.trace.parties import attribute, combine, published

PARTIES = Parties(
    owner=("192.0.2.0/24", "2001:db8:1::/48"),
    monitoring=(NamedNetworks(name="Nagios", networks=("198.51.100.7/32",)),),
    researchers=(NamedNetworks(name="A. Finder", networks=("203.0.113.80/32",)),),
)


@pytest.mark.parametrize(
    ("client", "agent", "kind", "name"),
    [
        ("192.0.2.5", "", PartyKind.OWNER, "owner"),
        ("2001:db8:1::9", "", PartyKind.OWNER, "owner"),
        ("198.51.100.7", "", PartyKind.MONITORING, "Nagios"),
        ("203.0.113.80", "", PartyKind.RESEARCHER, "A. Finder"),
        ("168.63.129.16", "", PartyKind.CLOUD, "Azure platform"),
        ("71.6.135.131", "Mozilla", PartyKind.SCANNER, "Shodan"),
        ("66.249.66.1", "x Googlebot/2.1", PartyKind.CRAWLER, "Googlebot"),
        ("66.249.66.1", "Mozilla", PartyKind.UNKNOWN, ""),
        ("203.0.113.4", "x googlebot/2.1", PartyKind.CLAIMED_CRAWLER, "Googlebot"),
        ("203.0.113.4", "bingbot", PartyKind.CLAIMED_CRAWLER, "bingbot"),
        ("203.0.113.9", "Leftopen/1", PartyKind.SELF, "Leftopen"),
        ("203.0.113.9", "", PartyKind.SELF, "Leftopen"),
        ("203.0.113.9", "curl", PartyKind.UNKNOWN, ""),
        ("203.0.113.4", "Leftopen/1", PartyKind.UNKNOWN, ""),
        ("host.example.org", "", PartyKind.UNKNOWN, ""),
    ],
)
def test_attribution(client: str, agent: str, kind: PartyKind, name: str) -> None:
    party = attribute(client, agent, PARTIES, ("203.0.113.9",))
    assert (party.kind, party.name) == (kind, name)
    assert bool(party.basis) == (kind is not PartyKind.UNKNOWN)


def test_basis_names_list_and_version() -> None:
    party = attribute("71.6.135.131", "", PARTIES)
    assert "shodan" in party.basis
    assert "version" in party.basis
    assert "pymispwarninglists" in party.basis


def test_a_name_is_ours_only_if_every_agent_is() -> None:
    own = attribute("203.0.113.9", "Leftopen/1", PARTIES, ("203.0.113.9",))
    other = attribute("203.0.113.9", "curl", PARTIES, ("203.0.113.9",))
    claimed = attribute("203.0.113.9", "bingbot", PARTIES, ("203.0.113.9",))
    assert combine([own]).kind is PartyKind.SELF
    assert combine([own, other]).kind is PartyKind.UNKNOWN
    assert combine([other, claimed]) == combine([claimed, other]) == claimed


def test_data_file() -> None:
    data = published()
    assert data.licence == "CC0-1.0"
    assert {item.kind for item in data.lists} == {"scanner", "crawler"}
    assert {"shadowserver", "censys-scanning", "googlebot"} <= {item.list for item in data.lists}
    assert all(item.version and item.ranges for item in data.lists)
