"""FTP against vsftpd, open and closed, and against servers that lie."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.ftp_listing import Entry, parse_list, parse_mlsd
from probing import NOW, Limits, Probe

MakeProbe = Callable[..., Probe]
BIG = b"0123456789abcdef" * 8000
FILES = {
    "readme.txt": b"The secret is 078-05-1120.\n",
    "pub/big.bin": BIG,
    "pub/deeper/ with  spaces .txt": b"spaces",
    "pub/empty": b"",
    "-l/dash.txt": b"dash",
}


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with servers.vsftpd(FILES, anonymous=True) as server:
        yield server


def state(server: servers.Server) -> dict[str, bytes]:
    """All files below the root with their contents: what a writer would change."""
    root = server.folder / "ftp"
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_anonymous_gives_a_file(probe: MakeProbe, open_server: servers.Server) -> None:
    before = state(open_server)
    proof = probe("ftp", open_server.host, open_server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert (proof.product, proof.version) == ("vsFTPd", "3.0.3")
    assert proof.size is not None
    assert proof.size.objects == len(FILES)
    assert proof.size.bytes == sum(map(len, FILES.values()))
    assert proof.size.complete
    assert any(name.endswith("/pub/deeper") for name in proof.containers)
    assert "secret" not in " ".join(e.answer for e in proof.evidence)
    assert state(open_server) == before == FILES


def test_files_are_listed_and_fetched(probe: MakeProbe, open_server: servers.Server) -> None:
    ftp = probe("ftp", open_server.host, open_server.port)
    root = f"{open_server.folder}/ftp/"
    refs = {r.path.removeprefix(root): r for r in ftp.objects() if isinstance(r, ObjectRef)}
    assert set(refs) == set(FILES)
    assert {name: ref.size for name, ref in refs.items()} == {n: len(c) for n, c in FILES.items()}
    assert refs["pub/big.bin"].group == f"{root}pub"
    assert all(ref.time is not None for ref in refs.values())
    for name, content in FILES.items():
        got = ftp.fetch(refs[name])
        assert (got.data, got.complete) == (content, True)
    cut = ftp.fetch(refs["pub/big.bin"], 1000)
    assert (cut.data, cut.complete) == (BIG[:1000], False)
    assert ftp.fetch(refs["pub/big.bin"], len(BIG)).complete
    with pytest.raises(ObjectRefused):
        ftp.fetch(ObjectRef(path=f"{root}nothing"))


def test_anonymous_switched_off(probe: MakeProbe) -> None:
    with servers.vsftpd(FILES, anonymous=False) as server:
        proof = probe("ftp", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL
    assert "530" in proof.detail


def test_an_empty_root_lists(probe: MakeProbe) -> None:
    with servers.vsftpd({}, anonymous=True) as server:
        proof = probe("ftp", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert proof.size is not None
    assert proof.size.objects == 0


def test_unreadable_files_are_named_only(probe: MakeProbe) -> None:
    with servers.vsftpd({"secret.txt": b"x"}, anonymous=True) as server:
        # vsftpd hands anonymous only what the world may read
        (server.folder / "ftp" / "secret.txt").chmod(0o600)
        proof = probe("ftp", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert "none was handed over" in proof.detail


def tls_settings(folder: Path) -> dict[str, str]:
    cert, key = servers.certificate(folder)
    names = ("ssl_enable", "allow_anon_ssl", "force_anon_logins_ssl", "force_anon_data_ssl")
    files = {"rsa_cert_file": str(cert), "rsa_private_key_file": str(key)}
    return {**dict.fromkeys(names, "YES"), **files, "ssl_ciphers": "HIGH"}


@pytest.mark.parametrize(
    ("reuse", "access"), [("NO", Access.GIVES_DATA), ("YES", Access.UNDETERMINED)]
)
def test_a_server_that_demands_tls(probe: MakeProbe, reuse: str, access: Access) -> None:
    with servers.scratch() as folder:
        settings = {**tls_settings(folder), "require_ssl_reuse": reuse}
        with servers.vsftpd(FILES, anonymous=True, settings=settings) as server:
            proof = probe("ftp", server.host, server.port).prove()
    assert proof is not None
    assert (proof.access, proof.tls) == (access, True)


FORBIDDEN = (
    b"STOR /x\r\n",
    b"DELE /x\r\n",
    b"MKD /x\r\n",
    b"SITE EXEC id\r\n",
    b"USER root\r\n",
    b"PASS correct-horse\r\n",
    b"PORT 127,0,0,1,1,1\r\n",
    b"LIST -R /\r\n",
    b"RETR /x\r\nDELE /x\r\n",
)


@pytest.mark.parametrize("line", FORBIDDEN)
def test_nothing_else_leaves(probe: MakeProbe, open_server: servers.Server, line: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(line)

    with pytest.raises(OutOfScope):
        probe("ftp", open_server.host, open_server.port).run(send)


ANSWERS: dict[bytes, bytes] = {
    b"USER": b"331 go on",
    b"PASS": b"230 in",
    b"TYPE": b"200 ok",
    b"FEAT": b"211-Features\r\n MLST type*;size*;modify*;\r\n211 End",
    b"PWD": b'257 "/" is current',
    b"PBSZ": b"200 ok",
}


@dataclass
class Script:
    """A server by rote: an answer for each verb, a folder of data for each command."""

    data: Mapping[bytes, bytes] = field(default_factory=dict)
    answers: Mapping[bytes, bytes] = field(default_factory=dict)
    passive: str = "127,0,0,1"
    greeting: bytes = b"220 ready"
    flood: bool = False
    heard: list[bytes] = field(default_factory=list)

    def __call__(self, client: servers.Conversation) -> None:
        answers = {**ANSWERS, **self.answers}
        client.say(self.greeting + b"\r\n")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(5)
            port = listener.getsockname()[1]
            while line := client.hear().strip():
                self.heard.append(line)
                verb = line.split()[0]
                if verb in answers:
                    client.say(answers[verb] + b"\r\n")
                elif verb == b"EPSV":
                    client.say(b"500 what\r\n")
                elif verb == b"PASV":
                    high, low = divmod(port, 256)
                    client.say(f"227 Entering ({self.passive},{high},{low})\r\n".encode())
                else:
                    self.transfer(client, listener, line)

    def transfer(self, client: servers.Conversation, listener: socket.socket, line: bytes) -> None:
        channel, _ = listener.accept()
        with channel:
            if line not in self.data:
                client.say(b"550 no\r\n")
                return
            client.say(b"150 here\r\n")
            while self.flood:
                channel.sendall(self.data[line])
            channel.sendall(self.data[line])
        client.say(b"226 done\r\n")


MACHINE = {
    b"MLSD /": b"type=cdir;modify=20260101000000; /\r\ntype=dir; sub\r\n"
    b"Type=file;Size=4;Modify=20230208101112; caf\xc3\xa9\r\n"
    b"type=OS.unix=slink:/etc; link\r\ntype=file;size=x; ../escape\r\nnonsense\r\n",
    b"MLSD /sub": b"type=pdir; /\r\ntype=file;size=0; empty\r\n",
    b"RETR /caf\xc3\xa9": b"data",
}


def test_mlsd_and_pasv(probe: MakeProbe) -> None:
    script = Script(MACHINE)
    with servers.fake(script) as server:
        ftp = probe("ftp", server.host, server.port)
        proof = ftp.prove()
        found = ftp.objects()
        refs = [item for item in found if isinstance(item, ObjectRef)]
        data = ftp.fetch(refs[0]).data
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.size is not None
    assert (proof.size.objects, proof.size.bytes, proof.size.complete) == (2, 4, False)
    assert [g.reason for g in proof.gaps] == [Reason.UNPARSED]
    assert proof.gaps[0].count == 2
    assert [r.path for r in refs] == ["/cafÃ©", "/sub/empty"]
    assert refs[0].time == datetime(2023, 2, 8, 10, 11, 12, tzinfo=UTC)
    assert data == b"data"
    assert b"PASS security@example.org" in script.heard


def test_a_third_host_is_never_contacted(probe: MakeProbe) -> None:
    with servers.fake(lambda client: None, host="127.0.0.3") as canary:
        high, low = divmod(canary.port, 256)
        script = Script(MACHINE, passive="127,0,0,3")
        with servers.fake(script) as server:
            proof = probe("ftp", server.host, server.port).prove()
        assert proof is not None
        assert proof.access is Access.GIVES_DATA
        assert Reason.OUT_OF_SCOPE in [gap.reason for gap in proof.gaps]
        assert "127.0.0.3" in proof.gaps[-1].detail
        exact = Script(MACHINE, answers={b"PASV": f"227 (127,0,0,3,{high},{low})".encode()})
        with servers.fake(exact) as server, pytest.raises(ProtocolError):
            probe("ftp", server.host, server.port).prove()
        assert canary.connections == 0


def test_an_excluded_data_port_is_not_contacted(probe: MakeProbe) -> None:
    with servers.fake(lambda client: None) as canary:
        script = Script(answers={b"EPSV": f"229 (|||{canary.port}|)".encode()})
        exclude = (f"127.0.0.1:{canary.port}",)
        with servers.fake(script) as server, pytest.raises(OutOfScope):
            probe("ftp", server.host, server.port, exclude=exclude).prove()
        assert canary.connections == 0


def test_tls_that_is_only_talked_about_is_a_refusal(probe: MakeProbe) -> None:
    answers = {b"USER": b"530 This is a secure server", b"AUTH": b"500 what"}
    with servers.fake(Script(answers=answers)) as server:
        proof = probe("ftp", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL


def test_a_start_folder_that_no_command_can_hold(probe: MakeProbe) -> None:
    script = Script(MACHINE, answers={b"PWD": b'257-"/a\r\n257 b" is current'})
    with servers.fake(script) as server:
        proof = probe("ftp", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA


def test_a_login_without_a_listing_is_undetermined(probe: MakeProbe) -> None:
    with servers.fake(Script()) as server:
        proof = probe("ftp", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED
    assert "550" in proof.detail


def test_a_deep_tree_is_a_lower_bound(probe: MakeProbe) -> None:
    script = Script({b"MLSD /" + b"/".join([b"d"] * n): b"type=dir; d\r\n" for n in range(40)})
    with servers.fake(script) as server:
        proof = probe("ftp", server.host, server.port, limits=Limits(connections=12)).prove()
        found = probe("ftp", server.host, server.port, limits=Limits(connections=99)).objects()
    assert proof is not None
    assert proof.size is not None
    assert not proof.size.complete
    assert [gap.reason for gap in proof.gaps] == [Reason.BUDGET]
    assert [gap.reason for gap in found if isinstance(gap, Gap)] == [Reason.TOO_DEEP]


HOSTILE: dict[str, Callable[[servers.Conversation], object]] = {
    "endless listing": Script({b"MLSD /": b"type=file;size=1; x\r\n" * 1000}, flood=True),
    "endless greeting": lambda client: client.flood(b"220-welcome\r\n" * 100),
    "endless greeting line": lambda client: client.flood(b"220 " + b"x" * 9999),
    "port 0": Script(answers={b"EPSV": b"229 (|||0|)"}),
    "port 99999": Script(answers={b"EPSV": b"229 (|||99999|)"}),
    "PASV of 999": Script(answers={b"PASV": b"227 (999,999,999,999,999,999)"}),
    "too many": Script(answers={b"USER": b"421 too many connections"}),
    "put off": Script(answers={b"USER": b"450 later"}),
    "silence": lambda client: client.hear(),
    "not a reply": Script(answers={b"USER": b"hello"}),
}

MESSAGES = {
    "endless listing": "closed the connection early|connection lost|reset",
    "endless greeting": "more than 200 lines",
    "endless greeting line": "no end of line",
    "port 0": "does not exist",
    "port 99999": "does not exist",
    "PASV of 999": "no passive data connection",
    "too many": "ended the session",
    "put off": "put off",
    "silence": "no answer within the time",
    "not a reply": "not an FTP reply",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    seconds = 0.5 if kind == "silence" else 1.5
    limits = Limits(bytes=4_000_000, seconds=seconds)
    started = time.monotonic()
    with servers.fake(HOSTILE[kind]) as server, pytest.raises(ProtocolError, match=MESSAGES[kind]):
        probe("ftp", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


def test_an_endless_file_is_cut(probe: MakeProbe) -> None:
    script = Script({b"RETR /x": b"x" * 10_000}, flood=True)
    with servers.fake(script) as server:
        ftp = probe("ftp", server.host, server.port, limits=Limits(seconds=1.0))
        with pytest.raises(ProtocolError):  # the script never says 226
            ftp.fetch(ObjectRef(path="/x"), 100_000)


@pytest.mark.parametrize("greeting", [b"220 mail ESMTP", b"+OK POP3", b"554 go away", b"HTTP/1.1"])
def test_another_service_is_not_ftp(probe: MakeProbe, greeting: bytes) -> None:
    def handle(client: servers.Conversation) -> None:
        client.say(greeting + b"\r\n")
        if client.hear():
            client.say(b"502 5.5.2 Error: command not recognized\r\n")

    with servers.fake(handle) as server:
        assert probe("ftp", server.host, server.port).prove() is None


def test_unix_listings() -> None:
    lines = (
        b"total 12",
        b"drwxr-xr-x    2 ftp      ftp          4096 Jan 01 12:00 name  with spaces ",
        b"-rw-r--r--+   1 1000     domain users   12 Dec 31 23:59 last year",
        b"-rw-r--r--    1 owner    7 Feb  8  2023 no group",
        b"-rw-r--r-- 1 a b 9 2023-02-08 10:11 iso",
        b"lrwxrwxrwx    1 ftp      ftp             7 Jan 01 12:00 link -> /etc",
        b"brw-rw---- 1 root disk 8, 0 Nov 24 10:00 sda",
        b"-rw-r--r-- 1 a b 9 Feb 31  2023 no such day",
        b"gibberish",
    )
    entries, rejected = parse_list(b"\r\n".join(lines), NOW)
    assert rejected == 1
    assert entries == [
        Entry(b"name  with spaces ", True, None, datetime(2026, 1, 1, 12, 0, tzinfo=UTC)),
        Entry(b"last year", False, 12, datetime(2025, 12, 31, 23, 59, tzinfo=UTC)),
        Entry(b"no group", False, 7, datetime(2023, 2, 8, tzinfo=UTC)),
        Entry(b"iso", False, 9, datetime(2023, 2, 8, 10, 11, tzinfo=UTC)),
        Entry(b"no such day", False, 9, None),
    ]


def test_dos_listings() -> None:
    lines = (
        b"01-23-20  10:15AM       <DIR>          aspnet_client",
        b"12-31-2023  12:05AM                 1234 file name.txt",
        b"02-08-99  12:05PM                    1 x",
    )
    assert parse_list(b"\r\n".join(lines), NOW) == (
        [
            Entry(b"aspnet_client", True, None, datetime(2020, 1, 23, 10, 15, tzinfo=UTC)),
            Entry(b"file name.txt", False, 1234, datetime(2023, 12, 31, 0, 5, tzinfo=UTC)),
            Entry(b"x", False, 1, datetime(1999, 2, 8, 12, 5, tzinfo=UTC)),
        ],
        0,
    )


PARTS = st.sampled_from(
    [b"drwxr-xr-x", b"-rw-r--r--", b" 1 ", b"ftp", b" ", b"99", b"Jan 01 12:00", b"<DIR>", b"type="]
)


@pytest.mark.parametrize("read", [partial(parse_list, now=NOW), parse_mlsd])
@given(data=st.lists(PARTS | st.binary(max_size=20), max_size=30).map(b"".join))
def test_any_listing_is_entries_or_a_count(
    read: Callable[[bytes], tuple[list[Entry], int]], data: bytes
) -> None:
    entries, rejected = read(data)
    lines = data.count(b"\n") + 1
    assert len(entries) + rejected <= lines
    assert all(entry.name not in (b"", b".", b"..") for entry in entries)


def test_a_long_line_is_read_in_linear_time() -> None:
    started = time.monotonic()
    parse_list(b"-rw-r--r-- 1" + b" a" * 100_000, NOW)
    parse_list(b"-rw-r--r-- 1 a b c d e" + b" 1" * 100_000, NOW)
    parse_list(b"-rw-r--r-- 1 " + b"1 " * 100_000, NOW)
    assert time.monotonic() - started < 1
