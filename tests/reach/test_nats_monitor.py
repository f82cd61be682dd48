"""The monitor of a real nats-server, of which the clients' port is open or closed; fakes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nats_monitor import make_stream, nats
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.json_answer import parsed
from leftopen.reach.protocols.nats_monitor import _Jsz, _recognise, _Varz
from probing import Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]


def test_names_come_though_the_clients_port_is_closed() -> None:
    with nats("-js", "-sd", "js", "--auth", "tok") as (server, monitor):
        make_stream(server, {"auth_token": "tok"})
        clients = look(server.host, server.port).observation
        outcome = look(server.host, monitor)
    assert (clients.protocol, clients.access) == ("nats", Access.ASKS_CREDENTIAL)
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("nats_monitor", Access.LISTS)
    assert "asks for a login" in seen.detail
    assert seen.containers == ("orders",)
    assert seen.version[0].isdigit()
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit) == (0, "messages")
    assert any("/varz" in e.reproduce for e in outcome.evidence)


def test_without_a_stream_it_is_metadata() -> None:
    with nats() as (server, monitor):
        seen = look(server.host, monitor).observation
    assert (seen.protocol, seen.access) == ("nats_monitor", Access.METADATA)
    assert "asks for none" in seen.detail
    assert "0 clients are counted" in seen.detail


PAGE = answer(
    b'<html lang="en"><link rel="shortcut icon" href="https://nats.io/favicon.ico">'
    b"<a href=./varz>General</a></html>"
)
VARZ = answer(b'{"server_id":"N1","version":"2.9.10","max_payload":1048576}')
NOT_FOUND = answer(b"404 page not found\n", "404 Not Found", "text/plain")
HUGE = b'{"server_id":"N1","streams":1,"account_details":' + b"[" * 100_000
OTHER = b'{"server_id":"N2","account_details":[{"stream_detail":[{"name":"a"}]}]}'
FAKED: dict[str, tuple[dict[str, bytes], str, Access]] = {
    "a front asks": ({"/varz": answer(b"", "401 No")}, "nats_monitor", Access.ASKS_CREDENTIAL),
    "before 2.2": ({"/varz": VARZ}, "nats_monitor", Access.METADATA),
    "deep": ({"/varz": VARZ, "/jsz": answer(HUGE)}, "nats_monitor", Access.METADATA),
    "another's": ({"/varz": VARZ, "/jsz": answer(OTHER)}, "nats_monitor", Access.METADATA),
    "no varz": ({}, "http", Access.SPEAKS),
    "another's JSON": ({"/varz": answer(b'{"server_id":1}')}, "http", Access.SPEAKS),
}


@pytest.mark.parametrize("kind", FAKED)
def test_fakes(kind: str) -> None:
    answers, protocol, access = FAKED[kind]
    with web(lambda p: {"/": PAGE, **answers}.get(p.partition("?")[0], NOT_FOUND)) as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert seen.protocol == protocol
    assert protocol == "http" or seen.access is access
    assert [g.reason for g in outcome.gaps] == [Reason.UNPARSED] * ("/jsz" in answers)


def test_a_catch_all_is_not_it(probe: MakeProbe) -> None:
    with web(lambda path: PAGE if path == "/" else VARZ) as server:
        assert probe("nats_monitor", server.host, server.port).prove() is None


@pytest.mark.parametrize(
    "body",
    [
        b"<html></html>",
        b'<a href="https://nats.io/">we use NATS</a>',
        b'<a href="/varz">varz</a>',
        b"nats.io varz",
    ],
)
def test_other_pages_are_not_recognised(body: bytes) -> None:
    assert not _recognise(Response(200, {}, body, True, False))


@given(st.binary(max_size=80))
def test_fuzz_any_answer_is_typed_or_none(body: bytes) -> None:
    given_answer = Response(200, {}, body, True, False)
    assert parsed(given_answer, _Varz) is None or b"server_id" in body
    assert parsed(given_answer, _Jsz) is None or b"server_id" in body
