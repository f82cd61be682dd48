"""What every part of a run is handed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from leftopen.model.exposure import Observation
from leftopen.model.gap import Gap
from leftopen.model.record import Record
from leftopen.model.redact import Keyring
from leftopen.run.inputs import Inputs
from leftopen.run.local import Workers
from leftopen.run.progress import Progress
from leftopen.store.runs import Run

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Job:
    """One run over one scope."""

    inputs: Inputs
    run: Run
    keyring: Keyring
    progress: Progress
    workers: Workers
    folder: Path  # for what is of use only until the run has ended

    @property
    def as_of(self) -> datetime:
        """The time that the account speaks of: the last look of our own, else the start."""
        looks = (o.time for o in self.run.records(Observation, "reach"))
        return max((self.run.info().started, *looks))

    def finish_once(self, stage: str, unit: str, records: Iterable[Record]) -> None:
        """Store a unit unless an earlier attempt of this run already did."""
        if not self.run.done(stage, unit):
            self.run.finish(stage, unit, records)

    def only(self, type_: type[R], stage: str) -> Iterator[R]:
        """The stored records of one type and stage."""
        return self.run.records(type_, stage)

    def gaps(self, stage: str) -> tuple[Gap, ...]:
        """The stored Gaps of a stage."""
        return tuple(self.run.records(Gap, stage))
