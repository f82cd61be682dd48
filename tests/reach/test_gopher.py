"""Gopher against a real Gophernicus behind an inetd-like listener, and against fakes that lie."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.gophernicus import FILES, LONG, gophernicus
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Context
from leftopen.reach.protocols.gopher import menu_of
from probing import Limits, Probe
from reaching import answer

MakeProbe = Callable[..., Probe]


def test_a_real_server_gives_files(probe: MakeProbe) -> None:
    with gophernicus(FILES) as server:
        gopher = probe("gopher", server.host, server.port)
        proof = gopher.prove()
        refs = [item for item in gopher.objects() if not isinstance(item, Gap)]
        found = {ref.path: gopher.fetch(ref) for ref in refs}
        cut = gopher.fetch(next(r for r in refs if r.path.endswith("long.bin")), 1000)
    assert proof
    assert proof.access is Access.GIVES_DATA
    assert proof.size
    assert proof.size.objects == 3
    assert "correct-horse" not in repr(proof)
    assert {path.rpartition("/")[2] for path in found} == {"a.txt", "b.txt", "long.bin"}
    assert {f.data.removesuffix(b".\r\n").replace(b"\r", b"").strip() for f in found.values()} == {
        data.strip() for data in FILES.values()
    }
    assert (cut.data, cut.complete) == (LONG[:1000], False)


def fake(menus: dict[bytes, bytes]) -> Callable[[servers.Conversation], None]:
    error = b"3not found\t\terror.host\t1\r\n.\r\n"
    return lambda client: client.say(menus.get(client.hear().rstrip(b"\r\n"), error))


def line(kind: str, selector: str, host: str = servers.CLIENT, port: int = 0) -> bytes:
    return f"{kind}shown\t{selector}\t{host}\t{port}\r\n".encode()


@contextmanager
def serving(make: Callable[[int], dict[bytes, bytes]]) -> Iterator[servers.Fake]:
    """A fake whose menus need to know its port."""
    with servers.fake(lambda client: fake(make(made.port))(client)) as made:
        yield made


def test_other_hosts_are_never_followed(probe: MakeProbe) -> None:
    def make(port: int) -> dict[bytes, bytes]:
        menu = (
            line("0", "/a", "10.0.0.9", port) + line("1", "/b", port=1) + line("0", "no", port=port)
        )
        return {b"": b"iwelcome\tfake\t(NULL)\t0\r\n" + menu + b".\r\n"}

    with serving(make) as server:
        proof = probe("gopher", server.host, server.port).prove()
    assert proof
    assert proof.access is Access.LISTS
    assert [(gap.reason, gap.count) for gap in proof.gaps] == [(Reason.OUT_OF_SCOPE, 3)]


def test_a_file_that_is_refused_is_no_proof(probe: MakeProbe) -> None:
    with serving(lambda port: {b"": line("0", "/a", port=port)}) as server:
        proof = probe("gopher", server.host, server.port).prove()
    assert proof
    assert proof.access is Access.LISTS
    assert "none could be read" in proof.detail


def test_menus_without_end_are_cut(probe: MakeProbe) -> None:
    def make(port: int) -> dict[bytes, bytes]:
        return {b"": b"".join(line("1", f"/{n}", port=port) for n in range(200))}

    with serving(make) as server:
        proof = probe("gopher", server.host, server.port).prove()
    assert proof
    assert [gap.reason for gap in proof.gaps] == [Reason.BUDGET]


def test_a_flood_is_an_error(probe: MakeProbe) -> None:
    started = time.monotonic()
    flood = servers.fake(lambda c: c.flood(line("0", "/a") * 100))
    with flood as server, pytest.raises(ProtocolError):
        probe("gopher", server.host, server.port, limits=Limits(seconds=3.0)).prove()
    assert time.monotonic() - started < 3


def test_strangers_are_not_gopher(probe: MakeProbe) -> None:
    same = line("0", "/a")
    for said in (b"", b"hello\r\n", b"\r\n", b".\r\n", same, b"3no\t\terror.host\t1\r\n"):
        with servers.fake(lambda client, said=said: client.say(said)) as server:  # type: ignore[misc]
            assert probe("gopher", server.host, server.port).prove() is None
    bad = answer(b"<html></html>", "400 Bad Request")
    with servers.fake(lambda client: client.say(bad)) as server:
        assert probe("gopher", server.host, server.port).prove() is None


@pytest.mark.parametrize("sent", [b"root\r\n", b"/a\tsearch\r\n", b"/a\r\n/b\r\n", b"STOR /x\r\n"])
def test_nothing_else_leaves(probe: MakeProbe, sent: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(sent)

    with servers.fake(lambda c: c.hear()) as server, pytest.raises(OutOfScope):
        probe("gopher", server.host, server.port).run(send)


@given(st.binary(max_size=80) | st.binary(max_size=40).map(lambda b: line("0", "/a") + b))
def test_fuzz_a_menu(said: bytes) -> None:
    found = menu_of(said)
    assert found is None or all(0 <= e.port <= 99_999 for e in found)
