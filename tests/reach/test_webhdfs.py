"""WebHDFS: no real one can be had here, so fakes of the documented answers of both servers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.exposure import Access
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import Response
from leftopen.reach.protocols.webhdfs import _listing
from probing import Limits, Probe
from reaching import NOT_FOUND, answer, look, reach_of, read_all, scope_of, web

MakeProbe = Callable[..., Probe]
SECRET = b"password=correct-horse"
FRONT = answer(b'<meta http-equiv="REFRESH" content="0;url=dfshealth.html" />')
HTTPFS = answer(b"<b>HttpFs service</b>, service base URL at /webhdfs/v1.")
NEWER = answer(b"", "302 Found", more={"Location": "http://nn:9870/index.html"})
AWAY = answer(
    b"", "307 Temporary Redirect", more={"Location": "http://127.0.0.9:9864/webhdfs/v1/a?op=OPEN"}
)


def exception(status: str, name: str) -> bytes:
    body = {"RemoteException": {"exception": name, "message": "no"}}
    return answer(json.dumps(body).encode(), status, "application/json")


def listing(*names: tuple[str, str]) -> bytes:
    found = [
        {"pathSuffix": name, "type": kind, "length": 22, "modificationTime": 1_600_000_000_000}
        for name, kind in names
    ]
    return answer(json.dumps({"FileStatuses": {"FileStatus": found}}).encode())


GONE = exception("404 Not Found", "FileNotFoundException")
OPEN = {
    "/": FRONT,
    "/webhdfs/v1/?op=LISTSTATUS": listing(("user data", "DIRECTORY"), ("link", "SYMLINK")),
    "/webhdfs/v1/user%20data?op=LISTSTATUS": listing(("a.csv", "FILE")),
    "/webhdfs/v1/?op=GETCONTENTSUMMARY": answer(
        b'{"ContentSummary": {"directoryCount": 2, "fileCount": 1, "length": 22}}'
    ),
}
FILE = "/webhdfs/v1/user%20data/a.csv?op=OPEN"


def fake(answers: dict[str, bytes], file: bytes = GONE) -> Callable[[str], bytes]:
    return lambda path: file if path.startswith(FILE) else {**OPEN, **answers}.get(path, GONE)


@pytest.mark.parametrize("front", [FRONT, HTTPFS, NEWER], ids=["2", "HttpFS", "3"])
def test_a_fake_open_one_gives_a_file(front: bytes) -> None:
    with web(fake({"/": front}, answer(SECRET))) as server:
        outcome = look(server.host, server.port)
        reach = reach_of(scope_of((f"{server.host}/32",), (server.port,)))
        refs, fetched, gaps = read_all(reach, outcome)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("webhdfs", Access.GIVES_DATA)
    assert seen.size
    assert (seen.size.objects, seen.size.bytes) == (1, 22)
    assert seen.containers == ("user data",)
    assert "correct-horse" not in repr(outcome)
    assert [(r.path, r.size) for r in refs] == [(FILE, 22)]
    assert [f.data for f in fetched] == [SECRET]
    assert not gaps
    assert not any("user.name" in line for line in server.requests)


def test_a_data_node_is_said_and_never_followed(probe: MakeProbe) -> None:
    with web(fake({}, AWAY)) as server:
        outcome = look(server.host, server.port)
        reach = reach_of(scope_of((f"{server.host}/32",), (server.port,)))
        refs, fetched, gaps = read_all(reach, outcome)
    seen = outcome.observation
    assert seen.access is Access.LISTS
    assert "data node, which is not followed: http://127.0.0.9:9864" in seen.detail
    assert [g.reason for g in outcome.gaps] == [Reason.OUT_OF_SCOPE]
    assert len(refs) == 1
    assert not fetched
    assert [g.reason for g in gaps] == [Reason.REFUSED]


ROOT = "/webhdfs/v1/?op=LISTSTATUS"
STATES: dict[str, tuple[dict[str, bytes], Access, str]] = {
    "Kerberos": (
        {ROOT: answer(b"", "401 Unauthorized", more={"WWW-Authenticate": "Negotiate"})},
        Access.ASKS_CREDENTIAL,
        "401",
    ),
    "permissions": (
        {ROOT: exception("403 Forbidden", "AccessControlException")},
        Access.ASKS_CREDENTIAL,
        "403",
    ),
    "empty": ({ROOT: listing()}, Access.LISTS, "no file was named"),
    "closed file": ({FILE: GONE}, Access.LISTS, "no file could be read (404)"),
    "outside": ({ROOT: listing(("../x", "FILE"), ("a/b", "FILE"))}, Access.LISTS, "no file"),
}


@pytest.mark.parametrize("kind", STATES)
def test_fakes_between_open_and_closed(kind: str) -> None:
    answers, access, words = STATES[kind]
    with web(fake(answers)) as server:
        outcome = look(server.host, server.port)
    assert (outcome.observation.protocol, outcome.observation.access) == ("webhdfs", access)
    assert words in outcome.observation.detail


def test_folders_without_end_are_cut(probe: MakeProbe) -> None:
    endless = listing(("d", "DIRECTORY"), ("e", "DIRECTORY"))
    limits = Limits(bytes=400_000_000, seconds=6.0)
    started = time.monotonic()
    with web(lambda path: endless) as server:
        proof = probe("webhdfs", server.host, server.port, limits=limits).prove()
        found = probe("webhdfs", server.host, server.port, limits=limits).objects()
    assert proof is None  # it lists whatever is asked for
    assert {g.reason for g in found if isinstance(g, Gap)} == {Reason.BUDGET}
    assert time.monotonic() - started < 6


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{}", b"<html></html>", b'{"FileStatuses": 1}'])
def test_strangers_are_not_webhdfs(probe: MakeProbe, body: bytes) -> None:
    with web(lambda path: NEWER if path == "/" else answer(body)) as server:
        assert probe("webhdfs", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol != "webhdfs"
    with web(lambda path: NEWER if path == "/" else NOT_FOUND) as server:
        assert look(server.host, server.port).observation.protocol != "webhdfs"


@given(st.binary(max_size=80) | st.recursive(st.integers(), st.lists).map(repr).map(str.encode))
def test_fuzz_a_listing(body: bytes) -> None:
    assert _listing(Response(200, {}, body, True, False)) in (None, [])
