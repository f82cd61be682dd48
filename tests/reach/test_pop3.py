"""POP3 against Dovecot, open and closed, and against servers that lie."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.dovecot import pop3
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.protocols.pop3 import HEADER_BYTES, Pop3, lines_of, pairs_of
from probing import Limits, Probe
from reaching import look, reach_of, read_all, scope_of

MakeProbe = Callable[..., Probe]
LETTER = (
    b"From: a@example.org\r\nSubject: one\r\n\r\n"
    b"The secret is 078-05-1120.\r\n.\r\n..dots\r\nend\r\n"
)
LONG = b"Subject: long\r\n\r\n" + b"0123456789abcdef\r\n" * 4000
MAILBOXES = {"INBOX": [LETTER, LONG]}


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with pop3(MAILBOXES, open=True) as server:
        yield server


def mail_files(folder: Path) -> list[str]:
    """Every message file with its flags in its name (Maildir), which a reader could change."""
    return sorted(str(p.relative_to(folder)) for p in (folder / "mail").rglob("*.test*"))


def test_anonymous_gives_a_header(open_server: servers.Server) -> None:
    before = mail_files(open_server.folder)
    outcome = look(open_server.host, open_server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("pop3", Access.GIVES_DATA)
    assert seen.product == "Dovecot"
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit) == (2, "messages")
    assert seen.size.bytes == len(LETTER) + len(LONG)
    assert "AUTH ANONYMOUS" in outcome.evidence[0].reproduce
    assert "one" not in outcome.evidence[1].answer
    reach = reach_of(scope_of((f"{open_server.host}/32",), (open_server.port,)))
    refs, fetched, gaps = read_all(reach, outcome)
    assert [r.size for r in refs] == [len(LETTER), len(LONG)]
    assert [(f.data, f.complete) for f in fetched] == [(LETTER, True), (LONG, True)]
    assert not gaps
    assert mail_files(open_server.folder) == before


def test_a_fetch_is_cut_and_another_message_refused(
    probe: MakeProbe, open_server: servers.Server
) -> None:
    pop = probe("pop3", open_server.host, open_server.port)
    refs = [r for r in pop.objects() if isinstance(r, ObjectRef)]
    for ref, whole in zip(refs, (LETTER, LONG), strict=True):
        exact, cut = pop.fetch(ref, len(whole)), pop.fetch(ref, len(whole) - 1)
        assert (exact.data, exact.complete) == (whole, True)
        assert (cut.data, cut.complete) == (whole[:-1], False)
    for path in ("1;UIDL=other", "9;UIDL=other", "9;UIDL="):
        with pytest.raises(ObjectRefused):
            pop.fetch(ObjectRef(path=path))


def test_open_and_empty(probe: MakeProbe) -> None:
    with pop3({}, open=True) as server:
        proof = probe("pop3", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert "empty" in proof.detail


@pytest.mark.parametrize("more", ["", "disable_plaintext_auth = yes"])
def test_closed(more: str) -> None:
    with pop3(MAILBOXES, open=False, more=more) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("pop3", Access.ASKS_CREDENTIAL)


def test_anonymous_behind_stls(probe: MakeProbe) -> None:
    """Where TLS is required the mechanisms are named inside of it only."""
    with servers.scratch() as folder:
        cert, key = servers.certificate(folder)
        servers.give(folder)
        more = f"ssl = required\nssl_cert = <{cert}\nssl_key = <{key}\n"
        with pop3(MAILBOXES, open=True, more=more) as server:
            proof = probe("pop3", server.host, server.port).prove()
    assert proof is not None
    assert proof.tls


HELLO = b"+OK ready\r\n"
CAPA = b"+OK\r\nTOP\r\nUIDL\r\nSASL PLAIN ANONYMOUS\r\n.\r\n"


def scripted(**answers: bytes) -> Callable[[servers.Conversation], None]:
    said = {
        "CAPA": CAPA,
        "AUTH": b"+ \r\n",
        "bGVmdG9wZW4=": b"+OK in\r\n",
        "STAT": b"+OK 2 200\r\n",
        **answers,
    }

    def handle(client: servers.Conversation) -> None:
        hello = said.get("hello", HELLO)
        client.say(hello)
        if hello.endswith(b"~"):
            client.flood(hello)
        while line := client.hear():
            answer = said.get(line.split()[0].decode(), b"-ERR no\r\n")
            client.say(answer.removesuffix(b"~"))
            if answer.endswith(b"~"):
                client.flood(answer[:-1] * 1000)

    return handle


STATES = {
    "refused": ({"bGVmdG9wZW4=": b"-ERR [AUTH] no\r\n"}, Access.ASKS_CREDENTIAL),
    "CAPA unknown": ({"CAPA": b"-ERR what\r\n"}, Access.ASKS_CREDENTIAL),
    "STAT refused": ({"STAT": b"-ERR [SYS/TEMP] later\r\n"}, Access.UNDETERMINED),
    "STAT nonsense": ({"STAT": b"+OK many\r\n"}, Access.UNDETERMINED),
    "TOP refused": ({}, Access.LISTS),
    "one header": ({"TOP": b"+OK\r\nSubject: x\r\n\r\n.\r\n"}, Access.GIVES_DATA),
}


@pytest.mark.parametrize("kind", STATES)
def test_states_between_open_and_closed(probe: MakeProbe, kind: str) -> None:
    answers, access = STATES[kind]
    with servers.fake(scripted(**answers)) as server:
        proof = probe("pop3", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access


def test_an_endless_header_is_cut(probe: MakeProbe) -> None:
    with servers.fake(scripted(TOP=b"+OK\r\nSubject: x\r\n~")) as server:
        proof = probe("pop3", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.evidence[1].answer_bytes <= HEADER_BYTES


class Pieces:
    """A connection that gives a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = data, size

    async def write(self, data: bytes) -> None:
        assert data == b"CAPA\r\n"

    async def read_line(self) -> bytes:
        line, _, self.data = self.data.partition(b"\n")
        return line.rstrip(b"\r")

    async def read_some(self) -> bytes:
        data, self.data = self.data[: self.size], self.data[self.size :]
        return data


