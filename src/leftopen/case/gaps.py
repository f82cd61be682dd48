"""Merges gaps that say the same, so that a report can be read, and loses none of them."""

from __future__ import annotations

from collections.abc import Iterable

from leftopen.model.gap import Gap, Reason, Stage

_DETAILS = 3  # details that a merged gap quotes
_STAGES = list(Stage)


def merge_gaps(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """One gap per stage, reason and place, ordered by them; counts and sizes are summed.

    A count of 0 means that it is not known how many items a gap stands for: so it is for the sum.
    The same holds for sizes only where none is known.
    """
    groups: dict[tuple[Stage, Reason, str], list[Gap]] = {}
    for gap in gaps:
        groups.setdefault((gap.stage, gap.reason, gap.place), []).append(gap)
    order = sorted(groups, key=lambda k: (_STAGES.index(k[0]), k[1].value, k[2]))
    return tuple(_merged(groups[key]) for key in order)


def _merged(group: list[Gap]) -> Gap:
    if len(group) == 1:
        return group[0]
    details = sorted({g.detail for g in group if g.detail})
    more = f"; and {len(details) - _DETAILS} more" if len(details) > _DETAILS else ""
    counts = [g.count for g in group]
    return Gap(
        stage=group[0].stage,
        reason=group[0].reason,
        place=group[0].place,
        detail="; ".join(details[:_DETAILS]) + more,
        count=sum(counts) if all(counts) else 0,
        size=sum(g.size for g in group),
    )
