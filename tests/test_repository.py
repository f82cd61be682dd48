"""What must hold of the repository itself: locks, documents, docstrings."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
LOCKS = sorted(REPOSITORY.glob("requirements*.lock"))


def tracked() -> list[Path]:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True, text=True
    )
    return [REPOSITORY / name for name in done.stdout.split("\0") if name]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: p.name)
def test_a_lock_has_hashes_and_names_no_index(lock: Path) -> None:
    text = lock.read_text()
    pins = re.findall(r"^([a-z0-9-]+)==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert pins if "bare" in lock.name else len(pins) > 20
    blocks = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"https?://|--(?:extra-)?index-url|--find-links", text)


def test_the_base_install_has_at_most_45_packages() -> None:
    text = (REPOSITORY / "requirements.lock").read_text()
    assert len(re.findall(r"^[a-z0-9-]+==", text, re.MULTILINE)) <= 45


def test_every_direct_dependency_has_its_row() -> None:
    page = (REPOSITORY / "docs/dependencies.md").read_text()
    named = (REPOSITORY / "requirements.in").read_text().splitlines()
    for name in (n for n in named if n and not n.startswith(("#", "setuptools"))):
        assert f"| {name} |" in page, f"docs/dependencies.md has no row for {name}"


def test_nothing_tracked_names_an_index_or_a_machine() -> None:
    machine = re.compile(rb"/(?:work|root|home/[a-z]+)/|index-url *=|\"resolved\":")
    for path in tracked():
        if path.is_file() and path != Path(__file__) and path.suffix not in (".png", ".lock"):
            found = machine.search(path.read_bytes())
            assert not found, f"{path}: {found and found.group()!r}"


def test_the_reference_page_is_what_the_code_says() -> None:
    command = [sys.executable, str(REPOSITORY / "tools/make_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_name_has_a_docstring() -> None:
    command = [sys.executable, str(REPOSITORY / "tools/check_docstrings.py")]
    done = subprocess.run(
        [*command, str(REPOSITORY / "src/leftopen")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_source_file_is_imported_by_the_tree_of_rooms() -> None:
    rooms = {p.parent.name for p in (REPOSITORY / "src/leftopen").glob("*/__init__.py")}
    said = (REPOSITORY / "ARCHITECTURE.md").read_text()
    assert all(f"`{room}/`" in said for room in rooms)
