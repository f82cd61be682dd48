"""IMAP against Dovecot, open and closed, and against servers that lie."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Context
from leftopen.reach.imap_wire import MAX_DEPTH, Imap, quoted, tokens
from leftopen.reach.protocols.imap import internal_date
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]
LETTER = b"From: a@example.org\r\nSubject: one\r\n\r\nThe secret is 078-05-1120.\r\n"
LONG = b"Subject: long\r\n\r\n" + b"0123456789abcdef" * 4000
MAILBOXES = {"INBOX": [LETTER, LONG], "Archive": [LETTER], "Empty": [], 'Bob\'s {5} \\ "box"': []}


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with servers.dovecot(MAILBOXES, open=True) as server:
        yield server


def mail_files(folder: Path) -> list[str]:
    """Every message file with its flags in its name (Maildir), which a reader could change."""
    return sorted(str(p.relative_to(folder)) for p in (folder / "mail").rglob("*.test*"))


def test_anonymous_gives_a_message(probe: MakeProbe, open_server: servers.Server) -> None:
    before = mail_files(open_server.folder)
    proof = probe("imap", open_server.host, open_server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.product == "Dovecot"
    assert proof.size is not None
    assert (proof.size.objects, proof.size.complete) == (3, True)
    assert proof.size.bytes == 2 * len(LETTER) + len(LONG)
    assert proof.containers[0] == "INBOX"
    shown = " ".join((proof.detail, *(e.answer + e.request for e in proof.evidence)))
    assert "078-05-1120" not in shown
    assert "secret" not in shown
    assert mail_files(open_server.folder) == before


def test_lists_and_fetches_without_a_flag(probe: MakeProbe, open_server: servers.Server) -> None:
    before = mail_files(open_server.folder)
    imap = probe("imap", open_server.host, open_server.port)
    found = imap.objects()
    refs = [item for item in found if isinstance(item, ObjectRef)]
    assert [r.path for r in refs] == ["INBOX;UID=1", "INBOX;UID=2", "Archive;UID=1"]
    assert [r.group for r in refs] == ["INBOX", "INBOX", "Archive"]
    assert [r.size for r in refs] == [len(LETTER), len(LONG), len(LETTER)]
    assert all(r.time is not None for r in refs)
    whole = imap.fetch(refs[0])
    assert (whole.data, whole.complete) == (LETTER, True)
    cut = imap.fetch(refs[1], 1000)
    assert (cut.data, cut.complete) == (LONG[:1000], False)
    exact = imap.fetch(refs[0], len(LETTER))
    assert exact.complete
    assert mail_files(open_server.folder) == before
    assert all("S" not in name.rsplit(",")[-1] for name in before)


def test_plain_only_asks_for_a_credential(probe: MakeProbe) -> None:
    with servers.dovecot(MAILBOXES, open=False) as server:
        proof = probe("imap", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL
    assert proof.size is None


def test_plaintext_disabled_is_closed_from_another_address(probe: MakeProbe) -> None:
    with servers.dovecot({}, open=False, more="disable_plaintext_auth = yes") as server:
        proof = probe("imap", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL
    assert "LOGINDISABLED" in proof.evidence[0].answer


def test_anonymous_only_inside_starttls(probe: MakeProbe) -> None:
    with servers.scratch() as folder:
        cert, key = servers.certificate(folder)
        more = f"ssl = required\nssl_cert = <{cert}\nssl_key = <{key}\n"
        with servers.dovecot(MAILBOXES, open=True, more=more) as server:
            proof = probe("imap", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.tls


def test_listed_but_not_readable(probe: MakeProbe) -> None:
    acl = "mail_plugins = acl\nplugin {\n  acl = vfile:{rights}\n}\n"
    with servers.scratch() as folder:
        rights = folder / "rights"
        rights.write_text("* anyone l\n")
        servers.give(folder)
        more = acl.replace("{rights}", str(rights)) + "namespace {\n  inbox = yes\n}\n"
        with servers.dovecot(MAILBOXES, open=True, more=more) as server:
            proof = probe("imap", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert "Permission denied" in proof.detail
    assert "Archive" in proof.containers


def test_preauth_greeting_gives_a_message(probe: MakeProbe) -> None:
    with servers.dovecot_preauth(MAILBOXES) as server:
        proof = probe("imap", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert "PREAUTH" in proof.detail


FORBIDDEN = (
    b"a1 SELECT INBOX\r\n",
    b'a1 SELECT "INBOX"\r\n',
    b"a1 LOGIN bob correct-horse\r\n",
    b"a1 FETCH 1 (BODY[])\r\n",
    b"a1 STORE 1 +FLAGS (\\Seen)\r\n",
    b'a1 EXAMINE "x"\r\na2 EXPUNGE\r\n',
    b'a1 EXAMINE "x\r\na2 DELETE y"\r\n',
    b'a1 LIST "" "*"\r\na2 LOGOUT\r\n',
)


@pytest.mark.parametrize("line", FORBIDDEN)
def test_nothing_else_leaves(probe: MakeProbe, open_server: servers.Server, line: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(line)

    with pytest.raises(OutOfScope):
        probe("imap", open_server.host, open_server.port).run(send)


HELLO = b"* PREAUTH [CAPABILITY IMAP4rev1] ready\r\n"


def after_hello(answer: bytes) -> Callable[[servers.Conversation], None]:
    def handle(client: servers.Conversation) -> None:
        client.say(HELLO)
        client.hear()
        client.say(answer)
        client.hear()

    return handle


def endless(client: servers.Conversation) -> None:
    client.say(HELLO)
    client.hear()
    client.flood(b'* LIST () "/" "x"\r\n' * 100)


def endless_line(client: servers.Conversation) -> None:
    client.flood(b"* OK " + b"x" * 65_536)


def silent(client: servers.Conversation) -> None:
    client.hear()


HOSTILE: dict[str, Callable[[servers.Conversation], object]] = {
    "literal of 4 GiB": after_hello(b'* LIST () "/" {4294967296}\r\n'),
    "literal of 10^20": after_hello(b'* LIST () "/" {100000000000000000000}\r\n'),
    "deep parentheses": after_hello(b"* LIST " + b"(" * 60_000 + b"\r\n"),
    "unbalanced": after_hello(b"* LIST ))))\r\n"),
    "an open quote": after_hello(b'* LIST () "/" "x\r\n'),
    "BYE": after_hello(b"* BYE too many\r\n"),
    "endless untagged": endless,
    "endless line": endless_line,
    "silence": silent,
}

MESSAGES = {
    "literal of 4 GiB": "a literal of 4294967296 bytes",
    "literal of 10^20": "a literal of 1000",
    "deep parentheses": "too deep",
    "unbalanced": "unbalanced",
    "an open quote": "open quote",
    "BYE": "BYE",
    "endless untagged": "untagged lines",
    "endless line": "no end of line",
    "silence": "no answer within the time",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    seconds = 0.5 if kind == "silence" else 1.0
    limits = Limits(bytes=2_000_000, seconds=seconds)
    started = time.monotonic()
    with servers.fake(HOSTILE[kind]) as server, pytest.raises(ProtocolError, match=MESSAGES[kind]):
        probe("imap", server.host, server.port, limits=limits).prove()
    assert time.monotonic() - started < 3


def test_preauth_that_lies_is_undetermined(probe: MakeProbe) -> None:
    with servers.fake(after_hello(b"a1 NO not really\r\n")) as server:
        proof = probe("imap", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED


def test_a_referral_is_a_refusal(probe: MakeProbe) -> None:
    def handle(client: servers.Conversation) -> None:
        client.say(b"* OK [CAPABILITY IMAP4rev1 AUTH=ANONYMOUS] hi\r\n")
        client.hear()
        client.say(b"a1 NO [REFERRAL imap://10.0.0.1/] go there\r\n")
        client.hear()

    with servers.fake(handle) as server:
        proof = probe("imap", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL


@pytest.mark.parametrize("greeting", [b"220 mail ESMTP\r\n", b"+OK POP3\r\n", b"* nothing\r\n"])
def test_another_service_is_not_imap(probe: MakeProbe, greeting: bytes) -> None:
    with servers.fake(lambda client: client.say(greeting)) as server:
        assert probe("imap", server.host, server.port).prove() is None


def test_a_name_that_no_command_can_hold_is_a_gap(probe: MakeProbe) -> None:
    def handle(client: servers.Conversation) -> None:
        client.say(HELLO)
        client.hear()
        client.say(b'* LIST () "/" {6}\r\na\r\nb\x1b[\r\na1 OK done\r\n')
        client.hear()

    with servers.fake(handle) as server:
        found = probe("imap", server.host, server.port).objects()
    assert [item.reason for item in found if isinstance(item, Gap)] == [Reason.UNSUPPORTED]
    assert len(found) == 1


def test_internal_dates() -> None:
    assert internal_date(b"24-Nov-2026 10:59:23 +0000") == datetime(
        2026, 11, 24, 10, 59, 23, tzinfo=UTC
    )
    west = internal_date(b" 4-feb-2023 01:02:03 -0530")
    assert west is not None
    assert west.astimezone(UTC) == datetime(2023, 2, 4, 6, 32, 3, tzinfo=UTC)
    assert internal_date(b"31-Feb-2026 10:59:23 +0000") is None
    assert internal_date(b"24-Nov-2026 10:59:23 +9900") is None
    assert internal_date(None) is None


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_any_line_is_tokens_or_an_error(parts: list[bytes]) -> None:
    try:
        found = tokens(parts)
    except ProtocolError:
        return
    depth, level = 0, found
    while nested := [t for t in level if isinstance(t, list)]:
        level = [item for t in nested for item in t]
        depth += 1
    assert depth <= MAX_DEPTH


@given(st.binary(max_size=60))
def test_a_quoted_name_is_one_token(name: bytes) -> None:
    if (box := quoted(name)) is None:
        assert any(byte in name for byte in b"\0\r\n")
    else:
        assert tokens([box]) == [name]


def test_imap_is_read_with_a_line_in_pieces(probe: MakeProbe) -> None:
    def handle(client: servers.Conversation) -> None:
        for byte in b"* OK [capability imap4rev1] slow\r\n":
            client.say(bytes([byte]))

    async def ask(context: Context) -> frozenset[bytes]:
        async with await context.dialer.connect() as connection:
            imap = Imap(connection)
            hello = await imap.greeting()
            assert hello is not None
            return await imap.capabilities(hello.text)

    with servers.fake(handle) as server:
        assert probe("imap", server.host, server.port).run(ask) == {b"IMAP4REV1"}
