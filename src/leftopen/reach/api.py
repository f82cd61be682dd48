"""The plugin types of reach: Protocol and Import, and what a probe is handed.

A probe does what an anonymous visitor may do, and no more: it never guesses a credential, never
writes, never follows a referral out of scope. What it may send is an allow-list that the dialer
enforces below it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from msgspec import structs

from leftopen.model.endpoint import Endpoint
from leftopen.model.errors import BudgetSpent, OutOfScope, ProtocolError
from leftopen.model.exposure import Access, Evidence, ObjectRef, Observation, Size
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.record import to_json
from leftopen.model.redact import Keyring, redact, safe
from leftopen.model.scope import Target
from leftopen.model.scope_file import Claims, Rules
from leftopen.net.dialer import Dialer
from leftopen.net.http import HttpClient, Response

ANSWER_SHOWN = 160  # characters of an answer that evidence shows, masked


class ObjectRefused(ProtocolError):
    """The peer keeps this one object back: 401, 403, 404 and their kin. Raised by `fetch`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one look at one Target came to."""

    target: Target
    observation: Observation
    evidence: tuple[Evidence, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """What a probe established, with the evidence for it."""

    access: Access
    detail: str  # one line for people; only safe text
    product: str = ""
    version: str = ""
    tls: bool = False
    size: Size | None = None
    evidence: tuple[Evidence, ...] = ()
    containers: tuple[str, ...] = ()  # safe text, at most 20
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """One object's bytes. `complete` is False when cut at the limit."""

    data: bytes
    complete: bool
    media_type: str = ""


@dataclass(slots=True)
class Context:
    """What one probe of one Target is handed."""

    target: Target
    dialer: Dialer
    keyring: Keyring
    claims: Claims
    run_id: str
    user_agent: str
    now: Callable[[], datetime]
    rules: Rules
    tls: bool = False  # speak TLS from the first byte
    front: Response | None = None  # the answer to GET /, for protocols over HTTP
    greeting: bytes = b""  # what the server said unasked
    gaps: list[Gap] = field(default_factory=list)
    kept: HttpClient | None = None  # a client whose connection outlives one request

    @property
    def endpoint(self) -> Endpoint:
        """What is looked at: for a store URL with its path, so that two containers are two."""
        return endpoint_of(self.target)

    @property
    def posts(self) -> bool:
        """Whether reads that exist only as HTTP POST may be sent; the dialer enforces it."""
        return self.rules.read_posts

    def http(self) -> HttpClient:
        """A client for this Target; use it as an async context manager."""
        return self.kept or HttpClient(self.dialer, tls=self.tls, user_agent=self.user_agent)

    def gap(self, reason: Reason, place: str, detail: str, count: int = 1) -> Gap:
        """A Gap below this endpoint; `place` and `detail` may be hostile, they are masked."""
        where = f"{self.endpoint} > {safe(place, 120)}" if place else str(self.endpoint)
        return Gap(stage=Stage.REACH, reason=reason, place=where, detail=safe(detail), count=count)

    def evidence(
        self, request: str, answer: bytes, reproduce: str = "", *, content: bool = False
    ) -> Evidence:
        """Keep one exchange: the request whole, of the answer a masked beginning and a digest.

        `content` is for an answer that is somebody's data (a record, a file, a message): only
        its shape is shown.
        """
        endpoint = self.endpoint
        head = answer[: 4 * ANSWER_SHOWN]
        text = head.decode("utf-8", "replace")
        shown = safe(redact(text) if content else text, ANSWER_SHOWN)
        if content and (b"\0" in head or text.count("\ufffd") > len(text) // 10):
            shown = "(not text)"
        digest = self.keyring.digest("answer", answer)
        uid = self.keyring.digest(
            "evidence", to_json([endpoint.key, request, shown, len(answer), digest])
        )
        return Evidence(
            uid=uid,
            endpoint=endpoint,
            time=self.now(),
            request=safe(request, 400),
            answer=shown,
            answer_bytes=len(answer),
            answer_digest=digest,
            reproduce=safe(reproduce, 400),
        )


def reason_of(error: Exception) -> Reason:
    """The Gap's word for what stopped a probe or a fetch."""
    words: tuple[tuple[type[Exception], Reason], ...] = (
        (BudgetSpent, Reason.BUDGET),
        (ObjectRefused, Reason.REFUSED),
        (ProtocolError, Reason.MISBEHAVED),
        (OutOfScope, Reason.OUT_OF_SCOPE),
        (TimeoutError, Reason.TIMEOUT),
    )
    return next((word for kind, word in words if isinstance(error, kind)), Reason.CRASHED)


def endpoint_of(target: Target) -> Endpoint:
    """The endpoint of an observation: a store URL's path becomes part of the name.

    The user wrote that path into the scope file himself, so it is not hostile and stays whole.
    """
    endpoint = target.endpoint
    path = urlsplit(target.url).path.rstrip("/")
    host = endpoint.name or endpoint.address
    return structs.replace(endpoint, name=host + path) if path else endpoint


def start_of(target: Target) -> str:
    """The request path to begin with; a query of a store URL may be a credential, it is left out.

    A folder ends with a slash where the scope file says so; otherwise the server redirects.
    """
    return urlsplit(target.url).path or "/"


Prove = Callable[[Context], Awaitable[Proof | None]]
ListObjects = Callable[[Context], AsyncIterator[ObjectRef | Gap]]
Fetch = Callable[[Context, ObjectRef, int], Awaitable[Fetched]]


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way in which a service can serve a stranger. The docstring's first line is its title.

    `recognise` sees what the server said unasked (greeting) and, over HTTP, the answer to GET /;
    it only decides who asks first. `prove` identifies, proves and sizes; it answers None when the
    service turns out to be something else, and raises the errors of the dialer, which the caller
    turns into UNDETERMINED with the reason.

    A service that says nothing unasked is tried with the protocols of its port, then with those
    over HTTP, then with those that have neither `recognise` nor `recognise_http`.

    `list_objects` and `fetch` read what the proof opened,
    through the same kind of dialer, within the budget of the sample; names out of `list_objects`
    may be hostile.
    """

    name: str
    ports: tuple[int, ...]  # usual ports: a hint for the order of attempts, nothing more
    sends: str  # what it sends, for `run --dry-run`
    allowed: tuple[bytes, ...]  # regular expressions of all that may be sent
    prove: Prove
    list_objects: ListObjects | None = None
    fetch: Fetch | None = None
    recognise: Callable[[bytes], bool] | None = None  # a greeting
    recognise_http: Callable[[Response], bool] | None = None  # an answer to GET /
    tls_ports: tuple[int, ...] = ()
    fallback: bool = False  # over HTTP: asked after all others that recognise the answer
    named_only: bool = False  # tried only where the scope file names this kind of store
    encoded_names: bool = False  # names of objects are request paths, percent-encoded
    udp: bool = False  # has no TCP connection to knock at; only where a store URL names it
    examples: tuple[bytes, ...] = ()  # greetings that `recognise` must accept
    counterexamples: tuple[bytes, ...] = ()  # and those it must refuse
    source: str = ""  # RFC or vendor page


@dataclass(frozen=True, slots=True)
class Import:
    """A reader of an outside sensor's file. The docstring's first line is its title."""

    name: str
    recognise: Callable[[bytes], bool]
    read: Callable[[bytes, str], Iterator[Observation | Gap]]  # content, path for Gaps
    source: str = ""
