"""Web mail: fakes built from the markup of Roundcube, SOGo and Exchange, open and closed.

Roundcube needs PHP, SOGo and Exchange a directory: none of them can be started by a test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.protocols.webmail import WEBMAIL, parse_env, parse_rows
from reaching import NOT_FOUND, answer, look, reach_of, read_all, scope_of, web

MAIL = b"Return-Path: <a@example.org>\r\nSubject: pay\r\n\r\nnumber 078-05-1120\r\n"
COOKIE = {"Set-Cookie": "roundcube_sessid=abc123; path=/; HttpOnly"}


def page(task: str, more: bytes = b"") -> bytes:
    """The script that every page of Roundcube ends its head with."""
    env = {"task": task, "request_token": "Zf12abCD34", "mailbox": "INBOX", "x": {"y": "});"}}
    said = json.dumps(env).replace(', "x": {"y": "});"}', "").encode()
    return b"<html><script>\nrcmail.set_env(" + said + b");\n</script>" + more + b"</html>"


def rows(first: int, count: int, total: int) -> bytes:
    cells = {"subject": "pay 078-05-1120", "fromto": "Ann", "size": "13 KB"}
    flags = {"mbox": "INBOX"}
    made = "".join(
        f"this.add_message_row({first + n},{json.dumps(cells)},{json.dumps(flags)},false);\n"
        for n in range(count)
    )
    env = {"messagecount": total, "pagecount": -(-total // 50)}
    return json.dumps({"action": "list", "unlock": 0, "env": env, "exec": made}).encode()


def roundcube(total: int = 60, listed: bytes | None = None) -> Callable[[str], bytes]:
    """A fake Roundcube whose proxy signs everybody in."""

    def reply(path: str) -> bytes:
        if path == "/":
            return answer(b"", "302 Found", more={"Location": "./?_task=mail&_mbox=INBOX"})
        if "_action=list" in path:
            number = int(re.findall(r"_page=(\d+)", path)[0])
            first = (number - 1) * 50
            made = listed or rows(first + 1, min(50, total - first), total)
            return answer(made, kind="application/json")
        if "_action=viewsource" in path:
            return answer(MAIL, kind="text/plain")
        return answer(page("mail"), more=COOKIE) if path.startswith("/?_task=mail") else NOT_FOUND

    return reply


def test_an_open_fake_of_roundcube_gives_one_message() -> None:
    with web(roundcube()) as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
        asked = list(server.requests)
    seen = outcome.observation
    assert (seen.access, seen.protocol, seen.product) == (
        Access.GIVES_DATA,
        "webmail",
        "Roundcube",
    )
    assert seen.detail == "Roundcube lists 60 messages without a login; one message was read"
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit) == (60, "messages")
    assert "078-05-1120" not in repr(outcome)
    assert len({r.path for r in refs}) == 60
    assert {f.data for f in fetched} == {MAIL}
    assert [g.reason for g in gaps] == [Reason.NOT_GIVEN]
    assert not any("_action=show" in line or "_uid=1&_action" in line for line in asked)


ROUNDCUBE_LOGIN = page("login", b'<form><input name="_user"><input type="password"></form>')
SOGO_LOGIN = b'<html><body ng-app="SOGo.MainUI"><input type="password"></body></html>'


def then(to: str) -> Callable[[str], bytes]:
    """A fake whose first page only leads to `to`, which answers 440."""

    def reply(path: str) -> bytes:
        if path == "/":
            return answer(b"", "302 Found", more={"Location": to})
        return answer(b"", "440 Login Timeout") if path.startswith("/owa") else NOT_FOUND

    return reply


CLOSED: dict[str, Callable[[str], bytes]] = {
    "Roundcube": lambda path: answer(ROUNDCUBE_LOGIN),
    "Roundcube 401": lambda path: answer(page("login"), "401 Unauthorized"),
    "Roundcube without a form": lambda path: answer(page("login")),
    "SOGo": lambda path: answer(SOGO_LOGIN),
    "SOGo script": lambda path: answer(SOGO_LOGIN.replace(b"<input", b"<in")),
    "SOGo mailbox behind a form": lambda path: answer(SOGO_LOGIN.replace(b"MainUI", b"MailerUI")),
    "Exchange forms": then("/owa/auth/logon.aspx?url=x"),
    "Exchange 440": then("/owa/"),
    "Exchange integrated": lambda path: answer(
        b"", "401 no", more={"X-OWA-Version": "15.1", "WWW-Authenticate": "Negotiate, NTLM"}
    ),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_a_login_asks(kind: str) -> None:
    with web(CLOSED[kind]) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.ASKS_CREDENTIAL
    assert outcome.observation.size is None


def test_a_mailbox_of_sogo_lists() -> None:
    body = b'<html><body ng-app="SOGo.MailerUI"></body></html>'
    with web(lambda path: answer(body)) as server:
        outcome = look(server.host, server.port)
    assert (outcome.observation.access, outcome.observation.product) == (Access.LISTS, "SOGo")


@pytest.mark.parametrize(
    "listed", [b"<html>", b"{}", b'{"action": "list"}', b'{"action":1,"exec":""}']
)
def test_a_mailbox_without_a_list_proves_nothing(listed: bytes) -> None:
    with web(roundcube(listed=listed)) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.UNDETERMINED
    assert outcome.gaps


def test_a_list_without_rows_only_lists() -> None:
    with web(roundcube(listed=rows(1, 0, 0))) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.LISTS


@pytest.mark.parametrize("to", ["http://[x/owa/", "http://192.0.2.1/owa/", "//x:99999/owa/"])
def test_a_redirect_elsewhere_is_not_followed(to: str) -> None:
    with web(then(to)) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access not in (Access.GIVES_DATA, Access.LISTS)
    assert all(line.split()[1] in ("/", "/.well-known/jmap") or "leftopen" in line
               or "OPTIONS" in line for line in server.requests)  # fmt: skip


def test_a_loop_of_redirects_ends() -> None:
    with web(
        lambda path: answer(b"", "302 Found", more={"Location": f"{path}?_task=mail"})
    ) as server:
        look(server.host, server.port)
    assert len(server.requests) < 30


@pytest.mark.parametrize(
    "body",
    [
        b"<html></html>",
        b"rcmail.set_env(1);",
        b"rcmail.set_env({});",
        b'rcmail.set_env({"task": 5});',
        b"about SOGo and Roundcube",
        b"rcmail.set_env({" * 60_000,
    ],
)
def test_a_stranger_is_none(body: bytes) -> None:
    known = WEBMAIL.recognise_http
    assert known is not None
    assert not known(Response(200, {}, body, True, False))


@given(st.text(max_size=200), st.binary(max_size=200))
def test_fuzz_pages_and_rows(text: str, body: bytes) -> None:
    said = json.dumps({"action": "list", "exec": f"this.add_message_row({text}", "env": {}})
    found = parse_rows(Response(200, {}, said.encode(), True, False))
    assert found is not None
    assert all(uid >= 0 for uid in found.uids)
    parse_rows(Response(200, {}, body, True, False))
    assert parse_env(Response(200, {}, b"rcmail.set_env({" + body + b"});\n", True, False)) is None