@pytest.mark.parametrize("size", range(1, 7))
def test_an_end_in_pieces(size: int) -> None:
    pieces = Pieces(b"+OK\r\nTOP\r\n..\r\n.\r\n", size)
    found = asyncio.run(Pop3(pieces).lines(b"CAPA"))  # type: ignore[arg-type]
    assert found == (b"TOP\r\n.\r\n", True)


HOSTILE = {
    "endless greeting": ({"hello": b"+OK x~"}, "no end of line"),
    "garbage": ({"STAT": b"\0\r\n"}, "not a POP3 answer"),
    "silence": ({"STAT": b""}, "no answer within the time"),
    "STARTTLS that is none": (
        {"CAPA": b"+OK\r\nSTLS\r\n.\r\n", "STLS": b"+OK go\r\n+OK injected\r\n"},
        "plaintext after|no TLS",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    answers, message = HOSTILE[kind]
    started = time.monotonic()
    limits = Limits(seconds=1.0)
    with servers.fake(scripted(**answers)) as server, pytest.raises(ProtocolError, match=message):
        probe("pop3", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


def test_an_endless_list_is_an_error(probe: MakeProbe) -> None:
    with servers.fake(scripted(LIST=b"+OK\r\n1 9\r\n~")) as server:
        pop = probe("pop3", server.host, server.port, limits=Limits(bytes=40_000_000))
        with pytest.raises(ProtocolError, match="a list of messages over"):
            pop.objects()


@pytest.mark.parametrize("hello", [b"220 mail\r\n", b"* OK IMAP\r\n", b"-ERR no\r\n", b"+OKAY\r\n"])
def test_another_service_is_not_pop3(probe: MakeProbe, hello: bytes) -> None:
    with servers.fake(lambda client: client.say(hello)) as server:
        assert probe("pop3", server.host, server.port).prove() is None


@pytest.mark.parametrize(
    "command",
    [
        b"RETR 1\r\n",
        b"DELE 1\r\n",
        b"QUIT\r\n",
        b"USER bob\r\n",
        b"PASS x\r\n",
        b"STAT\r\nDELE 1\r\n",
    ],
)
def test_no_other_verb_leaves(
    probe: MakeProbe, open_server: servers.Server, command: bytes
) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(command)

    with pytest.raises(OutOfScope):
        probe("pop3", open_server.host, open_server.port).run(send)


LINE = st.binary(max_size=12).map(lambda b: b.replace(b"\r", b".").replace(b"\n", b"."))


@given(st.lists(LINE, max_size=6), st.integers(0, 90))
def test_fuzz_lines(lines: list[bytes], limit: int) -> None:
    """What a server stuffs with dots comes back, cut at the limit and no sooner."""
    text = b"".join(line + b"\r\n" for line in lines)
    wire = b"".join((b"." + line if line[:1] == b"." else line) + b"\r\n" for line in lines)
    assert lines_of(wire + b".\r\n", limit) == (text[:limit], len(text) <= limit)
    found = lines_of(wire, limit)
    assert found is None or (found[1] is False and len(wire) > limit)


@given(st.binary(max_size=80))
def test_fuzz_pairs(data: bytes) -> None:
    assert all(number >= 0 and value for number, value in pairs_of(data).items())
    assert pairs_of(b"7 abc\r\n" + data)[7]
