"""Places and Gaps of the contents stage, made cheaply: a store has millions of them."""

from __future__ import annotations

import re
from functools import lru_cache

from leftopen.model.blob import Provenance, Step
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import safe

_NAME_CHARS = 120
_DATE = re.compile(r"\d{1,4}(?:-\d{1,2}){0,2}")


def below(place: Provenance, kind: str, name: str | bytes) -> Provenance:
    """One step deeper; `name` may be hostile. As `Provenance.child`, with repeated names cached."""
    return Provenance(steps=(*place.steps, _step(kind, name[: 4 * _NAME_CHARS])))


def numbered(place: Provenance, kind: str, number: int) -> Provenance:
    """One step deeper, to the item `#number` (from 1) of a container."""
    return Provenance(steps=(*place.steps, Step(kind=kind, name=f"#{number}")))


def mailbox_of(folder: str) -> str:
    """A folder without what only divides it by date: `security/2019-06` is `security`."""
    parts = folder.strip("/").split("/")
    while len(parts) > 1 and _DATE.fullmatch(parts[-1]):
        parts.pop()
    return "/".join(parts)


@lru_cache(maxsize=4096)
def _step(kind: str, name: str | bytes) -> Step:
    return Step(kind=kind, name=safe(name, _NAME_CHARS))


def gap(
    reason: Reason,
    place: Provenance | str,
    detail: str = "",
    *,
    count: int = 1,
    size: int = 0,
) -> Gap:
    """A Gap of this stage. `detail` may quote an error message: it is masked and cut here."""
    return Gap(
        stage=Stage.CONTENTS,
        reason=reason,
        place=str(place),
        detail=safe(detail) if detail else "",
        count=count,
        size=size,
    )
