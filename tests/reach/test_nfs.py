"""NFS: NFS-Ganesha open and closed, version 4 and 3, and servers that lie."""

from __future__ import annotations

import ctypes
import os
import re
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reaching
import servers
from lab.nfs_ganesha import BIG, FILES, KERBEROS, ONLY_SYS, OPEN, SHUT, ganesha
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach import nfs3_wire, nfs4_wire, xdr
from leftopen.reach import nfs_wire as wire
from leftopen.reach.api import Context, ObjectRefused, Proof
from leftopen.reach.registry import protocol as by_name
from probing import Limits, Probe

CLONE_NEWNET = 0x40000000
MakeProbe = Callable[..., Probe]
SCOPE = reaching.scope_of(ports=(2049,))


@contextmanager
def rpcbind() -> Iterator[servers.Server]:
    """The real portmapper, which knows no other port than 111, on every address there is."""
    binary = servers.need("rpcbind")
    with servers.scratch() as folder, tempfile.TemporaryDirectory() as secret:
        hold = Path(secret) / "hold"
        hold.touch()
        start = ["/bin/sh", "-c", f"exec {binary} -f", str(hold)]
        with servers.running(start, folder, 111) as server:
            yield server


def apart(work: Callable[[], None]) -> None:
    """Run this in a thread with a network of its own that has nothing but loopback."""
    ip = servers.need("ip")

    def inside() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            pytest.skip("a network namespace is not to be had")
        subprocess.run([ip, "link", "set", "lo", "up"], check=True, timeout=10)
        work()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(inside).result()


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with ganesha(data=OPEN, shut=SHUT) as server:
        yield server


