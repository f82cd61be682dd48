"""Exporters: a real node_exporter, open and behind web.config; pages that only look so, fakes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.node_exporter import node_exporter
from leftopen.model.exposure import Access, ObjectRef
from leftopen.net.http import Response
from leftopen.reach import exposition
from leftopen.reach.protocols.exporter import _recognise
from probing import Limits, Probe
from reaching import NOT_FOUND, answer, look, web

MakeProbe = Callable[..., Probe]


def test_a_real_one_gives_metrics_of_its_machine(probe: MakeProbe) -> None:
    with node_exporter(closed=False) as server:
        outcome = look(server.host, server.port)
        exporter = probe("exporter", server.host, server.port)
        (ref,) = exporter.objects()
        assert isinstance(ref, ObjectRef)
        assert b"node_uname_info{" in exporter.fetch(ref).data
    seen = outcome.observation
    assert (seen.protocol, seen.access) == ("exporter", Access.GIVES_DATA)
    assert seen.product == "node exporter"
    assert seen.size is not None
    assert (seen.size.unit, seen.size.complete) == ("samples", True)


def test_web_config_closes_it() -> None:
    """Its refusal is that of Prometheus, whose toolkit it is."""
    with node_exporter(closed=True) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("prometheus", Access.ASKS_CREDENTIAL)


PAGE = answer(b"<title>Postgres Exporter</title><a href='/metrics'>Metrics</a>")


def text(body: bytes) -> bytes:
    return answer(body, kind="text/plain; version=0.0.4; charset=utf-8")


def serving(metrics: bytes, front: bytes = PAGE) -> Callable[[str], bytes]:
    return lambda path: {"/": front, "/metrics": metrics}.get(path, NOT_FOUND)


LABELLED = text(b'# HELP a b\npg_user{name="ada, } \\" x",job="b"} 1.5e+3 1700000000\nup 1\n')
LESS: dict[str, tuple[Callable[[str], bytes], Access, str]] = {
    "labels with odd text": (serving(LABELLED), Access.GIVES_DATA, "2 samples of 2 metrics"),
    "metrics as first page": (serving(LABELLED, LABELLED), Access.GIVES_DATA, "2 samples"),
    "its own process": (serving(text(b"go_goroutines 7\n")), Access.METADATA, "its own process"),
    "metrics everywhere": (
        lambda path: PAGE if path == "/" else LABELLED,
        Access.UNDETERMINED,
        "nobody has",
    ),
    "closed": (serving(answer(b"", "403 Forbidden")), Access.ASKS_CREDENTIAL, "403"),
}


@pytest.mark.parametrize("kind", LESS)
def test_what_answers_prove(kind: str) -> None:
    reply, access, words = LESS[kind]
    with web(reply) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("exporter", access)
    assert words in seen.detail


@pytest.mark.parametrize(
    "metrics",
    [PAGE, text(b"hello there\n"), text(b"# only a comment\n"), text(b"a 1\n<html>\n"), NOT_FOUND],
)
def test_pages_without_metrics_are_no_exporter(probe: MakeProbe, metrics: bytes) -> None:
    with web(serving(metrics)) as server:
        assert probe("exporter", server.host, server.port).prove() is None
        assert look(server.host, server.port).observation.protocol == "http"


def test_a_page_that_is_cut_is_a_lower_bound(probe: MakeProbe) -> None:
    with web(serving(text(b"node_load1 1.5\n" * 200_000))) as server:
        proof = probe("exporter", server.host, server.port).prove()
    assert proof is not None
    assert proof.size is not None
    assert not proof.size.complete


def test_an_endless_page_ends_in_time(probe: MakeProbe) -> None:
    def endless(client: servers.Conversation) -> None:
        client.say(b"HTTP/1.1 200 OK\r\n\r\n")
        client.flood(b'a{b="' * 10_000)

    started = time.monotonic()
    with servers.fake(endless) as server:
        limits = Limits(bytes=8_000_000, seconds=2.0)
        assert probe("exporter", server.host, server.port, limits=limits).prove() is None
    assert time.monotonic() - started < 3


LINES = st.lists(st.text(alphabet='ab_{}="\\ 1.eE+-#\n\t', max_size=30), max_size=5).map(
    lambda lines: "\n".join(lines).encode()
)


@given(st.binary(max_size=80) | LINES)
def test_fuzz_any_page_is_metrics_or_none(body: bytes) -> None:
    found = exposition.read(body)
    assert found is None or found.samples >= len(found.names) >= 1
    html = Response(200, {"content-type": "text/html"}, body, complete=True, tls=False)
    assert not _recognise(html)


def test_a_long_line_is_read_in_linear_time() -> None:
    started = time.monotonic()
    for line in (
        b"a{" + b'"x"' * 5000,
        b"a{" + b'\\"' * 8000,
        b"a" * 16_000,
        b'a{"' + b"\\" * 16_000,
    ):
        assert exposition.read(line) is None
    assert time.monotonic() - started < 0.5
