"""Contents in units: the listing of an exposure is one, each object that is read is one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from leftopen.contents import examine, sampling, summarise
from leftopen.contents.place import mailbox_of
from leftopen.model.blob import Blob, Provenance
from leftopen.model.exposure import Exposure, ObjectRef, Size
from leftopen.model.finding import Contents, ObjectReport
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import Keyring, safe
from leftopen.model.run import Listing
from leftopen.reach.reach import FetchedObject, Reach, object_name
from leftopen.run.job import Job

SAMPLES = 4  # the tier of the rules of engagement that lets a sample be read
WORKERS = min(4, os.cpu_count() or 1)


def stage_of(exposure: Exposure) -> str:
    """The name under which the contents of one exposure are stored."""
    return f"contents {exposure.uid}"


def read_exposure(job: Job, reach: Reach, exposure: Exposure) -> None:
    """List the store, draw the sample, and examine what of it is not examined yet."""
    stage = stage_of(exposure)
    if job.run.done(stage, "end"):
        return
    if job.inputs.scope.tier(exposure.endpoint.address) < SAMPLES:
        detail = "the rules of engagement stop at tier 3, so nothing was read beyond the proof"
        place = str(exposure.endpoint)
        gap = Gap(stage=Stage.CONTENTS, reason=Reason.RULES, place=place, detail=detail)
        job.finish_once(stage, "end", [gap])
        return
    job.progress.begin(f"listing {exposure.endpoint}")
    refs: list[ObjectRef] = []
    gaps: list[Gap] = []
    for item in reach.listing(exposure):
        if isinstance(item, Gap):
            gaps.append(item)
        else:
            refs.append(item)
            job.progress.advance()
    wish = job.inputs.scope.file.sample
    sample = sampling.choose(refs, objects=wish.objects, bytes=wish.bytes, seed=wish.seed)
    left_out = sample.not_sampled(str(exposure.endpoint))
    records = [_listing(exposure, refs, gaps, sample), *gaps, *([left_out] if left_out else [])]
    job.finish_once(stage, "listing", records)
    _fetch_sample(job, reach, exposure, sample)
    job.finish_once(stage, "end", ())


def _listing(
    exposure: Exposure, refs: Sequence[ObjectRef], gaps: Sequence[Gap], sample: sampling.Sample
) -> Listing:
    sizes = [r.size for r in refs]
    known = [s for s in sizes if s is not None]
    return Listing(
        exposure=exposure.uid,
        objects=len(refs),
        bytes=sum(known) if len(known) == len(sizes) else None,
        complete=not gaps,
        population=dict(sample.population),
        chosen=len(sample.chosen),
        left_out=sample.left_objects,
    )


def _fetch_sample(job: Job, reach: Reach, exposure: Exposure, sample: sampling.Sample) -> None:
    stage = stage_of(exposure)
    done = job.run.done_units(stage)
    strata = {_unit(job, exposure, ref): stratum for ref, stratum in sample.chosen}
    todo = [ref for ref, _ in sample.chosen if _unit(job, exposure, ref) not in done]
    wish = job.inputs.scope.file.sample
    spent = sum(r.bytes for r in job.only(ObjectReport, stage))
    job.progress.begin(f"reading a sample of {exposure.endpoint}", len(todo))
    loose: list[Gap] = []
    fetched = _tasks(
        job,
        exposure,
        reach.fetch(exposure, todo, bytes=max(0, wish.bytes - spent), seconds=float(wish.seconds)),
        strata,
        loose,
    )
    # In processes of their own: a document that kills its native reader costs that document only.
    work = partial(_examined, job.keyring.raw, exposure.protocol)
    for task, result in job.workers.map(work, fetched):
        unit = _unit(job, exposure, task.item.ref)
        found = [_crash(task, exposure, result)] if isinstance(result, BaseException) else result
        job.run.finish(stage, unit, found)
        job.progress.advance()
    job.finish_once(stage, "not fetched", loose)


@dataclass(frozen=True, slots=True)
class _Task:
    """One fetched object and its stratum, on its way to a worker."""

    item: FetchedObject
    stratum: str


def _tasks(
    job: Job,
    exposure: Exposure,
    fetched: Iterator[FetchedObject | Gap],
    strata: dict[str, str],
    loose: list[Gap],
) -> Iterator[_Task]:
    for item in fetched:
        if isinstance(item, Gap):
            loose.append(item)
        else:
            yield _Task(item, strata[_unit(job, exposure, item.ref)])


def _crash(task: _Task, exposure: Exposure, error: BaseException) -> Gap:
    return Gap(
        stage=Stage.CONTENTS,
        reason=Reason.CRASHED,
        place=safe(object_name(task.item.ref, exposure.protocol), 120),
        detail=f"its reader failed: {type(error).__name__}",
        size=len(task.item.data),
    )


def _unit(job: Job, exposure: Exposure, ref: ObjectRef) -> str:
    return job.keyring.digest("object", object_name(ref, exposure.protocol))


def _examined(key: bytes, protocol: str, task: _Task) -> list[ObjectReport | Gap]:
    """In a worker: everything found in one object."""
    item, ref = task.item, task.item.ref
    name = object_name(ref, protocol)
    place = Provenance().child("object", name)
    blob = Blob(
        data=item.data, place=place, name=name, media_type=item.media_type, complete=item.complete
    )
    records = list(
        examine.examine_blob(
            blob,
            Keyring(key),
            name=name,
            group=safe(mailbox_of(ref.group), 80),
            stratum=task.stratum,
        )
    )
    if not item.complete:
        records.append(_cut(place, len(item.data), ref.size))
    return records


def _cut(place: Provenance, read: int, size: int | None) -> Gap:
    left = max(0, (size or 0) - read)
    detail = f"read up to {read} bytes"
    return Gap(
        stage=Stage.CONTENTS, reason=Reason.TOO_LARGE, place=str(place), detail=detail, size=left
    )


def contents_of(job: Job, exposure: Exposure) -> Contents | None:
    """The answer to "what is in there", from what is stored; None where nothing was listed."""
    stage = stage_of(exposure)
    listing = next(job.only(Listing, stage), None)
    if listing is None:
        return None
    reports = list(job.only(ObjectReport, stage))
    whole = max(Counter(r.object_id for r in reports).values(), default=1) == 1
    one_each = whole and len(reports) <= listing.chosen
    return summarise.summarise(
        reports,
        objects_total=listing.objects if one_each else None,
        bytes_total=listing.bytes,
        population=listing.population if one_each else None,
        gaps=gaps_of(job, exposure),
        keyring=job.keyring,
    )


def size_of(job: Job, exposure: Exposure) -> Size | None:
    """How much the store holds: what the proof saw, or the listing where it saw a part only."""
    listing = next(job.only(Listing, stage_of(exposure)), None)
    seen = exposure.size
    # A database is listed by table and counted by row: there the listing is no better.
    if listing is None or not listing.objects or (seen and (seen.complete or seen.unit == "rows")):
        return seen
    return Size(
        objects=listing.objects,
        bytes=listing.bytes,
        unit=seen.unit if seen else "objects",
        basis="listing of the whole store" if listing.complete else "listing, cut short",
        complete=listing.complete,
    )


def listed_whole(job: Job, exposure: Exposure) -> bool:
    """Whether the store was listed to its end."""
    listing = next(job.only(Listing, stage_of(exposure)), None)
    return listing is not None and listing.complete


def gaps_of(job: Job, exposure: Exposure) -> tuple[Gap, ...]:
    """What of the store was not examined, the part left out of the sample among it."""
    return job.gaps(stage_of(exposure))
