"""How bad a case is: the worst of what is in there, how far a stranger gets, and what left."""

from __future__ import annotations

from leftopen.model.exposure import Access, Exposure
from leftopen.model.finding import Contents, Severity
from leftopen.model.trace import TraceResult, VerdictWord

_VERDICTS = {
    VerdictWord.EXFILTRATED: (Severity.HIGH, "the logs show data leaving to outsiders"),
    VerdictWord.ACCESSED: (Severity.MEDIUM, "the logs show outsiders reading data"),
    VerdictWord.CONTACTED: (Severity.LOW, "outsiders connected; no log shows data leaving"),
    VerdictWord.NO_EVIDENCE: (Severity.LOW, "no log shows an outsider, in the time they cover"),
    VerdictWord.UNKNOWN: (Severity.MEDIUM, "the logs cannot say whether anybody took data"),
}


def severity_of(
    exposure: Exposure, contents: Contents | None, trace: TraceResult | None, *, confirmed: bool
) -> tuple[Severity, tuple[str, ...]]:
    """The severity of a case and its reasons, worst first.

    What was not examined never lowers it: contents that were not or not fully read count as
    medium, since anything can be in them.
    """
    judged = [
        _by_access(exposure, confirmed=confirmed),
        *_by_contents(exposure, contents),
        _by_trace(contents, trace),
    ]
    worst = max(judged, key=lambda j: j[0].rank)[0]
    ordered = sorted(judged, key=lambda j: -j[0].rank)
    return worst, tuple(f"{severity.value}: {why}" for severity, why in ordered)


def _by_access(exposure: Exposure, *, confirmed: bool) -> tuple[Severity, str]:
    verb = "lists names" if exposure.access is Access.LISTS else "gives data"
    if not confirmed:
        return Severity.LOW, f"an outside sensor says that it {verb}; no probe of ours confirmed it"
    return Severity.LOW, f"it {verb} to anybody, without a login"


def _by_contents(exposure: Exposure, contents: Contents | None) -> list[tuple[Severity, str]]:
    if contents is None or not contents.objects_read:
        if exposure.access is Access.LISTS:
            return [(Severity.LOW, "only names were seen; whether contents can be read is unknown")]
        return [(Severity.MEDIUM, "what is in there was not examined and can be anything")]
    judged = []
    if contents.severity is not None:
        found = [f for f in contents.findings if f.severity is contents.severity]
        titles = ", ".join(f"{f.title} in {f.objects:,} objects" for f in found[:3])
        judged.append((contents.severity, f"contents: {titles or 'as the sample showed'}"))
    if not read_whole(contents):
        total = contents.objects_total
        of = f"of {total:,}" if total is not None else "of an unknown number of"
        why = f"{contents.objects_read:,} {of} objects were read; the rest can hold anything"
        judged.append((Severity.MEDIUM, why))
    elif contents.severity is None:
        judged.append((Severity.LOW, "all objects were read and nothing sensitive was found"))
    return judged


def _by_trace(contents: Contents | None, trace: TraceResult | None) -> tuple[Severity, str]:
    if trace is None:
        return Severity.MEDIUM, "no log was handed over: who came in is not known"
    severity, why = _VERDICTS[trace.verdict.word]
    harmless = contents is not None and read_whole(contents) and contents.severity is None
    return (min(severity, Severity.MEDIUM, key=lambda s: s.rank) if harmless else severity), why


def read_whole(contents: Contents) -> bool:
    """Whether every object of the store was read."""
    read = contents.objects_read + contents.duplicates
    total = contents.objects_total
    return total is not None and read >= total and not contents.objects_failed
