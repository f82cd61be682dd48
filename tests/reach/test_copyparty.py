"""copyparty: the real one, open and closed, and answers that lie."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.copyparty import FILES, copyparty
from leftopen.model.exposure import Access
from leftopen.net.http import Response
from leftopen.reach.protocols.copyparty import parse_folder
from leftopen.reach.reach import Limits
from reaching import answer, look, reach_of, read_all, scope_of, web

SLOW = Limits(seconds=8.0, greeting_seconds=0.1, answer_seconds=3.0, blind_seconds=0.5)


def test_a_real_open_one_gives_files() -> None:
    with copyparty("r") as server:
        outcome = look(server.host, server.port, SLOW)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "copyparty")
    assert seen.size is not None
    assert (seen.size.objects, seen.size.complete) == (3, True)
    assert seen.size.bytes == sum(map(len, FILES.values()))
    assert seen.containers == ("/sub/",)
    assert "078-05-1120" not in repr(outcome)
    assert sorted(f.data for f in fetched) == sorted(FILES.values())
    assert all(r.time for r in refs)
    assert gaps == []


def test_a_real_closed_one_is_not_empty() -> None:
    with copyparty("r,bob", "-a", "bob:correct-horse") as server:
        outcome = look(server.host, server.port, SLOW)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.ASKS_CREDENTIAL, "copyparty")
    assert seen.size is None


MARKS = {"Vary": "Origin, PW, Cookie"}


@pytest.mark.parametrize(
    "said", [[], {}, {"dirs": [], "files": []}, {"dirs": 1, "files": [], "acct": "*", "perms": []}]
)
def test_a_stranger_with_its_marks_is_left_to_http(said: object) -> None:
    with web(
        lambda path: answer(json.dumps(said).encode(), kind="application/json", more=MARKS)
    ) as server:
        outcome = look(server.host, server.port, SLOW)
    assert outcome.observation.protocol == "http"


def test_a_fake_that_lists_and_gives_nothing_only_lists() -> None:
    said = {"dirs": [], "files": [{"href": "x", "sz": 9, "ts": 1}], "acct": "*", "perms": ["read"]}
    body = json.dumps(said).encode()
    with web(lambda path: answer(body, kind="application/json", more=MARKS)) as server:
        outcome = look(server.host, server.port, SLOW)
    assert outcome.observation.access is Access.LISTS  # the file is what nonsense is


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(st.sampled_from(["href", "sz", "ts", "dirs", "files"]), x, max_size=5)
        ),
        max_leaves=15,
    )
)
def test_fuzz_folders(made: object) -> None:
    for said in (made, {"dirs": made, "files": made, "acct": "*", "perms": ["read"]}):
        found = parse_folder("/", Response(200, {}, json.dumps(said).encode(), True, False))
        assert found is None or all(e.path.startswith("/") for e in found.entries)


@pytest.mark.parametrize(
    "href", ["../", "..", "%2e%2e/", "a/b", "", "/", "a b", "%2fetc", "x\r\ny", "ä"]
)
def test_names_that_climb_are_left_out(href: str) -> None:
    said = {
        "dirs": [],
        "files": [{"href": href, "sz": 1, "ts": 10**30}],
        "acct": "*",
        "perms": ["read"],
    }
    said["files"][0]["ts"] = 10**17  # type: ignore[index]
    found = parse_folder("/", Response(200, {}, json.dumps(said).encode(), True, False))
    assert found is not None
    assert found.entries == ()
