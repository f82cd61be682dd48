"""Diffs that apply, and that show no secret."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.cause.api import Edit, SourceFile
from leftopen.cause.patch import append, apply, diff, line_of

texts = st.text(alphabet="ab \n", max_size=40)


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    """A text with edits that do not overlap."""
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    return text, [Edit("f", a, b, draw(st.text(alphabet="xy\n", max_size=5))) for a, b in pairs]


@given(edited())
def test_any_diff_applies(patched: Callable[[str, str], str], case: tuple[str, list[Edit]]) -> None:
    text, edits = case
    made = diff(SourceFile("f", text), edits)
    expected = apply(text, edits)
    assert (patched(text, made) if made else text) == expected


@given(edited())
def test_patch_agrees(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[str, list[Edit]]
) -> None:
    if not shutil.which("patch"):
        pytest.skip("patch is not installed here")
    text, edits = case
    made = diff(SourceFile("f", text), edits)
    folder = tmp_path_factory.mktemp("p")
    (folder / "f").write_bytes(text.encode())
    if made:
        command = ["patch", "-p1", "-s", "--no-backup-if-mismatch"]
        subprocess.run(command, input=made.encode(), cwd=folder, check=True, timeout=10)
        left = Path(folder / "f")
        assert (left.read_bytes().decode() if left.exists() else "") == apply(text, edits)


def test_shape() -> None:
    source = SourceFile("/etc/x.conf", "a\nb\nc\nd\ne\nf\n")
    assert diff(source, [Edit("", 4, 5, "C")]) == (
        "--- a/etc/x.conf\n+++ b/etc/x.conf\n@@ -1,6 +1,6 @@\n a\n b\n-c\n+C\n d\n e\n f\n"
    )


def test_one_line_of_many_that_are_equal() -> None:
    source = SourceFile("x", "[m]\n" * 50_000)
    made = diff(source, [append(source, "end")])
    assert made.splitlines()[2:] == ["@@ -49998,3 +49998,4 @@", " [m]", " [m]", " [m]", "+end"]


@pytest.mark.parametrize(
    "secret",
    [
        "requirepass hunter2",
        "masterauth hunter2",
        "password = hunter2",
        "user bob on >hunter2",
        "proxy_set_header Authorization hunter2;",
        "args = password=hunter2",
        "url = postgres://app:hunter2@db/x",
        "secret: hunter2",
    ],
)
def test_secrets_are_no_context(secret: str) -> None:
    source = SourceFile("x", f"{secret}\nopen yes\n{secret}\n")
    at = source.text.index("yes")
    made = diff(source, [Edit("x", at, at + 3, "no")])
    assert "hunter2" not in made
    assert "+open no" in made
    assert diff(source, [Edit("x", 0, len(secret), "")]) == ""


@pytest.mark.parametrize("bad", ["\x1b[2J", "\u202e", "ssn 123-45-6789", "\u2028"])
def test_hostile_lines_are_not_shown(bad: str) -> None:
    source = SourceFile("x", f"{bad}\nopen yes\n")
    at = source.text.index("yes")
    made = diff(source, [Edit("x", at, at + 3, "no")])
    assert bad not in made
    assert "+open no" in made


def test_addresses_are_shown() -> None:
    source = SourceFile("x", "bind 192.168.100.200\nopen yes\n")
    assert "192.168.100.200" in diff(source, [Edit("x", 26, 29, "no")])


def test_windows_line_ends_stay() -> None:
    source = SourceFile("x", "a\r\nopen yes\r\nb\r\n")
    edit = line_of(source, 3, 11)
    assert apply(source.text, [edit]) == "a\r\nb\r\n"
    assert diff(source, [edit])


def test_line_of() -> None:
    source = SourceFile("x", "  a;\n  b; c;\n")
    assert apply(source.text, [line_of(source, 2, 4)]) == "  b; c;\n"
    assert apply(source.text, [line_of(source, 7, 9)]) == "  a;\n   c;\n"
