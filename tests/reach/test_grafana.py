"""Grafana: recorded answers of 5, 8 and 11, all of them fakes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.grafana import _Hit, _recognise
from probing import Probe
from reaching import NOT_FOUND, answer, look, web

MakeProbe = Callable[..., Probe]
Reply = Callable[[str], bytes]


def as_json(value: object, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value).encode(), status, "application/json; charset=UTF-8")


HEALTH = as_json({"commit": "30748", "database": "ok", "version": "8.3.0"})
SHY = as_json({"database": "ok"})  # 10 and later, hide_version = true
BOOT = answer(b"<html><script>window.grafanaBootData = {};</script></html>")
TO_LOGIN = answer(
    b'<a href="/login">Found</a>.',
    "302 Found",
    more={"Location": "/login", "Set-Cookie": "redirect_to=%2F; Path=/; HttpOnly; SameSite=Lax"},
)
ORGANISATION = as_json({"id": 1, "name": "Main Org.", "address": {"address1": ""}})
HITS = as_json(
    [
        {"id": 3, "uid": "a", "title": "Payroll", "uri": "db/payroll", "type": "dash-db"},
        {"id": 1, "uid": "b", "title": "Finance", "uri": "db/finance", "type": "dash-folder"},
    ]
)
REFUSED = as_json({"message": "Unauthorized"}, "401 Unauthorized")


def serving(pages: dict[str, bytes], other: bytes = NOT_FOUND) -> Reply:
    return lambda path: pages.get(path.partition("?")[0], other)


OPEN = {"/": BOOT, "/api/health": HEALTH, "/api/org": ORGANISATION, "/api/search": HITS}


@pytest.mark.parametrize(("health", "version"), [(HEALTH, "8.3.0"), (SHY, "")])
def test_an_open_one_names_its_dashboards(health: bytes, version: str) -> None:
    with web(serving({**OPEN, "/api/health": health})) as server:
        outcome = look(server.host, server.port)
        assert all(r.startswith("GET ") for r in server.requests)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("grafana", Access.LISTS)
    assert (seen.product, seen.version) == ("grafana", version)
    assert seen.containers == ("Payroll", "Finance")
    assert [g.reason for g in outcome.gaps] == [Reason.UNSUPPORTED]


LESS: dict[str, tuple[Reply, Access, str]] = {
    "5 to 11, closed": (
        serving({"/": TO_LOGIN, "/api/health": HEALTH}, REFUSED),
        Access.ASKS_CREDENTIAL,
        "health is public",
    ),
    "nothing in it": (serving({**OPEN, "/api/search": as_json([])}), Access.METADATA, "0 dash"),
    "no search": (serving({**OPEN, "/api/search": REFUSED}), Access.METADATA, "is not (401)"),
    "no organisation": (serving({**OPEN, "/api/org": NOT_FOUND}), Access.UNDETERMINED, "404"),
    "deep": (serving({**OPEN, "/api/search": answer(b"[" * 200_000)}), Access.METADATA, "is not"),
}


@pytest.mark.parametrize("kind", LESS)
def test_answers_that_prove_less(kind: str) -> None:
    reply, access, words = LESS[kind]
    with web(reply) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("grafana", access)
    assert words in seen.detail


STRANGERS: dict[str, Reply] = {
    "a login of another product": serving({"/": TO_LOGIN}),
    "a page about Grafana": serving({"/": BOOT}),
    "one page for all": lambda path: BOOT,
    "health everywhere": lambda path: BOOT if path == "/" else HEALTH,
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_strangers_are_not_grafana(probe: MakeProbe, kind: str) -> None:
    with web(STRANGERS[kind]) as server:
        assert probe("grafana", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol == "http"


@pytest.mark.parametrize("leads", ["http://[::1/login", "/login", "https://x/login?redirect_to=/"])
def test_a_redirect_needs_its_cookie(leads: str) -> None:
    assert not _recognise(Response(302, {"location": leads}, b"", complete=True, tls=False))


@given(
    st.binary(max_size=60)
    | st.lists(
        st.dictionaries(st.sampled_from(["id", "title", "type"]), st.integers() | st.text())
    ).map(lambda v: json.dumps(v).encode())
)
def test_fuzz_any_answer_is_hits_or_none(body: bytes) -> None:
    hits = parsed(Response(200, {}, body, complete=True, tls=False), list[_Hit])
    assert hits is None or all(isinstance(hit.title, str) for hit in hits)
