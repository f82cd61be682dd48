"""Puts the five answers of a run together: exposures become cases, cases an investigation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from leftopen.case.exit import exit_code
from leftopen.case.gaps import merge_gaps
from leftopen.case.severity import severity_of
from leftopen.case.signals import signals
from leftopen.case.similar import Index
from leftopen.case.window import OWN_SENSOR
from leftopen.case.words import title
from leftopen.model.case import Case, EarlierCase, Investigation, RunInfo
from leftopen.model.cause import CauseFinding
from leftopen.model.exposure import OPEN, Evidence, Exposure, Observation
from leftopen.model.finding import Contents
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.trace import TraceResult

OF_THE_RUN = ""  # the key of gaps that belong to no single exposure


def assemble(
    *,
    run: RunInfo,
    as_of: datetime,
    organisation: str,
    authority: str,
    vantage: str,
    scope_sha256: str,
    targets: int,
    exposures: Sequence[Exposure],
    contents: Mapping[str, Contents],
    causes: Mapping[str, Sequence[CauseFinding]],
    trace: Mapping[str, TraceResult],
    other_causes: Sequence[CauseFinding] = (),
    closed: Sequence[Observation] = (),
    sightings: Sequence[Observation] = (),
    evidence: Sequence[Evidence] = (),
    gaps: Mapping[str, Sequence[Gap]] | None = None,
    library: Sequence[EarlierCase] | Index = (),
    similar: int = 5,
) -> Investigation:
    """The investigation of one run; the mappings are by `Exposure.uid`.

    Gaps under a uid that is no exposure's count as the run's own: none is lost. What a stage did
    not answer for an exposure becomes a Gap of its case, unless the stage has left one itself.
    Cases are ordered worst first. The same input gives the same investigation.

    Raises:
        ValueError: contents, causes or a trace are for an exposure that is not given.
    """
    uids = {e.uid for e in exposures}
    _refuse_strays(uids, contents=contents, causes=causes, trace=trace)
    gaps = gaps or {}
    index = library if isinstance(library, Index) else Index(library)
    cases = [
        _case(
            exposure,
            as_of=as_of,
            contents=contents.get(exposure.uid),
            causes=tuple(causes.get(exposure.uid, ())),
            trace=trace.get(exposure.uid),
            gaps=tuple(gaps.get(exposure.uid, ())),
            evidence=_evidence_of(exposure, evidence),
        )
        for exposure in exposures
    ]
    if similar:
        cases = [msgspec.structs.replace(c, similar=index.closest(c, similar)) for c in cases]
    of_run = [gap for uid, some in gaps.items() if uid not in uids for gap in some]
    made = Investigation(
        run=run,
        as_of=as_of,
        organisation=organisation,
        authority=authority,
        vantage=vantage,
        scope_sha256=scope_sha256,
        targets=targets,
        cases=tuple(sorted(cases, key=lambda c: (-c.severity.rank, c.exposure.endpoint.key))),
        closed=tuple(closed),
        other_causes=tuple(other_causes),
        sightings=tuple(sightings),
        gaps=merge_gaps(of_run),
    )
    return msgspec.structs.replace(made, exit_code=exit_code(made))


def _refuse_strays(uids: set[str], **answers: Mapping[str, object]) -> None:
    for name, given in answers.items():
        if stray := sorted(set(given) - uids):
            raise ValueError(f"{name} for an exposure that is not given: {', '.join(stray)}")


def _case(
    exposure: Exposure,
    *,
    as_of: datetime,
    contents: Contents | None,
    causes: tuple[CauseFinding, ...],
    trace: TraceResult | None,
    gaps: tuple[Gap, ...],
    evidence: tuple[Evidence, ...],
) -> Case:
    state = state_of(exposure)
    confirmed = state != "reported"
    severity, reasons = severity_of(exposure, contents, trace, confirmed=confirmed)
    sensors = () if confirmed else tuple(sorted({o.sensor for o in exposure.observations}))
    missing = _missing(exposure, gaps, contents, causes, trace)
    case = Case(
        uid=exposure.uid,
        title=title(exposure, contents, sensors=sensors),
        state=state,
        severity=severity,
        severity_reasons=reasons,
        exposure=exposure,
        window=exposure.window(as_of),
        contents=contents,
        causes=causes,
        trace=trace,
        gaps=merge_gaps((*gaps, *missing)),
        evidence=evidence,
    )
    return msgspec.structs.replace(case, signals=signals(case))


def state_of(exposure: Exposure) -> str:
    """`reported` where only outside sensors saw it open, else `closed` or `open`."""
    own = any(o.sensor == OWN_SENSOR and o.access in OPEN for o in exposure.observations)
    if not own:
        return "reported"
    return "open" if exposure.closed.before is None else "closed"


def _evidence_of(exposure: Exposure, evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """The exchanges that this exposure's observations name, each once, by time."""
    named = {uid for o in exposure.observations for uid in o.evidence}
    found = {e.uid: e for e in evidence if e.uid in named}
    return tuple(sorted(found.values(), key=lambda e: (e.time, e.uid)))


def _missing(
    exposure: Exposure,
    gaps: Sequence[Gap],
    contents: Contents | None,
    causes: Sequence[CauseFinding],
    trace: TraceResult | None,
) -> list[Gap]:
    """A Gap for each question that has neither an answer nor a Gap of its stage."""
    told = {gap.stage for gap in gaps}
    where = str(exposure.endpoint)
    unanswered = (
        (Stage.CONTENTS, contents is None, "nothing of what it holds was examined"),
        (Stage.CAUSE, not causes, "no configuration that explains it was handed over"),
        (Stage.TRACE, trace is None, "no log was handed over: who came in is not known"),
    )
    made = [
        Gap(stage=stage, reason=Reason.NOT_GIVEN, place=where, detail=detail)
        for stage, missing, detail in unanswered
        if missing and stage not in told
    ]
    if exposure.opened.after is None:
        first = exposure.opened.before
        seen = f"before {first.time:%Y-%m-%d %H:%M} UTC" if first else "before now"
        detail = f"nothing says when it was last closed; it may have been open long {seen}"
        made.append(
            Gap(stage=Stage.CASE, reason=Reason.NOT_GIVEN, place=f"{where}, opened", detail=detail)
        )
    return made
