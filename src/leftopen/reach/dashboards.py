"""Programs over HTTP that tell of themselves and name what they run: what their proofs share.

One address says what the program is (its version, a state); others name jobs, tables, databases.
Names are as far as it goes: nothing is submitted, and no job is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import Access, Size
from leftopen.model.gap import Reason
from leftopen.model.redact import safe
from leftopen.net.http import HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Proof
from leftopen.reach.documents import REFUSED, get, shown

MAX_NAMES: Final = 10_000
_TITLE: Final = re.compile(rb"<title>\s*([^<]{0,120}?)\s*</title>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Info:
    """An address that says what the program is: its version, "" where it names none.

    `read` sees an answer with 200 and says None where that is another program. `asks` sees one
    with 401 or 403, and says whether only this program refuses in that way.
    """

    path: str
    read: Callable[[Response], str | None]
    asks: Callable[[Response], bool] | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """An address that names things; `read` says None where it is no such list."""

    path: str
    what: str
    read: Callable[[Response], Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Product:
    """A program, and the addresses that are asked in their order; the first Info that fits counts.

    `names` are alternatives of versions: the first that names something counts.
    """

    name: str
    info: tuple[Info, ...]
    names: tuple[Names, ...] = ()


def leads_to(answer: Response, *paths: str) -> bool:
    """Whether an answer is a redirect to one of these paths, on whichever host."""
    try:
        path = urlsplit(answer.headers.get("location", "")).path
    except ValueError:
        return False
    return answer.status in web.REDIRECTS and path in paths


def titled(answer: Response, pattern: bytes) -> bool:
    """Whether a page has a title that this regular expression matches whole."""
    found = _TITLE.search(answer.body[:65_536]) if answer.media_type == "text/html" else None
    return found is not None and re.fullmatch(pattern, found.group(1)) is not None


async def look(context: Context, product: Product) -> Proof | None:
    """What it is and what it names; None where it is another program.

    Raises what the client raises once the program is known.
    """
    async with context.http() as client:
        try:
            known = await _known(context, client, product)
        except BudgetSpent:
            raise
        except ProtocolError:  # the first page may be any program's
            return None
        if known is None or known.access is Access.ASKS_CREDENTIAL:
            return known
        for names in product.names:
            found = await _named(context, client, names, known)
            if found.access is not known.access:
                return found
            known = found
        return known


async def _known(context: Context, client: HttpClient, product: Product) -> Proof | None:
    for info in product.info:
        answer = await get(client, info.path)
        seen = shown(context, info.path, answer)
        if answer.status in REFUSED and info.asks and info.asks(answer):
            refused = web.refusal(context, web.Landing(info.path, answer))
            return replace(refused, product=product.name) if refused else None
        version = info.read(answer) if answer.status == 200 else None
        if version is None:
            continue
        folder = info.path.partition("?")[0].rpartition("/")[0]
        other = await web.nonsense(context, client, f"{folder}/")
        if other.status == 200 and info.read(other) is not None:
            return None  # it says the same of every name
        said = safe(version, 60)
        detail = f"says what it is without a login ({said or 'no version'})"
        return Proof(Access.METADATA, detail, product=product.name, version=said, evidence=(seen,))
    return None


async def _named(context: Context, client: HttpClient, names: Names, known: Proof) -> Proof:
    """The proof with what one list adds to it."""
    answer = await get(client, names.path)
    if answer.status in REFUSED:
        detail = f"{known.detail}; the list of {names.what} is refused with {answer.status}"
        seen = (*known.evidence, shown(context, names.path, answer))
        return replace(known, access=Access.ASKS_CREDENTIAL, detail=detail, evidence=seen)
    found = names.read(answer) if answer.status == 200 else None
    if found is None:
        reason = Reason.TOO_LARGE if not answer.complete else Reason.UNPARSED
        unread = f"no list of {names.what}, answered with {answer.status}"
        return replace(known, gaps=(*known.gaps, context.gap(reason, names.path, unread)))
    if not found:
        return replace(known, detail=f"{known.detail}; it names none of its {names.what}")
    listed = tuple(safe(name, 80) for name in found[:20])
    command = web.reproduce(context, names.path)
    seen = (*known.evidence, context.evidence(f"GET {names.path}", _lines(listed), command))
    return replace(
        known,
        access=Access.LISTS,
        detail=f"{len(found[:MAX_NAMES])} {names.what} are named without a login",
        size=Size(
            objects=len(found[:MAX_NAMES]),
            unit=names.what,
            basis=names.path,
            complete=len(found) <= MAX_NAMES,
        ),
        evidence=seen,
        containers=listed,
    )


def _lines(names: tuple[str, ...]) -> bytes:
    return "\n".join(names).encode()
