"""Firebase Realtime Database: no real one can be had here, so fakes of its documented answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.exposure import Access
from leftopen.net.http import Response
from leftopen.reach.protocols.firebase import children_of
from probing import Probe
from reaching import answer, look, reach_of, read_all, scope_of, web

MakeProbe = Callable[..., Probe]
CONSOLE = "https://console.firebase.google.com/project/x/database/x/data/"
FRONT = answer(b"", "302 Found", more={"Location": CONSOLE})
DENIED = answer(b'{"error" : "Permission denied"}', "401 Unauthorized", "application/json")
USER = b'{"ann":{"password":"correct-horse"}}'


def ok(body: bytes) -> bytes:
    return answer(body, kind="application/json")


NULL = ok(b"null")
OPEN = {
    "/": FRONT,
    "/.json?shallow=true": ok(b'{"users":true,"a/b":true}'),
    "/users.json": ok(USER),
}


def fake(answers: dict[str, bytes]) -> Callable[[str], bytes]:
    """A node that nobody has is null; what is no node leads to the console."""
    return lambda path: {**OPEN, **answers}.get(path, NULL if ".json" in path else FRONT)


def test_a_fake_open_one_gives_a_node() -> None:
    with web(fake({})) as server:
        outcome = look(server.host, server.port)
        reach = reach_of(scope_of((f"{server.host}/32",), (server.port,)))
        refs, fetched, gaps = read_all(reach, outcome)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("firebase", Access.GIVES_DATA)
    assert seen.containers == ("a/b", "users")
    assert "correct-horse" not in repr(outcome)
    assert [r.path for r in refs] == ["/a%2Fb.json", "/users.json"]
    assert [f.data for f in fetched] == [b"null", USER]
    assert not gaps


STATES: dict[str, tuple[dict[str, bytes], Access]] = {
    "rules": ({"/.json?shallow=true": DENIED}, Access.ASKS_CREDENTIAL),
    "rules say 403": (
        {"/.json?shallow=true": answer(b'{"error":"no"}', "403 Forbidden")},
        Access.ASKS_CREDENTIAL,
    ),
    "empty": ({"/.json?shallow=true": NULL}, Access.METADATA),
    "names only": ({"/users.json": DENIED}, Access.LISTS),
}


@pytest.mark.parametrize("kind", STATES)
def test_fakes_between_open_and_closed(kind: str) -> None:
    answers, access = STATES[kind]
    with web(fake(answers)) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("firebase", access)


def test_an_endless_node_is_read_in_part(probe: MakeProbe) -> None:
    with web(fake({"/users.json": ok(b'"' + b"x" * 3_000_000 + b'"')})) as server:
        proof = probe("firebase", server.host, server.port).prove()
    assert proof
    assert proof.access is Access.GIVES_DATA
    assert [e.answer_bytes for e in proof.evidence][1] <= 4096


@pytest.mark.parametrize("body", [b'{"users":true}', b"null", b"[" * 100_000, b"<html>"])
def test_a_mirror_is_not_firebase(probe: MakeProbe, body: bytes) -> None:
    with web(lambda path: FRONT if path == "/" else ok(body)) as server:
        assert probe("firebase", server.host, server.port).prove() is None


@given(st.binary(max_size=80))
def test_fuzz_children(body: bytes) -> None:
    found = children_of(Response(200, {"content-type": "application/json"}, body, True, False))
    assert found is None or isinstance(found, list)
