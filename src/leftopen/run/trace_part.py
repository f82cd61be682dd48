"""Trace in units: each log file is one; the verdict is made from what all of them left."""

from __future__ import annotations

from leftopen.model.exposure import Exposure, Observation
from leftopen.model.finding import Contents, ObjectReport
from leftopen.model.gap import Gap
from leftopen.model.record import from_json, to_json
from leftopen.model.run import Partial
from leftopen.model.time import Bound
from leftopen.model.trace import TraceResult
from leftopen.run.contents_part import stage_of
from leftopen.run.job import Job
from leftopen.trace import opened
from leftopen.trace.digest import SourceDigest
from leftopen.trace.judge import judge
from leftopen.trace.read import read_source
from leftopen.trace.rotation import expand

STAGE = "trace"


def read_logs(job: Job) -> None:
    """Read every log file that is not read yet."""
    given = job.inputs.scope.file.trace
    if not given.files:
        return
    items = [i for path in job.inputs.paths(given.files) for i in expand(str(path))]
    files = [i for i in items if isinstance(i, str)]
    gaps = [i for i in items if isinstance(i, Gap)]
    job.finish_once(STAGE, "list", gaps)
    done = job.run.done_units(STAGE)
    todo = [f for f in files if f"file {f}" not in done]
    job.progress.begin("reading logs", len(todo))
    for path in todo:
        records: list[Partial | Gap] = []
        for item in read_source(path, zone=given.time_zone, keyring=job.keyring):
            records.append(item if isinstance(item, Gap) else _partial(item))
        job.run.finish(STAGE, f"file {path}", records)
        job.progress.advance()


def _partial(digest: SourceDigest) -> Partial:
    body = to_json(digest).decode()
    return Partial(kind="SourceDigest", place=digest.source.path, body=body)


def verdict_of(
    job: Job, exposure: Exposure, contents: Contents | None
) -> tuple[TraceResult | None, tuple[Gap, ...]]:
    """Who came in through this exposure, from the stored digests; None where no log was given."""
    if not job.inputs.scope.file.trace.files:
        return None, ()
    digests = [from_json(p.body, SourceDigest) for p in job.only(Partial, STAGE)]
    size = exposure.size
    return judge(
        digests,
        window=exposure.window(job.as_of),
        window_note=window_note(exposure),
        endpoint=exposure.endpoint,
        protocol=exposure.protocol,
        parties=job.inputs.scope.file.parties,
        stored_objects=contents.objects_total if contents else (size.objects if size else None),
        stored_bytes=contents.bytes_total if contents else (size.bytes if size else None),
        known_objects=frozenset(r.object_id for r in job.only(ObjectReport, stage_of(exposure))),
        self_addresses=own_addresses(job),
        self_since=job.run.info().started,
        as_of=job.as_of,
    )


def first_given(job: Job, exposure: Exposure) -> Bound | None:
    """The first time that a log shows an outsider being given data through this exposure."""
    return opened.first_given(
        [from_json(p.body, SourceDigest) for p in job.only(Partial, STAGE)],
        endpoint=exposure.endpoint,
        protocol=exposure.protocol,
        parties=job.inputs.scope.file.parties,
        self_addresses=own_addresses(job),
        self_since=job.run.info().started,
        as_of=job.as_of,
    )


def own_addresses(job: Job) -> frozenset[str]:
    """The addresses that this run looked from."""
    return frozenset(o.source for o in job.only(Observation, "reach") if o.source)


def window_note(exposure: Exposure) -> str:
    """What the start and the end of the window rest on, in one sentence."""
    after, before, closed = exposure.opened.after, exposure.opened.before, exposure.closed
    if after:
        start = f"The window: not known to be open before {after.time:%d %b %Y %H:%M} UTC"
        start += f" ({after.basis})"
    elif before:
        start = f"The window: first known open {before.time:%d %b %Y %H:%M} UTC"
        start += f" ({before.basis}); when it was opened is not known"
    else:
        start = "The window: when it was opened is not known"
    end = "still open when last looked at"
    if closed.before:
        end = f"known closed from {closed.before.time:%d %b %Y %H:%M} UTC ({closed.before.basis})"
    return f"{start}; {end}."
