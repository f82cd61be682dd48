"""One look at one Target: who speaks there, and does it hand data to a stranger.

Order of the attempts: what the service says unasked, then the protocols of its port, then HTTP,
then TLS, then the protocols that neither greet nor speak HTTP. All of them share one budget, so a
hostile server costs its deadline and no more. What goes wrong is UNDETERMINED with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from msgspec import structs

from leftopen import __version__
from leftopen.model.errors import BudgetSpent, HostSpent, ProtocolError
from leftopen.model.exposure import OPEN, Access, Evidence, Observation
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import Keyring, safe
from leftopen.model.scope import Scope, Target
from leftopen.model.time import now
from leftopen.net.budget import Budget, Meter
from leftopen.net.dialer import Dialer, Refused, Silent
from leftopen.net.guard import Guard
from leftopen.net.http import MARKED, METHODS, Response
from leftopen.net.http2 import speaks_http2
from leftopen.reach import certificates, registry
from leftopen.reach.api import (
    Context,
    Outcome,
    Proof,
    Protocol,
    endpoint_of,
    reason_of,
    start_of,
)

SENSOR: Final = "leftopen"
IDENTIFIES: Final = 2  # tiers of the rules of engagement, see model.scope_file.Rules
PROVES: Final = 3
# RFC 8446 6.2: what a server says to a client that shows no certificate of its own.
_DEMANDED: Final = re.compile(r"alert[ _](?:certificate[ _]required|bad[ _]certificate)", re.I)
_TLS_ALERT: Final = b"\x15\x03"  # RFC 8446 5.1: what a TLS server says to cleartext


@dataclass(frozen=True, slots=True)
class Limits:
    """What one look at one Target may cost."""

    bytes: int = 4_000_000
    connections: int = 12
    seconds: float = 8.0  # from the first connect on
    greeting_seconds: float = 1.0  # wait for what is said unasked
    answer_seconds: float = 3.0  # wait for a first answer to something that may not be spoken
    blind_seconds: float = 1.5  # the same where not even the port speaks for it


@dataclass(frozen=True, slots=True)
class Probing:
    """What all looks of one run share."""

    scope: Scope
    guard: Guard
    meter: Meter
    keyring: Keyring
    run_id: str
    limits: Limits = Limits()
    protocols: tuple[Protocol, ...] = field(default_factory=registry.protocols)
    now: Callable[[], datetime] = now

    @property
    def user_agent(self) -> str:
        """Says who asks and why, so that the owner's log team can tell us apart (RFC 9511)."""
        authority, rules = self.scope.file.authority, self.scope.file.rules
        said = [f"run {self.run_id}"]
        said += [authority.contact or authority.reference] if authority else []
        said += [f"+{rules.probe_url}"] if rules.probe_url else []
        said += [f"opt-out {rules.opt_out}"] if rules.opt_out else []
        text = f"Leftopen/{__version__} ({'; '.join(said)})"
        return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)[:400]

    def dialer(
        self,
        target: Target,
        budget: Budget,
        allowed: tuple[bytes, ...],
        answer: float | None = None,
    ) -> Dialer:
        """A dialer for this Target within that budget."""
        if not self.scope.file.rules.read_posts:
            allowed = tuple(rule for rule in allowed if not rule.startswith(MARKED))
        return Dialer(
            target,
            self.guard,
            self.meter,
            budget,
            allowed=allowed,
            connect_seconds=self.scope.file.rates.timeout_seconds,
            answer_seconds=answer,
        )

    def context(self, target: Target, dialer: Dialer, *, tls: bool) -> Context:
        """What a probe of this Target is handed."""
        return Context(
            target=target,
            dialer=dialer,
            keyring=self.keyring,
            claims=self.scope.file.claims,
            rules=self.scope.file.rules,
            run_id=self.run_id,
            user_agent=self.user_agent,
            now=self.now,
            tls=tls,
        )


async def prove_target(target: Target, probing: Probing) -> Outcome:
    """Look at one Target; whatever happens is an Outcome, nothing is raised."""
    look = _Look(target, probing)
    try:
        return await look.run()
    except Refused:
        return look.outcome(Access.CLOSED, "the port answered RST")
    except Unanswered:
        return look.outcome(Access.FILTERED, "no answer to a connection")
    except Exception as e:  # noqa: BLE001  a broken probe is a Gap; the run goes on
        return look.failed(e)


