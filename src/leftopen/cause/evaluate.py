"""Judgements to causes: finds the smallest change that really closes each, by trying it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from leftopen.cause.api import Edit, Files, Judgement, Remedy, SourceFile, shown
from leftopen.cause.files import MemoryFiles, gap
from leftopen.cause.patch import apply, diff
from leftopen.model.cause import Cause, Fix, Truth, all_of
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe

# Characters that are read again to try changes, for one configuration: a limit that does not
# depend on the machine, so that two runs say the same.
MAX_REREAD = 2_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's judgement, and what a Cause needs to know of the rule."""

    rule: str
    product: str
    protocol: str
    references: tuple[str, ...]
    judgement: Judgement
    number: int = 1  # of those with the same subject

    @property
    def subject(self) -> tuple[str, str]:
        """What it is about."""
        return self.rule, self.judgement.subject


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was read and judged of one configuration."""

    verdicts: tuple[Verdict, ...]
    gaps: tuple[Gap, ...]
    files: dict[str, SourceFile]


Judge = Callable[[Files], Reading]


def within_reach(judgement: Judgement) -> Truth:
    """Open for somebody who reaches the address that it listens on, whatever that is."""
    return all_of(*(f.holds for f in judgement.factors if f.name != "listen"))


def causes(judge: Judge, files: Files, place: str) -> Iterator[Cause | Gap]:
    """Judge one configuration: its Gaps, then a Cause (with a Fix) for each verdict."""
    found = judge(files)
    yield from found.gaps
    size = sum(len(source.text) for source in found.files.values())
    left, without = MAX_REREAD, 0
    for verdict in found.verdicts:
        fix, part = None, verdict.judgement.part
        if within_reach(verdict.judgement) is not Truth.NO:
            cost = part[1] - part[0] if part else size
            # The first change is always worked out, however large the file is.
            if left == MAX_REREAD or left >= cost:
                fix = _fix(judge, files, found, verdict)
                left -= cost
            else:
                without += 1
        yield _cause(verdict, found, fix)
    if without:
        yield gap(Reason.BUDGET, place, "no change was worked out for the last ones", without)


def _cause(verdict: Verdict, found: Reading, fix: Fix | None) -> Cause:
    judgement = verdict.judgement
    named = {f.origin.file for f in judgement.factors}
    changed = [s.changed for path, s in found.files.items() if safe(path, 300) in named]
    return Cause(
        rule=verdict.rule,
        product=verdict.product,
        protocol=judgement.protocol or verdict.protocol,
        title=shown(judgement.title),
        open=judgement.open,
        factors=judgement.factors,
        addresses=tuple(shown(a, 60) for a in judgement.addresses[:64]),
        ports=judgement.ports,
        fix=fix,
        references=verdict.references,
        changed=max(changed, default=""),
    )


def _fix(judge: Judge, files: Files, found: Reading, verdict: Verdict) -> Fix | None:
    """The first remedy after which the same subject is closed."""
    for remedy in verdict.judgement.remedies:
        sources = {e.file: found.files[e.file] for e in remedy.edits if e.file in found.files}
        edited = {
            path: _edited(source, _of(remedy, path), verdict.judgement.part)
            for path, source in sources.items()
        }
        if _closed(judge(MemoryFiles(edited, behind=files)), verdict):
            return _shown(remedy, tuple(sources.values()))
    return None


def _edited(source: SourceFile, edits: Sequence[Edit], part: tuple[int, int] | None) -> str:
    """The file, or the part of it that can be judged alone, with the edits made."""
    start, end = part or (0, len(source.text))
    moved = [Edit(e.file, e.start - start, e.end - start, e.text) for e in edits]
    return apply(source.text[start:end], moved)


def _of(remedy: Remedy, path: str) -> Sequence[Edit]:
    return [e for e in remedy.edits if e.file == path]


def _closed(after: Reading, before: Verdict) -> bool:
    """Is the same subject closed? A part that was judged alone holds no other of its name."""
    part = before.judgement.part
    loopback_only = before.judgement.open is Truth.NO
    return all(
        (within_reach(v.judgement) if loopback_only else v.judgement.open) is Truth.NO
        for v in after.verdicts
        if v.subject == before.subject
        and (v.number == before.number if part is None else _same_ports(v, before))
    )


def _same_ports(one: Verdict, two: Verdict) -> bool:
    ports = set(one.judgement.ports), set(two.judgement.ports)
    return not all(ports) or bool(ports[0] & ports[1])


def _shown(remedy: Remedy, sources: Sequence[SourceFile]) -> Fix:
    diffs = [diff(source, _of(remedy, source.path)) for source in sources]
    note = remedy.note
    if sources and not all(diffs):
        lines = ", ".join(f"line {_line(s, e)}" for s in sources for e in _of(remedy, s.path))
        note = f"The change at {lines} is not shown: it would show a secret. {note}".strip()
    return Fix(
        title=remedy.title,
        file=safe(sources[0].path, 300) if sources else "",
        diff="".join(diffs) if all(diffs) else "",
        command=remedy.command,
        note=note,
    )


def _line(source: SourceFile, edit: Edit) -> int:
    return source.text.count("\n", 0, edit.start) + 1
