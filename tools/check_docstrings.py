"""Check that every public module, class and function has a docstring; name those that have none.

ruff's D1 rules check the same for most of it; this also counts nested plugin callables that are
public by name, and fails when a docstring only repeats the name.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path


def missing(path: Path) -> Iterator[str]:
    """`file:line: name` of each public definition without a docstring of its own words."""
    tree = ast.parse(path.read_text())
    if not ast.get_docstring(tree):
        yield f"{path}:1: module"
    for node in tree.body:
        yield from _definitions(path, node, "")


def _definitions(path: Path, node: ast.stmt, prefix: str) -> Iterator[str]:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    if node.name.startswith("_"):
        return
    words = (ast.get_docstring(node) or "").strip(" .\n").lower()
    if words in ("", node.name.lower(), node.name.replace("_", " ").lower()):
        yield f"{path}:{node.lineno}: {prefix}{node.name}"
    if isinstance(node, ast.ClassDef):
        for child in node.body:
            yield from _definitions(path, child, f"{node.name}.")


def main(folders: list[str]) -> int:
    """Print what is missing; 1 when anything is."""
    found = [m for f in folders for p in sorted(Path(f).rglob("*.py")) for m in missing(p)]
    print("\n".join(found) or f"docstrings: all public names in {', '.join(folders)} have one")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