class Unanswered(Exception):
    """The very first connection of a look got no answer."""


class _Look:
    """The state of one look: the budget, what was heard, why attempts failed."""

    def __init__(self, target: Target, probing: Probing) -> None:
        limits = probing.limits
        self.target = target
        self.probing = probing
        self.limits = limits
        self.budget = Budget(
            bytes=limits.bytes, connections=limits.connections, seconds=limits.seconds
        )
        self.port = target.endpoint.port
        self.heard = b""
        self.reasons: list[str] = []
        self.gaps: list[Gap] = []
        self.tls_works = False
        self.certificate = b""  # DER, of the first connection inside TLS
        self.answered = False  # a byte came, in clear or inside TLS
        self.broken: tuple[str, ProtocolError] | None = None  # the first that began right
        self._sides: set[bool] = set()  # in clear, inside TLS: where a connection was had

    async def run(self) -> Outcome:
        tier = self.probing.scope.tier(self.target.endpoint.address)
        if tier < PROVES:
            return self._stopped(tier) if tier < IDENTIFIES else await self._identified()
        if self.target.url:
            return await self._store()
        protocols = self.probing.protocols
        tls_first = any(self.port in p.tls_ports for p in protocols)
        for tls in (True, False) if tls_first else (False, True):
            if found := await self._side(tls) or await self._blind(tls):
                return found
        return self._unknown()

    def _stopped(self, tier: int) -> Outcome:
        """The port answered the sweep; the rules of engagement let nobody ask it more."""
        said = f"the rules of engagement stop at tier {tier}"
        gap = self._context().gap(Reason.RULES, "", said)
        return self.outcome(Access.UNDETERMINED, said, gaps=(gap,))

    async def _identified(self) -> Outcome:
        """What it says unasked and to GET /, and what that makes it; nothing is proved."""
        said = "the rules of engagement stop at tier 2, so no access was tried"
        gap = self._context().gap(Reason.RULES, "", said)
        tls = self.target.url.startswith("https:")
        greeting = await self._greeting(tls)
        names = (
            [p.name for p in self.probing.protocols if p.recognise and p.recognise(greeting)]
            if greeting
            else []
        )
        if not greeting and (front := await self._front(tls, answer=self.limits.answer_seconds)):
            known = [
                p for p in self.probing.protocols if p.recognise_http and p.recognise_http(front)
            ]
            names = [p.name for p in sorted(known, key=lambda p: p.fallback)]
        access = Access.SPEAKS if self.answered or greeting else Access.UNDETERMINED
        return self.outcome(access, said, names[0] if names else "", tls=tls, gaps=(gap,))

    async def _store(self) -> Outcome:
        """A store URL: only the kind that the scope file names, at the scheme that it names."""
        tls = self.target.url.startswith("https:")
        named = [p for p in self.probing.protocols if p.name == self.target.protocol]
        if not any(p.udp for p in named):
            await self._knock(tls)
        if self.target.protocol == "http":
            front = await self._front(tls, answer=None, sure=True)
            found = await self._web_candidates(front, tls) if front else None
            return found or self._unknown()
        if not named:
            error = ProtocolError(f"no probe for a store of kind {self.target.protocol}")
            return self.failed(error, reason=Reason.UNSUPPORTED)
        return await self._attempt(named[0], tls=tls, sure=True) or self._unknown()

    async def _knock(self, tls: bool) -> None:
        """Connect and hang up: whether anything is there, apart from what it speaks."""
        dialer = self.probing.dialer(self.target, self.budget, allowed=())
        try:
            async with await dialer.connect(tls=tls):
                self.tls_works = tls
            self._hear(dialer, tls)
        except TimeoutError:
            raise Unanswered from None

    async def _side(self, tls: bool) -> Outcome | None:
        """All that is hinted at in clear, or all that is hinted at inside TLS."""
        if tls in self._sides:
            return None
        greeting = await self._greeting(tls)
        if greeting is None:
            return None
        self._sides.add(tls)
        if greeting and not speaks_http2(greeting):
            if found := await self._greeted(greeting, tls):
                return found
            if not self.broken:
                await self._still_talking(tls)
            return self._unknown(greeting)
        for protocol in self._of_port(tls):
            seconds = self.limits.answer_seconds
            if found := await self._attempt(protocol, tls=tls, answer=seconds):
                return found
        return await self._over_http(tls)

    async def _blind(self, tls: bool) -> Outcome | None:
        """The protocols that neither greet nor speak HTTP, where nothing hints at them."""
        if tls not in self._sides or (not tls and self.heard.startswith(_TLS_ALERT)):
            return None
        hinted = list(self._of_port(tls))
        for protocol in self.probing.protocols:
            if _greets(protocol) or _web(protocol) or protocol.named_only or protocol in hinted:
                continue
            seconds = self.limits.blind_seconds
            if found := await self._attempt(protocol, tls=tls, answer=seconds):
                return found
        return None

    async def _greeting(self, tls: bool) -> bytes | None:
        """What is said unasked, b"" for silence, None when this side cannot be connected to."""
        first = not self.budget_used
        dialer = self.probing.dialer(self.target, self.budget, allowed=())
        try:
            async with await dialer.connect(tls=tls) as connection:
                self.tls_works = self.tls_works or tls
                return await connection.greeting(self.limits.greeting_seconds) or b""
        except BudgetSpent:
            raise
        except (ProtocolError, TimeoutError) as e:
            if first and isinstance(e, Refused):
                raise
            if first and isinstance(e, TimeoutError) and not tls:
                raise Unanswered from None
            self._because(e, "TLS" if tls else "greeting")
            return None if tls or isinstance(e, Refused | TimeoutError) else b""
        finally:
            self._hear(dialer, tls)

    def _broke(self, name: str, error: Exception, heard: bytes) -> None:
        """Keep it: a probe answers None to a stranger, so what it raises began as its protocol."""
        if heard and isinstance(error, ProtocolError) and not isinstance(error, Silent):
            self.broken = self.broken or (name, error)

    async def _still_talking(self, tls: bool) -> None:
        """Listen on; raises BudgetSpent where it talks until bytes or time are used up."""
        dialer = self.probing.dialer(self.target, self.budget, allowed=())
        try:
            async with await dialer.connect(tls=tls) as connection:
                while await connection.greeting(self.limits.greeting_seconds, 1):
                    await connection.read_some()
        except BudgetSpent:
            raise
        except (ProtocolError, TimeoutError) as e:
            self._because(e, "listening")

    def _hear(self, dialer: Dialer, tls: bool) -> None:
        self.answered = self.answered or bool(dialer.heard)
        self.heard = self.heard or (b"" if tls else dialer.heard)
        self.certificate = self.certificate or dialer.certificate

    @property
    def budget_used(self) -> bool:
        """Whether anything was tried before."""
        return self.budget.connections_left < self.limits.connections

    async def _greeted(self, greeting: bytes, tls: bool) -> Outcome | None:
        protocols = self.probing.protocols
        sure = [p for p in protocols if p.recognise and p.recognise(greeting)]
        for protocol in sure:
            if found := await self._attempt(protocol, tls=tls, sure=True, greeting=greeting):
                return found
        for protocol in self._of_port(tls):
            if protocol not in sure and (
                found := await self._attempt(
                    protocol, tls=tls, answer=self.limits.answer_seconds, greeting=greeting
                )
            ):
                return found
        return None

    def _of_port(self, tls: bool) -> Iterable[Protocol]:
        """The protocols whose usual port this is, those over HTTP left out."""
        for protocol in self.probing.protocols:
            # Some speak TLS at the port that they have in clear (memcached -Z, Redis, etcd).
            ports = (*protocol.tls_ports, *protocol.ports) if tls else protocol.ports
            if self.port in ports and not _web(protocol) and not protocol.named_only:
                yield protocol

    async def _over_http(self, tls: bool) -> Outcome | None:
        web = any(self.port in (*p.ports, *p.tls_ports) for p in self.probing.protocols if _web(p))
        front = await self._front(tls, answer=None if web else self.limits.answer_seconds)
        if front is None:
            return await self._greeted(self.heard, tls) if self.heard and not tls else None
        if front.status == 400 and not tls and (found := await self._side(True)):
            return found  # "plain HTTP was sent to an HTTPS port" is a 400 of most servers
        return await self._web_candidates(front, tls)

    async def _front(
        self, tls: bool, *, answer: float | None, sure: bool = False
    ) -> Response | None:
        """The answer to GET of the first path, or None where no HTTP is spoken."""
        dialer = self.probing.dialer(self.target, self.budget, METHODS, answer)
        context = self.probing.context(self.target, dialer, tls=tls)
        try:
            async with context.http() as client:
                return await client.request("GET", start_of(self.target), limit=1_048_576)
        except (ProtocolError, TimeoutError) as e:
            if sure or self.budget.spent:
                raise
            self._because(e, "http")
            self._broke("http", e, dialer.heard if dialer.heard.startswith(b"HTTP/") else b"")
            return None
        finally:
            self._hear(dialer, tls)

    async def _web_candidates(self, front: Response, tls: bool) -> Outcome | None:
        known = [p for p in self.probing.protocols if p.recognise_http and p.recognise_http(front)]
        spoke: Outcome | None = None
        for protocol in sorted(known, key=lambda p: p.fallback):
            found = await self._attempt(protocol, tls=tls, sure=spoke is None, front=front)
            if found and (spoke is None or found.observation.access in OPEN):
                if found.observation.access is not Access.SPEAKS:
                    return found
                spoke = spoke or found  # the same server may serve something else as well
        return spoke

    async def _attempt(
        self,
        protocol: Protocol,
        *,
        tls: bool,
        sure: bool = False,
        answer: float | None = None,
        greeting: bytes = b"",
        front: Response | None = None,
    ) -> Outcome | None:
        """Let one protocol prove; None when it is something else.

        `sure`: the service was recognised, so whatever goes wrong is this protocol's result.
        """
        dialer = self.probing.dialer(self.target, self.budget, protocol.allowed, answer)
        context = self.probing.context(self.target, dialer, tls=tls)
        context.greeting, context.front = greeting, front
        try:
            proof = await protocol.prove(context)
        except Exception as e:  # noqa: BLE001  what is not expected is a Gap CRASHED
            self._hear(dialer, tls)
            expected = isinstance(e, ProtocolError | TimeoutError)
            if sure or self.budget.spent or not expected:
                self.gaps.extend(context.gaps)
                return self.failed(e, protocol.name if sure else "", tls=tls)
            self._because(e, protocol.name)
            self._broke(protocol.name, e, dialer.heard)
            return None
        finally:
            self._hear(dialer, tls)
        return self._proved(protocol, proof, context) if proof else None

    def _proved(self, protocol: Protocol, proof: Proof, context: Context) -> Outcome:
        observation = Observation(
            endpoint=context.endpoint,
            time=self.probing.now(),
            sensor=SENSOR,
            protocol=protocol.name,
            access=proof.access,
            detail=proof.detail,
            product=safe(proof.product, 60),
            version=safe(proof.version, 60),
            tls=proof.tls or context.tls,
            size=proof.size,
            evidence=tuple(e.uid for e in proof.evidence),
            containers=proof.containers[:20],
            vantage=self.probing.scope.file.vantage,
            source=self.probing.guard.sources.get(context.endpoint.address, ""),
        )
        gaps = [*self.gaps, *context.gaps, *proof.gaps]
        if proof.access is Access.UNDETERMINED and not gaps:
            gaps = [context.gap(Reason.MISBEHAVED, protocol.name, proof.detail)]
        return self._made(observation, proof.evidence, gaps)

    def _made(
        self, observation: Observation, evidence: Sequence[Evidence], gaps: Sequence[Gap]
    ) -> Outcome:
        """The Outcome, with what the certificate says where there was one."""
        if not self.certificate:
            return Outcome(self.target, observation, tuple(evidence), tuple(gaps))
        context = self._context()
        try:
            certificate = certificates.read(self.certificate)
        except ProtocolError as e:
            broken = context.gap(Reason.MISBEHAVED, "certificate", str(e))
            return Outcome(self.target, observation, tuple(evidence), (*gaps, broken))
        shown = certificates.shown(context, certificate, self.certificate)
        seen = structs.replace(
            observation, certificate=certificate, evidence=(*observation.evidence, shown.uid)
        )
        return Outcome(self.target, seen, (*evidence, shown), tuple(gaps))

    def _because(self, error: Exception, what: str) -> None:
        if _DEMANDED.search(str(error)):
            self.broken = self.broken or ("", ProtocolError(str(error)))
        self.reasons.append(f"{what}: {safe(str(error), 100) or type(error).__name__}")

    def _unknown(self, greeting: bytes = b"") -> Outcome:
        """Nothing was identified: SPEAKS when something was said, else UNDETERMINED."""
        said = greeting or self.heard
        if self.broken:
            return self.failed(self.broken[1], self.broken[0], tls=self.tls_works)
        if self.budget.spent and not said:
            return self.failed(BudgetSpent("the time of this probe is used up"))
        if not said and not self.tls_works:
            why = "; ".join(self.reasons[:4]) or "no answer"
            return self.failed(ProtocolError(f"it accepts connections and says nothing ({why})"))
        context = self._context()
        inside = " inside TLS" if self.tls_works else ""
        detail = f"something answers{inside}, but it is no protocol that Leftopen knows"
        return self.outcome(
            Access.SPEAKS,
            f"{detail}: {safe(said, 80)}" if said else detail,
            tls=self.tls_works,
            evidence=(context.evidence("(what it said first)", said),),
            gaps=(context.gap(Reason.UNSUPPORTED, "", detail),),
        )

    def _context(self) -> Context:
        dialer = self.probing.dialer(self.target, self.budget, allowed=())
        return self.probing.context(self.target, dialer, tls=self.tls_works)

    def outcome(
        self,
        access: Access,
        detail: str,
        protocol: str = "",
        *,
        tls: bool = False,
        evidence: tuple[Evidence, ...] = (),
        gaps: tuple[Gap, ...] = (),
    ) -> Outcome:
        """An Outcome of the look itself, where no protocol proved anything."""
        observation = Observation(
            endpoint=endpoint_of(self.target),
            time=self.probing.now(),
            sensor=SENSOR,
            protocol=protocol,
            access=access,
            detail=detail,
            tls=tls,
            evidence=tuple(e.uid for e in evidence),
            vantage=self.probing.scope.file.vantage,
            source=self.probing.guard.sources.get(self.target.endpoint.address, ""),
        )
        return self._made(observation, evidence, (*self.gaps, *gaps))

    def failed(
        self,
        error: Exception,
        protocol: str = "",
        *,
        tls: bool = False,
        reason: Reason | None = None,
    ) -> Outcome:
        """UNDETERMINED with the reason, and the Gap that says so."""
        reason = reason or reason_of(error)
        said = safe(str(error), 160) or type(error).__name__
        if reason is Reason.CRASHED:
            said = f"the probe failed: {type(error).__name__} at {place_of(error)}"
        # Still talking when bytes or time were used up is not slow, it is no answer to what was
        # asked; where nothing was said at all, nobody can tell.
        broke = reason in (Reason.BUDGET, Reason.MISBEHAVED) and not isinstance(error, HostSpent)
        access = Access.MISBEHAVES if broke and self.answered else Access.UNDETERMINED
        if tls and _DEMANDED.search(said):
            demanded = "a client certificate is demanded in the TLS handshake"
            return self.outcome(Access.ASKS_CREDENTIAL, demanded, protocol, tls=True)
        gap = self._context().gap(reason, protocol, said)
        return self.outcome(access, said, protocol, tls=tls, gaps=(gap,))


def place_of(error: BaseException) -> str:
    """File and line of our own code nearest to where an unexpected error was raised."""
    place = "unknown place"
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "leftopen" in file:
            place = f"{file.rsplit('leftopen/', 1)[-1]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _web(protocol: Protocol) -> bool:
    return protocol.recognise_http is not None


def _greets(protocol: Protocol) -> bool:
    return protocol.recognise is not None
