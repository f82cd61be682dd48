"""beanstalkd, real (it knows no login), and servers that lie."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.beanstalkd import SECRET, beanstalkd, put, say
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach.api import Context, ObjectRefused
from leftopen.reach.protocols.beanstalkd import names, pairs
from probing import Limits, Probe
from reaching import look, reach_of, read_all, scope_of

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="module")
def open_server() -> Iterator[servers.Server]:
    with beanstalkd("127.0.0.113", 11300) as server:  # the usual port: asked there at once
        say(server, put(b"gone"), b"delete 1", b"use mail", put(SECRET))
        say(server, b"use later", put(b"delayed", 900), put(b"x" * 60_000, 900))
        yield server


def test_open(open_server: servers.Server) -> None:
    outcome = look(open_server.host, open_server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("beanstalkd", Access.GIVES_DATA)
    assert seen.version[0].isdigit()
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit) == (3, "jobs")
    assert set(seen.containers) == {"default", "later", "mail"}
    assert "secret" not in " ".join(e.answer for e in outcome.evidence)
    assert "peek-" in outcome.evidence[1].reproduce
    refs, fetched, gaps = read_all(
        reach_of(scope_of((f"{open_server.host}/32",), (open_server.port,))), outcome
    )
    assert [(r.path, r.group) for r in refs] == [("4", "later"), ("3", "later"), ("2", "mail")]
    assert [f.data for f in fetched] == [b"x" * 60_000, b"delayed", SECRET]
    assert not gaps


def test_nothing_is_taken(probe: MakeProbe, open_server: servers.Server) -> None:
    """A job that was peeked at is still there, and no tube was made."""
    queue = probe("beanstalkd", open_server.host, open_server.port)
    proof, again = queue.prove(), queue.prove()
    assert proof is not None
    assert again is not None
    assert (proof.access, proof.size) == (again.access, again.size)
    cut = queue.fetch(ObjectRef(path="2"), 5)
    assert (cut.data, cut.complete) == (SECRET[:5], False)
    assert say(open_server, b"peek 2") == [b"FOUND 2 %d\r\n" % len(SECRET)]
    with pytest.raises(ObjectRefused):
        queue.fetch(ObjectRef(path="1"))


def test_open_and_empty(probe: MakeProbe) -> None:
    with beanstalkd() as server:
        queue = probe("beanstalkd", server.host, server.port)
        proof = queue.prove()
        assert queue.objects() == []
    assert proof is not None
    assert proof.access is Access.LISTS
    assert proof.containers == ("default",)


@pytest.mark.parametrize(
    "command",
    [b"put 1 0 1 1\r\na\r\n", b"reserve\r\n", b"delete 1\r\n", b"kick 9\r\n", b"use a b\r\n"],
)
def test_no_other_verb_leaves(
    probe: MakeProbe, open_server: servers.Server, command: bytes
) -> None:
    async def send(context: Context) -> None:
        async with await context.dialer.connect() as connection:
            await connection.write(command)

    with pytest.raises(OutOfScope):
        probe("beanstalkd", open_server.host, open_server.port).run(send)


def document(text: bytes) -> bytes:
    text = b"---\n" + text
    return b"OK %d\r\n%s\r\n" % (len(text), text)


STATS = document(b"current-jobs-ready: 2\ntotal-jobs: 999999999\n")


def scripted(**answers: bytes) -> Callable[[servers.Conversation], None]:
    said = {"stats": STATS, "list-tubes": document(b"- default\n"), **answers}

    def handle(client: servers.Conversation) -> None:
        while line := client.hear():
            word = line.split()[0].decode()
            if word == "use":
                client.say(b"USING" + line[3:])
            else:
                answer = said.get(word, b"NOT_FOUND\r\n")
                client.say(answer.removesuffix(b"~"))
                if answer.endswith(b"~"):
                    client.flood(answer[:-1] * 1000)

    return handle


HOSTILE = {
    "huge document": ({"list-tubes": b"OK 9999999999\r\n"}, "where 1048576 are the limit"),
    "endless line": ({"list-tubes": b"OK 1~"}, "no end of line"),
    "no document": ({"list-tubes": b"OK 3\r\nabc\r\n"}, "not YAML"),
    "no answer to peek": ({"peek-ready": b"RESERVED 1 1\r\n"}, "not an answer to peek"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_in_an_error(probe: MakeProbe, kind: str) -> None:
    answers, message = HOSTILE[kind]
    started = time.monotonic()
    with servers.fake(scripted(**answers)) as server, pytest.raises(ProtocolError, match=message):
        probe("beanstalkd", server.host, server.port, limits=Limits(seconds=2.0)).prove()
    assert time.monotonic() - started < 3


def test_an_endless_job_is_cut_and_lost_numbers_are_a_gap(probe: MakeProbe) -> None:
    answers = scripted(**{"peek-ready": b"FOUND 1 999999999999\r\n~"})
    with servers.fake(answers) as server:
        queue = probe("beanstalkd", server.host, server.port)
        proof, found = queue.prove(), queue.objects()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.evidence[1].answer_bytes == 65_536
    assert [(g.reason, g.count) for g in found if isinstance(g, Gap)] == [(Reason.BUDGET, 2)]
    assert len(found) == 1


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400\r\n", b"ERROR\r\n", document(b"uptime: 1\n"), b"OK 2\r\nhi\r\n"]
)
def test_another_service_is_not_beanstalkd(probe: MakeProbe, answer: bytes) -> None:
    def handle(client: servers.Conversation) -> None:
        client.hear()
        client.say(answer)

    with servers.fake(handle) as server:
        assert probe("beanstalkd", server.host, server.port).prove() is None


def test_an_echo_is_not_beanstalkd(probe: MakeProbe) -> None:
    with servers.fake(lambda client: client.say(client.hear())) as server:
        assert probe("beanstalkd", server.host, server.port).prove() is None


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_fuzz_documents(lines: list[bytes]) -> None:
    text = b"---\n" + b"\n".join(b"- " + line for line in lines) + b'\nversion: "1.12"\n'
    assert all(not set(name) & set(b" \r\n") for name in names(text))
    assert pairs(text)["version"] == "1.12"
