"""What a run remembers between being killed and resumed, beside the records of the stages."""

from __future__ import annotations

from leftopen.model.endpoint import Endpoint
from leftopen.model.record import Record


class Swept(Record, frozen=True, kw_only=True):
    """What the sweep saw: the ports that answered, and how many did not."""

    open: tuple[Endpoint, ...]
    closed: int
    filtered: int


class Listing(Record, frozen=True, kw_only=True):
    """How much an exposed store named, and how the sample divides it. Names are not kept."""

    exposure: str
    objects: int
    bytes: int | None
    complete: bool
    population: dict[str, int]  # stratum -> objects
    chosen: int
    left_out: int


class Partial(Record, frozen=True, kw_only=True):
    """A stage's intermediate aggregate, as JSON of its own record type (trace: SourceDigest)."""

    kind: str
    place: str
    body: str
