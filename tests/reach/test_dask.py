"""Dask: a real scheduler, without and with a worker, and fakes that are none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.dask import dask
from leftopen.model.exposure import Access
from probing import Probe
from reaching import NOT_FOUND, answer, look, web

MakeProbe = Callable[..., Probe]
IDENTITY = (
    b'{"type": "Scheduler", "id": "Scheduler-1", "address": "tcp://10.0.0.5:8786",'
    b' "services": {"dashboard": 8787}, "workers": {"tcp://10.0.0.6:4040": {"nthreads": 2}}}'
)


def test_a_real_scheduler_says_what_it_is() -> None:
    with dask() as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access, seen.product) == ("dask", Access.METADATA, "Dask")
    assert "names none of its workers" in seen.detail


def test_a_fake_names_its_workers_and_none_is_followed() -> None:
    def reply(path: str) -> bytes:
        front = answer(b"", "302 Found", more={"Location": "status"})
        found = {"/": front, "/json/identity.json": answer(IDENTITY, kind="application/json")}
        return found.get(path, NOT_FOUND)

    with web(reply) as server:
        seen = look(server.host, server.port).observation
    assert (seen.protocol, seen.access) == ("dask", Access.LISTS)
    assert seen.containers == ("tcp://10.0.0.6:4040",)


@pytest.mark.parametrize("body", [IDENTITY.replace(b"Scheduler", b"Worker"), b"{}", b"[" * 9999])
def test_a_fake_of_something_else_is_none(probe: MakeProbe, body: bytes) -> None:
    with web(lambda path: answer(body) if path == "/json/identity.json" else NOT_FOUND) as server:
        assert probe("dask", server.host, server.port).prove() is None


def test_a_mirror_is_none(probe: MakeProbe) -> None:
    with web(lambda path: answer(IDENTITY)) as server:
        assert probe("dask", server.host, server.port).prove() is None
