"""Logs made for the tests, with a known truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leftopen.model.gap import Gap
from leftopen.model.redact import Keyring
from leftopen.trace.digest import SourceDigest
from leftopen.trace.read import read_source

T0 = 1675814400  # 2023-02-08 00:00:00 UTC


@pytest.fixture
def keyring() -> Keyring:
    return Keyring(b"a key of a test.")


@pytest.fixture
def request_line() -> Callable[..., str]:
    """A line of an access log; `at` in seconds after T0."""

    def line(
        at: float,
        client: str = "203.0.113.9",
        path: str = "/mail/a.mbox",
        status: int = 200,
        size: int = 1000,
        agent: str = "curl/8",
        method: str = "GET",
    ) -> str:
        time = datetime.fromtimestamp(T0 + at, UTC)
        stamp = f"{time:%d/%b/%Y:%H:%M:%S} +0000"
        return f'{client} - - [{stamp}] "{method} {path} HTTP/1.1" {status} {size} "-" "{agent}"\n'

    return line


@pytest.fixture
def quiet_visitors(request_line: Callable[..., str]) -> Callable[..., list[str]]:
    """Refused requests of passers-by, one every `step` seconds: they took nothing."""

    def lines(start: float, end: float, step: float = 30) -> list[str]:
        made, at, number = [], start, 0
        while at <= end:
            client = f"198.51.100.{number % 200 + 1}"
            made.append(request_line(at, client, "/admin", 404, 150))
            at, number = at + step, number + 1
        return made

    return lines


@pytest.fixture
def flow_tuple() -> Callable[..., str]:
    """An inbound NSG flow tuple; `at` in seconds after T0; `sent` None leaves the counts blank."""

    def made(
        at: float,
        client: str = "203.0.113.9",
        sent: int | None = 0,
        state: str = "E",
        port: int = 80,
        ruling: str = "A",
    ) -> str:
        counts = ",,," if sent is None else f"9,900,9,{sent}"
        return f"{T0 + int(at)},{client},10.0.0.4,40000,{port},T,I,{ruling},{state},{counts}"

    return made


@pytest.fixture
def flow_file(tmp_path: Path) -> Callable[..., str]:
    """Writes one hourly flow log file and gives its path."""

    def write(hour: int, tuples: Iterable[str], nsg: str = "nsg1") -> str:
        time = datetime.fromtimestamp(T0 + hour * 3600, UTC)
        flows = [{"rule": "r", "flows": [{"mac": "0", "flowTuples": list(tuples)}]}]
        record = {
            "time": f"{time:%Y-%m-%dT%H:%M:%S}.5Z",
            "category": "NetworkSecurityGroupFlowEvent",
            "resourceId": nsg,
            "macAddress": "0",
            "properties": {"Version": 2, "flows": flows},
        }
        path = tmp_path / f"{nsg}-{hour:05d}.json"
        path.write_text(json.dumps({"records": [record]}))
        return str(path)

    return write


@pytest.fixture
def read(keyring: Keyring) -> Callable[..., tuple[list[SourceDigest], list[Gap]]]:
    """Reads paths: digests and Gaps apart."""

    def run(*paths: str | Path, **options: object) -> tuple[list[SourceDigest], list[Gap]]:
        found: list[SourceDigest | Gap] = []
        for path in paths:
            found += read_source(str(path), keyring=keyring, **options)  # type: ignore[arg-type]
        digests = [x for x in found if isinstance(x, SourceDigest)]
        return digests, [x for x in found if isinstance(x, Gap)]

    return run
