"""The words beside the lanes of the time line: which log, which visitor, how much."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from leftopen.brief import plain
from leftopen.brief.charts import text_width
from leftopen.brief.scale import LEFT
from leftopen.model.time import union
from leftopen.model.trace import Party, Source, Visit

NAME = LEFT - 8  # widest name of a lane
SMALL, BODY = 11.0, 12.5  # text sizes, as in timeline.css


def base(path: str) -> str:
    """The last part of a path."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path


def by_log(sources: Sequence[Source]) -> list[tuple[Source, int]]:
    """Rotations of one log as one: what any of its files speaks for; how many files it has."""
    logs: dict[tuple[str, str], list[Source]] = {}
    for source in sources:
        logs.setdefault((source.format, source.series or source.path), []).append(source)
    return [(_joined_log(series, parts), len(parts)) for (_, series), parts in sorted(logs.items())]


def _joined_log(series: str, parts: Sequence[Source]) -> Source:
    covers = union(c for part in parts for c in part.covers)
    path = series if len(parts) > 1 else parts[0].path
    return replace(parts[0], path=path, covers=covers)


def nature(source: Source, count: int) -> str:
    """Format, number of files and what its bytes mean, as far as there is room."""
    parts = [plain.shown(source.format, 40)]
    if count > 1:
        parts.append(f"{count} files")
    if source.byte_meaning in ("", "none"):
        parts.append("no byte counts")
    elif source.names_objects:
        parts.append("names objects")
    while len(parts) > 1 and text_width(", ".join(parts), SMALL) > NAME:
        parts.pop()
    return ", ".join(parts)


def _party_name(party: Party) -> str:
    return f" {plain.shown(party.name, 30)}" if party.name else ""


def who(visit: Visit) -> str:
    """A visitor and how much left."""
    return f"{plain.shown(visit.client, 45)}{_party_name(visit.party)}: {left(visit)}"


def left(visit: Visit) -> str:
    """How much left to a visitor."""
    text = plain.amount(visit.bytes_out)
    return f"bytes {text}" if text == plain.NOT_KNOWN else text


def crowd(visits: Sequence[Visit]) -> str:
    """How many visitors of a kind, and how much left to them together."""
    low = sum(v.bytes_out.low for v in visits)
    clients = plain.plural(len({v.client for v in visits}), "client")
    if not low:
        counted = all(v.bytes_out.high == 0 for v in visits)
        return f"{clients}, {'no bytes' if counted else 'bytes not known'}"
    exact = all(v.bytes_out.high == v.bytes_out.low for v in visits)
    return f"{clients}, {'' if exact else 'at least '}{plain.size(low)}"
