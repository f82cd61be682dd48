"""Consul: no real one can be had here, so fakes of its documented answers, of several versions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.consul import BASE, DENIED, DENIED_NEW, LIST, MISSING, OPEN, SECRET, UI, fake, names, pair
from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import Response
from leftopen.reach.protocols.consul import _value_of
from probing import Limits, Probe
from reaching import answer, look, reach_of, read_all, scope_of, web

MakeProbe = Callable[..., Probe]
NO_UI = answer(
    b"Consul Agent: UI disabled. To enable, set ui_config.enabled=true", kind="text/plain"
)
OLD = answer(b"Consul Agent", kind="text/plain")  # before 1.9
FILTERED = answer(b"[]", more={"X-Consul-Results-Filtered-By-ACLs": "true"})
SERVICES = answer(b'{"consul":[],"billing":["v2"]}')


@pytest.mark.parametrize("front", [UI, NO_UI, OLD], ids=["UI", "no UI", "1.8"])
def test_a_fake_open_consul_gives_data(front: bytes) -> None:
    with web(fake({**OPEN, "/": front, "/v1/catalog/services": SERVICES})) as server:
        outcome = look(server.host, server.port)
        reach = reach_of(scope_of((f"{server.host}/32",), (server.port,)))
        refs, fetched, gaps = read_all(reach, outcome)
    seen = outcome.observation
    assert (seen.protocol, seen.access, seen.product) == ("consul", Access.GIVES_DATA, "Consul")
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit, seen.size.complete) == (2, "keys", True)
    assert seen.containers == ("app/",)
    assert "services are named" in seen.detail
    assert "correct-horse" not in repr(outcome)
    assert {r.path for r in refs} == {"/v1/kv/app/db%20url", "/v1/kv/top"}
    assert {f.data for f in fetched} == {SECRET, b""}
    assert not gaps


STATES: dict[str, tuple[dict[str, bytes], Access, str]] = {
    "ACL, 1.8": ({LIST: DENIED}, Access.ASKS_CREDENTIAL, "Permission denied"),
    "ACL, 1.15": ({LIST: DENIED_NEW}, Access.ASKS_CREDENTIAL, "lacks permission"),
    "ACL filters": ({LIST: FILTERED}, Access.ASKS_CREDENTIAL, "ACLs keep them back"),
    "catalog only": ({LIST: DENIED, "/v1/catalog/services": SERVICES}, Access.LISTS, "services"),
    "empty": ({}, Access.METADATA, "there is none, or the ACLs hide them"),
    "no leader": ({"/v1/status/leader": answer(b'""')}, Access.METADATA, "no key is named"),
    "names only": ({LIST: names("a"), "/v1/kv/a": DENIED}, Access.LISTS, "no value could be read"),
    "another key": (
        {LIST: names("a"), "/v1/kv/a": pair("b", b"x")},
        Access.MISBEHAVES,
        "no value",
    ),
    "no Base64": (
        {LIST: names("a"), "/v1/kv/a": pair("a", b"x").replace(b"eA==", b"****")},
        Access.MISBEHAVES,
        "not Base64",
    ),
    "deep": ({LIST: answer(b"[" * 100_000)}, Access.MISBEHAVES, "no list of keys"),
    "outside": ({LIST: names("a/b", "../x")}, Access.LISTS, "0 keys are named"),
}


@pytest.mark.parametrize("kind", STATES)
def test_fakes_between_open_and_closed(kind: str) -> None:
    answers, access, words = STATES[kind]
    with web(fake(answers)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("consul", access)
    assert words in seen.detail


def test_folders_without_end_are_cut(probe: MakeProbe) -> None:
    def reply(path: str) -> bytes:
        folder = path.removeprefix("/v1/kv/").partition("?")[0]
        return names(*(f"{folder}{n}/" for n in range(3)))

    started = time.monotonic()
    with web(reply) as server:
        limits = Limits(bytes=400_000_000, seconds=8.0)
        found = probe("consul", server.host, server.port, limits=limits).objects(limit=300)
    assert {g.reason for g in found if isinstance(g, Gap)} <= {Reason.MISBEHAVED, Reason.BUDGET}
    assert found
    assert time.monotonic() - started < 9


STRANGERS = {
    "Nomad": {"/v1/catalog/datacenters": MISSING, "/v1/regions": answer(b'["global"]')},
    "Vault": {"/v1/status/leader": MISSING, "/v1/catalog/datacenters": MISSING},
    "no text": {"/v1/status/leader": answer(b"{}")},
    "no centre": {"/v1/catalog/datacenters": answer(b"[]")},
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_strangers_are_not_consul(probe: MakeProbe, kind: str) -> None:
    with web(fake(STRANGERS[kind])) as server:
        assert probe("consul", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol != "consul"


@pytest.mark.parametrize("body", [b'"x"', b'["x"]', b"<html></html>"])
def test_a_catch_all_is_not_consul(probe: MakeProbe, body: bytes) -> None:
    with web(lambda path: UI if path == "/" else answer(body)) as server:
        assert probe("consul", server.host, server.port).prove() is None


def test_a_mirror_of_every_name_is_not_consul(probe: MakeProbe) -> None:
    with web(lambda path: BASE.get(path, answer(b"[]"))) as server:
        assert probe("consul", server.host, server.port).prove() is None


def test_a_real_redis_is_not_consul(probe: MakeProbe) -> None:
    with servers.redis() as other:
        assert probe("consul", other.host, other.port).prove() is None


@given(
    st.binary(max_size=60)
    | st.lists(
        st.fixed_dictionaries(
            {
                "Key": st.text(max_size=3),
                "Value": st.none() | st.text("QUE=*", max_size=8),
                "ModifyIndex": st.integers(0, 9),
            }
        ),
        max_size=2,
    ).map(lambda found: json.dumps(found).encode()),
    st.sampled_from([200, 403, 404, 500]),
)
def test_fuzz_a_value(body: bytes, status: int) -> None:
    try:
        value = _value_of(Response(status, {}, body, True, False), "k")
    except ProtocolError:
        return
    assert isinstance(value, bytes)
    assert status == 200
