"""What cause says: the directive or cloud setting that opened it, and what closes it."""

from __future__ import annotations

from enum import StrEnum

from leftopen.model.record import Record


class Truth(StrEnum):
    """Kleene's three values. Unknown is a value: "not examined" must never read as "clean"."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def all_of(*values: Truth) -> Truth:
    """Kleene conjunction: NO wins, then UNKNOWN."""
    if Truth.NO in values:
        return Truth.NO
    return Truth.UNKNOWN if Truth.UNKNOWN in values else Truth.YES


def any_of(*values: Truth) -> Truth:
    """Kleene disjunction: YES wins, then UNKNOWN."""
    if Truth.YES in values:
        return Truth.YES
    return Truth.UNKNOWN if Truth.UNKNOWN in values else Truth.NO


def negate(value: Truth) -> Truth:
    """Kleene negation: UNKNOWN stays."""
    return {Truth.YES: Truth.NO, Truth.NO: Truth.YES}.get(value, Truth.UNKNOWN)


class Origin(Record, frozen=True, kw_only=True):
    """Where an effective value comes from."""

    file: str = ""  # as given; "" for a default
    line: int = 0
    kind: str = "explicit"  # explicit, include, drop-in, default, absent (nothing restricts it)
    detail: str = ""  # for a default: the version it holds for and its source

    def __str__(self) -> str:
        """`file:line`, or what the default is."""
        return f"{self.file}:{self.line}" if self.file else f"{self.kind} {self.detail}".strip()


class Factor(Record, frozen=True, kw_only=True):
    """One condition of being open, e.g. "listens beyond loopback", and what decides it."""

    name: str  # path, listen, auth, readable
    holds: Truth  # YES: this factor lets a stranger through
    directive: str
    value: str  # effective value, redacted where it is a secret
    origin: Origin


class Fix(Record, frozen=True, kw_only=True):
    """The smallest change that closes it."""

    title: str
    file: str
    diff: str  # unified diff against the file as read; "" where there is no file to patch
    command: str = ""  # e.g. an az command line
    note: str = ""


class Cause(Record, frozen=True, kw_only=True):
    """One rule's verdict on one service in one configuration."""

    rule: str  # "nginx.autoindex_without_auth"
    product: str  # same name as in reach/protocols where that room knows it
    protocol: str  # protocol it would open: "http", "redis", ...
    title: str
    open: Truth
    factors: tuple[Factor, ...]
    addresses: tuple[str, ...] = ()  # networks it listens on or admits: "0.0.0.0", "10.0.0.4"
    ports: tuple[int, ...] = ()
    fix: Fix | None = None
    references: tuple[str, ...] = ()  # CIS, STIG, vendor page ids; our own words only
    changed: str = ""  # when the deciding file was last changed (mtime), ISO 8601, or ""


class Agreement(StrEnum):
    """How configuration and probe fit together."""

    EXPLAINS = "explains"  # open in the configuration, and the probe read data
    CONFLICT_CLOSED = "config_closed_probe_open"  # wrong file, port map, proxy, drift
    CONFLICT_OPEN = "config_open_probe_closed"  # open in configuration, not reached now
    UNKNOWN = "unknown"


class CauseFinding(Record, frozen=True, kw_only=True):
    """A cause tied to one exposure (or to an endpoint that the probe found closed)."""

    cause: Cause
    agreement: Agreement
    detail: str = ""
