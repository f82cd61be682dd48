"""git daemon: a real one, with exported and other repositories; answers that lie, fakes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.git_daemon import git_daemon
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Context
from leftopen.reach.protocols.git_daemon import _REF
from probing import Limits, Probe

MakeProbe = Callable[..., Probe]
CLAIMS = 'git_repositories = ["payroll.git", "/private.git", "absent.git"]'


def test_references_of_what_is_exported_are_named(probe: MakeProbe) -> None:
    with git_daemon() as server:
        proof = probe("git_daemon", server.host, server.port, claims=CLAIMS).prove()
    assert proof is not None
    assert proof.access is Access.LISTS
    assert proof.containers == ("payroll.git",)
    assert "2 of 3 claimed repositories are refused or not there" in proof.detail
    assert proof.size is not None
    assert (proof.size.objects, proof.size.unit) == (3, "references")  # HEAD, main and v1
    assert "git ls-remote git://" in proof.evidence[0].reproduce


def test_export_all_names_both(probe: MakeProbe) -> None:
    with git_daemon("--export-all") as server:
        proof = probe("git_daemon", server.host, server.port, claims=CLAIMS).prove()
    assert proof is not None
    assert proof.containers == ("payroll.git", "/private.git")


def test_refusal_and_absence_look_alike(probe: MakeProbe) -> None:
    claims = 'git_repositories = ["private.git", "absent.git"]'
    with git_daemon() as server:
        proof = probe("git_daemon", server.host, server.port, claims=claims).prove()
    assert proof is not None
    assert proof.access is Access.REFUSED_OR_ABSENT
    assert len({e.answer.replace("private", "absent") for e in proof.evidence}) == 1


def test_without_a_claim_it_only_speaks(probe: MakeProbe) -> None:
    with git_daemon() as server:
        git = probe("git_daemon", server.host, server.port)
        proof = git.prove()
    assert proof is not None
    assert proof.access is Access.SPEAKS
    assert [g.reason for g in proof.gaps] == [Reason.NOT_GIVEN]


ERR = b"ERR access denied or repository not exported: /x"


def packet(said: bytes) -> bytes:
    return b"%04x%s" % (len(said) + 4, said)


def serving(answer: bytes, flood: bytes = b"") -> Callable[[servers.Conversation], None]:
    """ERR for what nobody has, `answer` for what is claimed."""

    def handle(client: servers.Conversation) -> None:
        asked = client.hear_bytes(int(client.hear_bytes(4), 16) - 4)
        client.say(packet(ERR) if b"/leftopen-" in asked else answer)
        if flood and b"/leftopen-" not in asked:
            client.flood(flood)
        client.hear()

    return handle


HOSTILE: dict[str, tuple[bytes, str]] = {
    "garbage": (b"HTTP/1.1 400 x\r\n", "not a pkt-line"),
    "a line of nothing": (b"0003", "pkt-line of 3"),
    "a line too long": (b"ffff", "pkt-line of 65535"),
    "no reference": (packet(b"hello\n"), "that is none"),
    "half": (b"0100abc", "no answer within"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_daemon_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    data, words = HOSTILE[kind]
    with servers.fake(serving(data)) as server:
        limits = Limits(seconds=1.0)
        git = probe("git_daemon", server.host, server.port, claims=CLAIMS, limits=limits)
        with pytest.raises(ProtocolError, match=words):
            git.prove()


def test_endless_references_are_cut(probe: MakeProbe) -> None:
    line = packet(b"a" * 40 + b" refs/heads/x\n")
    started = time.monotonic()
    with servers.fake(serving(line, line * 500)) as server:
        claims = 'git_repositories = ["a"]'
        proof = probe("git_daemon", server.host, server.port, claims=claims).prove()
    assert time.monotonic() - started < 4
    assert proof is not None
    assert proof.size is not None
    assert (proof.size.objects, proof.size.complete) == (10_000, False)


def test_one_that_has_every_repository_proves_nothing(probe: MakeProbe) -> None:
    def everything(client: servers.Conversation) -> None:
        client.hear_bytes(int(client.hear_bytes(4), 16) - 4)
        client.say(b"0000")
        client.hear()

    with servers.fake(everything) as server:
        proof = probe("git_daemon", server.host, server.port, claims=CLAIMS).prove()
    assert proof is not None
    assert proof.access is Access.UNDETERMINED


def test_names_that_cannot_be_one_are_a_gap(probe: MakeProbe) -> None:
    async def prove(context: Context) -> list[Gap]:
        await context_prove(context)
        return context.gaps

    with servers.fake(serving(packet(ERR))) as server:
        git = probe(
            "git_daemon", server.host, server.port, claims='git_repositories = ["a b", "c"]'
        )
        context_prove = git.protocol.prove
        gaps = git.run(prove)
    assert [(g.reason, g.count) for g in gaps] == [(Reason.BUDGET, 1)]


@pytest.mark.parametrize("said", [b"-ERR unknown\r\n", b"HTTP/1.1 400 Bad\r\n\r\n", b"0032git-up"])
def test_strangers_are_no_git_daemon(probe: MakeProbe, said: bytes) -> None:
    with servers.fake(lambda client: client.say(said)) as server:
        assert probe("git_daemon", server.host, server.port, claims=CLAIMS).prove() is None


@pytest.mark.parametrize(
    "line", [b"git-receive-pack /x\0host=a\0", b"git-upload-archive /x\0host=a\0"]
)
def test_no_other_service_is_asked_for(probe: MakeProbe, line: bytes) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(packet(line))

    with servers.fake(lambda client: client.hear()) as server, pytest.raises(OutOfScope):
        probe("git_daemon", server.host, server.port).run(send)


@given(st.binary(max_size=80) | st.binary(max_size=20).map(lambda b: b"a" * 40 + b" refs/" + b))
def test_fuzz_any_line_is_a_reference_or_none(line: bytes) -> None:
    found = _REF.fullmatch(line)
    assert found is None or (b"\n" not in found.group(1) and b"\0" not in found.group(1))
