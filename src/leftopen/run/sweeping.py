"""The sweep as part of a run, and alone: one machine's share of a scope that several sweep."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from leftopen.model.endpoint import Endpoint
from leftopen.model.errors import UsageError
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import Keyring
from leftopen.reach.reach import Reach
from leftopen.reach.sweep import Shard, Standing, Wish
from leftopen.run.inputs import open_scope
from leftopen.run.progress import Progress, Silent

# What these say costs time and hides nothing; all else that a sweep notes is about lost answers.
_REMARKS = ("no raw packets here", "raw packets hear nothing here")


@dataclass(frozen=True, slots=True)
class Found:
    """What a sweep saw: the endpoints that answered, and how many did not."""

    open: tuple[Endpoint, ...]
    closed: int
    filtered: int
    notes: tuple[str, ...]

    def gaps(self, place: str) -> list[Gap]:
        """What of it is in doubt."""
        doubts = [n for n in self.notes if not n.startswith(_REMARKS)]
        return [Gap(stage=Stage.REACH, reason=Reason.LOST, place=place, detail=n) for n in doubts]


def sweep_scope(
    reach: Reach, progress: Progress, kept: Path, shard: Shard | None = None, *, raw: bool = True
) -> Found:
    """Sweep, from where an earlier process stopped where `kept` tells that.

    `kept` is written every few seconds; whoever calls removes it when the result is safe.
    """
    before = kept.read_bytes() if kept.exists() else b""
    try:
        return _swept(reach, progress, kept, shard or Shard(), before, raw=raw)
    except UsageError:
        if not before:
            raise
        return _swept(reach, progress, kept, shard or Shard(), b"", raw=raw)  # of another sweep


def _swept(
    reach: Reach, progress: Progress, kept: Path, shard: Shard, before: bytes, *, raw: bool
) -> Found:
    done = 0

    def report(standing: Standing) -> None:
        nonlocal done
        progress.advance(max(0, standing.done - done))
        done = max(done, standing.done)

    wish = Wish(raw, shard, before, lambda point: _keep(kept, point), report)
    with reach.sweeping(wish) as sweep:
        progress.begin("looking for open ports", max(1, sweep.space.size // shard.of))
        found = tuple(sorted((t.endpoint for t in sweep), key=lambda e: e.key))
        for note in sweep.notes:
            progress.note(note)
        return Found(found, sweep.closed, sweep.filtered, tuple(sweep.notes))


def _keep(path: Path, point: bytes) -> None:
    """Whole or not at all: a kill between two writes leaves the earlier point."""
    part = path.with_suffix(".part")
    part.write_bytes(point)
    os.replace(part, path)


def sweep_share(
    scope_path: Path,
    kept: Path,
    shard: Shard,
    *,
    raw: bool = True,
    progress: Progress | None = None,
) -> Found:
    """One machine's share of a scope, without proof: `[imports] sweep` of a run takes the result.

    Raises:
        ScopeError: the scope file is wrong.
        UsageError: the scope holds more endpoints than can be swept.
    """
    reach = Reach(open_scope(scope_path).scope, Keyring(os.urandom(32)), "sweep")
    found = sweep_scope(reach, progress or Silent(), kept, shard, raw=raw)
    kept.unlink(missing_ok=True)
    return found
