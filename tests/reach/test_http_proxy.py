"""Proxies: real squid and tinyproxy, open, denying and with Basic; answers that lie, fakes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from lab.proxies import BASIC, squid, tinyproxy
from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.net.http import Response
from leftopen.reach.protocols.http_proxy import _recognise, hops
from probing import Limits, Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]


REAL = {
    "squid, allow all": (squid, "http_access allow all", Access.METADATA, "an open proxy"),
    "squid, deny all": (squid, "http_access deny all", Access.ASKS_CREDENTIAL, "ERR_ACCESS_DENIED"),
    "squid, Basic": (squid, BASIC, Access.ASKS_CREDENTIAL, "407"),
    "tinyproxy, open": (tinyproxy, "LogLevel Info", Access.METADATA, "an open proxy"),
    "tinyproxy, Allow": (tinyproxy, "Allow 192.0.2.1", Access.ASKS_CREDENTIAL, "403"),
    "tinyproxy, Basic": (tinyproxy, "BasicAuth bob horse", Access.ASKS_CREDENTIAL, "407"),
}


@pytest.mark.parametrize("kind", REAL)
def test_real_proxies(probe: MakeProbe, kind: str) -> None:
    if kind.startswith("squid") and os.getuid() and not os.access("/dev/shm", os.W_OK):
        pytest.skip("squid needs /dev/shm")
    start, line, access, words = REAL[kind]
    with start(line) as server:
        proof = probe("http_proxy", server.host, server.port).prove()
    assert proof is not None
    assert proof.access is access
    assert words in proof.detail
    assert proof.product == kind.partition(",")[0]
    assert proof.version
    assert [g.reason for g in proof.gaps] == (
        [Reason.UNSUPPORTED] if access is Access.METADATA else []
    )


def test_it_is_found_on_any_port() -> None:
    with tinyproxy("BasicAuth bob horse") as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("http_proxy", Access.ASKS_CREDENTIAL)


SQUID_400 = {"Server": "squid/5.7", "X-Squid-Error": "ERR_INVALID_URL 0", "Via": "1.1 vm (squid)"}


def told(status: str, more: dict[str, str]) -> bytes:
    return answer(b"", status, more={"Server": "squid/5.7", **more})


ONE_HOP = told("404 Not Found", {"Via": "1.1 vm (squid)"})
LESS: dict[str, tuple[bytes, Access]] = {
    "as many hops as before": (ONE_HOP, Access.UNDETERMINED),
    "a refusal for another reason": (
        told("403 Forbidden", {"X-Squid-Error": "ERR_TOO_BIG 0", "Via": "1.1 vm"}),
        Access.UNDETERMINED,
    ),
    "no Via at all": (told("503 Busy", {"X-Squid-Error": "ERR_DNS_FAIL 0"}), Access.UNDETERMINED),
    "one hop more": (told("404 Not Found", {"Via": "1.1 a, 1.1 b"}), Access.METADATA),
}


@pytest.mark.parametrize("kind", LESS)
def test_answers_that_prove_less(probe: MakeProbe, kind: str) -> None:
    said, access = LESS[kind]
    front = answer(b"", "400 Bad Request", more=SQUID_400)
    with web(lambda path: front if path == "/" else said) as server:
        proof = probe("http_proxy", server.host, server.port).prove()
        asked = [r.split()[1] for r in server.requests if "://" in r]
        own = f"http://{server.host}:{server.port}/leftopen-"
        assert asked  # and no other host is ever named
        assert all(url.startswith(own) for url in asked)
    assert proof is not None
    assert proof.access is access
    assert proof.gaps


STRANGERS = {
    "a web server behind a cache": answer(b"<html></html>", more={"Via": "1.1 varnish"}),
    "a page of Squid's makers": answer(b"squid", more={"Server": "squid-cache.org"}),
    "a bad request": answer(b"", "400 Bad Request", more={"Server": "nginx"}),
    "407 without a challenge": answer(b"", "407 Proxy Authentication Required"),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_strangers_are_no_proxy(probe: MakeProbe, kind: str) -> None:
    with web(lambda path: STRANGERS[kind]) as server:
        assert probe("http_proxy", server.host, server.port).prove() is None
        assert not any("://" in r for r in server.requests)


def test_an_endless_answer_ends_in_time(probe: MakeProbe) -> None:
    def endless(client: servers.Conversation) -> None:
        client.hear()
        client.say(b"HTTP/1.1 400 x\r\nServer: squid/5\r\nX-Slow: ")
        client.flood(b"x" * 65_536)

    started = time.monotonic()
    with servers.fake(endless) as server:
        proxy = probe("http_proxy", server.host, server.port, limits=Limits(seconds=2.0))
        with pytest.raises(ProtocolError):
            proxy.prove()
    assert time.monotonic() - started < 3


@given(st.text(max_size=60))
def test_fuzz_any_via_is_a_count(via: str) -> None:
    found = Response(400, {"via": via, "server": via}, b"", complete=True, tls=False)
    assert 0 <= hops(found) <= via.count(",") + 1
    assert _recognise(found) in (True, False)
