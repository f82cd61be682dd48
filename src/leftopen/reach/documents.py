"""Stores of documents over HTTP: what their proofs and listings share.

A product names its stores (collections, indices, cores); one document of one of them is the
proof. Where a product counts documents, the n-th of a store is an address like any other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from leftopen.model.errors import ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.net.http import HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Fetched, ObjectRefused, Proof

TRIED: Final = 3  # stores of which a document is asked for
MAX_STORES: Final = 1000
WINDOW: Final = 10_000  # documents of one store that a listing names
ANSWER_BYTES: Final = 1_000_000
MOST: Final = 2**53  # a count beyond it is none
REFUSED: Final = (401, 403)


@dataclass(frozen=True, slots=True)
class Store:
    """One store; its name is hostile, `address` is what a request path says for it."""

    name: str
    address: str
    documents: int | None = None
    bytes: int | None = None


Read = Callable[[Store], Awaitable[Evidence | None]]
Has = Callable[[Response], bool]


@dataclass(frozen=True, slots=True)
class Words:
    """How a product calls its stores, and what counted them."""

    stores: str
    basis: str


def nobody(context: Context) -> str:
    """A name that nobody has, the same throughout a run."""
    return f"leftopen-{context.keyring.digest('nonsense', context.run_id)[:20]}"


async def get(client: HttpClient, path: str) -> Response:
    """GET of a path, bounded."""
    return await client.request("GET", path, limit=ANSWER_BYTES)


def shown(context: Context, path: str, answer: Response) -> Evidence:
    """Evidence of a GET whose answer names things."""
    return context.evidence(f"GET {path}", answer.body, web.reproduce(context, path))


def unproved(detail: str, evidence: Evidence) -> Proof:
    """UNDETERMINED with the reason and the answer that gives it."""
    return Proof(Access.UNDETERMINED, detail, evidence=(evidence,))


async def one(context: Context, client: HttpClient, path: str, has: Has) -> Evidence | None:
    """Evidence of one document where `has` finds it in the answer.

    Raises:
        ObjectRefused: this store asks for a credential.
    """
    answer = await get(client, path)
    if answer.status in REFUSED:
        raise ObjectRefused(f"answered with {answer.status}")
    if answer.status != 200 or not has(answer):
        return None
    command = web.reproduce(context, path)
    return context.evidence(f"GET {path}", answer.body, command, content=True)


async def proof(found: list[Store], listed: Evidence, read: Read, words: Words) -> Proof:
    """GIVES_DATA when one of the fullest stores gives a document, else LISTS."""
    stores = sorted(found[:MAX_STORES], key=lambda s: -(s.documents or 0))
    document, refused = None, 0
    for store in [s for s in stores if s.documents != 0][:TRIED]:
        try:
            document = await read(store)
        except ObjectRefused:
            refused += 1
        if document:
            break
    state = "one document was read" if document else "no document could be read"
    state = state if stores else "it is empty"
    kept = f", {refused} of those tried refuse" if refused else ""
    return Proof(
        access=Access.GIVES_DATA if document else Access.LISTS,
        detail=f"{len(found)} {words.stores} are named without a login; {state}{kept}",
        size=_size(found, words),
        evidence=(listed, document) if document else (listed,),
        containers=tuple(safe(s.name, 80) for s in stores[:20]),
    )


def _size(stores: list[Store], words: Words) -> Size | None:
    counts = [s.documents for s in stores if s.documents is not None]
    stored = [s.bytes for s in stores if s.bytes is not None]
    if stores and not counts:
        return None
    return Size(
        objects=sum(counts),
        bytes=sum(stored) if len(stored) == len(stores) else None,
        unit="documents",
        basis=f"{words.basis} of {len(counts)} {words.stores}",
        complete=len(counts) == len(stores),
    )


def count(value: object) -> int | None:
    """A count out of an answer; None for what cannot be one."""
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST
    return value if whole else None  # type: ignore[return-value]


def numbered(
    context: Context, stores: list[Store], address: Callable[[Store, int], str]
) -> Iterator[ObjectRef | Gap]:
    """An address for each document that a store counts, the first `WINDOW` of each."""
    for store in stores[:MAX_STORES]:
        if store.documents is None:
            yield context.gap(Reason.NO_COUNT, store.name, "it does not say how many it holds")
            continue
        for position in range(min(store.documents, WINDOW)):
            path = address(store, position)
            yield ObjectRef(path=path, group=store.name, media_type="application/json")
        if (left := store.documents - WINDOW) > 0:
            detail = f"documents after the first {WINDOW}"
            yield context.gap(Reason.BUDGET, store.name, detail, count=left)
    if (left := len(stores) - MAX_STORES) > 0:
        yield context.gap(Reason.BUDGET, "", f"more than {MAX_STORES} stores", count=left)


async def fetch_one(client: HttpClient, path: str, limit: int, has: Has) -> Fetched:
    """One document by its address.

    Raises:
        ObjectRefused: it is kept back, or there is no longer a document of that number.
        ProtocolError: any other answer.
    """
    answer = await client.request("GET", path, limit=limit)
    return taken(answer, has)


def taken(answer: Response, has: Has) -> Fetched:
    """The answer as one document's bytes; raises as `fetch_one` does."""
    if answer.status in (*REFUSED, 404):
        raise ObjectRefused(f"answered with {answer.status}")
    if answer.status != 200:
        raise ProtocolError(f"answered with {answer.status}")
    if answer.complete and not has(answer):
        raise ObjectRefused("there is no document at that place any more")
    return Fetched(answer.body, answer.complete, answer.media_type)
