"""WebDAV: WsgiDAV and rclone, open and closed, and answers that lie."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.webdav import FILES, rclone, wsgidav
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.protocols.webdav import WEBDAV, parse_multistatus
from leftopen.reach.reach import object_name
from reaching import NOT_FOUND, answer, look, reach_of, read_all, scope_of, web

OPEN: dict[str, Callable[[], object]] = {"WsgiDAV": lambda: wsgidav("open"), "rclone": rclone}


@pytest.mark.parametrize("kind", OPEN)
def test_a_real_open_one_gives_data(kind: str) -> None:
    with OPEN[kind]() as server:  # type: ignore[attr-defined]
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "webdav")
    assert seen.product == ("WsgiDAV" if kind == "WsgiDAV" else "webdav")  # "rclone/v1.75" is odd
    assert seen.size is not None
    assert (seen.size.objects, seen.size.complete) == (4, True)
    assert seen.size.bytes == sum(map(len, FILES.values()))
    assert seen.containers == ("/sub/",)
    assert "078-05-1120" not in repr(outcome)
    assert "-X PROPFIND -H 'Depth: 1'" in outcome.evidence[0].reproduce
    named = {object_name(r, "webdav").removeprefix("/"): r for r in refs}
    assert set(named) == set(FILES)
    assert all(r.time is not None and r.size == len(FILES[n]) for n, r in named.items())
    assert named["sub/deep/x.eml"].media_type == "message/rfc822"
    assert sorted(f.data for f in fetched) == sorted(FILES.values())
    assert gaps == []


CLOSED: dict[str, Callable[[], object]] = {
    "Basic": lambda: wsgidav("basic"),
    "Digest": lambda: wsgidav("digest"),
    "rclone": lambda: rclone("--user", "bob", "--pass", "correct-horse"),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_a_real_closed_one_asks(kind: str) -> None:
    with CLOSED[kind]() as server:  # type: ignore[attr-defined]
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert seen.access is Access.ASKS_CREDENTIAL
    assert "401" in seen.detail
    assert ("Digest" in seen.detail) == (kind == "Digest")
    assert seen.size is None


DAV = {"DAV": "1, 2", "Server": "Apache/2.4"}
HEAD = b'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">'


def response(href: str, length: str = "", *, folder: bool = False, status: str = "200 OK") -> bytes:
    kind = "<D:collection/>" if folder else ""
    return (
        f"<D:response><D:href>{href}</D:href><D:propstat><D:prop><D:resourcetype>{kind}"
        f"</D:resourcetype><D:getcontentlength>{length}</D:getcontentlength></D:prop>"
        f"<D:status>HTTP/1.1 {status}</D:status></D:propstat></D:response>"
    ).encode()


def multi(*responses: bytes) -> bytes:
    return answer(
        HEAD + b"".join(responses) + b"</D:multistatus>", "207 Multi-Status", "text/xml", DAV
    )


@contextmanager
def dav(propfind: bytes, get: Callable[[str], bytes] = lambda path: NOT_FOUND) -> Iterator[object]:
    """A web server of a few lines that tells methods apart."""
    methods: list[str] = []

    def handle(client: servers.Conversation) -> None:
        while line := client.hear():
            while client.hear().strip():
                pass
            words = line.decode("latin-1").split()
            methods.append(words[0])
            if words[0] == "OPTIONS":
                client.say(answer(b"", more=DAV))
            else:
                client.say(propfind if words[0] == "PROPFIND" else get(words[1]))

    with servers.fake(handle) as server:
        yield server
    assert set(methods) <= {"GET", "OPTIONS", "PROPFIND"}


STATES: dict[str, tuple[bytes, Access, str]] = {
    "refused": (answer(b"", "403 no", more=DAV), Access.ASKS_CREDENTIAL, "403"),
    "method off": (answer(b"", "405 no", more=DAV), Access.SPEAKS, "405"),
    "empty": (multi(response("/", folder=True)), Access.LISTS, "empty"),
    "names only": (multi(response("/"), response("/a", "9")), Access.LISTS, "no file"),
    "garbage": (answer(b"<a>", "207 x", more=DAV), Access.UNDETERMINED, "207"),
    "another root": (answer(b"<multistatus/>", "207 x", more=DAV), Access.UNDETERMINED, "207"),
    "deep": (
        answer(HEAD + b"<a>" * 100_000, "207 x", more=DAV),
        Access.UNDETERMINED,
        "207",
    ),
    "entities": (
        answer(
            b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + HEAD + b"&a;", "207 x",
            more=DAV,
        ),
        Access.UNDETERMINED,
        "207",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", STATES)
def test_recorded_answers(kind: str) -> None:
    propfind, access, words = STATES[kind]
    with dav(propfind) as server:
        outcome = look(server.host, server.port)  # type: ignore[attr-defined]
    seen = outcome.observation
    assert (seen.access, seen.protocol, seen.product) == (access, "webdav", "Apache")
    assert words in seen.detail
    assert bool(outcome.gaps) == (access is Access.UNDETERMINED)


def test_folders_that_never_end_are_cut() -> None:
    """Each folder holds another one and names itself and its parent again."""

    def handle(client: servers.Conversation) -> None:
        while line := client.hear():
            while client.hear().strip():
                pass
            method, path, _ = line.decode("latin-1").split()
            inner = response(f"{path}a/", folder=True), response(path), response(f"{path}../")
            many = {"OPTIONS": answer(b"", more=DAV), "PROPFIND": multi(*inner)}
            client.say(many.get(method, NOT_FOUND))

    started = time.monotonic()
    with servers.fake(handle) as server:
        outcome = look(server.host, server.port)
        _, _, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    assert outcome.observation.access is Access.LISTS
    assert outcome.observation.size is not None
    assert not outcome.observation.size.complete
    assert Reason.TOO_DEEP in {g.reason for g in gaps}
    assert time.monotonic() - started < 5


def test_only_direct_children_of_the_origin_are_named() -> None:
    hrefs = ["/f/ok", "http://h/f/full", "http://evil/f/x", "//evil/f/x", "file:///f/x", ""]
    hrefs += ["/f/../up", "/other", "/f/a%2Fb", "/f/%2e%2e", "/f/q?x=1", "/f/sub/deeper"]
    hrefs += ["/f/" + "x" * 5000]
    body = HEAD + b"".join(response(h, "5") for h in ["/f/", *hrefs]) + b"</D:multistatus>"
    found = parse_multistatus("http://h/f/", Response(207, {}, body, complete=True, tls=False))
    assert found is not None
    assert [e.path for e in found.entries] == ["/f/ok", "/f/full"]
    assert found.odd == len(hrefs) - 2


def test_a_property_that_was_refused_counts_for_nothing() -> None:
    body = HEAD + response("/a", "5", status="404 Not Found") + b"</D:multistatus>"
    found = parse_multistatus("http://h/", Response(207, {}, body, complete=True, tls=False))
    assert found is not None
    assert [e.size for e in found.entries] == [None]


MARKS = {
    "a page": ({"server": "nginx"}, 200, False),
    "a page of WsgiDAV": ({"server": "WsgiDAV/4.4.0 Cheroot/11.1"}, 200, True),
    "a page with the field": ({"dav": "1"}, 200, True),
    "a page with the method": ({"allow": "GET, PROPFIND"}, 200, True),
    "no listing": ({"server": "Apache"}, 403, True),
}


@pytest.mark.parametrize("kind", MARKS)
def test_what_is_worth_a_request(kind: str) -> None:
    headers, status, worth = MARKS[kind]
    reply = Response(status, headers, b"", complete=True, tls=False)
    assert WEBDAV.recognise_http is not None
    assert WEBDAV.recognise_http(reply) is worth


@pytest.mark.parametrize("status", ["200 OK", "404 no", "501 no"])
def test_a_web_server_without_dav_is_none(status: str) -> None:
    with web(lambda path: answer(b"hello DAV: 1", status)) as server:
        assert look(server.host, server.port).observation.protocol == "http"
        assert not any(r.startswith("PROPFIND") for r in server.requests)


@given(st.binary(max_size=80) | st.text(max_size=40).map(lambda t: response(t, t)))
def test_fuzz_any_answer_is_a_folder_or_none(inner: bytes) -> None:
    for body in (inner, HEAD + inner + b"</D:multistatus>", HEAD + inner):
        reply = Response(207, {}, body, complete=True, tls=False)
        found = parse_multistatus("http://h/f/", reply)
        assert found is None or all(e.path.startswith("/f/") for e in found.entries)
