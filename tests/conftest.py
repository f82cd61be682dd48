"""Shared by all tests: one probe of one server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings

from leftopen.reach.api import Protocol
from leftopen.reach.registry import protocol as by_name
from probing import Probe

T = TypeVar("T")

# A loaded machine is no defect: what must be fast has a test that measures it.
settings.register_profile("leftopen", deadline=None)
settings.load_profile("leftopen")


@pytest.fixture(scope="session")
def probe() -> Callable[..., Probe]:
    """`probe("redis", host, port, **parts of Probe)`; a protocol may be given by its name."""

    def make(protocol: str | Protocol, host: str, port: int, **parts: Any) -> Probe:
        found = by_name(protocol) if isinstance(protocol, str) else protocol
        return Probe(found, host, port, **parts)

    return make


@pytest.fixture(scope="session")
def run() -> Callable[[Coroutine[Any, Any, T]], T]:
    """Run a coroutine to its end in an event loop of its own."""
    return asyncio.run
