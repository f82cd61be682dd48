"""The command line: help, exit codes, one clear line for a user's mistake, JSON alone on stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leftopen.cli.main import COMMANDS

LEFTOPEN = (sys.executable, "-c", "from leftopen.cli.main import main; main()")


def leftopen(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LEFTOPEN, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        timeout=120,
        env={**os.environ, "LEFTOPEN_KEYS": str(cwd / "keys") if cwd else "", "NO_COLOR": "1"},
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """A user's mistake: exit 2, one line on stderr, nothing on stdout, no traceback."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("leftopen: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("command", [*COMMANDS, "cases list", "cases import"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = leftopen(*command.split(), "--help")
    assert done.returncode == 0
    assert "Usage: leftopen" in done.stdout
    assert " " in command or "leftopen " + command in done.stdout.split("Usage:", 1)[1][20:]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom leftopen.cli.main import cli\n"
        "try: cli.main(['--help'], standalone_mode=False)\nfinally:\n"
        " heavy = {'polars', 'hyperscan', 'sqlalchemy', 'rich', 'jinja2', 'msgspec', 'lxml'}\n"
        " sys.exit(5 if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["protocols", "detectors", "formats", "rules"])
def test_a_list_is_json_alone_or_rows_when_piped(command: str) -> None:
    done = leftopen(command, "--json")
    assert done.stderr == ""
    rows = json.loads(done.stdout)
    assert len(rows) >= 3
    assert all(row["name"] and row["title"] for row in rows)
    piped = leftopen(command).stdout.splitlines()
    assert len(piped) == len(rows)
    assert all("\t" in line and "\x1b" not in line for line in piped)


def test_detectors_check_runs_every_example() -> None:
    assert leftopen("detectors", "--check").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "missing.toml"),
        ("run", "."),
        ("run", "typo.toml"),
        ("run", "typo.toml", "--dry-run"),
        ("inspect", "missing"),
        ("trace", "missing.log"),
        ("explain", "missing.conf"),
        ("verify", "--dir", "missing"),
        ("cases", "show", "ffff", "--dir", "missing"),
        ("cases", "import", "missing.md"),
        ("cases", "import", "typo.toml"),
        ("run", "ok.toml", "--dir", "ok.toml"),
        ("run", "ok.toml", "--frobnicate"),
        ("nosuchcommand",),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "typo.toml").write_text('version = 1\n[targets]\nnetwroks = ["127.0.0.1/32"]\n')
    (tmp_path / "ok.toml").write_text('version = 1\n[targets]\nnetworks = ["127.0.0.1/32"]\n')
    said = one_line(leftopen(*arguments, cwd=tmp_path))
    if "typo.toml" in arguments and arguments[0] == "run":
        assert "typo.toml:3: unknown field `netwroks`" in said


def test_init_writes_a_scope_that_dry_run_accepts(tmp_path: Path) -> None:
    assert leftopen("init", cwd=tmp_path).returncode == 0
    done = leftopen("run", "scope.toml", "--dry-run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert any("127.0.0.1" in step["target"] for step in plan)
    assert all(step["sends"] for step in plan)
    assert not (tmp_path / "leftopen-case").exists()
    assert "exists" in one_line(leftopen("init", cwd=tmp_path))


def test_nothing_open_is_exit_0_or_20_and_never_looks_clean_with_gaps(tmp_path: Path) -> None:
    (tmp_path / "scope.toml").write_text(
        'version = 1\n[targets]\nnetworks = ["127.0.0.1/32"]\nports = [1]\n'
    )
    done = leftopen("run", "scope.toml", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert report["cases"] == []
    gaps = report["gaps"]
    assert done.returncode == (20 if gaps else 0)
    assert any(g["stage"] == "trace" for g in gaps)  # no log was given: said, not passed over


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog"),
        ("cut.zip", b"PK\x03\x04" + b"\0" * 40),
        ("empty.mbox", b""),
        ("noise", bytes(range(256)) * 50),
    ],
)
def test_bad_files_become_gaps(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    done = leftopen("inspect", name, "--json", cwd=tmp_path)
    assert done.returncode == 20, done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["gaps"]


def test_a_line_of_a_hundred_megabytes_ends_in_bounded_memory(tmp_path: Path) -> None:
    line = b"SSN 123-45-6789 " + b"x" * 1_000_000
    with (tmp_path / "long.txt").open("wb") as text, (tmp_path / "long.log").open("wb") as log:
        for _ in range(100):
            text.write(line)
            log.write(line)
    code = (
        "import resource, sys\nfrom leftopen.cli.main import main\n"
        "try: main(sys.argv[1:])\nfinally:\n"
        " sys.stderr.write(f'RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}')"
    )
    for words in (("inspect", "long.txt", "--workers", "1"), ("trace", "long.log")):
        done = subprocess.run(
            [sys.executable, "-c", code, *words, "--json"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
            timeout=200,
        )
        assert done.returncode in (11, 12, 13, 20), done.stderr
        assert "Traceback" not in done.stderr
        assert json.loads(done.stdout)["gaps"]
        assert int(done.stderr.rsplit("RSS ", 1)[1]) < 1_500_000  # kilobytes


def test_an_empty_log_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "access.log").touch()
    done = leftopen("trace", "access.log", "--json", cwd=tmp_path)
    assert done.returncode == 20
    assert json.loads(done.stdout)["gaps"][0]["reason"] == "empty"
