"""SMB 1 to 3 against Samba, open and closed, and against servers that lie."""

from __future__ import annotations

import os
import re
import socket
import socketserver
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reaching
import servers
from lab.samba import PRIV, PUB, samba
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach import smb1_wire, smb2_wire, smb_ntlm, smb_srvsvc, smb_wire
from leftopen.reach.api import Context, ObjectRefused, Proof
from leftopen.reach.protocols.smb import SMB
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]
BIG = bytes(range(256)) * 1200  # more than one read of every generation
FILES = {
    "a.txt": b"The secret is 078-05-1120.\n",
    "deep/er/big.bin": BIG,
    "empty": b"",
    "odd/" + "n" * 200: b"long",
    "odd/\u00fcn\U0001f600": b"unicode",
    **{f"many/file number {n:04d} with a long name.txt": b"x" for n in range(500)},
}
FEW = {
    "deep/er/big.bin": BIG,
    **{f"many/file number {n:04d} with a long name.txt": b"x" for n in range(130)},
}


def smbclient(server: servers.Server, *words: str, share: str) -> str:
    """What Samba's own client says to the same null session."""
    argv = [servers.need("smbclient"), "-N", f"//{server.host}/{share}", "-p", str(server.port)]
    argv += ["-m", "SMB3", "--option=client min protocol=CORE", "-s", "/dev/null", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    shares = {"pub": PUB, "priv": PRIV, "hidden": (*PUB, "browseable = no")}
    with samba(shares, files=FILES) as server:
        (server.folder / "files" / "link").symlink_to("/etc/passwd")
        (server.folder / "files" / "locked.txt").write_bytes(b"locked")
        (server.folder / "files" / "locked.txt").chmod(0o600)
        os.chown(server.folder / "files" / "locked.txt", 0, 0)
        yield server


def prove(make: MakeProbe, server: servers.Server, **parts: str) -> Proof:
    proof = make("smb", server.host, server.port, **parts).prove()
    assert isinstance(proof, Proof)
    return proof


def test_an_open_share_gives_a_file(probe: MakeProbe, open_server: servers.Server) -> None:
    proof = prove(probe, open_server)
    assert proof.access is Access.GIVES_DATA
    assert proof.detail == "1 of 2 shares open to a null session (pub); bytes of a file were read"
    assert (proof.product, proof.version) == ("SMB", "3.1.1")
    assert proof.size is not None
    assert proof.size.objects == len(FILES) + 1
    assert proof.size.bytes == sum(map(len, FILES.values())) + len("locked")
    assert proof.size.complete
    assert "are used on the largest volume" in proof.size.basis
    assert proof.containers == ("pub", "priv")
    assert proof.gaps == ()
    assert "secret" not in " ".join(e.answer for e in proof.evidence)


def test_the_client_of_samba_sees_the_same(open_server: servers.Server) -> None:
    assert "a.txt" in smbclient(open_server, "-c", "ls", share="pub")
    assert "NT_STATUS_ACCESS_DENIED" in smbclient(open_server, "-c", "ls", share="priv")


def test_a_claimed_share_is_asked_for(probe: MakeProbe, open_server: servers.Server) -> None:
    proof = prove(probe, open_server, claims='smb_shares = ["HIDDEN", "nothing", "PUB"]')
    assert "2 of 4 shares open to a null session (pub, HIDDEN)" in proof.detail


def test_files_are_listed_and_fetched(probe: MakeProbe, open_server: servers.Server) -> None:
    smb = probe("smb", open_server.host, open_server.port)
    found = smb.objects()
    refs = {item.path: item for item in found if isinstance(item, ObjectRef)}
    assert set(refs) == {f"pub/{name}" for name in (*FILES, "locked.txt")}
    assert [item.reason for item in found if isinstance(item, Gap)] == [Reason.REFUSED]
    root = open_server.folder / "files"
    for name in ("a.txt", "deep/er/big.bin", "empty", "odd/\u00fcn\U0001f600"):
        ref = refs[f"pub/{name}"]
        assert ref.size == len(FILES[name])
        assert ref.time is not None
        assert abs(ref.time.timestamp() - (root / name).stat().st_mtime) < 1
        got = smb.fetch(ref)
        assert (got.data, got.complete) == (FILES[name], True), name
    assert refs["pub/deep/er/big.bin"].group == "pub/deep/er"
    cut = smb.fetch(refs["pub/deep/er/big.bin"], 100_000)
    assert (cut.data, cut.complete) == (BIG[:100_000], False)
    assert smb.fetch(refs["pub/deep/er/big.bin"], len(BIG)).complete


@pytest.mark.parametrize(
    "path",
    [
        *("pub/nothing", "pub/deep", "pub/../x", "pub/a\\b", "priv/a.txt", "pub", "/x"),
        *("nope/x", "pub/locked.txt", "pub/link"),
    ],
)
def test_what_is_not_a_file_is_refused(
    probe: MakeProbe, open_server: servers.Server, path: str
) -> None:
    with pytest.raises(ObjectRefused):
        probe("smb", open_server.host, open_server.port).fetch(ObjectRef(path=path))


GENERATIONS = {
    "1 (NT LM 0.12)": ("server min protocol = CORE", "server max protocol = NT1"),
    "2.0.2": ("server max protocol = SMB2_02",),
    "2.1": ("server max protocol = SMB2_10",),
    "3.0.2": ("server max protocol = SMB3_02",),
    "3.1.1": ("server min protocol = SMB3_11", "server signing = mandatory"),
}


@pytest.mark.parametrize("dialect", GENERATIONS)
def test_every_generation(probe: MakeProbe, dialect: str) -> None:
    with samba({"pub": PUB, "priv": PRIV}, *GENERATIONS[dialect], files=FEW) as server:
        proof = prove(probe, server)
        smb = probe("smb", server.host, server.port)
        refs = {item.path: item for item in smb.objects() if isinstance(item, ObjectRef)}
        got = smb.fetch(refs["pub/deep/er/big.bin"])
        cut = smb.fetch(refs["pub/deep/er/big.bin"], 70_000)
        with pytest.raises(ObjectRefused):
            smb.fetch(ObjectRef(path="pub/nothing"))
    assert proof.access is Access.GIVES_DATA
    assert "1 of 2 shares open to a null session (pub)" in proof.detail
    assert proof.version == dialect
    assert proof.size is not None
    assert (proof.size.objects, proof.size.complete) == (len(FEW), True)
    assert set(refs) == {f"pub/{name}" for name in FEW}
    assert (got.data, got.complete) == (BIG, True)
    assert (cut.data, cut.complete) == (BIG[:70_000], False)


CLOSED: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, ...]], Access, str]] = {
    "restrict anonymous": (
        ("map to guest = Never", "restrict anonymous = 2", "server signing = mandatory"),
        {"priv": PRIV},
        Access.ASKS_CREDENTIAL,
        "it requires signing, for which a null session has no key",
    ),
    "names only": (
        (),
        {"priv": PRIV},
        Access.LISTS,
        "the share list is given to a null session; none of 2 shares opens (1 ask for a login)",
    ),
    "encrypted share": (
        (),
        {"pub": (*PUB, "smb encrypt = required")},
        Access.LISTS,
        "none of 3 shares opens (1 ask for a login)",
    ),
    "encryption": (("smb encrypt = required",), {"pub": PUB}, Access.ASKS_CREDENTIAL, ""),
    "old, closed": (
        (*GENERATIONS["1 (NT LM 0.12)"], "restrict anonymous = 2"),
        {"priv": PRIV},
        Access.ASKS_CREDENTIAL,
        "",
    ),
    "nothing in it": (
        (),
        {"pub": ("path = {folder}/run/none", "guest ok = yes")},
        Access.LISTS,
        "",
    ),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_closed(probe: MakeProbe, kind: str) -> None:
    settings, shares, access, words = CLOSED[kind]
    with samba(shares, *settings, files={"a": b"a"}) as server:
        proof = prove(probe, server, claims='smb_shares = ["priv", "unknown"]')
    assert proof.access is access
    assert words in proof.detail


def test_a_denied_list_hides_no_claimed_share(probe: MakeProbe) -> None:
    with samba({"pub": PUB}, "restrict anonymous = 2", files={"a": b"a"}) as server:
        blind = prove(probe, server)
        proof = prove(probe, server, claims='smb_shares = ["pub"]')
    assert blind.access is Access.ASKS_CREDENTIAL
    assert proof.access is Access.GIVES_DATA


def test_port_139_begins_with_a_netbios_session() -> None:
    with (
        samba({"pub": PUB}, files={"a": b"a"}) as server,
        relay("127.0.0.39", 139, server) as heard,
    ):
        scope = reaching.scope_of(("127.0.0.39/32", "127.0.0.1/32"), (139, server.port))
        limits = reaching.Limits(seconds=30.0, greeting_seconds=0.1, answer_seconds=10.0)
        (outcome,) = reaching.reach_of(scope, limits).prove([scope.target("127.0.0.39", 139)])
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("smb", Access.GIVES_DATA)
    called = b" CKFDENECFDEFFCFGEFFCCACACACACACA\0"  # "*SMBSERVER", RFC 1001 14.1
    assert any(said.startswith(b"\x81\0\0\x44" + called) for said in heard)


@contextmanager
def relay(host: str, port: int, to: servers.Server) -> Iterator[list[bytes]]:
    """Samba runs as nobody, who may not listen on port 139; what came there first is kept."""
    heard: list[bytes] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                heard.append(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((to.host, to.port), timeout=10) as far:
                back = Thread(target=pump, args=(far, self.request), daemon=True)
                back.start()
                pump(self.request, far)
                back.join(5)

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    try:
        listener = Listener((host, port), Handler)
    except PermissionError:
        pytest.skip("only root may listen on port 139")
    with listener:
        thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield heard
        finally:
            listener.shutdown()
            thread.join(5)


def frame2(command: int, body: bytes, following: int = 0, flags: int = 0) -> bytes:
    head = b"\xfeSMB" + struct.pack(
        "<HHIHHIIQIIQ", 64, 0, 0, command, 16, flags, following, 5, 0, 1, 2
    )
    return struct.pack(">I", 64 + len(body)) + head + bytes(16) + body


def frame1(command: int, body: bytes) -> bytes:
    head = (
        b"\xffSMB"
        + bytes((command,))
        + bytes(4)
        + b"\x18\x41\xc0"
        + bytes(12)
        + b"\x01\0\0\0\x02\0\x03\0"
    )
    return struct.pack(">I", 32 + len(body)) + head + body


def opening(
    access: int = 0x100081, how: int = 1, options: int = 0x40, name: bytes = b"a\0"
) -> bytes:
    head = struct.pack("<HBBIQQIIIII", 57, 0, 0, 2, 0, 0, access, 0, 7, how, options)
    return frame2(5, head + struct.pack("<HHII", 120, len(name), 0, 0) + name)


def opening1(
    access: int = 0x100081, how: int = 1, options: int = 0x40, name: bytes = b"a\0"
) -> bytes:
    words = (0, len(name), 0, 0, access, 0, 0, 7, how, options, 2, 0)
    packed = b"\xff\0\0\0" + struct.pack("<BHIIIQIIIIIB", *words)
    return frame1(
        0xA2, b"\x18" + packed + struct.pack("<H", 3 + len(name)) + b"\0" + name + b"\0\0"
    )


def permitted(message: bytes) -> bool:
    return any(re.compile(rule, re.DOTALL).match(message) for rule in SMB.allowed)


SRVSVC = "srvsvc".encode("utf-16-le")
FILE = b"0123456789abcdef"
READ_ONE = frame2(8, struct.pack("<HBBIQ", 49, 80, 0, 9, 0) + FILE + bytes(17))
CALL = frame2(11, smb2_wire._ioctl_body(FILE, smb_srvsvc.ENUMERATE))
NOBODY, EMPTY = smb_ntlm.AUTHENTICATE, b"\0\0\0\0\x41\0\0\0"


def login(token: bytes) -> bytes:
    return frame2(1, struct.pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 88, len(token), 0) + token)


MAY = {
    "a login without a name": login(NOBODY),
    "open": opening(),
    "open the root": opening(options=1, name=b"\0")[:-1] + b"\0",
    "open the pipe": opening(access=0x100083, name=SRVSVC),
    "read": READ_ONE,
    "call": CALL,
    "open, SMB 1": opening1(),
}
MAY_NOT = {
    "open for writing": opening(access=0x100083),
    "open for deleting": opening(access=0x110081),
    "open for all": opening(access=0x02000000),
    **{f"disposition {n}": opening(how=n) for n in (0, 2, 3, 4, 5)},
    "delete on close": opening(options=0x1040),
    "a pipe with another name": opening(access=0x100083, name="spoolss".encode("utf-16-le")),
    "a write": frame2(9, struct.pack("<HHIQ", 49, 112, 1, 0) + FILE + bytes(16) + b"x"),
    "a command for each other number": frame2(17, bytes(32)),
    "echo": frame2(13, b"\x04\0\0\0"),
    "two in one": READ_ONE + READ_ONE,
    "one hidden in a name": opening() + READ_ONE,
    "one hidden in a name, a byte later": opening(name=b"abc") + READ_ONE,
    "one hidden in a share's name": frame2(
        3, struct.pack("<HHHH", 9, 0, 72, 8) + b"\\\0\\\0a\0b" + READ_ONE
    ),
    "a compound": frame2(8, READ_ONE[68:], following=128),
    "signed": frame2(8, READ_ONE[68:], flags=8),
    "another call": CALL[:-36] + b"\x0e" + CALL[-35:],
    "another control code": CALL.replace(struct.pack("<I", 0x11C017), struct.pack("<I", 0x1401C4)),
    "a login with a name": login(NOBODY.replace(EMPTY, b"\4\0\4\0\x41\0\0\0")),
    "open for writing, SMB 1": opening1(access=0x100083),
    **{f"disposition {n}, SMB 1": opening1(how=n) for n in (0, 2, 3, 4, 5)},
    "delete on close, SMB 1": opening1(options=0x1040),
    **{f"command {n:#x}, SMB 1": frame1(n, bytes(3)) for n in (0, 1, 4, 6, 7, 0x2F, 0x0B, 0x2B)},
    "two in one, SMB 1": opening1() + opening1(),
}


@pytest.mark.parametrize("what", MAY)
def test_these_may_be_sent(what: str) -> None:
    assert permitted(MAY[what])


@pytest.mark.parametrize("what", MAY_NOT)
def test_these_never_leave(what: str) -> None:
    assert not permitted(MAY_NOT[what])


def test_no_write_leaves_through_the_dialer(probe: MakeProbe, open_server: servers.Server) -> None:
    async def write(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(MAY_NOT["a write"])

    with pytest.raises(OutOfScope):
        probe("smb", open_server.host, open_server.port).run(write)


Answers = Callable[[int, bytes], list[tuple[int, bytes]]]
PAGE = struct.pack("<IIQQQQQQII", 0, 0, 0, 0, 0, 0, 1, 0, 0, 2) + b"a\0"


def pipe(body: bytes) -> bytes:
    return (
        struct.pack("<HHI", 49, 0, 0x11C017)
        + bytes(24)
        + struct.pack("<IIII", 112, len(body), 0, 0)
        + body
    )


def shares(*names: str, count: int | None = None) -> bytes:
    count = len(names) if count is None else count
    stub = struct.pack("<6I", 1, 1, 1, count, 1, count) + struct.pack("<III", 1, 0, 0) * len(names)
    for name in names:
        text = (name + "\0").encode("utf-16-le")
        stub += struct.pack("<III", len(name) + 1, 0, len(name) + 1) + text + bytes(-len(text) % 4)
    return stub + struct.pack("<III", len(names), 0, 0)


def response(stub: bytes, flags: int = 3) -> bytes:
    return (
        struct.pack("<BBBBIHHIIHBB", 5, 0, 2, flags, 16, 24 + len(stub), 0, 2, len(stub), 0, 0, 0)
        + stub
    )


FAULT = struct.pack("<BBBBIHHIIHBBI", 5, 0, 3, 3, 16, 28, 0, 2, 0, 0, 0, 0, 0x1C010002)


def honest(command: int, body: bytes) -> list[tuple[int, bytes]]:
    """What a server with one share and one file says, of a fake made by [MS-SMB2]."""
    bodies = {
        0: struct.pack("<HHH", 65, 1, 0x311) + bytes(59),
        1: struct.pack("<HHHH", 9, 2, 72, 0),
        3: struct.pack("<HBBIII", 16, 1, 0, 0, 0, 1),
        4: struct.pack("<HH", 4, 0),
        5: struct.pack("<HH", 89, 0)
        + bytes(44)
        + struct.pack("<Q", 1)
        + bytes(8)
        + FILE
        + bytes(8),
        6: struct.pack("<H", 60) + bytes(58),
        8: struct.pack("<HBBIII", 17, 80, 0, 1, 0, 0) + b"x",
        14: struct.pack("<HHI", 9, 72, len(PAGE)) + PAGE,
        16: struct.pack("<HHI", 9, 72, 32) + struct.pack("<QQQII", 9, 1, 1, 8, 512),
    }
    if command == 11:
        bound = struct.pack("<BBBBIHHI", 5, 0, 12, 3, 16, 16, 0, 1)
        return [(0, pipe(bound if body[58] == 11 else response(shares("pub"))))]
    if command == 14 and body[3] == 0xFF:
        return [(0x80000006, bytes(9))]
    return [(0, bodies[command])]


def serve(
    answers: Answers, numbered: int = 0, flags: int = 1
) -> Callable[[servers.Conversation], None]:
    def handle(client: servers.Conversation) -> None:
        pages = 0
        while len(head := client.hear_bytes(4)) == 4:
            message = client.hear_bytes(int.from_bytes(head[1:], "big"))
            if message[:4] != b"\xfeSMB":
                return
            command = int.from_bytes(message[12:14], "little")
            body = message[64:]
            if command == 14:
                pages += 1
                body = body[:3] + bytes((0xFF if pages > 1 else 0,)) + body[4:]
            for status, said in answers(command, body):
                back = b"\xfeSMB" + struct.pack("<HHIHHII", 64, 0, status, command, 1, flags, 0)
                number = int.from_bytes(message[24:32], "little") + numbered
                back += struct.pack("<Q", number) + struct.pack("<IIQ", 0, 7, 9) + bytes(16) + said
                client.say(struct.pack(">I", len(back)) + back)

    return handle


def instead(command: int, *answers: tuple[int, bytes]) -> Answers:
    return lambda asked, body: list(answers) if asked == command else honest(asked, body)


def endless(asked: int, body: bytes) -> list[tuple[int, bytes]]:
    return (
        [(0, struct.pack("<HHI", 9, 72, len(PAGE)) + PAGE)] if asked == 14 else honest(asked, body)
    )


def listing(stub: bytes) -> Answers:
    def answers(asked: int, body: bytes) -> list[tuple[int, bytes]]:
        call = asked == 11 and body[58] != 11
        return [(0, pipe(response(stub)))] if call else honest(asked, body)

    return answers


def page(data: bytes) -> tuple[int, bytes]:
    return (0, struct.pack("<HHI", 9, 72, len(data)) + data)


def test_the_fake_is_believed(probe: MakeProbe) -> None:
    with servers.fake(serve(honest)) as server:
        proof = probe("smb", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.size is not None
    assert (proof.size.objects, proof.size.bytes) == (1, 1)


LIES = {
    "a dialect not offered": instead(0, (0, struct.pack("<HHH", 65, 1, 0x2FF) + bytes(59))),
    "pending for ever": instead(3, *[(0x103, bytes(9))] * 200),
    "a pointer beyond": instead(8, (0, struct.pack("<HBBIII", 17, 255, 0, 99, 0, 0))),
    "more than asked": instead(8, (0, struct.pack("<HBBIII", 17, 80, 0, 9999, 0, 0) + bytes(9999))),
    "a million shares": listing(shares("pub", count=1_000_000)),
    "a list cut short": listing(shares("pub")[:-20]),
    "no bind": instead(11, (0, pipe(b"x"))),
    "pages that never fill": instead(11, (0, pipe(b""))),
    "entries that overlap": instead(14, page(struct.pack("<I", 8) + PAGE[4:] + bytes(99))),
    "a size beyond": instead(14, page(PAGE[:40] + b"\xff" * 8 + PAGE[48:])),
    "a name beyond": instead(14, page(PAGE[:60] + b"\xff\xff\0\0")),
    "short": instead(5, (0, bytes(9))),
}


@pytest.mark.parametrize("kind", LIES)
def test_lies_end_in_a_protocol_error(probe: MakeProbe, kind: str) -> None:
    begun = time.monotonic()
    with servers.fake(serve(LIES[kind])) as server, pytest.raises(ProtocolError):
        probe("smb", server.host, server.port).prove()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("wrong", [{"numbered": 1}, {"flags": 0}])
def test_an_answer_to_another_request_is_none(probe: MakeProbe, wrong: Mapping[str, int]) -> None:
    with servers.fake(serve(honest, **wrong)) as server, pytest.raises(ProtocolError):
        probe("smb", server.host, server.port).prove()


def test_a_folder_without_an_end_is_left(probe: MakeProbe) -> None:
    with servers.fake(serve(endless)) as server:
        limits = Limits(bytes=1_200_000, seconds=6.0)
        proof = probe("smb", server.host, server.port, limits=limits).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.size is not None
    assert not proof.size.complete
    assert [gap.reason for gap in proof.gaps] == [Reason.BUDGET]


def test_names_that_lead_elsewhere_are_left_out(probe: MakeProbe) -> None:
    def entry(name: str, attributes: int, last: bool = False) -> bytes:
        raw = name.encode("utf-16-le", "surrogatepass")
        size = 0 if last else 64 + len(raw)
        return struct.pack("<IIQQQQQQII", size, 0, 0, 0, 0, 0, 1, 0, attributes, len(raw)) + raw

    names = entry("..", 0x10) + entry("..\\up", 0x20) + entry("a/b", 0x20) + entry("\ud800", 0x20)
    names += entry("elsewhere", 0x410) + entry("good\u202e", 0x20, last=True)

    def answers(asked: int, body: bytes) -> list[tuple[int, bytes]]:
        first = asked == 14 and body[3] != 0xFF
        return [page(names)] if first else honest(asked, body)

    with servers.fake(serve(answers)) as server:
        found = probe("smb", server.host, server.port).objects()
    assert [item.path for item in found if isinstance(item, ObjectRef)] == ["pub/good\u202e"]
    gaps = {gap.reason: gap.count for gap in found if isinstance(gap, Gap)}
    assert gaps == {Reason.OUT_OF_SCOPE: 1, Reason.UNPARSED: 3}


REFUSALS: dict[str, tuple[Answers, Access]] = {
    "an encrypted session": (
        instead(1, (0, struct.pack("<HHHH", 9, 6, 72, 0))),
        Access.ASKS_CREDENTIAL,
    ),
    "no null session": (instead(1, (0xC000006D, bytes(9))), Access.ASKS_CREDENTIAL),
    "no NTLM": (instead(1, (0xC00000BB, bytes(9))), Access.UNDETERMINED),
    "an encrypted share": (
        lambda asked, body: (
            [(0, struct.pack("<HBBIII", 16, 1, 0, 0x8000, 0, 1))]
            if asked == 3 and "pub".encode("utf-16-le") in body
            else honest(asked, body)
        ),
        Access.LISTS,
    ),
    "a branch of DFS": (
        lambda asked, body: [(0xC0000257, bytes(9))] if asked == 14 else honest(asked, body),
        Access.LISTS,
    ),
    "an RPC fault": (
        lambda asked, body: (
            [(0, pipe(FAULT))] if asked == 11 and body[58] != 11 else honest(asked, body)
        ),
        Access.UNDETERMINED,
    ),
    "no srvsvc": (instead(11, (0, pipe(FAULT))), Access.UNDETERMINED),
    "an error instead of a list": (
        listing(struct.pack("<6I", 1, 1, 0, 0, 0, 50)),
        Access.UNDETERMINED,
    ),
    "a list without a folder": (listing(shares()), Access.METADATA),
    "a list that is denied": (
        listing(struct.pack("<6I", 1, 1, 0, 0, 0, 5)),
        Access.ASKS_CREDENTIAL,
    ),
    "a read that is denied": (instead(8, (0xC0000022, bytes(9))), Access.LISTS),
    "a pipe that is denied": (instead(5, (0xC0000022, bytes(9))), Access.ASKS_CREDENTIAL),
}


def test_a_name_in_a_command_line_is_quoted(probe: MakeProbe) -> None:
    with servers.fake(serve(listing(shares("$(id);x")))) as server:
        proof = probe("smb", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert f"'//{server.host}/$(id);x'" in proof.evidence[-1].reproduce


def test_an_old_word_for_no_is_understood() -> None:
    assert smb_wire.Refusal(0x00050001, "the share").asks
    assert not smb_wire.Refusal(0x00010001, "the share").asks


@pytest.mark.parametrize("kind", REFUSALS)
def test_refusals(probe: MakeProbe, kind: str) -> None:
    answers, access = REFUSALS[kind]
    with servers.fake(serve(answers)) as server:
        proof = probe("smb", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access
    if kind == "a branch of DFS":
        assert Reason.OUT_OF_SCOPE in [gap.reason for gap in proof.gaps]


STRANGERS: dict[str, bytes] = {
    "web": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "redis": b"-ERR unknown command\r\n",
    "noise": bytes(range(1, 200)),
    "too long": b"\0\xff\xff\xff\xfeSMB",
    "short frame": b"\0\0\0\x04\xfeSM",
    "keep-alives": b"\x85\0\0\0" * 40,
    "encrypted": b"\0\0\0\x50\xfdSMB" + bytes(76),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_strangers(probe: MakeProbe, kind: str) -> None:
    def handle(client: servers.Conversation) -> None:
        client.hear_bytes(51)
        client.say(STRANGERS[kind])
        client.hear()

    begun = time.monotonic()
    with servers.fake(handle) as server:
        smb = probe("smb", server.host, server.port, limits=Limits(seconds=3.0))
        try:
            assert smb.prove() is None
        except ProtocolError:
            assert kind not in ("web", "redis", "noise")
    assert time.monotonic() - begun < 5


def test_an_echo_is_not_smb(probe: MakeProbe) -> None:
    def handle(client: servers.Conversation) -> None:
        while data := client.socket.recv(65_536):
            client.say(data)

    with servers.fake(handle) as server, pytest.raises(ProtocolError):
        probe("smb", server.host, server.port).prove()


@given(st.binary(max_size=300), st.binary(max_size=80))
def test_fuzz_the_parsers(noise: bytes, tail: bytes) -> None:
    parsers: list[Callable[[bytes], object]] = [
        smb_wire.parse_entries,
        smb_srvsvc.parse_shares,
        smb_srvsvc.fragment,
        smb_srvsvc.bound,
        smb2_wire.parse_volume,
        lambda data: smb2_wire._check(data, 3, 5),
        lambda data: smb1_wire.parse_answer(data, 0x72, 1),
    ]
    heads = (
        b"",
        PAGE,
        shares("pub")[:40],
        response(b""),
        frame2(3, b"")[4:],
        frame1(0x72, b"")[4:],
    )
    for parse in parsers:
        for head in heads:
            try:
                parse(head + noise + tail)
            except ProtocolError:
                continue
