"""What the tests of cause share: judging texts, and applying a diff as `patch` would."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest

from leftopen.cause.explain import explain_texts
from leftopen.model.cause import Cause, Truth, any_of

Judged = Callable[..., list[Cause]]
Verdict = Callable[..., Truth]
Patched = Callable[[str, str], str]


@pytest.fixture(scope="session")
def judged() -> Judged:
    """All causes of a configuration in memory."""

    def judge(product: str, texts: Mapping[str, str], version: str = "") -> list[Cause]:
        return [c for c in explain_texts(product, texts, version) if isinstance(c, Cause)]

    return judge


@pytest.fixture(scope="session")
def verdict(judged: Judged) -> Verdict:
    """Is anything open, in Kleene's sense?"""

    def judge(product: str, texts: Mapping[str, str], version: str = "") -> Truth:
        return any_of(Truth.NO, *(c.open for c in judged(product, texts, version)))

    return judge


@pytest.fixture(scope="session")
def patched() -> Patched:
    """Apply a unified diff of one file; raises ValueError where it does not fit."""
    return _patched


def _patched(text: str, diff: str) -> str:
    old = re.findall(r"[^\n]*\n|[^\n]+", text)
    new: list[str] = []
    at, last = 0, ""
    lines = iter(re.findall(r"[^\n]*\n", diff))
    if not next(lines).startswith("--- a/") or not next(lines).startswith("+++ b/"):
        raise ValueError("no heading")
    for line in lines:
        if hunk := re.match(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@", line):
            # A hunk without old lines names the line in front of it.
            start = int(hunk[1]) - (hunk[2] != "0")
            new += old[at:start]
            at = start
        elif line.startswith("\\"):
            if last != "-":
                new[-1] = new[-1].removesuffix("\n")
        elif line[0] in " -":
            if old[at].rstrip("\n") != line[1:].rstrip("\n"):
                raise ValueError(f"{old[at]!r} is not {line[1:]!r}")
            new += [old[at]] if line[0] == " " else []
            at += 1
        else:
            new.append(line[1:])
        last = line[0]
    return "".join(new + old[at:])
