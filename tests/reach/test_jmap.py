"""JMAP: a fake server built from the examples of RFC 8620 and 8621, open, closed and lying.

No JMAP server without a login can be had from Debian, PyPI or npm.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.net.http import Response
from leftopen.reach.jmap_wire import call, parse_call, parse_mailboxes, parse_session, refs
from probing import Probe
from reaching import NOT_FOUND, answer

Make = Callable[..., Probe]
MAIL = b"Subject: pay\r\n\r\nnumber 078-05-1120\r\n"
CORE, JMAIL = "urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"


def session(**more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "capabilities": {CORE: {"maxSizeUpload": 50000000}, JMAIL: {}},
        "accounts": {
            "A13824": {
                "name": "john@example.com",
                "isPersonal": True,
                "isReadOnly": False,
                "accountCapabilities": {JMAIL: {"maxMailboxesPerEmail": None}},
            }
        },
        "primaryAccounts": {JMAIL: "A13824"},
        "username": "john@example.com",
        "apiUrl": "https://jmap.example.com/jmap/api/",
        "downloadUrl": "https://jmap.example.com/d/{accountId}/{blobId}/{name}?accept={type}",
        "uploadUrl": "https://jmap.example.com/upload/{accountId}/",
        "eventSourceUrl": "https://jmap.example.com/eventsource/",
        "state": "75128aab4b1b",
    }
    return {**made, **more}


def as_json(made: object, status: str = "200 OK") -> bytes:
    return answer(json.dumps(made).encode(), status, "application/json")


@dataclass
class FakeJmap:
    """The fake: what it was asked, request lines and bodies."""

    host: str
    port: int
    asked: list[str] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)


@contextmanager
def fake_jmap(
    made: object, *, ids: int = 3, login: bool = False, redirect: str = "", front: bytes = NOT_FOUND
) -> Iterator[FakeJmap]:
    asked: list[str] = []
    calls: list[Any] = []

    def method(body: bytes) -> bytes:
        said = json.loads(body)
        assert said["using"] == [CORE, JMAIL]
        ((name, arguments, tag),) = said["methodCalls"]
        calls.append(name)
        every = [f"M{n}" for n in range(ids)]
        if name == "Mailbox/get":
            found = {"list": [{"id": "MB1", "name": "Inbox", "totalEmails": ids}]}
        elif name == "Email/query":
            at = arguments["position"]
            found = {"ids": every[at : at + arguments["limit"]], "total": ids}
        else:
            found = {
                "list": [
                    {"id": i, "blobId": f"G{i}", "size": len(MAIL), "mailboxIds": {"MB1": True},
                     "receivedAt": "2023-02-08T10:00:00Z"}
                    for i in arguments["ids"]
                ]
            }  # fmt: skip
        return as_json({"methodResponses": [[name, found, tag]], "sessionState": "1"})

    def reply(line: str, path: str, body: bytes) -> bytes:
        if login:
            return as_json({}, "401 Unauthorized") if "jmap" in path else front
        if path == "/.well-known/jmap" and redirect:
            return answer(b"", "301 Moved", more={"Location": redirect})
        if path in ("/.well-known/jmap", "/jmap/session" if redirect else ""):
            return as_json(made)
        if line.startswith("POST"):
            return method(body)
        return answer(MAIL, kind="message/rfc822") if path.startswith("/d/A13824/GM") else front

    def handle(client: servers.Conversation) -> None:
        while line := client.hear().decode("latin-1"):
            size = 0
            while (head := client.hear().decode("latin-1")).strip():
                if head.lower().startswith("content-length:"):
                    size = int(head.split(":")[1])
            body = client.hear_bytes(size)
            if len(line.split()) < 3:
                return client.say(answer(b"", "400 Bad Request"))
            asked.append(line.strip())
            client.say(reply(line, line.split()[1], body))
        return None

    with servers.fake(handle) as server:
        yield FakeJmap(server.host, server.port, asked, calls)


def test_an_open_fake_gives_one_message(probe: Make) -> None:
    with fake_jmap(session()) as server:
        made = probe("http", server.host, server.port)
        proof = made.prove()
        calls = list(server.calls)
        found = made.objects()
        messages = [made.fetch(r).data for r in found if isinstance(r, ObjectRef)]
    assert proof is not None
    assert (proof.access, proof.product) == (Access.GIVES_DATA, "JMAP")
    assert proof.size is not None
    assert (proof.size.objects, proof.size.unit, proof.size.complete) == (3, "messages", True)
    assert proof.containers == ("Inbox",)
    assert "apiUrl names jmap.example.com, not followed" in proof.detail
    assert "078-05-1120" not in repr(proof)
    assert "john@example.com" not in repr(proof)
    assert calls == ["Mailbox/get", "Email/query", "Email/get"]
    assert messages == [MAIL] * 3
    first = found[0]
    assert isinstance(first, ObjectRef)
    assert (first.group, first.size, first.media_type) == ("Inbox", len(MAIL), "message/rfc822")


def test_more_than_a_page_is_listed(probe: Make) -> None:
    with fake_jmap(session(), ids=450) as server:
        found = probe("http", server.host, server.port).objects()
    assert len({r.path for r in found if isinstance(r, ObjectRef)}) == len(found) == 450


@pytest.mark.parametrize("front", [NOT_FOUND, answer(b"<html>welcome</html>")])
def test_a_closed_fake_asks(probe: Make, front: bytes) -> None:
    with fake_jmap(session(), login=True, front=front) as server:
        proof = probe("http", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.ASKS_CREDENTIAL
    assert "/.well-known/jmap" in proof.detail


def test_a_session_without_accounts_is_metadata(probe: Make) -> None:
    with fake_jmap(session(accounts={}, apiUrl="/jmap/")) as server:
        proof = probe("http", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.METADATA
    assert server.calls == []


@pytest.mark.parametrize(
    ("made", "rules", "why"),
    [
        (session(), "read_posts = false", "read_posts is off"),
        (session(apiUrl="/admin/delete?all=1"), "", "not on the list"),
    ],
)
def test_what_is_not_posted_is_a_gap(probe: Make, made: object, rules: str, why: str) -> None:
    with fake_jmap(made) as server:
        reading = probe("http", server.host, server.port, rules=rules)
        proof, found = reading.prove(), reading.objects()
    assert not any(line.startswith("POST") for line in server.asked)
    assert proof is not None
    assert proof.access is Access.LISTS
    assert any(g.reason is Reason.NOT_GIVEN and why in g.detail for g in proof.gaps)
    assert [g.reason for g in found if isinstance(g, Gap)] == [Reason.NOT_GIVEN]


def test_a_redirect_is_not_followed(probe: Make) -> None:
    with servers.fake(lambda _: None) as canary:
        away = f"http://{canary.host}:{canary.port}/secret-session"
        with fake_jmap(session(), redirect=away) as server:
            proof = probe("http", server.host, server.port).prove()
        assert canary.connections == 0
    assert not any("secret-session" in line for line in server.asked)
    assert proof is not None
    assert proof.access is Access.GIVES_DATA  # at the usual path, which was asked for by itself


@pytest.mark.parametrize(
    "made",
    [[], {}, {"capabilities": {}}, session(capabilities={}), session(accounts=[]),
     session(apiUrl=7), session(apiUrl="http://[x"), "text"],
)  # fmt: skip
def test_a_stranger_is_none(probe: Make, made: object) -> None:
    with fake_jmap(made) as server:
        proof = probe("http", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is Access.SPEAKS
    assert server.calls == []


def test_the_dialer_lets_only_reads_out(probe: Make) -> None:
    import re

    from leftopen.reach.protocols.http import HTTP

    head = b"POST /jmap/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    good = head + call("Mailbox/get", {"accountId": "a", "ids": None})
    bad = good.replace(b"Mailbox/get", b"Mailbox/set")

    def passes(said: bytes) -> bool:
        return any(re.compile(rule, re.DOTALL).match(said) for rule in HTTP.allowed)

    assert passes(good)
    assert not passes(bad)
    assert not passes(good.replace(b"/jmap/ ", b"/other "))
    assert not passes(head + b"{}")


def _response(body: bytes) -> Response:
    return Response(200, {"content-type": "application/json"}, body, True, False)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(
        st.sampled_from(["methodResponses", "list", "id", "name", "totalEmails", "blobId",
                         "capabilities", "accounts"]), x, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_fuzz_parsers_never_raise(made: object) -> None:
    body = json.dumps(made).encode()
    assert parse_session(_response(body)) is None
    wrapped = json.dumps({"methodResponses": [["Email/get", {"list": made}, "0"]]}).encode()
    arguments = parse_call(_response(wrapped), "Email/get")
    parse_call(_response(body), "Email/get")
    assert arguments is not None
    boxes = parse_mailboxes(arguments)
    known = parse_session(_response(json.dumps(session()).encode()))
    assert known is not None
    if boxes:
        refs(known, "A13824", boxes, arguments)
