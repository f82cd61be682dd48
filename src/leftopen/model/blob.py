"""Bytes to examine, and the chain of places they came from."""

from __future__ import annotations

import hashlib

from leftopen.model.record import Record
from leftopen.model.redact import safe


class Step(Record, frozen=True, kw_only=True):
    """One place in the chain: `kind` is exposure, store, folder, message, part, member, page."""

    kind: str
    name: str


class Provenance(Record, frozen=True, kw_only=True):
    """The chain exposure > store > message > part > member > page. Names are safe to show."""

    steps: tuple[Step, ...] = ()

    def child(self, kind: str, name: str | bytes) -> Provenance:
        """One step deeper; `name` may be hostile, it is masked, escaped and cut here."""
        return Provenance(steps=(*self.steps, Step(kind=kind, name=safe(name, 120))))

    @property
    def depth(self) -> int:
        """How many steps."""
        return len(self.steps)

    def __str__(self) -> str:
        """For people: names joined by ` > `."""
        return " > ".join(step.name for step in self.steps)


class Blob(Record, frozen=True, kw_only=True):
    """Bytes in memory with their provenance. Never stored."""

    data: bytes
    place: Provenance
    name: str = ""  # the real name, a hint for recognition only; never shown
    media_type: str = ""  # what the sender claims; a hint only
    complete: bool = True  # False: cut at a byte limit

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, hex."""
        return hashlib.sha256(self.data).hexdigest()
