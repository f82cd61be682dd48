"""Jenkins: recorded answers of 1.6 and 2.4, all of them fakes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, ObjectRef
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.jenkins import _console, _Root
from probing import Limits, Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]
MARK = {"X-Jenkins": "2.426.1", "X-Hudson": "1.395", "X-Jenkins-Session": "ab"}
CONSOLE = b"Started by user ada.lovelace@example.org\nFinished: SUCCESS\n"


def page(body: bytes, status: str = "200 OK", mark: dict[str, str] = MARK) -> bytes:
    return answer(body, status, "text/html;charset=utf-8", mark)


def jobs(*names: str) -> bytes:
    return page(
        json.dumps({"_class": "hudson.model.Hudson", "jobs": [{"name": n} for n in names]}).encode()
    )


NO_PAGE = page(b"Not Found", "404 Not Found")
LOGIN = page(
    b"<html><head><meta http-equiv='refresh' content='1;url=/login?from=%2F'/></head>"
    b"<body>Authentication required</body></html>",
    "403 Forbidden",
)


def serving(listed: bytes, console: bytes = NO_PAGE) -> Callable[[str], bytes]:
    def reply(path: str) -> bytes:
        if path == "/":
            return page(b"<html>Dashboard [Jenkins]</html>")
        if path.startswith("/api/json"):
            return listed
        return console if path.endswith("/lastBuild/consoleText") else NO_PAGE

    return reply


def test_an_open_one_gives_a_console(probe: MakeProbe) -> None:
    reply = serving(jobs("pay roll", "deploy"), answer(CONSOLE, kind="text/plain", more=MARK))
    with web(reply) as server:
        outcome = look(server.host, server.port)
        jenkins = probe("jenkins", server.host, server.port)
        refs = [r for r in jenkins.objects() if isinstance(r, ObjectRef)]
        assert jenkins.fetch(refs[0]).data == CONSOLE
        assert all(r.startswith("GET ") for r in server.requests)
        assert not any("script" in r or "build?" in r for r in server.requests)
    assert refs[0].path == "/job/pay%20roll/lastBuild/consoleText"
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("jenkins", Access.GIVES_DATA)
    assert (seen.product, seen.version) == ("jenkins", "2.426.1")
    assert seen.containers == ("pay roll", "deploy")
    assert "lovelace" not in repr(outcome)


TO_LOGIN = answer(b"", "302 Found", more={**MARK, "Location": "/login?from=%2Fapi"})
AWAY = answer(b"", "302 Found", more={**MARK, "Location": "https://sso.example.org/x"})
LESS: dict[str, tuple[Callable[[str], bytes], Access, str]] = {
    "2.x closed": (lambda path: LOGIN, Access.ASKS_CREDENTIAL, "403"),
    "a redirect to its login": (serving(TO_LOGIN), Access.ASKS_CREDENTIAL, "a login"),
    "a redirect to another host": (serving(AWAY), Access.ASKS_CREDENTIAL, "a login"),
    "no build": (serving(jobs("deploy")), Access.LISTS, "no console"),
    "nothing visible": (serving(jobs()), Access.METADATA, "no job"),
    "deep": (serving(page(b'{"jobs":' + b"[" * 200_000)), Access.UNDETERMINED, "no list"),
    "a mirror": (lambda path: jobs("x"), Access.UNDETERMINED, "nobody has"),
}


@pytest.mark.parametrize("kind", LESS)
def test_answers_that_prove_less(kind: str) -> None:
    reply, access, words = LESS[kind]
    with web(reply) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("jenkins", access)
    assert words in seen.detail


def test_a_page_about_jenkins_is_another_server(probe: MakeProbe) -> None:
    with web(lambda path: answer(b"<title>Dashboard [Jenkins]</title>")) as server:
        assert probe("jenkins", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol == "http"


def test_an_endless_answer_ends_in_time(probe: MakeProbe) -> None:
    def endless(client: servers.Conversation) -> None:
        client.say(b"HTTP/1.1 200 OK\r\nX-Jenkins: 2\r\nX-Slow: ")
        client.flood(b"x" * 65_536)

    started = time.monotonic()
    with servers.fake(endless) as server:
        limits = Limits(bytes=8_000_000, seconds=2.0)
        made = probe("jenkins", server.host, server.port, limits=limits)
        with pytest.raises(ProtocolError):
            made.prove()
    assert time.monotonic() - started < 3


@given(st.text(max_size=40))
def test_fuzz_a_name_stays_one_part_of_a_path(name: str) -> None:
    body = json.dumps({"jobs": [{"name": name}]}).encode()
    found = parsed(Response(200, {}, body, complete=True, tls=False), _Root)
    assert found is not None
    path = _console(found.jobs[0])
    assert path.count("/") == 4
    assert path.isascii()
    assert not set(path) & set("?# \r\n")
