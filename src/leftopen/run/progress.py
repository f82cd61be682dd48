"""Progress is an object passed in: the command line shows it, a library user passes none."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What a long job tells whoever watches it."""

    def begin(self, what: str, total: int | None = None) -> None:
        """A new part begins; `total` steps where that is known."""

    def advance(self, steps: int = 1) -> None:
        """So many steps of the part are done."""

    def note(self, text: str) -> None:
        """One line worth keeping on the screen. Only safe text."""


class Silent:
    """Shows nothing."""

    def begin(self, what: str, total: int | None = None) -> None:
        """Nothing to show."""

    def advance(self, steps: int = 1) -> None:
        """Nothing to show."""

    def note(self, text: str) -> None:
        """Nothing to show."""
