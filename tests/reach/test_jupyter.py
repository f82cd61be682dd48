"""Jupyter: the real server with an empty token and with its own, and answers that lie."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.jupyter import FILES, jupyter
from leftopen.model.exposure import Access
from leftopen.net.http import Response
from leftopen.reach.protocols.jupyter import JUPYTER, parse_folder
from leftopen.reach.reach import Limits
from reaching import NOT_FOUND, answer, look, reach_of, read_all, scope_of, web

SLOW = Limits(seconds=8.0, greeting_seconds=0.1, answer_seconds=3.0, blind_seconds=0.5)


def test_a_real_one_with_an_empty_token_gives_files() -> None:
    with jupyter("--IdentityProvider.token=") as server:
        outcome = look(server.host, server.port, SLOW)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "jupyter")
    assert seen.version.startswith("2.")
    assert seen.size is not None
    assert (seen.size.objects, seen.size.complete) == (3, True)
    assert "078-05-1120" not in repr(outcome)
    assert seen.containers == ("/sub/",)
    assert len(refs) == 3
    assert sorted(f.data for f in fetched) == sorted(FILES.values())
    assert gaps == []


def test_a_real_one_with_its_own_token_asks() -> None:
    with jupyter() as server:
        outcome = look(server.host, server.port, SLOW)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.ASKS_CREDENTIAL, "jupyter")
    assert "403" in seen.detail
    assert seen.version.startswith("2.")  # /api answers everybody
    assert seen.size is None


MARKS = {
    "Server": "TornadoServer/6",
    "Content-Security-Policy": "frame-ancestors 'self'; report-uri /api/security/csp-report",
}


def fake(contents: object, other: bytes = NOT_FOUND, api: object = {"version": "2.1.0"}) -> object:
    """A fake that has Jupyter's marks, and these answers."""

    def reply(path: str) -> bytes:
        said = {"/api": api, "/api/contents": contents}.get(path)
        if path.startswith("/api/") and said is None:
            return other
        body = b"<html></html>" if said is None else json.dumps(said).encode()
        return answer(body, kind="application/json" if said else "text/html", more=MARKS)

    return reply


@pytest.mark.parametrize(
    "contents", [[], {"type": "directory"}, {"type": "file", "format": "json", "content": []}]
)
def test_a_fake_whose_contents_are_none(contents: object) -> None:
    with web(fake(contents or [1])) as server:  # type: ignore[arg-type]
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.UNDETERMINED
    assert outcome.gaps


def test_a_fake_that_lists_everything_is_not_believed() -> None:
    folder = {"type": "directory", "format": "json", "content": []}
    everything = answer(json.dumps(folder).encode(), kind="application/json")
    with web(fake(folder, everything)) as server:  # type: ignore[arg-type]
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.UNDETERMINED


def test_a_fake_whose_folders_never_end_is_cut() -> None:
    def reply(path: str) -> bytes:
        if "leftopen" in path:
            return NOT_FOUND
        item = {"name": "x", "path": "x", "type": "directory"}
        folder = {"type": "directory", "format": "json", "content": [item]}
        said = {"version": "2.1.0"} if path == "/api" else folder
        return answer(json.dumps(said).encode(), kind="application/json", more=MARKS)

    with web(reply) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.LISTS
    assert outcome.gaps
    assert len(server.requests) < 60


def test_a_stranger_with_its_marks_is_left_alone() -> None:
    with web(fake({}, api={"name": "x"})) as server:  # type: ignore[arg-type]
        outcome = look(server.host, server.port)
    assert outcome.observation.protocol == "http"


def test_kernels_are_never_asked_for() -> None:
    assert "kernels" not in JUPYTER.sends
    with web(fake({"type": "directory", "format": "json", "content": []})) as server:  # type: ignore[arg-type]
        look(server.host, server.port)
    assert not any("kernels" in r or "terminals" in r or "sessions" in r for r in server.requests)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(["type", "format", "content", "name", "path"]), x, max_size=5
            )
        ),
        max_leaves=15,
    )
)
def test_fuzz_folders(made: object) -> None:
    wrapped = {"type": "directory", "format": "json", "content": made}
    for said in (made, wrapped):
        found = parse_folder(
            "/api/contents", Response(200, {}, json.dumps(said).encode(), True, False)
        )
        assert found is None or all(e.path.startswith("/api/contents/") for e in found)


@pytest.mark.parametrize("name", ["..", ".", "a/b", "", "x" * 2000, "a\0b", "\ud800"])
def test_names_that_climb_are_left_out(name: str) -> None:
    item = {"name": name, "path": name, "type": "file", "size": 1}
    body = json.dumps({"type": "directory", "format": "json", "content": [item]}).encode()
    assert not parse_folder("/api/contents", Response(200, {}, body, True, False))
