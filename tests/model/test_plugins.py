"""Plugins are found by their file, and third parties' by the entry points of a room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from leftopen.trace.registry import formats, title_of
from leftopen.contents.registry import formats as documents
names = {f.name for f in formats()}
print("theirs" in names, "clf" in names, [title_of(f) for f in formats() if f.name == "theirs"])
"""
PLUGIN = '''"""A log format of somebody else."""
from dataclasses import replace
from leftopen.trace.formats.clf import FORMAT
THEIRS = replace(FORMAT, name="theirs")
'''


def site(folder: Path, target: str) -> Path:
    info = folder / "theirs-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[leftopen.trace]\ntheirs = {target}\n")
    (folder / "their_log.py").write_text(PLUGIN)
    return folder


def listed(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CODE, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_third_partys_plugin_joins_the_room(tmp_path: Path) -> None:
    done = listed(site(tmp_path, "their_log:THEIRS"))
    assert done.stdout == "True True ['A log format of somebody else.']\n", done.stderr


def test_a_broken_one_is_one_clear_error(tmp_path: Path) -> None:
    done = listed(site(tmp_path, "their_log:NOT_THERE"))
    assert (
        "UsageError: plugin their_log:NOT_THERE of leftopen.trace cannot be loaded" in done.stderr
    )
