"""Hosts that answer on every port, and hosts that serve far too much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import Access, Observation
from leftopen.reach.doubts import LOOKED_AT, crowded, doubts, spared
from probing import NOW

TARPIT, HONEST = "10.0.0.1", "10.0.0.2"


def at(address: str, *ports: int) -> list[Endpoint]:
    return [Endpoint(address=address, port=port) for port in ports]


def seen(protocol: str, access: Access = Access.GIVES_DATA) -> Observation:
    endpoint = Endpoint(address=TARPIT, port=1)
    return Observation(
        endpoint=endpoint, time=NOW, sensor="leftopen", protocol=protocol, access=access
    )


def test_a_share_of_the_ports_and_a_number_of_them_make_a_crowd() -> None:
    answered = [*at(TARPIT, *range(1, 401)), *at(HONEST, *range(1, 16))]
    assert crowded(answered, 1000) == {TARPIT: 400}
    assert crowded(at(HONEST, *range(1, 16)), 15) == {}
    assert crowded(at(HONEST, *range(1, 17)), 16) == {HONEST: 16}
    assert crowded(at(TARPIT, *range(1, 301)), 1000) == {}


def test_one_port_under_two_names_is_one_port() -> None:
    twice = [*at(HONEST, *range(1, 11))]
    twice += [Endpoint(address=HONEST, port=e.port, name="a.example") for e in twice]
    assert crowded(twice, 20) == {}


def test_of_a_crowded_host_the_usual_ports_and_a_sample_are_looked_at() -> None:
    answered = [*at(TARPIT, *range(1, 10_001)), *at(HONEST, 80)]
    kept, left = spared(answered, {TARPIT: 10_000}, seed=7)
    assert left == {TARPIT: len(answered) - len(kept)}
    assert LOOKED_AT < len(kept) < 400
    assert at(HONEST, 80)[0] in kept
    assert {e.port for e in kept} >= {21, 80, 443, 6379, 9200}
    assert kept == spared(answered, {TARPIT: 10_000}, seed=7)[0]
    assert kept != spared(answered, {TARPIT: 10_000}, seed=8)[0]


@given(st.sets(st.integers(1, 65_535), max_size=300), st.integers())
def test_fuzz_nothing_is_lost_without_being_counted(ports: set[int], seed: int) -> None:
    answered = at(TARPIT, *ports)
    kept, left = spared(answered, {TARPIT: len(ports)}, seed)
    assert len(kept) + left.get(TARPIT, 0) == len(answered)
    assert set(kept) <= set(answered)
    assert spared(answered, {}, seed) == (answered, {})


def test_what_is_doubtful_is_said_in_words() -> None:
    assert "tarpit" in doubts([], {TARPIT: 400})[TARPIT]
    many = [seen(f"p{n}") for n in range(16)]
    assert "honeypot" in doubts(many, {TARPIT: 400})[TARPIT]
    assert doubts(many[:15], {}) == {}
    assert doubts([seen(f"p{n}", Access.SPEAKS) for n in range(16)], {}) == {}
