"""The import contracts catch ten deliberate violations, each made in a copy of the source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
VIOLATIONS = {
    "a probe opens a socket": ("reach/protocols/redis.py", "import socket"),
    "a stage imports another": ("contents/examine.py", "import leftopen.cause.explain"),
    "a stage opens the door to the network": ("trace/read.py", "import leftopen.net.dialer"),
    "a protocol imports another": (
        "reach/protocols/redis.py",
        "import leftopen.reach.protocols.ftp",
    ),
    "a record imports upward": ("model/gap.py", "import leftopen.case.window"),
    "a room that no contract lists": ("extra/__init__.py", "import leftopen.model.gap"),
    "a stage writes to the store": ("reach/prove.py", "import leftopen.store.store"),
    "the database in a second room": ("run/pipeline.py", "import sqlite3"),
    "contents goes and fetches by itself": ("contents/extract.py", "import leftopen.reach.reach"),
    "the case writes its own report": ("case/assemble.py", "import leftopen.brief.html"),
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    env = {**os.environ, "PYTHONPATH": str(root / "src")}
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(
        REPOSITORY / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.egg-info")
    )
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_code_as_it_is_keeps_every_contract(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("what", VIOLATIONS)
def test_a_violation_is_caught(what: str, copy: Path) -> None:
    name, line = VIOLATIONS[what]
    file = copy / "src/leftopen" / name
    file.parent.mkdir(exist_ok=True)
    before = file.read_text() if file.exists() else ""
    file.write_text(f"{before}\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1, f"{what}: not caught\n{done.stdout}"
    assert "BROKEN" in done.stdout
