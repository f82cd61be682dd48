"""Reads what a proof opened: the list of objects, and their bytes, each within a budget."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import ObjectRef
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import safe
from leftopen.model.scope import Target
from leftopen.net import driver
from leftopen.net.budget import Budget
from leftopen.net.http import HttpClient
from leftopen.reach import registry
from leftopen.reach.api import Context, Protocol, endpoint_of, reason_of
from leftopen.reach.prove import Probing, place_of

READERS: Final = 4  # connections that fetch from one store
LISTING_SECONDS: Final = 120.0
LISTING_BYTES: Final = 64_000_000
OBJECT_BYTES: Final = 32_000_000
OBJECT_SECONDS: Final = 60.0
_MANY: Final = 1_000_000  # connections: bounded by the rates, not by the budget


@dataclass(frozen=True, slots=True)
class FetchedObject:
    """One object of a store, read. `complete` is False when it was cut at a limit."""

    ref: ObjectRef
    data: bytes
    complete: bool
    media_type: str = ""


@dataclass(slots=True)
class Store:
    """An exposed store to read from."""

    target: Target
    protocol: Protocol
    tls: bool


async def _inside_tls(probing: Probing, store: Store, budget: Budget) -> bool:
    """Whether TLS begins with the first byte; a STARTTLS service was seen with TLS as well."""
    if not store.tls or store.target.endpoint.port in store.protocol.tls_ports:
        return store.tls
    dialer = probing.dialer(store.target, budget, allowed=())
    try:
        async with await dialer.connect(tls=True):
            return True
    except (ProtocolError, TimeoutError):
        return False


async def listing(probing: Probing, store: Store) -> AsyncIterator[ObjectRef | Gap]:
    """The objects of a store; what stops the listing is a Gap."""
    budget = Budget(bytes=LISTING_BYTES, connections=_MANY, seconds=LISTING_SECONDS)
    dialer = probing.dialer(store.target, budget, store.protocol.allowed)
    context = probing.context(store.target, dialer, tls=store.tls)
    if store.protocol.list_objects is None:
        yield context.gap(Reason.UNSUPPORTED, "", f"{store.protocol.name} cannot be listed")
        return
    try:
        context.tls = await _inside_tls(probing, store, budget)
        async for item in store.protocol.list_objects(context):
            yield item
    except Exception as e:  # noqa: BLE001  the rest of the listing is a Gap
        yield context.gap(reason_of(e), "", f"the listing stopped: {_words(e)}")
    for gap in context.gaps:
        yield gap


async def fetching(
    probing: Probing, store: Store, refs: Sequence[ObjectRef], size: int, seconds: float
) -> AsyncIterator[FetchedObject | Gap]:
    """These objects in their order, within `size` bytes and `seconds`; see `Reach.fetch`."""
    whole = Budget(bytes=size, connections=_MANY, seconds=seconds)
    reader = _Reader(probing, store, whole)
    left: list[ObjectRef] = []
    try:
        store.tls = await _inside_tls(probing, store, whole)
        async for item in driver.in_order(refs, reader.read, READERS):
            if isinstance(item, ObjectRef):
                left.append(item)
            else:
                yield item
    finally:
        await reader.close()
    if left:
        detail = f"the budget of {size} bytes and {seconds:g} s ended before these were read"
        known = sum(r.size or 0 for r in left)
        place = str(endpoint_of(store.target))
        yield gap_at(Reason.BUDGET, place, detail, count=len(left), size=known)


class _Reader:
    """Fetches objects over a few kept connections, each object with a budget of its own."""

    def __init__(self, probing: Probing, store: Store, whole: Budget) -> None:
        self._probing = probing
        self._store = store
        self._whole = whole
        self._idle: list[Context] = []

    async def read(self, ref: ObjectRef) -> FetchedObject | Gap | ObjectRef:
        """The object, the Gap that it is, or the ref itself when the whole budget has ended."""
        fetch = self._store.protocol.fetch
        host = self._store.target.endpoint.address
        if self._whole.spent or self._probing.meter.spent(host):
            return ref
        context = self._idle.pop() if self._idle else self._context()
        limit = min(OBJECT_BYTES, self._whole.bytes_left)
        budget = context.dialer.budget = self._budget()
        try:
            if fetch is None:
                raise ProtocolError(f"objects of {self._store.protocol.name} cannot be read")
            got = await fetch(context, ref, limit)
        except Exception as e:  # noqa: BLE001  whatever it is, this one object is a Gap
            if isinstance(e, BudgetSpent) and (
                self._whole.spent or self._probing.meter.spent(host)
            ):
                return ref
            late = isinstance(e, BudgetSpent) and budget.bytes_left > 0
            reason = Reason.TIMEOUT if late else reason_of(e)
            name = object_name(ref, self._store.protocol.name)
            return context.gap(reason, name, _words(e))
        finally:
            self._idle.append(context)
        vague = got.media_type in ("", "application/octet-stream", "text/plain")
        kind = (ref.media_type or got.media_type) if vague else got.media_type
        return FetchedObject(ref, got.data, got.complete, kind)

    def _budget(self) -> Budget:
        return Budget(
            bytes=2 * OBJECT_BYTES, connections=8, seconds=OBJECT_SECONDS, whole=self._whole
        )

    def _context(self) -> Context:
        store, probing = self._store, self._probing
        dialer = probing.dialer(store.target, self._budget(), store.protocol.allowed)
        context = probing.context(store.target, dialer, tls=store.tls)
        context.kept = HttpClient(dialer, tls=store.tls, user_agent=probing.user_agent, keep=True)
        return context

    async def close(self) -> None:
        for context in self._idle:
            if context.kept:
                await context.kept.close()


def object_name(ref: ObjectRef, protocol: str = "") -> str:
    """The real name of an object, to join it with logs; hostile, so show it through `safe`.

    Over HTTP the path of a ref is the request path as encoded by the server, and the name is
    that path percent-decoded (RFC 3986 2.1). Give the protocol where it is known: without it a
    path that begins with a slash is taken as one of HTTP.
    """
    known = {p.name: p.encoded_names for p in registry.protocols()}
    if known.get(protocol, ref.path.startswith("/")):
        return unquote(ref.path, errors="surrogateescape")
    return ref.path


def _words(error: Exception) -> str:
    """What happened, for people; an unexpected error with its place in our code."""
    if reason_of(error) is Reason.CRASHED:
        return f"the probe failed: {type(error).__name__} at {place_of(error)}"
    return str(error) or type(error).__name__


def gap_at(reason: Reason, place: str, detail: str, count: int = 1, size: int = 0) -> Gap:
    """A Gap of this stage; `place` and `detail` may be hostile, they are masked."""
    return Gap(
        stage=Stage.REACH,
        reason=reason,
        place=safe(place),
        detail=safe(detail),
        count=count,
        size=size,
    )
