"""IPP against a real CUPS, open and closed, and against fakes that lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.cups import cups
from leftopen.model.errors import OutOfScope, ProtocolError
from leftopen.model.exposure import Access
from leftopen.model.gap import Reason
from leftopen.reach.api import Context
from leftopen.reach.protocols.ipp import JOBS, PATH, PRINTERS, _attribute, _request, said_of
from probing import Probe
from reaching import answer, look, web

MakeProbe = Callable[..., Probe]


def test_an_open_cups_names_printers_and_jobs() -> None:
    with cups() as server:
        outcome = look(server.host, server.port)
    seen = outcome.observation
    assert (seen.protocol, seen.access, seen.product) == ("ipp", Access.LISTS, "CUPS")
    assert seen.version.startswith("2.")
    assert seen.containers == ("desk",)
    assert seen.size
    assert (seen.size.objects, seen.size.unit) == (1, "jobs")
    assert "payroll" not in repr(outcome)


def test_private_jobs_leave_the_printers() -> None:
    with cups(private="") as server:
        seen = look(server.host, server.port).observation
    assert seen.access is Access.LISTS
    assert "1 printers and 0 jobs" in seen.detail


def test_a_cups_without_printers_is_metadata() -> None:
    with cups(printers="") as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("ipp", Access.METADATA)


def test_a_closed_cups_asks_for_a_login() -> None:
    # A rule of addresses would prove nothing here: CUPS lets its own machine in always.
    with cups(allow="AuthType Basic\n  Require valid-user") as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("ipp", Access.ASKS_CREDENTIAL)


def test_a_name_that_is_not_its_own_settles_nothing(probe: MakeProbe) -> None:
    bad = lying(b"Bad Request", "text/html", "400 Bad Request")
    with web(lambda path: bad) as server:
        proof = probe("ipp", server.host, server.port).prove()
    assert proof
    assert proof.access is Access.UNDETERMINED
    assert [gap.reason for gap in proof.gaps] == [Reason.REFUSED]


def test_without_read_posts_nothing_is_asked(probe: MakeProbe) -> None:
    with cups() as server:
        proof = probe("ipp", server.host, server.port, rules="read_posts = false").prove()
    assert proof
    assert proof.access is Access.METADATA
    assert [gap.reason for gap in proof.gaps] == [Reason.NOT_GIVEN]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PATH, _request(0x0002, b"job-name")),  # Print-Job
        (PATH, PRINTERS + b"x"),
        ("/admin/", PRINTERS),
        (PATH, b""),
    ],
)
def test_nothing_else_leaves(probe: MakeProbe, path: str, body: bytes) -> None:
    async def send(context: Context) -> None:
        async with context.http() as client:
            await client.request("POST", path, body=body)

    with web(lambda path: answer(b"")) as server:
        with pytest.raises(OutOfScope):
            probe("ipp", server.host, server.port).run(send)
        assert not server.requests


def lying(body: bytes, kind: str = "application/ipp", status: str = "200 OK") -> bytes:
    # a line feed in the request is a line to this fake, so every answer ends the connection
    more = {"Server": "CUPS/2.4 IPP/2.1", "Connection": "close"}
    return answer(body, status, kind, more)


HOSTILE = {
    "HTML": lying(b"<html>", "text/html"),
    "garbage": lying(b"\xff" * 64),
    "truncated": lying(b"\x01\x01\0\0\0\0\0\x01\x01\x47\0\x12attributes"),
    "long": lying(b"\x01\x01\0\0\0\0\0\x01\x01\x47\xff\xffx"),
    "error": lying(b"", status="500 Oops"),
    "endless": lying(b"\x01\x01\0\0\0\0\0\x01" + b"\x01" * 2_000_000),
    "another request": lying(b"\x01\x01\0\0\0\0\0\x02\x03"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_fakes_that_lie_misbehave(probe: MakeProbe, kind: str) -> None:
    def reply(path: str) -> bytes:
        return HOSTILE[kind] if path == PATH else lying(b"hello", "text/html")

    with web(reply) as server, pytest.raises(ProtocolError):
        probe("ipp", server.host, server.port).prove()


def test_other_web_servers_are_none(probe: MakeProbe) -> None:
    for said in ("nginx", "CUPS", "MyIPP/2.1"):
        with web(lambda path, said=said: answer(b"", more={"Server": said})) as server:  # type: ignore[misc]
            assert probe("ipp", server.host, server.port).prove() is None


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda b: b"\x01\x01\0\0\0\0\0\x01" + b))
def test_fuzz_an_answer(body: bytes) -> None:
    try:
        said = said_of(body, b"job-name")
    except ProtocolError:
        return
    assert 0 <= said.status < 65_536


def test_a_request_is_an_answer_of_its_own_form() -> None:
    assert said_of(JOBS, b"requested-attributes").values == ("job-name",)
    more = JOBS[:-1] + _attribute(0x44, b"", b"job-id") + b"\x03"
    assert said_of(more, b"requested-attributes").values == ("job-name", "job-id")
