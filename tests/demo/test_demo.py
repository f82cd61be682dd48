"""The demo: seeded, quick, right, and it leaves nothing running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leftopen.demo import incident, mailstore

LEFTOPEN = (sys.executable, "-c", "from leftopen.cli.main import main; main()")


@pytest.mark.parametrize("options", [(), ("--own-server",)], ids=["nginx if there", "own server"])
def test_no_line_contradicts_the_planted_truth(tmp_path: Path, options: tuple[str, ...]) -> None:
    folder = tmp_path / "demo"
    begin = time.monotonic()
    done = subprocess.run(
        [*LEFTOPEN, "demo", "--dir", str(folder), "--json", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    said = json.loads(done.stdout)
    wrong = [row for row in said["rows"] if not row["agrees"]]
    assert wrong == []
    assert done.returncode == 0, done.stderr
    assert len(said["rows"]) >= 18
    assert all(Path(path).stat().st_size > 1000 for path in said["reports"].values())
    assert time.monotonic() - begin < 300
    assert not _running(str(folder))


def _running(folder: str) -> list[str]:
    """Command lines of other processes that name the demo's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            if folder in line:
                found.append(line)
    return found


def test_the_archive_is_the_same_every_time(tmp_path: Path) -> None:
    made = [mailstore.build(tmp_path / str(n), messages=120) for n in range(2)]
    assert made[0] == made[1]
    assert made[0].messages == 120
    assert len(made[0].with_ssn) > 5


def test_the_mapping_uses_documentation_and_published_ranges_only() -> None:
    import ipaddress

    documentation = [ipaddress.ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24")]
    documentation.append(ipaddress.ip_network("203.0.113.0/24"))
    for real, mapped, when, _ in incident.mapping_rows():
        assert when.endswith("Feb 2023")
        assert ipaddress.ip_address(real).is_loopback
        in_documentation = any(ipaddress.ip_address(mapped) in n for n in documentation)
        assert in_documentation or mapped in (incident.SHODAN.mapped, incident.CENSYS.mapped)


def test_a_folder_that_is_not_a_demos_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    done = subprocess.run(
        [*LEFTOPEN, "demo", "--dir", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert (tmp_path / "precious").exists()
