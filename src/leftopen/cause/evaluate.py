"""Judgements to causes: finds the smallest change that really closes each, by trying it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from leftopen.cause.api import Edit, Files, Judgement, Remedy, SourceFile, shown
from leftopen.cause.files import MemoryFiles, gap
from leftopen.cause.patch import apply, diff
from leftopen.model.cause import Cause, Fix, Truth, all_of
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe

MAX_FIXES = 100  # changes worked out for one configuration: each one reads it again
MAX_REREAD = 2_000_000  # characters read again for all changes of one configuration


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's judgement, and what a Cause needs to know of the rule."""

    rule: str
    product: str
    protocol: str
    references: tuple[str, ...]
    judgement: Judgement

    @property
    def key(self) -> tuple[str, str]:
        """What it is about: finds the same judgement after an edit."""
        return self.rule, self.judgement.subject

    def numbered(self, number: int) -> Verdict:
        """The same, told apart from others with the same subject."""
        subject = f"{self.judgement.subject} #{number}"
        return replace(self, judgement=replace(self.judgement, subject=subject))


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
    fixes, limit = 0, min(MAX_FIXES, 1 + MAX_REREAD // (size + 1))
    for verdict in found.verdicts:
        fix = None
        if within_reach(verdict.judgement) is not Truth.NO:
            fixes += 1
            fix = _fix(judge, files, found, verdict) if fixes <= limit else None
        yield _cause(verdict, found, fix)
    if fixes > limit:
        detail = f"no change was worked out beyond the first {limit}"
        yield gap(Reason.BUDGET, place, detail, fixes - limit)


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
        edited = {path: apply(source.text, _of(remedy, path)) for path, source in sources.items()}
        after = judge(MemoryFiles(edited, behind=files))
        if not _closed(after, verdict):
            continue
        return _shown(remedy, tuple(sources.values()))
    return None


def _of(remedy: Remedy, path: str) -> Sequence[Edit]:
    return [e for e in remedy.edits if e.file == path]


def _closed(after: Reading, before: Verdict) -> bool:
    same = [v.judgement for v in after.verdicts if v.key == before.key]
    loopback_only = before.judgement.open is Truth.NO
    return all((within_reach(j) if loopback_only else j.open) is Truth.NO for j in same)


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
