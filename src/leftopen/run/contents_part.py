"""Contents in units: the listing of an exposure is one, each object that is read is one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from leftopen.contents import examine, sampling, summarise
from leftopen.model.blob import Blob, Provenance
from leftopen.model.exposure import Exposure, ObjectRef, Size
from leftopen.model.finding import Contents, ObjectReport
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import safe
from leftopen.model.run import Listing
from leftopen.reach.reach import FetchedObject, Reach, object_name
from leftopen.run.job import Job


def stage_of(exposure: Exposure) -> str:
    """The name under which the contents of one exposure are stored."""
    return f"contents {exposure.uid}"


def read_exposure(job: Job, reach: Reach, exposure: Exposure) -> None:
    """List the store, draw the sample, and examine what of it is not examined yet."""
    stage = stage_of(exposure)
    if job.run.done(stage, "end"):
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
    fetched = reach.fetch(
        exposure, todo, bytes=max(0, wish.bytes - spent), seconds=float(wish.seconds)
    )
    for item in fetched:
        if isinstance(item, Gap):
            loose.append(item)
            continue
        unit = _unit(job, exposure, item.ref)
        job.run.finish(stage, unit, _examined(job, exposure, item, strata[unit]))
        job.progress.advance()
    job.finish_once(stage, "not fetched", loose)


def _unit(job: Job, exposure: Exposure, ref: ObjectRef) -> str:
    return job.keyring.digest("object", object_name(ref, exposure.protocol))


def _examined(
    job: Job, exposure: Exposure, item: FetchedObject, stratum: str
) -> list[ObjectReport | Gap]:
    ref = item.ref
    name = object_name(ref, exposure.protocol)
    place = Provenance().child("object", name)
    blob = Blob(
        data=item.data,
        place=place,
        name=name,
        media_type=item.media_type,
        complete=item.complete,
    )
    made = examine.examine_blob(
        blob, job.keyring, name=name, group=_mailbox(ref.group), stratum=stratum
    )
    records = list(made)
    if not item.complete:
        records.append(_cut(place, len(item.data), ref.size))
    return records


def _mailbox(group: str) -> str:
    """A folder without what only divides it by date: `/security/2019-06/` is `/security`."""
    parts = group.strip("/").split("/")
    while len(parts) > 1 and re.fullmatch(r"\d{1,4}(?:-\d{1,2}){0,2}", parts[-1]):
        parts.pop()
    return safe("/".join(parts), 80)


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
    """How much the store holds: the whole listing where one was made, else what the proof saw."""
    listing = next(job.only(Listing, stage_of(exposure)), None)
    if listing is None or not listing.objects:
        return exposure.size
    unit = exposure.size.unit if exposure.size else "objects"
    return Size(
        objects=listing.objects,
        bytes=listing.bytes,
        unit=unit,
        basis="listing of the whole store" if listing.complete else "listing, cut short",
        complete=listing.complete,
    )


def gaps_of(job: Job, exposure: Exposure) -> tuple[Gap, ...]:
    """What of the store was not examined, the part left out of the sample among it."""
    return job.gaps(stage_of(exposure))
