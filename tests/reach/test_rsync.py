"""rsync daemon, real, open and closed, and daemons that lie."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.rsync_wire import Sender
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]
BIG = bytes(range(256)) * 3000
FILES = {
    "readme.txt": b"The secret is 078-05-1120.\n",
    "deep/er/big.bin": BIG,
    "deep/er/big.bin.old": b"old",
    "empty": b"",
    "odd/a [b]*c?.txt": b"wild",
    "odd/back\\slash": b"slash",
    "odd/back\\*": b"both",
    "odd/" + "n" * 250: b"long",
    "odd/ünï": b"unicode",
}
AUTH = ("auth users = bob", "secrets file = {folder}/secrets")
MODULES = {
    "open": ("comment = all of it",),
    "locked": AUTH,
    "denied": ("hosts deny = *",),
    "hidden": ("list = no",),
}


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with servers.rsyncd(MODULES, FILES, motd="Welcome\nto\n") as server:
        os.symlink("/etc/passwd", server.folder / "files" / "link")
        yield server


def test_an_open_module_gives_a_file(probe: MakeProbe, open_server: servers.Server) -> None:
    proof = probe("rsync", open_server.host, open_server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert "1 of 3 modules opened without a login (open)" in proof.detail
    assert proof.size is not None
    assert proof.size.objects == len(FILES)
    assert proof.size.bytes == sum(map(len, FILES.values()))
    assert proof.size.complete
    assert proof.containers == ("open", "locked", "denied")
    assert proof.gaps == ()
    assert "secret" not in " ".join(e.answer for e in proof.evidence)


def test_files_are_listed_and_fetched(probe: MakeProbe, open_server: servers.Server) -> None:
    rsync = probe("rsync", open_server.host, open_server.port)
    found = rsync.objects()
    refs = {
        item.path.encode("latin-1").decode(): item for item in found if isinstance(item, ObjectRef)
    }
    assert set(refs) == {f"open/{name}" for name in FILES}
    assert {r.size for r in refs.values()} == {len(c) for c in FILES.values()}
    root = open_server.folder / "files"
    for name, content in FILES.items():
        ref = refs[f"open/{name}"]
        assert ref.time is not None
        assert ref.time.timestamp() == int((root / name).stat().st_mtime)
        got = rsync.fetch(ref)
        assert (got.data, got.complete) == (content, True), name
    assert refs["open/deep/er/big.bin"].group == "open/deep/er"
    closed = [item.reason for item in found if isinstance(item, Gap)]
    assert closed == [Reason.REFUSED, Reason.REFUSED]
    cut = rsync.fetch(refs["open/deep/er/big.bin"], 100_000)
    assert (cut.data, cut.complete) == (BIG[:100_000], False)
    assert rsync.fetch(refs["open/deep/er/big.bin"], len(BIG)).complete


@pytest.mark.parametrize(
    "path", ["open/nothing", "open/deep", "open/a\nb", "locked/x", "open/link"]
)
def test_what_is_not_a_file_is_refused(
    probe: MakeProbe, open_server: servers.Server, path: str
) -> None:
    with pytest.raises(ObjectRefused):
        probe("rsync", open_server.host, open_server.port).fetch(ObjectRef(path=path))


def test_an_unreadable_file_is_refused(probe: MakeProbe) -> None:
    with servers.rsyncd({"open": ()}, {"a": b"x", "b": b"yy"}) as server:
        for name in "ab":
            (server.folder / "files" / name).chmod(0)
        rsync = probe("rsync", server.host, server.port)
        proof = rsync.prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert proof.size is not None
    assert proof.size.objects == 2


CLOSED: dict[str, tuple[dict[str, tuple[str, ...]], Access, str]] = {
    "auth users": ({"locked": AUTH}, Access.ASKS_CREDENTIAL, "asking for a login: 1"),
    "hosts deny": (
        {"denied": ("hosts deny = *",)},
        Access.ASKS_CREDENTIAL,
        "refusing this address: 1",
    ),
    "list = no": ({"hidden": ("list = no",)}, Access.SPEAKS, "hidden"),
    "broken": ({"gone": ("path = /nonexistent",)}, Access.UNDETERMINED, "chdir"),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_closed(probe: MakeProbe, kind: str) -> None:
    modules, access, word = CLOSED[kind]
    with servers.rsyncd(modules, FILES) as server:
        proof = probe("rsync", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access
    assert word in proof.detail
    assert proof.size is None


def test_modules_not_asked_for_are_a_gap(probe: MakeProbe) -> None:
    modules = {f"m{number}": AUTH for number in range(12)}
    with servers.rsyncd(modules, {}) as server:
        limits = Limits(connections=8)
        proof = probe("rsync", server.host, server.port, limits=limits).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED
    assert [(gap.reason, gap.count) for gap in proof.gaps] == [(Reason.BUDGET, 8)]


def test_nothing_is_changed(probe: MakeProbe) -> None:
    with servers.rsyncd({"open": ("read only = no",)}, FILES) as server:
        root = server.folder / "files"
        before = {p: p.stat().st_mtime_ns for p in root.rglob("*")}
        probe("rsync", server.host, server.port).prove()
        probe("rsync", server.host, server.port).objects()
        assert {p: p.stat().st_mtime_ns for p in root.rglob("*")} == before


FORBIDDEN = (
    b"--server\n-r\n.\nopen/\n\n",
    b"--server\n--sender\n-r\n--delete\n.\nopen/\n\n",
    b"--server\n--sender\n--remove-source-files\n.\nopen/\n\n",
    b"--server\n--sender\n-r\n.\nopen/\n--config=x\n\n",
    b"open\n--server\n",
    b"bob 0123456789\n#",
    b"--daemon\n",
)


@pytest.mark.parametrize("data", FORBIDDEN)
def test_nothing_else_leaves(probe: MakeProbe, open_server: servers.Server, data: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(data)

    with pytest.raises(OutOfScope):
        probe("rsync", open_server.host, open_server.port).run(send)


HELLO = b"@RSYNCD: 32.0 sha512 md5\n"


def frame(data: bytes, tag: int = 7) -> bytes:
    return struct.pack("<I", tag << 24 | len(data)) + data


def daemon(
    answer: bytes = b"", *, flood: bytes = b"", listed: bytes = b"open\tall\n"
) -> Callable[[servers.Conversation], None]:
    """A daemon with one module; `answer` and `flood` come after the request for its list."""

    def handle(client: servers.Conversation) -> None:
        client.say(HELLO)
        client.hear()
        if client.hear() == b"#list\n":
            client.say(listed + b"@RSYNCD: EXIT\n")
            return
        client.say(b"@RSYNCD: OK\n")
        while client.hear() not in (b"\n", b""):
            pass
        client.say(b"seed" + answer)
        if flood:
            client.flood(flood)
        client.hear()

    return handle


def motd(client: servers.Conversation) -> None:
    client.say(HELLO)
    client.flood(b"welcome\n" * 1000)


def many_modules(client: servers.Conversation) -> None:
    client.say(HELLO)
    client.flood(b"module\tcomment\n" * 1000)


HOSTILE: dict[str, Callable[[servers.Conversation], object]] = {
    "endless motd": motd,
    "endless modules": many_modules,
    "endless line": lambda client: client.flood(b"@RSYNCD: " + b"1" * 9999),
    "silence": lambda client: client.hear(),
    "silence after OK": daemon(),
}

MESSAGES = {
    "endless motd": "before the end of the list of modules",
    "endless modules": "before the end of the list of modules",
    "endless line": "no end of line",
    "silence": "no answer within the time",
    "silence after OK": "no answer within the time",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_daemon_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    started = time.monotonic()
    seconds = 0.5 if kind == "silence" else 1.3
    limits = Limits(bytes=4_000_000, seconds=seconds)
    with servers.fake(HOSTILE[kind]) as server, pytest.raises(ProtocolError, match=MESSAGES[kind]):
        probe("rsync", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


LISTS = {
    "a name of 2 GiB": daemon(frame(b"\x58" + struct.pack("<i", 2**31 - 1))),
    "a negative name": daemon(frame(b"\x58" + struct.pack("<i", -1))),
    "a prefix of nothing": daemon(frame(b"\x38\xff\x01a")),
    "a negative size": daemon(frame(b"\x18\x01a" + struct.pack("<i", -2))),
    "a frame of no rsync": daemon(b"HTTP/1.1 400"),
    "endless empty frames": daemon(flood=frame(b"") * 100),
    "endless warnings": daemon(flood=frame(b"no", 8) * 100),
    "an error": daemon(frame(b"go away\x1b[31m", 8)),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_broken_list_is_a_gap(probe: MakeProbe, kind: str) -> None:
    def handle(client: servers.Conversation) -> None:
        LISTS[kind](client)

    with servers.fake(handle) as server:
        limits = Limits(bytes=4_000_000, seconds=1.3)
        if kind == "an error":  # and then the daemon says nothing more
            with pytest.raises(ProtocolError):
                probe("rsync", server.host, server.port, limits=limits).prove()
            return
        proof = probe("rsync", server.host, server.port, limits=limits).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert [gap.reason for gap in proof.gaps] == [Reason.MISBEHAVED]
    assert proof.size is not None
    assert not proof.size.complete


def test_an_endless_list_is_cut_and_counted(probe: MakeProbe) -> None:
    entry = b"\x18\x01a" + struct.pack("<iii", 5, 0, 0o100644)
    with servers.fake(daemon(flood=frame(entry * 1000))) as server:
        limits = Limits(bytes=4_000_000, seconds=8)
        proof = probe("rsync", server.host, server.port, limits=limits).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert proof.size is not None
    assert proof.size.objects == 50_000
    assert not proof.size.complete


def test_a_module_name_that_none_can_have(probe: MakeProbe) -> None:
    with servers.fake(daemon(listed=b"--server\tx\na/b\ty\n")) as server:
        proof = probe("rsync", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED
    assert [gap.reason for gap in proof.gaps] == [Reason.UNSUPPORTED] * 2


@pytest.mark.parametrize("greeting", [b"220 ftp\r\n", b"SSH-2.0-x\r\n", b"@RSYNCD: x\n", b"\n"])
def test_another_service_is_not_rsync(probe: MakeProbe, greeting: bytes) -> None:
    with servers.fake(lambda client: client.say(greeting)) as server:
        assert probe("rsync", server.host, server.port).prove() is None


class Bytes:
    """A connection that holds what it was made with."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def read_exactly(self, size: int) -> bytes:
        if len(self.data) < size:
            raise ProtocolError("end")
        found, self.data = self.data[:size], self.data[size:]
        return found

    async def read_some(self, limit: int) -> bytes:
        return await self.read_exactly(min(limit, len(self.data)))


@given(st.binary(max_size=300))
def test_any_stream_is_files_or_an_error(data: bytes) -> None:
    async def read() -> int:
        sender = Sender(Bytes(frame(data)))  # type: ignore[arg-type]
        count = 0
        async for file in sender.files():
            assert len(file.name) <= 4096
            assert file.size >= 0
            count += 1
        return count

    try:
        count = asyncio.run(read())
    except ProtocolError:
        return
    assert count <= len(data)
