"""Sets of addresses."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.cause.networks import (
    EVERYONE,
    NOBODY,
    PUBLIC,
    AddressSet,
    listens,
    parse,
    strangers,
)
from leftopen.model.cause import Truth

small = st.lists(
    st.tuples(st.integers(0, 255), st.integers(24, 32)).map(
        lambda t: str(ipaddress.ip_network((t[0], t[1]), strict=False))
    ),
    max_size=6,
)


def _members(found: AddressSet) -> set[int]:
    return {n for low, high in found.v4 for n in range(low, high + 1)}


@given(small, small)
def test_set_algebra_agrees_with_python_sets(one: list[str], two: list[str]) -> None:
    a, b = AddressSet.of(*one), AddressSet.of(*two)
    assert _members(a | b) == _members(a) | _members(b)
    assert _members(a & b) == _members(a) & _members(b)
    assert _members(a - b) == _members(a) - _members(b)
    assert AddressSet.of(*a.networks()) == a
    assert a.size(4) == len(_members(a))


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        (["0.0.0.0/0"], Truth.YES),
        (["0.0.0.0/1", "128.0.0.0/1"], Truth.YES),
        (["64.0.0.0/2"], Truth.YES),
        (["::/0"], Truth.YES),
        (["203.0.113.0/24"], Truth.NO),
        (["10.0.0.0/8", "192.168.0.0/16", "127.0.0.0/8", "fd00::/8"], Truth.NO),
        (["11.0.0.0/9"], Truth.UNKNOWN),
        (["2001:db8::/32"], Truth.NO),
        (["2a00::/12"], Truth.YES),
        ([], Truth.NO),
    ],
)
def test_strangers(networks: list[str], expected: Truth) -> None:
    assert strangers(AddressSet.of(*networks)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.5/8", "10.0.0.0/8"),
        ("10.0.0.0/255.255.0.0", "10.0.0.0/16"),
        ("[::1]", "::1/128"),
        ("10.0.0.0-10.0.0.255", "10.0.0.0/24"),
    ],
)
def test_parse(text: str, expected: str) -> None:
    assert str(parse(text)) == expected


@pytest.mark.parametrize("text", ["", "all", "10.0.0.256", "10.0.0.9-10.0.0.1", "x" * 500, "-"])
def test_parse_refuses(text: str) -> None:
    assert parse(text) is None


@given(st.text(max_size=60))
def test_parse_never_raises(text: str) -> None:
    assert parse(text) is None or parse(text)


def test_shown() -> None:
    assert str(EVERYONE) == "0.0.0.0/0, ::/0"
    assert str(NOBODY) == "nobody"
    assert str(PUBLIC).endswith("…")


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["127.0.0.1", "::1"], Truth.NO),
        (["localhost"], Truth.NO),
        (["unix:/run/x"], Truth.NO),
        ([], Truth.NO),
        (["127.0.0.1", "10.0.0.4"], Truth.YES),
        (["*"], Truth.YES),
        (["::"], Truth.YES),
        (["mail.example"], Truth.UNKNOWN),
    ],
)
def test_listens(addresses: list[str], expected: Truth) -> None:
    assert listens(addresses) is expected
