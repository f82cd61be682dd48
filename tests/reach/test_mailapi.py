"""Message lists in JSON: real MailDev where it is installed, recorded shapes of its kin."""

from __future__ import annotations

import http.client
import json

import pytest

from lab.maildev import SSN, maildev
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.mailapi import APIS, MailApi, parse_page
from reaching import NOT_FOUND, answer, look, reach_of, read_all, scope_of, web


def api(product: str, page: str) -> MailApi:
    return next(a for a in APIS if a.product == product and a.page.startswith(page))


def page(body: object, kind: str = "application/json") -> Response:
    return Response(200, {"content-type": kind}, json.dumps(body).encode(), True, False)


MAILPIT = {
    "total": 2,
    "unread": 2,
    "messages": [
        {
            "ID": "abc/../d",
            "From": {"Name": "", "Address": "a@example.org"},
            "To": [{"Name": "", "Address": "b@example.org"}],
            "Subject": "hello",
            "Created": "2026-11-24T10:00:00.123Z",
            "Size": 532,
        }
    ],
}
MAILHOG = {
    "total": 1,
    "count": 1,
    "start": 0,
    "items": [
        {
            "ID": "x@mailhog",
            "From": {"Mailbox": "a", "Domain": "example.org"},
            "To": [],
            "Content": {"Headers": {"Subject": ["hello"]}, "Body": "b", "Size": 9},
        }
    ],
}


def test_shapes_of_known_products() -> None:
    mailpit = parse_page(api("Mailpit", "/api/v1"), page(MAILPIT))
    assert mailpit is not None
    assert mailpit.total == 2
    assert mailpit.refs[0].path == "/api/v1/message/abc%2F..%2Fd/raw"
    assert mailpit.refs[0].size == 532
    assert mailpit.refs[0].time is not None
    mailhog = parse_page(api("MailHog", "/api/v2"), page(MAILHOG))
    assert mailhog is not None
    assert mailhog.refs[0].path == "/api/v1/messages/x%40mailhog/download"


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"messages": []},
        {"messages": [{"id": 1, "text": "a chat line"}]},
        [{"id": 1, "subject": "a ticket", "state": "open"}],
        [{"id": 1, "subject": 5, "from": 6, "to": 7}],
        [{"subject": "no id", "from": "a", "to": "b"}],
        [{"id": {"$oid": 1}, "subject": "s", "from": "a"}],
        [MAILPIT["messages"], 3],
        "text",
    ],
    ids=lambda b: json.dumps(b)[:30],
)
def test_other_json_is_none(body: object) -> None:
    assert all(parse_page(a, page(body)) is None for a in APIS)


def test_deep_or_cut_json_is_none() -> None:
    deep = Response(200, {"content-type": "application/json"}, b"[" * 100_000, True, False)
    cut = Response(200, {"content-type": "application/json"}, b"[]", False, False)
    assert all(parse_page(a, deep) is None and parse_page(a, cut) is None for a in APIS)


def mailpit(path: str) -> bytes:
    if path.startswith("/api/v1/messages?start=0"):
        return answer(json.dumps(MAILPIT).encode(), kind="application/json")
    if path.startswith("/api/v1/messages?start=1"):
        more = json.dumps({**MAILPIT, "messages": [{**MAILPIT["messages"][0], "ID": "z"}]})  # type: ignore[index]
        return answer(more.encode(), kind="application/json")
    if path.endswith("/raw"):
        return answer(f"Subject: x\r\n\r\n{SSN}".encode(), kind="text/plain")
    return answer(b"<html>app</html>") if path == "/" else NOT_FOUND


def test_a_list_in_pages_is_read_whole() -> None:
    with web(mailpit) as server:
        outcome = look(server.host, server.port)
        seen = outcome.observation
        reach = reach_of(scope_of(("127.0.0.1/32",), (server.port,)))
        refs, fetched, gaps = read_all(reach, outcome)
    assert seen.access is Access.GIVES_DATA
    assert (seen.product, seen.size and seen.size.objects) == ("Mailpit", 2)
    assert [r.path for r in refs] == ["/api/v1/message/abc%2F..%2Fd/raw", "/api/v1/message/z/raw"]
    assert all(SSN.encode() in f.data for f in fetched)
    assert len(fetched) == 2
    assert gaps == []
    assert SSN not in repr(outcome)
    assert not any("/message/" in r and "/raw" not in r for r in server.requests)


def test_the_same_list_at_every_address_is_not_open() -> None:
    body = json.dumps(MAILPIT).encode()
    with web(lambda path: answer(body, kind="application/json")) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.SPEAKS


def test_an_api_that_asks_is_closed() -> None:
    def reply(path: str) -> bytes:
        if path.startswith("/api/v1/messages"):
            return answer(b"{}", "401 Unauthorized", "application/json")
        return answer(b"<html>app</html>") if path == "/" else NOT_FOUND

    with web(reply) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.ASKS_CREDENTIAL


def test_a_broken_second_page_is_a_gap() -> None:
    def reply(path: str) -> bytes:
        return NOT_FOUND if "start=1" in path else mailpit(path)

    with web(reply) as server:
        outcome = look(server.host, server.port)
        reach = reach_of(scope_of(("127.0.0.1/32",), (server.port,)))
        refs, _, gaps = read_all(reach, outcome)
    assert len(refs) == 1
    assert [g.reason for g in gaps] == [Reason.UNPARSED]


def test_maildev_open_and_never_marked_as_read() -> None:
    with maildev() as (server, _):
        outcome = look(server.host, server.port)
        reach = reach_of(scope_of(("127.0.0.1/32",), (server.port,)))
        refs, fetched, gaps = read_all(reach, outcome)
        client = http.client.HTTPConnection(server.host, server.port, timeout=5)
        client.request("GET", "/api/email")
        after = json.load(client.getresponse())
        client.close()
    assert outcome.observation.access is Access.GIVES_DATA
    assert outcome.observation.product == "MailDev"
    assert len(refs) == 1
    assert SSN.encode() in fetched[0].data
    assert fetched[0].media_type == "message/rfc822"
    assert gaps == []
    assert [m["read"] for m in after] == [False]


def test_maildev_with_a_login_is_closed() -> None:
    with maildev("--web-user", "u", "--web-pass", "p") as (server, _):
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.ASKS_CREDENTIAL
