"""The main job: reach, contents, cause, trace and case, in units that survive being killed.

Each finished unit is one transaction. A rerun after a kill does what is not done, and the report
is made from stored records alone, in an order that does not depend on when they were stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from leftopen import __version__
from leftopen.case.assemble import assemble
from leftopen.case.library import bundled
from leftopen.case.window import exposures_from
from leftopen.cause.explain import explain_unit, list_units
from leftopen.cause.match import Matched, match
from leftopen.model.case import EarlierCase, Investigation
from leftopen.model.cause import Agreement, Cause, CauseFinding
from leftopen.model.exposure import OPEN, Access, Exposure
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.time import Bound, now
from leftopen.reach.reach import Reach
from leftopen.run import contents_part, reach_part, trace_part
from leftopen.run.inputs import STORE_FILE, case_folder, open_scope
from leftopen.run.job import Job
from leftopen.run.keys import keyring_of
from leftopen.run.local import Workers
from leftopen.run.outputs import write_reports
from leftopen.run.progress import Progress, Silent
from leftopen.store.store import Store

QUIET = (Access.CLOSED, Access.FILTERED)


def investigate(
    scope_path: Path, folder: Path, *, store: str = "", progress: Progress | None = None
) -> tuple[Investigation, dict[str, Path]]:
    """Run or resume the main job; the investigation and where its reports are.

    Raises:
        UsageError: the scope file or a path in it is wrong.
        StoreError: another process runs over this scope, or the store cannot be used.
    """
    inputs = open_scope(scope_path)
    case_folder(folder)
    keyring = keyring_of(folder)
    file = inputs.scope.file
    organisation = file.authority.organisation if file.authority else ""
    with Store.open(store or folder / STORE_FILE) as opened:
        run = opened.begin_run(inputs.scope.sha256, file.vantage, organisation, now(), __version__)
        with Workers(contents_part.WORKERS) as workers:
            job = Job(inputs, run, keyring, progress or Silent(), workers, folder)
            _work(job)
        made = _account(job, (*bundled(), *opened.pages()))
        run.close(now())
        opened.save_investigation(run.id, made)
    return made, write_reports(made, folder)


def _work(job: Job) -> None:
    """Everything that looks at something; each unit of it once."""
    file = job.inputs.scope.file
    reach = Reach(job.inputs.scope, job.keyring, job.run.id)
    reach_part.observe(job, reach)
    _explain(job)
    for exposure in _exposures(job, {}, {}):
        if exposure.access in OPEN and _ours(exposure):
            contents_part.read_exposure(job, reach, exposure)
    trace_part.read_logs(job)
    if not file.trace.files:
        gap = Gap(
            stage=Stage.TRACE,
            reason=Reason.NOT_GIVEN,
            place="[trace] files of the scope file",
            detail="no log was handed over, so who came in is not known",
        )
        job.finish_once(trace_part.STAGE, "list", [gap])


def _explain(job: Job) -> None:
    """Judge the configurations; the versions that the probes saw decide between defaults."""
    paths = job.inputs.paths(job.inputs.scope.file.cause.files)
    units = list_units(paths)
    seen: dict[str, set[str]] = {}
    for o in reach_part.own_observations(job):
        if o.product and o.version:
            seen.setdefault(o.product.lower(), set()).add(o.version)
    versions = {product: min(found) for product, found in seen.items() if len(found) == 1}
    job.progress.begin("reading configuration", len(units))
    for unit in units:
        if not job.run.done("cause", unit):
            job.run.finish("cause", unit, explain_unit(unit, versions=versions))
        job.progress.advance()


def _ours(exposure: Exposure) -> bool:
    """Whether our own probe proved it (a sighting alone is only reported)."""
    return any(o.sensor == "leftopen" for o in exposure.observations)


Marks = Mapping[str, tuple[Bound, ...]]


def _exposures(job: Job, closed: Marks, opened: Marks) -> tuple[Exposure, ...]:
    return exposures_from(
        reach_part.own_observations(job),
        reach_part.sightings(job),
        as_of=job.as_of,
        known_closed_before=closed,
        known_open=opened,
    )


def _account(job: Job, library: tuple[EarlierCase, ...]) -> Investigation:
    """The investigation, from stored records alone."""
    job.progress.begin("putting the case together")
    seen = reach_part.own_observations(job)
    quiet = tuple(o for o in seen if o.access not in OPEN)
    causes = tuple(job.only(Cause, "cause"))
    bare = _exposures(job, {}, {})
    matched = match(causes, bare, quiet)
    closed, opened = _marks(matched, bare), _log_marks(job, bare)
    exposures = tuple(
        replace(e, size=contents_part.size_of(job, e)) for e in _exposures(job, closed, opened)
    )
    gaps: dict[str, tuple[Gap, ...]] = {"": _loose_gaps(job, exposures)}
    contents, traces = {}, {}
    for exposure in exposures:
        found = contents_part.contents_of(job, exposure)
        if found:
            contents[exposure.uid] = found
        result, unseen = trace_part.verdict_of(job, exposure, found)
        if result:
            traces[exposure.uid] = result
        gaps[exposure.uid] = (*contents_part.gaps_of(job, exposure), *unseen)
    file = job.inputs.scope.file
    return assemble(
        run=job.run.info(),
        as_of=job.as_of,
        organisation=file.authority.organisation if file.authority else "",
        authority=file.authority.reference if file.authority else "",
        vantage=file.vantage,
        scope_sha256=job.inputs.scope.sha256,
        targets=job.inputs.scope.count(),
        exposures=exposures,
        contents=contents,
        causes=matched.by_exposure,
        other_causes=matched.others,
        trace=traces,
        closed=quiet,
        sightings=reach_part.sightings(job),
        evidence=reach_part.evidence(job),
        gaps=gaps,
        library=library,
    )


def _loose_gaps(job: Job, exposures: Sequence[Exposure]) -> tuple[Gap, ...]:
    """Gaps of no single case. A proof counts within its budget; a whole listing made that good."""
    stages = (reach_part.STAGE, reach_part.IMPORTS, "cause", trace_part.STAGE)
    whole = tuple(f"{e.endpoint} > " for e in exposures if contents_part.listed_whole(job, e))
    return tuple(
        gap
        for stage in stages
        for gap in job.gaps(stage)
        if not (gap.reason is Reason.BUDGET and gap.place.startswith(whole))
    )


def _marks(matched: Matched, exposures: tuple[Exposure, ...]) -> dict[str, tuple[Bound, ...]]:
    """What configuration says of the beginning: the file that opens it was last written then."""
    marks: dict[str, tuple[Bound, ...]] = {}
    for exposure in exposures:
        bounds = tuple(
            b for f in matched.by_exposure.get(exposure.uid, ()) if (b := _written(f)) is not None
        )
        if bounds:
            marks[_place(exposure)] = bounds
    return marks


def _log_marks(job: Job, exposures: tuple[Exposure, ...]) -> dict[str, tuple[Bound, ...]]:
    """What logs say of the beginning: an outsider was given data then."""
    found = ((e, trace_part.first_given(job, e)) for e in exposures)
    return {_place(e): (bound,) for e, bound in found if bound}


def _place(exposure: Exposure) -> str:
    return str(replace(exposure.endpoint, name=""))


def _written(finding: CauseFinding) -> Bound | None:
    if finding.agreement is not Agreement.EXPLAINS or not finding.cause.changed:
        return None
    file = next((f.origin.file for f in finding.cause.factors if f.origin.file), "")
    name = Path(file).name or finding.cause.product
    return Bound(
        time=datetime.fromisoformat(finding.cause.changed),
        basis=f"{name} was last written then; what it said before is not known",
    )
