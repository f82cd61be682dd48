"""Subversion against a real svnserve, open and closed, and against servers that lie."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.svnserve import FILES, LONG, SECRET, svnserve
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Context
from leftopen.reach.svn_wire import MAX_DEPTH, Parser, answered, entries_of
from probing import Limits, Probe
from reaching import look, reach_of, read_all, scope_of

MakeProbe = Callable[..., Probe]


def test_an_open_repository_gives_files() -> None:
    with svnserve() as server:
        outcome = look(server.host, server.port)
        reach = reach_of(scope_of((f"{server.host}/32",), (server.port,)))
        refs, fetched, gaps = read_all(reach, outcome)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("svn", Access.GIVES_DATA)
    assert seen.containers[:1] == ("trunk",)
    assert "revision 1" in seen.detail
    assert "correct-horse" not in repr(outcome)
    assert {(r.path, r.size) for r in refs} == {(name, len(data)) for name, data in FILES.items()}
    assert all(r.time and r.time.year >= 2026 for r in refs)
    assert {f.data for f in fetched} == set(FILES.values())
    assert not gaps


def test_a_file_is_cut_at_the_limit(probe: MakeProbe) -> None:
    with svnserve() as server:
        svn = probe("svn", server.host, server.port)
        cut = svn.fetch(ObjectRef(path="trunk/deep/long.bin"), 1000)
        assert (cut.data, cut.complete) == (LONG[:1000], False)
        whole = svn.fetch(ObjectRef(path="trunk/a b.txt"), len(SECRET))
        assert (whole.data, whole.complete) == (SECRET, True)


CLOSED = {
    "none": ("anon-access = none", "", Access.ASKS_CREDENTIAL, "No access allowed"),
    "password": (
        "anon-access = none\npassword-db = passwd",
        "",
        Access.ASKS_CREDENTIAL,
        "CRAM-MD5",
    ),
    "authz": (
        "anon-access = read\nauthz-db = authz",
        "[/]\n* =\n",
        Access.ASKS_CREDENTIAL,
        "refused",
    ),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_a_closed_repository(kind: str) -> None:
    settings, authz, access, words = CLOSED[kind]
    with svnserve(settings, authz) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("svn", access)
    assert words in seen.detail


def test_a_closed_folder_is_a_gap() -> None:
    with svnserve("anon-access = read\nauthz-db = authz", "[/]\n* = r\n[/trunk]\n* =\n") as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.LISTS


def test_a_repository_in_a_folder_is_not_guessed() -> None:
    with svnserve(inner="private") as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.REFUSED_OR_ABSENT
    assert [gap.reason for gap in outcome.gaps] == [Reason.NOT_GIVEN]


@pytest.mark.parametrize(
    "line",
    [
        b"( commit ( 1:x ( ) false ) ) ",
        b"( CRAM-MD5 ( ) ) ",
        b"( lock ( 1:x ( ) false ( ) ) ) ",
        b"( get-latest-rev ( ) ) ( commit ( ) ) ",
        b"( ANONYMOUS ( 3:bob ) ) ",
    ],
)
def test_nothing_else_leaves(probe: MakeProbe, line: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(line)

    with servers.fake(lambda c: c.hear()) as server, pytest.raises(OutOfScope):
        probe("svn", server.host, server.port).run(send)


HELLO = b"( success ( 2 2 ( ) ( edit-pipeline ) ) ) "
IN = b"( success ( ( ) 1:r ) ) ( success ( 1:u 5:svn:x ( ) ) ) "
NO_AUTH = b"( success ( ( ) 0: ) ) "
REVISION = NO_AUTH + b"( success ( 7 ) ) "
FOLDER = b"( success ( 7 ( ) ( ( %s dir 0 false 1 ( ) ( ) ) ) ) ) "
HOSTILE = {
    "huge string": HELLO + b"( success ( ( ) 9999999999:",
    "deep": HELLO + b"( " * 50_000,
    "unbalanced": HELLO + b") ",
    "garbage": HELLO + b"\xff" * 500,
    "truncated": HELLO + b"( success ( ( ) 1:r ) ",
    "another answer": HELLO + b"( success 5 ) ",
    "many": HELLO + b"( " + b"1 " * 300_000,
    "no revision": HELLO + IN + NO_AUTH + b"( success ( ) ) ",
    "no names": HELLO + IN + REVISION + NO_AUTH + b"( success ( 7 ( ) 5 ) ) ",
}


def saying(data: bytes) -> Callable[[servers.Conversation], None]:
    def handle(client: servers.Conversation) -> None:
        client.say(data)
        client.socket.shutdown(1)
        while client.hear():
            pass

    return handle


@pytest.mark.parametrize("kind", HOSTILE)
def test_fakes_that_lie_misbehave(probe: MakeProbe, kind: str) -> None:
    started = time.monotonic()
    with servers.fake(saying(HOSTILE[kind])) as server, pytest.raises(ProtocolError):
        probe("svn", server.host, server.port, limits=Limits(seconds=3.0)).prove()
    assert time.monotonic() - started < 3


def test_an_endless_list_ends(probe: MakeProbe) -> None:
    def handle(client: servers.Conversation) -> None:
        client.say(HELLO + IN + REVISION + NO_AUTH)
        client.flood(b"( " + b"1 " * 60_000)

    limits = Limits(bytes=3_000_000, seconds=3.0)
    with servers.fake(handle) as server, pytest.raises(ProtocolError):
        probe("svn", server.host, server.port, limits=limits).prove()


def test_folders_without_end_are_cut(probe: MakeProbe) -> None:
    folders = b"".join(NO_AUTH + FOLDER % b"1:d" for _ in range(40))
    data = HELLO + IN + REVISION + folders
    with servers.fake(saying(data)) as server:
        proof = probe("svn", server.host, server.port).prove()
        found = probe("svn", server.host, server.port).objects()
    assert proof
    assert proof.access is Access.LISTS
    assert [gap.reason for gap in proof.gaps] == [Reason.BUDGET]
    assert not found  # deeper than the limit: nothing of it is a file


def test_a_name_outside_is_a_gap(probe: MakeProbe) -> None:
    data = HELLO + IN + REVISION + NO_AUTH + FOLDER % b"4:../x"
    with servers.fake(saying(data)) as server:
        found = probe("svn", server.host, server.port).objects()
    assert [item.reason for item in found if isinstance(item, Gap)] == [Reason.MISBEHAVED]


@pytest.mark.parametrize(
    "said", [b"220 ready\r\n", b"SSH-2.0-x\r\n", b"( success ( 3 4 ( ) ( ) ) ) "]
)
def test_strangers_are_not_svnserve(said: bytes) -> None:
    with servers.fake(saying(said)) as server:
        assert look(server.host, server.port).observation.protocol != "svn"


ITEMS = st.recursive(
    st.integers(0, 10**9) | st.binary(max_size=8) | st.sampled_from(["success", "dir", "a-b"]),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


def written(item: object) -> bytes:
    if isinstance(item, list):
        return b"( " + b"".join(written(part) for part in item) + b") "
    if isinstance(item, bytes):
        return b"%d:%s " % (len(item), item)
    return f"{item} ".encode()


@given(ITEMS, st.integers(1, 9))
def test_fuzz_items_come_back_in_any_pieces(item: object, size: int) -> None:
    data, parser, found = written(item), Parser(), []
    for at in range(0, len(data), size):
        parser.feed(data[at : at + size])
        while (one := parser.next()) is not None:
            found.append(one)
    depth = max(data.count(b"( "), 1)
    assert found == [item] or depth > MAX_DEPTH


@given(st.binary(max_size=80) | ITEMS.map(written))
def test_fuzz_any_bytes(data: bytes) -> None:
    parser = Parser()
    parser.feed(data)
    try:
        while (item := parser.next()) is not None:
            entries_of(answered(item))
    except ProtocolError:
        return
