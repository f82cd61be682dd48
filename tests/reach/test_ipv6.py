"""IPv6: swept, proved and read like any other address, its literals in brackets."""

from __future__ import annotations

import shlex
import subprocess

import pytest

import servers
from leftopen.model.exposure import Access
from reaching import reach_of, read_all, scope_of, swept


@pytest.fixture(scope="module", autouse=True)
def loopback() -> None:
    try:
        servers.free_port("::1")
    except RuntimeError:
        pytest.skip("this machine has no IPv6 loopback")


def test_a_store_on_ipv6_is_found_and_read() -> None:
    with servers.redis(host="::1") as server:
        command = ["redis-cli", "-h", "::1", "-p", str(server.port), "SET", "mail:1", "a letter"]
        subprocess.run(command, check=True, capture_output=True, timeout=10)
        reach = reach_of(scope_of(("::1/128",), (server.port,)))
        (outcome,) = reach.prove(swept(reach))
        refs, fetched, gaps = read_all(reach, outcome)
    seen = outcome.observation
    assert (seen.access, seen.protocol) == (Access.GIVES_DATA, "redis")
    assert str(seen.endpoint) == f"[::1]:{server.port}"
    assert [ref.path for ref in refs] == ["0/mail:1"]
    assert [item.data for item in fetched] == [b"a letter"]
    assert gaps == []


def test_what_repeats_the_proof_works_on_ipv6() -> None:
    with servers.redis(host="::1") as server:
        reach = reach_of(scope_of(("::1/128",), (server.port,)))
        (outcome,) = reach.prove(swept(reach))
        command = shlex.split(outcome.evidence[0].reproduce)
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    assert command[0] == "redis-cli"
    assert done.returncode == 0


def test_an_excluded_port_of_ipv6_is_left_alone() -> None:
    with servers.redis(host="::1") as server:
        scope = scope_of(("::1/128",), (server.port,), more=f'exclude = ["[::1]:{server.port}"]')
        assert not scope.covers("::1", server.port)
        assert swept(reach_of(scope)) == []
