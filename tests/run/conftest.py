"""A small incident to run on: the demo's own, with fewer messages, mapped once per session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from leftopen.demo import demo as demo_module
from leftopen.demo import incident, mailstore, server

MESSAGES = 240
KEY_ID = "test"


@dataclass(frozen=True, slots=True)
class Incident:
    """A served mail archive with its records, ready for `leftopen run`."""

    scope: Path
    base: Path
    truth: mailstore.Truth
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """Pinned time and a keys folder of its own: two runs can be compared to the byte."""
        pinned = {
            "SOURCE_DATE_EPOCH": str(int(incident.AS_OF.timestamp())),
            "LEFTOPEN_KEYS": str(self.base / "keys"),
        }
        return {**os.environ, **pinned}

    def case_folder(self, path: Path) -> Path:
        """A case folder that uses the one key of this incident."""
        path.mkdir(parents=True)
        (path / "key-id").write_text(f"{KEY_ID}\n")
        return path


class Quiet:
    """Progress that nobody watches."""

    def begin(self, what: str, total: int | None = None) -> None:
        """Nothing."""

    def advance(self, steps: int = 1) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def incident_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Incident]:
    base = tmp_path_factory.mktemp("incident")
    truth = mailstore.build(base / "server/mail", messages=MESSAGES)
    port = server.free_port(demo_module.ADDRESS, 0)
    configuration = server.configure(
        base / "server", base / "server/mail", demo_module.ADDRESS, port
    )
    (base / "keys").mkdir()
    (base / "keys" / KEY_ID).write_bytes(bytes(range(32)))
    with server.serve(configuration, demo_module.ADDRESS, port):
        demo_module.stage(base, truth, port, Quiet())
        os.utime(configuration, (incident.OPENED.timestamp(),) * 2)
        scope = base / "scope.toml"
        scope.write_text(demo_module.scope_text(port, objects=120))
        yield Incident(scope, base, truth, port)
