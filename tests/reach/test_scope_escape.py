"""Servers that try to send us elsewhere: the canary on another address counts 0 contacts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import servers
from leftopen.model.exposure import UNSETTLED, Access, Exposure
from leftopen.model.gap import Gap, Reason
from leftopen.model.scope import Target
from leftopen.model.time import Between
from leftopen.reach.reach import Reach
from probing import KEYRING
from reaching import (
    NOT_FOUND,
    QUICK,
    answer,
    contacts,
    exposure_of,
    look,
    reach_of,
    read_all,
    scope_of,
    swept,
    web,
)

ELSEWHERE = "127.0.99.1"


@pytest.fixture
def canary() -> Iterator[servers.Fake]:
    with servers.fake(lambda client: None, ELSEWHERE) as server:
        yield server


SPELLINGS = [
    "http://{host}:{port}/",
    "//{host}:{port}/",
    "http://127.0.0.1@{host}:{port}/",
    "HTTP://{host}:{port}/x/../",
    "http://2130731777:{port}/",
    "http://[::ffff:{host}]:{port}/",
    "http:\\\\{host}:{port}\\",
    "/\\{host}:{port}/",
    "http://0x7f006301:{port}/",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("status", ["301 x", "307 x"])
def test_redirects(spelling: str, status: str, canary: servers.Fake) -> None:
    where = spelling.format(host=canary.host, port=canary.port)
    with web(lambda path: answer(b"", status, more={"Location": where})) as server:
        outcome = look(server.host, server.port)
    assert contacts(canary) == 0
    assert outcome.observation.access in (Access.SPEAKS, *UNSETTLED)
    if outcome.observation.access is Access.SPEAKS:
        assert [g.reason for g in outcome.gaps] == [Reason.OUT_OF_SCOPE]


def test_links_of_a_listing(canary: servers.Fake) -> None:
    links = (f"http://{canary.host}:{canary.port}/a.eml", f"//{canary.host}:{canary.port}/b/")
    page = "".join(f'<a href="{link}">x</a>' for link in (*links, "ok.eml"))

    def reply(path: str) -> bytes:
        if path == "/":
            return answer(f"<title>Index of /</title>{page}".encode())
        if path == "/ok.eml":
            return answer(b"", "302 x", more={"Location": links[0]})
        return NOT_FOUND

    with web(reply) as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    assert contacts(canary) == 0
    assert [r.path for r in refs] == ["/ok.eml"]
    assert fetched == []
    assert [g.reason for g in gaps] == [Reason.MISBEHAVED]


@pytest.mark.parametrize(
    "words", ["227 Entering Passive Mode ({v4},{high},{low}).", "229 ok (|1|{host}|{port}|)"]
)
def test_ftp_data_on_a_third_host(words: str, canary: servers.Fake) -> None:
    told = words.format(
        v4=canary.host.replace(".", ","),
        high=canary.port // 256,
        low=canary.port % 256,
        host=canary.host,
        port=canary.port,
    ).encode()
    answers = {b"USER": b"331 x", b"PASS": b"230 x", b"PASV": told, b"EPSV": told}

    def handle(client: servers.Conversation) -> None:
        client.say(b"220 FTP ready\r\n")
        while line := client.hear():
            client.say(answers.get(line[:4].upper(), b"200 x") + b"\r\n")

    with servers.fake(handle) as server:
        outcome = look(server.host, server.port)
    assert contacts(canary) == 0
    assert outcome.observation.protocol == "ftp"
    assert outcome.observation.access is not Access.GIVES_DATA


def rebinding(port: int, canary: servers.Fake) -> tuple[Reach, list[str]]:
    asked: list[str] = []

    def resolver(name: str) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else [canary.host]

    scope = scope_of((), (port,), more=f'stores = [{{url = "http://files.test:{port}/"}}]')
    return Reach(scope, KEYRING, "run-1", limits=QUICK, resolver=resolver), asked


def test_a_name_that_leads_elsewhere_the_second_time(canary: servers.Fake) -> None:
    with servers.nginx("location / { autoindex on; root {root}; }", {"a.eml": b"x"}) as server:
        reach, asked = rebinding(server.port, canary)
        (target,) = reach.targets()
        assert isinstance(target, Target)
        (outcome,) = reach.prove([target])
        refs, fetched, gaps = read_all(reach, outcome)
    assert outcome.observation.access is Access.GIVES_DATA
    assert (len(refs), len(fetched), gaps) == (1, 1, [])
    assert asked == ["files.test"]
    assert contacts(canary) == 0


def exposure_at(address: str, port: int, name: str = "") -> Exposure:
    with web(lambda path: answer(b"")) as server:
        made = exposure_of(look(server.host, server.port))
    endpoint = type(made.endpoint)(address=address, port=port, name=name)
    return Exposure(
        uid="x",
        endpoint=endpoint,
        protocol="http",
        access=Access.LISTS,
        opened=Between(),
        closed=Between(),
        observations=(),
    )


def test_a_stored_exposure_out_of_scope_is_not_read(canary: servers.Fake) -> None:
    reach = reach_of(scope_of(ports=(canary.port,)))
    (gap,) = reach.listing(exposure_at(canary.host, canary.port))
    assert isinstance(gap, Gap)
    assert gap.reason is Reason.OUT_OF_SCOPE
    assert [
        g.reason
        for g in reach.fetch(exposure_at(canary.host, canary.port), [], bytes=1, seconds=1)
        if isinstance(g, Gap)
    ] == [Reason.OUT_OF_SCOPE]
    assert contacts(canary) == 0


def test_a_stored_name_that_leads_elsewhere_now(canary: servers.Fake) -> None:
    scope = scope_of((), (canary.port,), more='hosts = ["mail.test"]')
    reach = Reach(scope, KEYRING, "r", limits=QUICK, resolver=lambda name: ["127.0.0.1"])
    (gap,) = reach.listing(exposure_at(canary.host, canary.port, "mail.test"))
    assert isinstance(gap, Gap)
    assert gap.reason is Reason.OUT_OF_SCOPE
    assert "another address now" in gap.detail
    assert contacts(canary) == 0


def test_an_excluded_endpoint_is_never_contacted() -> None:
    with servers.fake(lambda client: None) as ours:
        more = f'exclude = ["127.0.0.1:{ours.port}"]\nhosts = ["mail.test"]'
        scope = scope_of(ports=(ours.port,), more=more)
        reach = Reach(scope, KEYRING, "r", limits=QUICK, resolver=lambda name: ["127.0.0.1"])
        assert [g.reason for g in reach.targets() if isinstance(g, Gap)] == [Reason.OUT_OF_SCOPE]
        assert swept(reach) == []
        assert contacts(ours) == 0
