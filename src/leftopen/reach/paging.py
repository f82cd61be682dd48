"""Lists of buckets and containers, page by page: sized for a proof, or named object by object."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from leftopen.model.exposure import ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import Response
from leftopen.reach.api import Context

MAX_PAGES: Final = 200
PROOF_PAGES: Final = 3


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `token` asks for the next one, "" at the end."""

    refs: tuple[ObjectRef, ...]
    token: str = ""
    unnamed: int = 0  # objects whose key is missing or longer than any key


@dataclass(frozen=True, slots=True)
class Stock:
    """What the first pages of a list name."""

    refs: tuple[ObjectRef, ...]
    pages: int
    complete: bool

    def size(self, unit: str, basis: str) -> Size:
        """The size; its bytes are unknown where one object has none."""
        sizes = [ref.size for ref in self.refs]
        return Size(
            objects=len(sizes),
            bytes=sum(s or 0 for s in sizes) if None not in sizes else None,
            unit=unit,
            basis=f"{basis}, {self.pages} pages",
            complete=self.complete,
        )

    def folders(self) -> tuple[str, ...]:
        """The first 20 folders, as safe text."""
        return tuple(dict.fromkeys(safe(ref.group, 80) for ref in self.refs if ref.group))[:20]

    def state(self, *, read: bool) -> str:
        """Whether any of it was read, in words."""
        if read:
            return "one of them was read"
        return "none could be read" if self.refs else "it is empty"


async def take_stock(page: Page, following: Callable[[str], Awaitable[Page | None]]) -> Stock:
    """The first `PROOF_PAGES` pages, of which `page` is there; `following` asks by a token."""
    refs, pages = list(page.refs), 1
    while page.token and pages < PROOF_PAGES:
        after = await following(page.token)
        if after is None or after.token == page.token:
            break
        page, pages = after, pages + 1
        refs += page.refs
    return Stock(tuple(refs), pages, complete=not page.token)


# A page by its token, "" for the first: its request path, the answer, None where it is no list.
Ask = Callable[[str], Awaitable[tuple[str, Response, Page | None]]]


def of_page(context: Context, path: str, page: Page, unnamed: str) -> list[ObjectRef | Gap]:
    """The objects of one page, and a Gap for those without a name: `unnamed` says it."""
    refs: list[ObjectRef | Gap] = [*page.refs]
    if page.unnamed:
        refs.append(context.gap(Reason.UNPARSED, path, unnamed, count=page.unnamed))
    return refs


def no_list(context: Context, path: str, answer: Response) -> Gap:
    """The Gap of an answer that is no page."""
    return context.gap(Reason.UNPARSED, path, f"no list, answered with {answer.status}")


def repeated(context: Context, path: str) -> Gap:
    """The Gap of a page that leads to itself."""
    return context.gap(Reason.MISBEHAVED, path, "the same page again and again")


def too_many(context: Context, place: str) -> Gap:
    """The Gap of a list with more than `MAX_PAGES` pages."""
    return context.gap(Reason.BUDGET, place, f"stopped after {MAX_PAGES} pages")


async def every_object(
    context: Context, place: str, alone: str, ask: Ask, unnamed: str
) -> AsyncIterator[ObjectRef | Gap]:
    """All objects of a list, the first `MAX_PAGES` pages of it.

    `alone` is the object of the store URL ("" for none), which stands where there is no list.
    """
    token = ""
    for _ in range(MAX_PAGES):
        path, answer, page = await ask(token)
        if page is None:
            yield ObjectRef(path=alone) if alone and not token else no_list(context, path, answer)
            return
        for item in of_page(context, path, page, unnamed):
            yield item
        if not page.token:
            return
        if page.token == token:
            yield repeated(context, path)
            return
        token = page.token
    yield too_many(context, place)
