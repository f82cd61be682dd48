"""Shared by all tests: one probe of one server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings

from leftopen.reach.api import Protocol
from leftopen.reach.registry import protocol as by_name
from probing import Probe

T = TypeVar("T")

# A loaded machine is no defect: what must be fast has a benchmark. Tests are the same each time;
# `make fuzz` looks for what is new.
settings.register_profile("leftopen", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "leftopen"))


LONG = ("/run/", "test_truth", "test_hostile", "test_many", "/demo/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, so that no worker begins one when the others have ended."""
    items.sort(key=lambda item: not any(part in str(item.path) for part in LONG))


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
