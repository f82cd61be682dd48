"""Reach in units: the sweep is one, each endpoint to prove is one, each imported file is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from leftopen.model.endpoint import Endpoint
from leftopen.model.errors import OutOfScope
from leftopen.model.exposure import Evidence, Observation
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.record import Record
from leftopen.model.run import Swept
from leftopen.model.scope import Target
from leftopen.reach.doubts import crowded, doubts, spared
from leftopen.reach.imports_reader import open_ports
from leftopen.reach.reach import Reach, read_imports
from leftopen.run.job import Job
from leftopen.run.sweeping import sweep_scope

STAGE = "reach"
IMPORTS = "imports"


def observe(job: Job, reach: Reach) -> None:
    """Sweep, prove and import whatever of it is not done yet."""
    named = _named(job, reach)
    swept = _sweep(job, reach)
    scope = job.inputs.scope
    crowd = crowded(swept.open, len(scope.ports))
    kept, left = spared(swept.open, crowd, scope.file.sample.seed)
    job.finish_once(STAGE, "spared", [_spared(a, crowd[a], n) for a, n in sorted(left.items())])
    targets = [*named, *_again(job, kept)]
    done = job.run.done_units(STAGE)
    todo = [t for t in targets if unit_of(t) not in done]
    job.progress.begin("proving what is open", len(todo))
    for outcome in reach.prove(todo):
        records: list[Record] = [outcome.observation, *outcome.evidence, *outcome.gaps]
        job.run.finish(STAGE, unit_of(outcome.target), records)
        job.progress.advance()
    _imports(job)


def _spared(address: str, answered: int, left: int) -> Gap:
    detail = f"it answers on {answered} ports; {answered - left} of them were looked at"
    return Gap(
        stage=Stage.REACH, reason=Reason.NOT_SAMPLED, place=address, detail=detail, count=left
    )


def unit_of(target: Target) -> str:
    """The name of an endpoint's unit of work."""
    return f"prove {target.protocol} {target.endpoint.key} {target.url}".strip()


def _named(job: Job, reach: Reach) -> list[Target]:
    """Hosts and stores that the scope names: their Targets, and a Gap for each that has none."""
    found = list(reach.targets())
    gaps = [*job.inputs.gaps, *(t for t in found if isinstance(t, Gap))]
    job.finish_once(STAGE, "names", gaps)
    return [t for t in found if isinstance(t, Target)]


def _sweep(job: Job, reach: Reach) -> Swept:
    if not job.run.done(STAGE, "sweep") and job.inputs.scope.file.imports.sweep:
        _swept_by_others(job)
    if not job.run.done(STAGE, "sweep"):
        kept = job.folder / f"sweep-{job.run.id}.point"
        found = sweep_scope(reach, job.progress, kept)
        swept = Swept(open=found.open, closed=found.closed, filtered=found.filtered)
        job.run.finish(STAGE, "sweep", [swept, *found.gaps(job.inputs.scope.path)])
        kept.unlink(missing_ok=True)
    return next(job.only(Swept, STAGE))


def _swept_by_others(job: Job) -> None:
    """Open ports out of the scan results that the scope file names, in place of our own sweep."""
    scope = job.inputs.scope
    gaps: list[Gap] = []
    found: list[Endpoint] = []
    outside = 0
    for item in open_ports(job.inputs.paths(scope.file.imports.sweep)):
        if isinstance(item, Gap):
            gaps.append(item)
        elif scope.covers(*item):
            found.append(Endpoint(address=item[0], port=item[1]))
        else:
            outside += 1
    if outside:
        detail = "open ports of the scan results that are not in scope were left alone"
        place = ", ".join(scope.file.imports.sweep)
        gap = Gap(stage=Stage.REACH, reason=Reason.OUT_OF_SCOPE, place=place, detail=detail)
        gaps.append(replace(gap, count=outside))
    found.sort(key=lambda e: e.key)
    job.run.finish(STAGE, "sweep", [Swept(open=tuple(found), closed=0, filtered=0), *gaps])


def _again(job: Job, endpoints: Sequence[Endpoint]) -> Iterator[Target]:
    """Targets of stored endpoints: made, and so checked, by the scope once more."""
    for e in endpoints:
        try:
            yield job.inputs.scope.target(e.address, e.port, name=e.name)
        except OutOfScope:
            gap = Gap(stage=Stage.REACH, reason=Reason.OUT_OF_SCOPE, place=str(e))
            job.finish_once(STAGE, f"out of scope {e.key}", [gap])


def _imports(job: Job) -> None:
    given = job.inputs.scope.file.imports
    for name in dict.fromkeys((*given.shodan, *given.files, *given.sweep)):
        (path,) = job.inputs.paths((name,))
        if not job.run.done(IMPORTS, name):
            job.run.finish(IMPORTS, name, read_imports([path]))


def own_observations(job: Job) -> tuple[Observation, ...]:
    """What our probes saw, with what is doubtful about the host of each."""
    seen = tuple(job.only(Observation, STAGE))
    swept = next(job.only(Swept, STAGE), None)
    crowd = crowded(swept.open, len(job.inputs.scope.ports)) if swept else {}
    said = doubts(seen, crowd)
    return tuple(replace(o, doubt=said.get(o.endpoint.address, "")) for o in seen)


def sightings(job: Job) -> tuple[Observation, ...]:
    """What outside sensors saw."""
    return tuple(job.only(Observation, IMPORTS))


def evidence(job: Job) -> tuple[Evidence, ...]:
    """The exchanges behind our observations."""
    return tuple(job.only(Evidence, STAGE))
