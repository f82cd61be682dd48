"""Records for the tests of case: small, and every part can be set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from leftopen.case.assemble import assemble
from leftopen.case.window import exposures_from
from leftopen.model.case import Case, Investigation, RunInfo
from leftopen.model.cause import Agreement, Cause, CauseFinding, Factor, Fix, Origin, Truth
from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import Access, Exposure, Observation, Size
from leftopen.model.finding import Confidence, Contents, Finding, People, Severity
from leftopen.model.time import Interval, share, subtract
from leftopen.model.trace import (
    Behaviour,
    Bytes,
    Coverage,
    Party,
    PartyKind,
    Source,
    TraceResult,
    Verdict,
    VerdictWord,
    Visit,
)

MAIL = Endpoint(address="127.0.0.10", port=8080)


def at(day: int, hour: int = 0) -> datetime:
    """An instant in February 2023, UTC."""
    return datetime(2023, 2, day, hour, tzinfo=UTC)


NOW = at(20, 16)


def look(day: int, access: Access = Access.GIVES_DATA, hour: int = 0, **parts: Any) -> Observation:
    given = {"endpoint": MAIL, "sensor": "leftopen", "protocol": "http", **parts}
    return Observation(time=at(day, hour), access=access, **given)


def exposure(**parts: Any) -> Exposure:
    size = Size(objects=2_000, bytes=250_000_000, unit="messages")
    looks = [look(1, Access.CLOSED, protocol=""), look(20, size=size, **parts)]
    return exposures_from(looks, as_of=NOW)[0]


def finding(kind: str, severity: Severity = Severity.CRITICAL, objects: int = 7) -> Finding:
    return Finding(
        kind=kind,
        title=f"Title of {kind}",
        severity=severity,
        confidence=Confidence.CERTAIN,
        matches=objects,
        distinct=objects,
        objects=objects,
    )


def contents(*findings: Finding, **parts: Any) -> Contents:
    worst = max((f.severity for f in findings), key=lambda s: s.rank, default=None)
    given: dict[str, Any] = {
        "objects_total": 2_000,
        "objects_read": 400,
        "kinds": {"eml": 400},
        "people": People(lower=0, best=0, upper=0),
        "severity": worst,
        "findings": findings,
        **parts,
    }
    return Contents(**given)


def trace(word: VerdictWord = VerdictWord.UNKNOWN, **parts: Any) -> TraceResult:
    window = Interval(start=at(1), end=NOW)
    covers = (Interval(start=at(1), end=at(8)), Interval(start=at(10), end=NOW))
    coverage = Coverage(
        window=window,
        any=share(window, covers),
        app=share(window, covers),
        bytes=0.0,
        holes=subtract(window, covers),
    )
    given: dict[str, Any] = {
        "window": window,
        "sources": (source("app"),),
        "coverage": coverage,
        "visits": (),
        "verdict": Verdict(word=word, reasons=("reason",), bytes_out=Bytes(low=5_000_000)),
        **parts,
    }
    return TraceResult(**given)


def source(kind: str, first: datetime | None = None) -> Source:
    return Source(
        path=f"{kind}.log",
        format="f",
        kind=kind,
        sha256="0",
        size=1,
        lines=1,
        parsed=1,
        rejected=0,
        first=first or at(1),
    )


def visit(kind: PartyKind, day: int = 18) -> Visit:
    return Visit(
        client="192.0.2.1",
        party=Party(kind=kind),
        behaviour=Behaviour.TOOK,
        first=at(day),
        last=at(day),
        requests=1,
        objects=1,
        bytes_out=Bytes(low=1),
    )


def cause(
    *factors: Factor,
    agreement: Agreement = Agreement.EXPLAINS,
    is_open: Truth = Truth.YES,
) -> CauseFinding:
    made = Cause(
        rule="nginx.autoindex_without_auth",
        product="nginx",
        protocol="http",
        title="Directory listing without a login",
        open=is_open,
        factors=factors or (factor("auth"),),
        fix=Fix(title="Ask for a login", file="a.conf", diff=""),
    )
    return CauseFinding(cause=made, agreement=agreement)


def factor(name: str, origin: Origin | None = None, holds: Truth = Truth.YES) -> Factor:
    where = origin or Origin(file="a.conf", line=3)
    return Factor(name=name, holds=holds, directive="auth_basic", value="off", origin=where)


def investigation(*exposures: Exposure, **parts: Any) -> Investigation:
    given: dict[str, Any] = {
        "run": RunInfo(run_id="r", version="0.1.0", started=NOW),
        "as_of": NOW,
        "organisation": "Example",
        "authority": "",
        "vantage": "outside",
        "scope_sha256": "ab" * 32,
        "targets": 254,
        "contents": {},
        "causes": {},
        "trace": {},
        **parts,
    }
    return assemble(exposures=exposures, **given)


def case(**parts: Any) -> Case:
    """The one case of an investigation: `contents`, `causes`, `trace`, `gaps` are its own."""
    own = {"contents", "causes", "trace", "gaps"}
    one: Exposure = parts.pop("exposure", None) or exposure()
    keyed = {name: {one.uid: value} if name in own else value for name, value in parts.items()}
    return investigation(one, **keyed).cases[0]