def test_an_open_export_gives_a_file(probe: MakeProbe, open_server: servers.Server) -> None:
    proof = probe("nfs", open_server.host, open_server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert "NFSv4, AUTH_NONE" in proof.detail
    assert proof.size is not None
    assert (proof.size.objects, proof.size.bytes) == (len(FILES), sum(map(len, FILES.values())))
    assert proof.size.complete
    assert "bytes in use" in proof.size.basis
    assert proof.containers == ("data",)  # the closed one is not there
    assert proof.gaps == ()
    assert "secret" not in " ".join(e.answer for e in proof.evidence)
    assert proof.evidence[1].reproduce.startswith("nfs-cat 'nfs://127.0.0.1/data/readme.txt?")


def test_files_are_listed_and_fetched(probe: MakeProbe, open_server: servers.Server) -> None:
    nfs = probe("nfs", open_server.host, open_server.port)
    refs = {o.path.encode("latin-1").decode(): o for o in nfs.objects() if isinstance(o, ObjectRef)}
    assert set(refs) == {f"data/{name}" for name in FILES}
    root = open_server.folder / "data"
    for name, content in FILES.items():
        ref = refs[f"data/{name}"]
        assert (ref.size, ref.group) == (len(content), f"data/{name}".rpartition("/")[0])
        assert ref.time is not None
        assert abs(ref.time.timestamp() - (root / name).stat().st_mtime) < 0.001
        got = nfs.fetch(ref)
        assert (got.data, got.complete) == (content, True)
    big = refs["data/deep/er/big.bin"]
    cut = nfs.fetch(big, 100_000)
    assert (cut.data, cut.complete) == (BIG[:100_000], False)
    assert nfs.fetch(big, len(BIG)).complete


@pytest.mark.parametrize("path", ["nothing", "data", "data/../x", "shut/readme.txt", "data/a\0b"])
def test_what_is_not_a_file_is_refused(
    probe: MakeProbe, open_server: servers.Server, path: str
) -> None:
    with pytest.raises(ObjectRefused):
        probe("nfs", open_server.host, open_server.port).fetch(ObjectRef(path=path))


def test_nobody_is_asked_for_where_a_user_is_wanted(probe: MakeProbe) -> None:
    with ganesha(data=ONLY_SYS) as server:
        proof = probe("nfs", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert "AUTH_SYS as nobody" in proof.detail


@pytest.mark.parametrize("claims", ["", 'nfs_exports = ["/shut"]'])
def test_a_closed_export_looks_absent(probe: MakeProbe, claims: str) -> None:
    with ganesha(shut=SHUT) as server:
        proof = probe("nfs", server.host, server.port, claims=claims).prove()
    assert proof is not None
    assert proof.access is Access.REFUSED_OR_ABSENT
    assert "looks absent" in proof.detail
    assert ("NOENT" in proof.detail) is bool(claims)
    assert proof.size is None


def test_an_export_that_wants_kerberos(probe: MakeProbe) -> None:
    with ganesha(data=KERBEROS) as server:
        proof = probe("nfs", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS  # its name came without a login
    assert proof.containers == ("data",)
    assert "WRONGSEC" in proof.detail


def test_version_3_through_the_real_portmapper(probe: MakeProbe) -> None:
    def work() -> None:
        with rpcbind(), ganesha(3, data=OPEN, shut=SHUT) as server:
            for port in (server.port, 111):
                _version_3(probe("nfs", server.host, port), server)

    apart(work)


def _version_3(nfs: Probe, server: servers.Server) -> None:
    proof = nfs.prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert "NFSv3" in proof.detail
    assert "UMNT" in proof.detail
    assert proof.size is not None
    assert proof.size.objects == len(FILES)
    folder = str(server.folder / "data")
    assert proof.containers == (folder,)
    refs = {o.path.encode("latin-1").decode(): o for o in nfs.objects() if isinstance(o, ObjectRef)}
    assert set(refs) == {f"{folder}/{name}" for name in FILES}
    for name, content in FILES.items():
        assert nfs.fetch(refs[f"{folder}/{name}"]).data == content


def test_version_3_does_not_mount_what_is_closed(probe: MakeProbe) -> None:
    def work() -> None:
        with rpcbind(), ganesha(3, shut=SHUT) as server:
            claims = f'nfs_exports = ["{server.folder}/shut"]'
            proof = probe("nfs", server.host, server.port, claims=claims).prove()
            assert proof is not None
            assert proof.access is Access.REFUSED_OR_ABSENT
            assert "NFSv3" in proof.detail
            assert any("1024" in gap.detail for gap in proof.gaps)  # it may be our port alone

    apart(work)


def test_version_3_without_a_portmapper_is_not_called_closed(probe: MakeProbe) -> None:
    def work() -> None:
        with ExitStack() as stack:
            with rpcbind():
                server = stack.enter_context(ganesha(3, data=OPEN))
            proof = probe("nfs", server.host, server.port).prove()
            assert proof is not None
            assert proof.access is Access.UNDETERMINED
            assert "no portmapper" in proof.detail

    apart(work)


def test_whole_looks_at_the_usual_ports() -> None:
    def work() -> None:
        with rpcbind(), ganesha(3, 2049, data=OPEN):
            nfs = reaching.look("127.0.0.1", 2049)
            mapper = reaching.look("127.0.0.1", 111)
            assert (nfs.observation.protocol, nfs.observation.access) == ("nfs", "gives_data")
            assert mapper.observation.protocol == "nfs"
            assert mapper.observation.access is Access.METADATA  # one store is not counted twice
            assert "2049" in mapper.observation.detail
            files, data, gaps = reaching.read_all(reaching.reach_of(SCOPE), nfs)
            assert {f.size for f in files} == {len(content) for content in FILES.values()}
            assert {d.data for d in data} == set(FILES.values())
            assert gaps == []

    apart(work)


def reply(results: bytes, call: bytes) -> bytes:
    """A record with an accepted reply to this call."""
    record = call[:4] + xdr.uints(1, 0, 0, 0) + results
    return xdr.uints(0x80000000 | len(record)) + record


def heard(client: servers.Conversation) -> bytes:
    """The next call without its mark, b"" at the end."""
    mark = client.hear_bytes(4)
    return client.hear_bytes(int.from_bytes(mark, "big") & 0xFFFFFF) if len(mark) == 4 else b""


Answers = Callable[[tuple[int, int, int], bytes], bytes]


def speaking(answer: Answers) -> Callable[[servers.Conversation], None]:
    """A fake RPC server: the results for (program, version, procedure) and the call's body."""

    def handle(client: servers.Conversation) -> None:
        while call := heard(client):
            asked = struct.unpack(">3I", call[12:24])
            plain = call[24:32] == xdr.uints(0, 0)
            body = call[24 + (len(wire.AUTH_NONE) if plain else len(wire.AUTH_SYS)) + 8 :]
            client.say(reply(answer(asked, body), call))

    return handle


def compound(status: int, *operations: tuple[int, bytes]) -> bytes:
    """Accepted, and what COMPOUND answers where all but the last operation went well."""
    done = b"".join(
        xdr.uints(number, 0 if at < len(operations) else status) + result
        for at, (number, result) in enumerate(operations, 1)
    )
    return xdr.uints(0, status, 0, len(operations)) + done


ROOT = compound(0, (24, b""), (10, xdr.opaque(b"root")))
MISMATCH = xdr.uints(2, 4, 4)


def entry(name: bytes, kind: int, handle: bytes) -> bytes:
    """One entry of READDIR with its type and file handle."""
    values = xdr.uints(kind) + xdr.opaque(handle)
    return (
        xdr.uints(1)
        + bytes(8)
        + xdr.opaque(name)
        + xdr.uints(2, 1 << 1 | 1 << 19, 0)
        + (xdr.opaque(values))
    )


def four(operations: Callable[[bytes], bytes]) -> Answers:
    """A fake of version 4 alone; `operations` answers what comes after PUTROOTFH."""

    def answer(asked: tuple[int, int, int], body: bytes) -> bytes:
        if asked[1:] == (4, 0):
            return xdr.uints(0)
        if asked[1:] == (3, 0):
            return MISMATCH
        return ROOT if body[8:16] == xdr.uints(2, 24) else operations(body)

    return answer


@pytest.mark.parametrize(
    ("status", "access", "gaps"),
    [
        (10016, Access.ASKS_CREDENTIAL, 0),
        (2, Access.REFUSED_OR_ABSENT, 0),
        (13, Access.REFUSED_OR_ABSENT, 1),
        (1, Access.REFUSED_OR_ABSENT, 1),
        (10013, Access.UNDETERMINED, 1),
        (10021, Access.UNDETERMINED, 1),
    ],
)
def test_words_of_a_fake_server(probe: MakeProbe, status: int, access: Access, gaps: int) -> None:
    answer = four(lambda _: compound(status, (22, b""), (26, b"")))
    with servers.fake(speaking(answer)) as server:
        proof = probe("nfs", server.host, server.port).prove()
    assert proof is not None
    assert (proof.access, len(proof.gaps)) == (access, gaps)


def test_a_fake_that_denies_the_flavour_asks_for_a_credential(probe: MakeProbe) -> None:
    def handle(client: servers.Conversation) -> None:
        while call := heard(client):
            record = call[:4] + xdr.uints(1, 1, 1, 5)  # MSG_DENIED, AUTH_ERROR, AUTH_TOOWEAK
            client.say(xdr.uints(0x80000000 | len(record)) + record)

    with servers.fake(handle) as server:
        proof = probe("nfs", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL


def test_names_without_a_file_are_a_list(probe: MakeProbe) -> None:
    """A fake whose exports are named in the pseudo-root and want Kerberos."""

    def operations(body: bytes) -> bytes:
        if b"root" in body:
            inside = bytes(8) + entry(b"payroll", 2, b"h") + xdr.uints(0, 1)
            return compound(0, (22, b""), (26, inside))
        return compound(10016, (22, b""), (26, b""))

    with servers.fake(speaking(four(operations))) as server:
        proof = probe("nfs", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert proof.containers == ("payroll",)
    assert "WRONGSEC" in proof.detail


def test_exports_that_are_named_and_refused_are_a_list(probe: MakeProbe) -> None:
    """A fake portmapper, mountd and nfsd on one port."""
    taken: list[int] = []

    def answer(asked: tuple[int, int, int], body: bytes) -> bytes:
        taken.append(asked[2])
        if asked[0] == wire.PORTMAP:
            lines = [(100003, 3, 6, server.port), (100005, 3, 6, server.port)]
            return xdr.uints(0) + b"".join(xdr.uints(1, *line) for line in lines) + xdr.uints(0)
        if asked[0] == wire.NFS:
            return xdr.uints(1)
        if asked[2] == 5:
            return xdr.uints(0, 1) + xdr.opaque(b"/srv/hr") + xdr.uints(0, 0)
        return xdr.uints(0, 13) if asked[2] == 1 else xdr.uints(0)

    with servers.fake(speaking(answer)) as server:
        proof = probe("nfs", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert proof.containers == ("/srv/hr",)
    assert "ACCES" in proof.detail
    assert taken.count(1) == taken.count(3) == 2  # each MNT has its UMNT


def test_a_portmapper_that_names_the_usual_port_is_metadata(probe: MakeProbe) -> None:
    """A fake: NFS at 2049 is an endpoint of its own, so nothing is counted twice."""

    def answer(asked: tuple[int, int, int], body: bytes) -> bytes:
        if asked[0] == wire.NFS:
            return xdr.uints(1)
        return xdr.uints(0, 1, 100003, 4, 6, 2049, 0)

    with servers.fake(speaking(answer)) as server:
        proof = probe("nfs", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.METADATA
    assert "2049" in proof.detail


@pytest.mark.parametrize(("nfs", "mountd"), [(5, 6), (0, 5)])
def test_a_port_out_of_scope_is_a_gap(probe: MakeProbe, nfs: int, mountd: int) -> None:
    """A fake portmapper that names port 5, which the scope excludes."""

    def answer(asked: tuple[int, int, int], body: bytes) -> bytes:
        if asked[0] == wire.NFS:
            return xdr.uints(1)
        lines = [(100003, 3, 6, nfs or server.port), (100005, 3, 6, mountd)]
        return xdr.uints(0) + b"".join(xdr.uints(1, *line) for line in lines) + xdr.uints(0)

    async def prove(context: Context) -> tuple[Proof | None, list[Gap]]:
        return await by_name("nfs").prove(context), context.gaps

    with servers.fake(speaking(answer)) as server:
        found = probe("nfs", server.host, server.port, exclude=("127.0.0.1:5",))
        proof, gaps = found.run(prove)
    assert proof is not None
    assert proof.access is Access.METADATA
    assert [gap.reason for gap in gaps] == [Reason.OUT_OF_SCOPE]
    assert "port 5, which is out of scope" in proof.detail


def test_a_portmapper_out_of_scope_is_not_asked(probe: MakeProbe) -> None:
    """A fake that serves version 3 alone."""

    def answer(asked: tuple[int, int, int], body: bytes) -> bytes:
        return xdr.uints(2, 3, 3) if asked[1] == 4 else xdr.uints(0)

    with servers.fake(speaking(answer)) as server:
        nfs = probe("nfs", server.host, server.port, exclude=("127.0.0.1:111",))
        proof = nfs.prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED
    assert "port 111 is out of scope" in proof.detail


def _endless(body: bytes) -> bytes:
    """Each folder holds another one."""
    name = os.urandom(8).hex().encode()
    return compound(0, (22, b""), (26, bytes(8) + entry(name, 2, os.urandom(8)) + xdr.uints(0, 1)))


def _unending(body: bytes) -> bytes:
    """One folder whose pages never end."""
    return compound(0, (22, b""), (26, bytes(8) + entry(b"x", 1, b"h") + xdr.uints(0, 0)))


def _cycle(body: bytes) -> bytes:
    """A folder that holds itself."""
    return compound(0, (22, b""), (26, bytes(8) + entry(b"me", 2, b"root") + xdr.uints(0, 1)))


def test_a_walk_is_bounded(probe: MakeProbe) -> None:
    with servers.fake(speaking(four(_endless))) as server:
        proof = probe("nfs", server.host, server.port).prove()
        assert proof is not None
        assert Reason.TOO_DEEP in {gap.reason for gap in proof.gaps}
        assert proof.size is not None
        assert not proof.size.complete
    with servers.fake(speaking(four(_cycle))) as server:
        found = probe("nfs", server.host, server.port).objects()
        assert found == []
    with servers.fake(speaking(four(_unending))) as server:
        started = time.monotonic()
        limits = Limits(bytes=200_000, seconds=2)
        proof = probe("nfs", server.host, server.port, limits=limits).prove()
        assert time.monotonic() - started < 4
    assert proof is not None
    assert proof.access is Access.LISTS
    assert Reason.BUDGET in {gap.reason for gap in proof.gaps}


def test_hostile_names_are_gaps(probe: MakeProbe) -> None:
    def operations(body: bytes) -> bytes:
        bad = b"".join(entry(name, 1, b"h") for name in (b"a/../b", b"..", b"", b"n\0", b"x" * 300))
        return compound(0, (22, b""), (26, bytes(8) + bad + xdr.uints(0, 1)))

    with servers.fake(speaking(four(operations))) as server:
        found = probe("nfs", server.host, server.port).objects()
    assert [g.reason for g in found if isinstance(g, Gap)] == [Reason.UNSUPPORTED] * 5
    assert len(found) == 5


HOSTILE = {
    "cut short": lambda body: compound(0, (22, b""), (26, bytes(8) + xdr.uints(1))),
    "another operation": lambda body: compound(0, (22, b""), (28, bytes(16))),
    "a long name": lambda body: compound(
        0, (22, b""), (26, bytes(8) + xdr.uints(1, 0, 0, 0xFFFFFFFF))
    ),
    "an empty page": lambda body: compound(0, (22, b""), (26, bytes(8) + xdr.uints(0, 0))),
    "a boolean of 7": lambda body: compound(0, (22, b""), (26, bytes(8) + xdr.uints(7))),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_lies_prove_nothing(probe: MakeProbe, kind: str) -> None:
    with servers.fake(speaking(four(HOSTILE[kind]))) as server:
        proof = probe("nfs", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED
    assert {gap.reason for gap in proof.gaps} == {Reason.MISBEHAVED}


STRANGERS: dict[str, bytes | None] = {
    "echo": None,
    "web": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "redis": b"-ERR unknown command\r\n" * 4,
    "a huge record": b"\xff\xff\xff\xff" + bytes(64),
    "fragments": b"\0\0\0\0" * 100,
    "another call's answer": xdr.uints(0x80000018, 9, 1, 0, 0, 0, 0),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_stranger_is_not_nfs(probe: MakeProbe, kind: str) -> None:
    def handle(client: servers.Conversation) -> None:
        call = client.hear_bytes(44)
        client.say(call if (said := STRANGERS[kind]) is None else said)
        client.hear_bytes(1)

    with servers.fake(handle) as server:
        assert probe("nfs", server.host, server.port).prove() is None


def test_a_server_that_hangs_up_is_no_crash(probe: MakeProbe) -> None:
    with (
        servers.fake(lambda client: client.hear_bytes(44)) as server,
        pytest.raises(ProtocolError, match="early"),
    ):
        probe("nfs", server.host, server.port).prove()


def call_of(program: int, version: int, procedure: int, body: bytes, credential: bytes) -> bytes:
    record = xdr.uints(1, 0, 2, program, version, procedure) + credential + xdr.uints(0, 0) + body
    return xdr.uints(0x80000000 | len(record)) + record


def test_the_allow_list_knows_reads_as_nobody_only() -> None:
    rules = [re.compile(rule, re.DOTALL) for rule in by_name("nfs").allowed]

    def may(program: int, version: int, procedure: int, body: bytes, by: bytes) -> bool:
        return any(r.match(call_of(program, version, procedure, body, by)) for r in rules)

    handle = xdr.opaque(b"handle!")
    put = xdr.uints(0, 0, 2, 22) + handle
    lookup = xdr.uints(0, 0, 3, 22) + handle + xdr.uints(15) + xdr.opaque(b"name") + xdr.uints(10)
    read = put + xdr.uints(25) + bytes(16) + bytes(12)
    for by in (wire.AUTH_NONE, wire.AUTH_SYS):
        assert may(100003, 4, 1, read, by)
        assert may(100003, 4, 1, lookup, by)
        assert may(100003, 3, 6, handle + bytes(12), by)
        assert may(100005, 3, 1, xdr.opaque(b"/srv"), by)
        for procedure in (2, 7, 8, 9, 10, 11, 12, 13, 14, 15, 21):  # SETATTR to COMMIT
            assert not may(100003, 3, procedure, handle + bytes(12), by)
        remove = put + xdr.uints(28) + xdr.opaque(b"name")
        write = put + xdr.uints(38) + bytes(16) + bytes(12)
        for body in (remove, write, read + xdr.uints(28), put + xdr.uints(28) + bytes(28)):
            assert not may(100003, 4, 1, body, by)
        assert not may(100005, 3, 4, b"", by)  # UMNTALL
        assert not may(100000, 2, 1, bytes(16), by)  # PMAPPROC_SET
    root = wire.AUTH_SYS.replace(xdr.uints(65534), xdr.uints(0))
    assert not may(100003, 4, 1, read, root)


def test_no_other_user_and_no_write_leaves(probe: MakeProbe, open_server: servers.Server) -> None:
    async def remove(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await wire.Rpc(connection, wire.AUTH_SYS).call(100003, 3, 12, bytes(8))

    with pytest.raises(OutOfScope):
        probe("nfs", open_server.host, open_server.port).run(remove)


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=600))
def test_fuzz_pattern_takes_what_opaque_writes(least: int, more: int, data: bytes) -> None:
    most = min(255, least + more)
    rule = re.compile(xdr.pattern(least, most) + rb"\Z", re.DOTALL)
    assert bool(rule.match(xdr.opaque(data))) is (least <= len(data) <= most)


PARSERS: dict[str, Callable[[xdr.Reader], object]] = {
    "mapped": wire.mapped_of,
    "exports": nfs3_wire.exports_of,
    "handle": nfs3_wire.handle_of,
    "page 3": nfs3_wire.page_of,
    "data": lambda reader: nfs3_wire.data_of(reader, 4096),
    "used": nfs3_wire.used_of,
    "attributes": nfs4_wire.attributes_of,
    "operations": lambda reader: nfs4_wire.operations(reader, 22, 26),
    "page 4": nfs4_wire.page_of,
}
_WORD = st.sampled_from([0, 1, 2, 4, 8, 22, 26, 255, 2**32 - 1]).map(xdr.uints)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.one_of(st.binary(max_size=400), st.lists(_WORD, max_size=60).map(b"".join)))
def test_fuzz_answers(name: str, data: bytes) -> None:
    with suppress(ProtocolError):
        PARSERS[name](xdr.Reader(data))


@given(st.one_of(st.binary(max_size=100), st.lists(_WORD, max_size=20).map(b"".join)))
def test_fuzz_replies(record: bytes) -> None:
    with suppress(ProtocolError):
        wire.results_of(record, 1)
