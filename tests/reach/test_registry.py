"""Every plugin of reach keeps the rules of its kind."""

from __future__ import annotations

import re

import pytest

from leftopen.net.http import MARKED, METHODS, Response
from leftopen.reach import registry
from leftopen.reach.api import Import, Protocol
from leftopen.reach.marked import SEGMENT

PROTOCOLS = registry.protocols()
WRITES = [
    b"POST / HTTP/1.1\r\n",
    b"PUT /x HTTP/1.1\r\n",
    b"DELETE /x HTTP/1.1\r\n",
    b"STOR x\r\n",
    b"DELE x\r\n",
    b"a1 SELECT INBOX\r\n",
    b"a1 STORE 1 +FLAGS (\\Deleted)\r\n",
    b"a1 LOGIN root toor\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
    b"*1\r\n$8\r\nFLUSHALL\r\n",
    b"SET k v\r\n",
]


def test_the_known_ones_are_found() -> None:
    names = [p.name for p in PROTOCOLS]
    assert {"azure_blob", "elasticsearch", "http", "imap", "redis"} <= set(names)
    assert names == sorted(set(names))
    imports = {i.name for i in registry.imports()}
    assert imports >= {"censys", "leakix", "masscan", "nmap", "shadowserver", "shodan", "zmap"}


@pytest.mark.parametrize("plugin", [*PROTOCOLS, *registry.imports()], ids=lambda p: p.name)
def test_a_title_and_a_source(plugin: Protocol | Import) -> None:
    assert registry.title_of(plugin)
    assert plugin.source


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
def test_conformance(protocol: Protocol) -> None:
    assert registry.protocol(protocol.name) is protocol
    assert protocol.sends
    assert protocol.allowed
    assert bool(protocol.list_objects) is bool(protocol.fetch)
    for line in WRITES if protocol.name != "rsync" else ():  # there a line is a module's name
        assert not any(re.compile(rule, re.DOTALL).match(line) for rule in protocol.allowed)
    if protocol.recognise:
        assert all(protocol.recognise(greeting) for greeting in protocol.examples)
        assert not any(protocol.recognise(greeting) for greeting in protocol.counterexamples)
    if protocol.recognise_http:
        assert protocol.allowed[:1] == METHODS
        for rule in protocol.allowed[1:]:
            literal = rule.replace(SEGMENT, b"x")
            assert re.fullmatch(rb"POST /[\w/.-]+ HTTP/1\\\.1\\r\\n.*", literal), rule
            assert rule.startswith(MARKED)
        assert protocol.encoded_names or not protocol.fetch


def test_greetings_belong_to_one_protocol() -> None:
    greeting = [(g, p) for p in PROTOCOLS for g in p.examples if p.recognise]
    for said, owner in greeting:
        claimed = [p.name for p in PROTOCOLS if p.recognise and p.recognise(said)]
        assert claimed == [owner.name]


def test_only_one_protocol_takes_any_answer() -> None:
    page = Response(200, {"content-type": "text/html"}, b"<html></html>", True, False)
    takers = [p.name for p in PROTOCOLS if p.recognise_http and p.recognise_http(page)]
    assert takers == ["http"]
    assert [p.name for p in PROTOCOLS if p.fallback] == ["http"]
