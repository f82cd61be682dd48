"""No planted value occurs in any output, log, store file or crash dump, in any encoding."""

from __future__ import annotations

import base64
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Incident

LEFTOPEN = (
    sys.executable,
    "-X",
    "faulthandler",
    "-c",
    "from leftopen.cli.main import main; main()",
)


def spellings(value: str) -> Iterator[str]:
    """A value as people and programs write it."""
    bare = value.replace("-", "")
    yield from {value, bare, " ".join(bare[i : i + 4] for i in range(0, len(bare), 4))}
    if len(bare) == 9:
        yield from (f"{bare[:3]} {bare[3:5]} {bare[5:]}", f"{bare[:3]}.{bare[3:5]}.{bare[5:]}")


def needles(value: str) -> Iterator[bytes]:
    """Each spelling as UTF-8, UTF-16, hex, reversed, and base64 at its three alignments."""
    for text in spellings(value):
        raw = text.encode()
        yield from (raw, text.encode("utf-16-le"), text.encode("utf-16-be"), raw.hex().encode())
        for shift in range(3):
            # The characters that depend on neighbours are cut off at both ends.
            coded = base64.b64encode(b"\0" * shift + raw + b"\0" * ((-shift - len(raw)) % 3))
            first, last = (4 if shift else 0), (-4 if (shift + len(raw)) % 3 else len(coded))
            yield coded[first:last]


def leaks(folder: Path, values: set[str]) -> list[str]:
    files = [(p, p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()]
    wanted = {n for v in values for n in needles(v) if len(n) >= 8}
    return [f"{path.name}: {n!r}" for path, data in files for n in wanted if n in data]


def test_the_search_itself_finds_every_encoding(tmp_path: Path) -> None:
    value = "123-45-6789"
    for number, needle in enumerate(
        [
            b"x123456789x",
            b"123 45 6789",
            "123-45-6789".encode("utf-16-le"),
            base64.b64encode(b"SSN 123-45-6789 of somebody"),
            base64.b64encode(b"a: 123-45-6789"),
            base64.b64encode(b"ab 123456789 cd"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "f").write_bytes(needle)
        assert leaks(folder, {value}), needle


@pytest.mark.parametrize("ending", ["finished", "killed by SIGABRT in the middle"])
def test_no_planted_value_gets_out(incident_served: Incident, tmp_path: Path, ending: str) -> None:
    outputs = tmp_path / "outputs"
    case = incident_served.case_folder(outputs / "case")
    environment = {**incident_served.environment, "TMPDIR": str(outputs)}
    command = [*LEFTOPEN, "run", str(incident_served.scope), "--dir", str(case)]
    killed = ending != "finished"
    for _ in range(3 if killed else 1):  # on a loaded machine the kill may come too late
        code = _run([*command, "--json"], environment, outputs, case if killed else None)
        if code == -signal.SIGABRT:
            break
    assert code in ((-signal.SIGABRT,) if killed else (13, 14))
    assert _written(case) >= 300_000
    assert not killed or b"Fatal Python error" in (outputs / "stderr").read_bytes()
    values = {v for v in incident_served.truth.values if len(v.replace("-", "")) >= 9}
    assert len(values) > 100
    assert leaks(outputs, values) == []


def _run(
    command: list[str], environment: dict[str, str], outputs: Path, killed: Path | None
) -> int:
    """The exit code; `killed` is the case folder of a run that is to be ended in the middle."""
    before = _written(killed) if killed else 0
    with (outputs / "stdout").open("wb") as out, (outputs / "stderr").open("wb") as error:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=error, cwd=outputs)
        if killed:
            while process.poll() is None and _written(killed) < before + 300_000:
                time.sleep(0.005)  # until it reads contents
            process.send_signal(signal.SIGABRT)  # faulthandler writes a crash dump to stderr
        return process.wait(timeout=120)


def _written(case: Path) -> int:
    """Bytes of the store and its write-ahead log."""
    return sum(p.stat().st_size for p in case.glob("case.sqlite*"))


def test_inspect_shows_no_value_either(incident_served: Incident, tmp_path: Path) -> None:
    command = [*LEFTOPEN, "inspect", str(incident_served.base / "server/mail"), "--workers", "2"]
    with (tmp_path / "stdout").open("wb") as out, (tmp_path / "stderr").open("wb") as error:
        subprocess.run(
            [*command, "--json", "--dir", str(tmp_path / "case")],
            env=incident_served.environment,
            stdout=out,
            stderr=error,
            check=False,
        )
    assert b"us_ssn" in (tmp_path / "stdout").read_bytes()
    assert leaks(tmp_path, incident_served.truth.values) == []
