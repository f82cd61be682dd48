"""CardDAV and CalDAV: Radicale, open, behind a password, and with rights that keep it closed."""

from __future__ import annotations

import pytest

from lab.radicale import radicale
from leftopen.model.exposure import Access
from leftopen.net.http import Response
from leftopen.reach.protocols.webdav import WEBDAV, parse_multistatus
from leftopen.reach.reach import Limits
from reaching import answer, look, reach_of, read_all, scope_of, web

PATIENT = Limits(seconds=8.0, greeting_seconds=0.1, answer_seconds=3.0, blind_seconds=0.5)


def test_a_real_open_one_gives_its_cards() -> None:
    with radicale("--auth-type", "none") as server:
        outcome = look(server.host, server.port, PATIENT)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "webdav")
    assert "1 x address book, 1 x calendar" in seen.detail
    assert seen.size is not None
    assert (seen.size.objects, seen.size.complete) == (2, True)
    assert "078-05-1120" not in repr(outcome)
    assert {r.media_type for r in refs} == {"text/vcard", "text/calendar"}
    assert {r.path for r in refs} == {"/bob/contacts/1.vcf", "/bob/cal/2.ics"}
    assert any(b"TEL:078-05-1120" in f.data for f in fetched)
    assert gaps == []


@pytest.mark.parametrize("rights", ["authenticated", "owner_only"])
def test_a_real_closed_one_asks_though_its_page_is_there(rights: str) -> None:
    words = ("--auth-type", "htpasswd", "--auth-htpasswd-filename", "{folder}/users")
    more = ("--auth-htpasswd-encryption", "plain", "--rights-type", rights)
    with radicale(*words, *more) as server:
        outcome = look(server.host, server.port, PATIENT)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.ASKS_CREDENTIAL, "webdav")
    assert "401" in seen.detail
    assert seen.size is None


def test_a_fake_that_leads_there_and_is_no_webdav_is_left_to_http() -> None:
    with web(lambda path: answer(b"", "302 Found", more={"Location": "/.web"})) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.protocol == "http"


@pytest.mark.parametrize("to", ["/.web", "/.web/", "http://x/.web"])
def test_where_radicale_leads(to: str) -> None:
    known = WEBDAV.recognise_http
    assert known is not None
    assert known(Response(302, {"location": to}, b"", True, False))
    assert not known(Response(302, {"location": "/.website"}, b"", True, False))
    assert not known(Response(302, {"location": "http://[/.web"}, b"", True, False))
    assert not known(Response(200, {"location": to}, b"<html></html>", True, False))


def test_kinds_of_folders_are_counted_once_each() -> None:
    def response(href: str, kind: str) -> str:
        types = f"<resourcetype>{kind}<collection/></resourcetype>"
        stat = f"<propstat><prop>{types}</prop><status>HTTP/1.1 200 OK</status></propstat>"
        return f"<response><href>{href}</href>{stat}</response>"

    book = '<a:addressbook xmlns:a="urn:ietf:params:xml:ns:carddav"/>'
    made = response("/", book) + response("/a/", book) + response("/a/", book)
    made += response("/b/", "<calendar/>")  # not of CalDAV's namespace
    body = f'<multistatus xmlns="DAV:">{made}</multistatus>'.encode()
    folder = parse_multistatus("http://x/", Response(207, {}, body, True, False))
    assert folder is not None
    assert folder.kinds == ("address book",)
