"""Configuration against probe: agreement and both kinds of conflict."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from leftopen.cause.explain import explain_texts
from leftopen.cause.match import match
from leftopen.model.cause import Agreement, Cause
from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import Access, Exposure, Observation
from leftopen.model.time import Between

NOW = datetime(2026, 11, 24, tzinfo=UTC)
NGINX = "http {{ server {{ listen {listen}; root /srv/mail; autoindex on; {more} }} }}"
BASIC = 'auth_basic "x"; auth_basic_user_file /etc/h;'


def _exposure(protocol: str, port: int, address: str = "198.51.100.4") -> Exposure:
    return Exposure(
        uid=f"{protocol}{port}",
        endpoint=Endpoint(address=address, port=port),
        protocol=protocol,
        access=Access.GIVES_DATA,
        opened=Between(),
        closed=Between(),
        observations=(),
    )


def _closed(protocol: str, port: int, address: str = "198.51.100.4") -> Observation:
    return Observation(
        endpoint=Endpoint(address=address, port=port),
        time=NOW,
        sensor="leftopen",
        protocol=protocol,
        access=Access.ASKS_CREDENTIAL,
    )


def _causes(product: str, text: str | Mapping[str, str], version: str = "") -> list[Cause]:
    texts = {"a.conf": text} if isinstance(text, str) else text
    return [c for c in explain_texts(product, texts, version) if isinstance(c, Cause)]


def _agreements(causes: list[Cause], exposure: Exposure) -> list[Agreement]:
    return [f.agreement for f in match(causes, [exposure], []).by_exposure[exposure.uid]]


@pytest.mark.parametrize(
    ("listen", "address", "port", "expected"),
    [
        ("80", "198.51.100.4", 80, [Agreement.EXPLAINS]),
        ("80", "198.51.100.4", 81, []),
        ("198.51.100.4:80", "198.51.100.4", 80, [Agreement.EXPLAINS]),
        ("198.51.100.5:80", "198.51.100.4", 80, []),
        ("[::]:80", "198.51.100.4", 80, [Agreement.EXPLAINS]),
        ("[::]:80", "2001:db8::1", 80, [Agreement.EXPLAINS]),
        ("80", "2001:db8::1", 80, []),
        ("127.0.0.9:8080", "127.0.0.9", 8080, [Agreement.EXPLAINS]),
        ("127.0.0.9:8080", "127.0.0.8", 8080, []),
        ("127.0.0.9:8080", "198.51.100.4", 8080, []),
    ],
)
def test_address_and_port(listen: str, address: str, port: int, expected: list[Agreement]) -> None:
    causes = _causes("nginx", NGINX.format(listen=listen, more=""))
    assert _agreements(causes, _exposure("http", port, address)) == expected


def test_closed_in_configuration_and_data_all_the_same() -> None:
    causes = _causes("nginx", NGINX.format(listen="80", more=BASIC))
    exposure = _exposure("http", 80)
    (finding,) = match(causes, [exposure], []).by_exposure[exposure.uid]
    assert finding.agreement is Agreement.CONFLICT_CLOSED
    assert "auth_basic" in finding.detail
    assert len(finding.detail.splitlines()) == 1


def test_open_place_explains_and_closed_ones_beside_it_are_no_conflict() -> None:
    more = f"location /a {{ {BASIC} }} location /b {{ deny all; }}"
    causes = _causes("nginx", NGINX.format(listen="80", more=more))
    assert len(causes) == 3
    assert _agreements(causes, _exposure("http", 80)) == [Agreement.EXPLAINS]


def test_open_in_configuration_and_closed_for_the_probe() -> None:
    causes = _causes("vsftpd", "listen=YES\n")
    (finding,) = match(causes, [], [_closed("ftp", 21)]).others
    assert finding.agreement is Agreement.CONFLICT_OPEN
    assert "asks_credential" in finding.detail


def test_open_in_configuration_and_nothing_there() -> None:
    causes = _causes("vsftpd", "listen=YES\n")
    (finding,) = match(causes, [], [_closed("ftp", 2121)]).others
    assert finding.agreement is Agreement.UNKNOWN


def test_closed_causes_without_exposure_are_left_out() -> None:
    assert match(_causes("vsftpd", "listen=YES\nanonymous_enable=NO\n"), [], []).others == ()


def test_closed_port_without_protocol_is_a_conflict_too() -> None:
    look = _closed("", 21)
    (finding,) = match(_causes("vsftpd", "listen=YES\n"), [], [look]).others
    assert finding.agreement is Agreement.CONFLICT_OPEN


def test_loopback_only_server_that_probe_found_closed() -> None:
    causes = _causes("nginx", NGINX.format(listen="127.0.0.9:80", more=""))
    (finding,) = match(causes, [], [_closed("http", 80, "127.0.0.9")]).others
    assert finding.agreement is Agreement.CONFLICT_OPEN
    assert match(causes, [], []).others == ()


def test_proxy_explains_the_protocol_behind_it() -> None:
    text = "http { server { listen 80; location / { proxy_pass http://127.0.0.1:9200; } } }"
    exposure = _exposure("elasticsearch", 80)
    assert _agreements(_causes("nginx", text), exposure) == [Agreement.EXPLAINS]


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        ("bind 0.0.0.0\nprotected-mode no\n", "", Agreement.EXPLAINS),
        ("bind 0.0.0.0\n", "6.2.14", Agreement.EXPLAINS),
        ("bind 0.0.0.0\n", "7.0.15", Agreement.CONFLICT_CLOSED),
        ("bind 0.0.0.0\n", "", Agreement.UNKNOWN),
        ("bind 0.0.0.0\nrequirepass x\n", "", Agreement.CONFLICT_CLOSED),
    ],
)
def test_redis(text: str, version: str, expected: Agreement) -> None:
    assert _agreements(_causes("redis", text, version), _exposure("redis", 6379)) == [expected]


@pytest.mark.parametrize(
    ("network", "address", "expected"),
    [
        ("0.0.0.0/0", "198.51.100.4", Agreement.EXPLAINS),
        ("10.0.0.0/8", "10.0.0.4", Agreement.UNKNOWN),  # the probe may have come from inside
        ("127.0.0.0/8", "127.0.0.9", Agreement.EXPLAINS),
        ("127.0.0.1/32", "127.0.0.9", Agreement.UNKNOWN),
        ("127.0.0.1/32", "198.51.100.4", Agreement.CONFLICT_CLOSED),
    ],
)
def test_whom_the_list_lets_in(network: str, address: str, expected: Agreement) -> None:
    texts = {
        "pg_hba.conf": f"host all all {network} trust\n",
        "postgresql.conf": "listen_addresses = '*'\n",
    }
    exposure = _exposure("postgresql", 5432, address)
    assert _agreements(_causes("postgresql", texts), exposure) == [expected]


def test_network_and_server_are_both_named() -> None:
    nsg = '{"name": "n", "securityRules": [{"name": "r", "priority": 100, "access": "Allow", '
    nsg += '"direction": "Inbound", "protocol": "*", "sourceAddressPrefix": "*", '
    nsg += '"destinationPortRange": "%s"}]}'
    web = _causes("nginx", NGINX.format(listen="80", more=""))
    exposure = _exposure("http", 80)
    both = [*web, *_causes("azure_nsg", nsg % "*")]
    assert _agreements(both, exposure) == [Agreement.EXPLAINS, Agreement.EXPLAINS]
    assert _agreements([*web, *_causes("azure_nsg", nsg % "443")], exposure) == [Agreement.EXPLAINS]


def test_closed_group_is_no_conflict_since_it_may_guard_another_machine() -> None:
    causes = _causes("azure_nsg", '{"name": "n", "securityRules": []}')
    assert _agreements(causes, _exposure("http", 80)) == [Agreement.UNKNOWN]
