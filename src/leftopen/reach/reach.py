"""The one door for `run`: what is ours, which ports answer, who gives data, and that data.

Everything here is synchronous; the asynchronous half runs in a thread of its own (net/driver).
The guard below all sockets of the process is on as long as one of these iterators is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from msgspec import structs

from leftopen.model.errors import LeftopenError
from leftopen.model.exposure import Exposure, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import Keyring
from leftopen.model.scope import Scope, Target
from leftopen.model.scope_file import StoreUrl
from leftopen.net import driver
from leftopen.net.budget import Meter
from leftopen.net.guard import Guard, Resolver, resolve
from leftopen.net.sweep import in_flight_limit
from leftopen.reach import registry
from leftopen.reach.api import Outcome, endpoint_of
from leftopen.reach.imports_reader import read_imports
from leftopen.reach.prove import PROVES, SENSOR, Limits, Probing, prove_target
from leftopen.reach.reading import (
    READERS,
    FetchedObject,
    Store,
    fetching,
    gap_at,
    listing,
    object_name,
)
from leftopen.reach.sweep import Progress, Sweep, Wish

__all__ = ["FetchedObject", "Limits", "Planned", "Reach", "object_name", "read_imports"]

AT_ONCE: Final = 1024  # looks at the same time: most of a look is waiting
FILES_OF_A_LOOK: Final = 3
_PORTS: Final = {"https": 443, "tftp": 69}


@dataclass(frozen=True, slots=True)
class Planned:
    """One line of a dry run: what would be contacted, and what would be sent."""

    what: str
    request: str


class Reach:
    """Looks at one scope."""

    def __init__(
        self,
        scope: Scope,
        keyring: Keyring,
        run_id: str,
        *,
        settings: Iterable[tuple[str, int]] = (),
        limits: Limits | None = None,
        resolver: Resolver = resolve,
    ) -> None:
        """`settings` are endpoints that the user named himself outside the scope file."""
        rates = scope.file.rates
        self.scope = scope
        self._guard = Guard(scope, settings=settings)
        self._resolver = resolver
        self._probing = Probing(
            scope=scope,
            guard=self._guard,
            meter=Meter(
                rates.connections_per_second,
                rates.connections_per_second_per_host,
                rates.bytes_per_host,
            ),
            keyring=keyring,
            run_id=run_id,
            limits=limits or Limits(),
        )

    def plan(self) -> list[Planned]:
        """What a run would send to whom and how it says who it is, and what gets nothing.

        Nothing is sent for it, not even a look-up of a name.
        """
        file = self.scope.file
        ports = f"{len(self.scope.ports)} ports"
        default = self._reaches(file.rules.tier)
        made = [Planned(f"{net}, {ports}", default) for net in self.scope.networks]
        made += [
            Planned(f"{h} (a name), {ports}", f"a look-up of the name; {default}")
            for h in file.targets.hosts
        ]
        kinds = {p.name: p.sends for p in registry.protocols()}
        made += [
            Planned(s.url, kinds.get(s.kind, "nothing: no probe for it"))
            for s in file.targets.stores
        ]
        made += [
            Planned(f"of these {net}", self._reaches(rule.tier))
            for rule in file.rules.tiers
            for net in rule.networks
        ]
        made += [Planned(f"of these {e} (excluded)", "nothing") for e in file.targets.exclude]
        if max([file.rules.tier, *(r.tier for r in file.rules.tiers)]) >= PROVES:
            made += [
                Planned(f"each open port that speaks {p.name}", p.sends)
                for p in registry.protocols()
                if not p.named_only
            ]
        return made + self._manners()

    def _reaches(self, tier: int) -> str:
        """How far a probe goes under this tier of the rules of engagement."""
        sample = self.scope.file.sample
        steps = [
            "TCP connects or SYN packets, to see which ports answer",
            "a wait for what it says unasked, or GET of the first page",
            "a proof of access with at most one record",
            f"a sample of at most {sample.objects} objects, {sample.bytes} bytes, "
            f"{sample.seconds} s",
        ]
        return f"tier {tier}: " + ("; ".join(steps[:tier]) or "nothing")

    def _manners(self) -> list[Planned]:
        """What holds for all that is sent: the rates, and who we say we are."""
        file = self.scope.file
        rates = file.rates
        made = [
            Planned(
                "all of it together, at most",
                f"{rates.connections_per_second} connections a second, "
                f"{rates.connections_per_second_per_host} to one host; "
                f"{rates.bytes_per_host} bytes from one host",
            ),
            Planned("each HTTP request (User-Agent)", self._probing.user_agent),
        ]
        if not file.rules.read_posts:
            made.append(Planned("reads that exist only as HTTP POST", "nothing: read_posts is off"))
        if file.rules.reverse_name:
            named = f"comes from an address named {file.rules.reverse_name}, says the scope file"
            made.append(Planned("each connection", named))
        return made

    def targets(self) -> Iterator[Target | Gap]:
        """The stores that the scope file names, ready to be proved.

        Named hosts are looked up and pinned here too, but their ports come out of `sweep`; of
        them this yields a Gap where a name does not resolve or leads out of scope.
        """
        for host in self._hosts():
            yield from self._addresses(host, self.scope.ports)[1]
        for store in self.scope.file.targets.stores:
            yield self._store_target(store)

    @contextmanager
    def sweeping(self, wish: Wish | None = None) -> Iterator[Sweep]:
        """The sweep of every address of the networks and of the named hosts, with every port.

        Iterate it for the endpoints that answer, with the guard on while inside. A host that is
        named and lies in a network as well is asked by name and by address, since a web server
        may answer them differently.

        Raises:
            UsageError: the scope holds more endpoints than can be swept, or `wish.resume` is of
                another sweep.
        """
        named = [(h, a) for h in self._hosts() for a in self._addresses(h, self.scope.ports)[0]]
        with self._guard.active():
            yield Sweep(self.scope, named, self._probing.meter, wish)

    def prove(
        self, targets: Iterable[Target], progress: Progress | None = None
    ) -> Iterator[Outcome]:
        """What each of these Targets gives a stranger, in the order of completion."""
        chosen = list(targets)

        def make() -> AsyncIterator[Outcome]:
            at_once = min(AT_ONCE, in_flight_limit() // FILES_OF_A_LOOK)
            return driver.as_completed(chosen, lambda t: prove_target(t, self._probing), at_once)

        with self._guard.active():
            for outcome in driver.iterate(make):
                if progress:
                    progress(1)
                yield self._by_name(outcome)

    def listing(self, exposure: Exposure) -> Iterator[ObjectRef | Gap]:
        """The objects of an exposed store; names may be hostile."""
        store = self._rebuilt(exposure)
        if isinstance(store, Gap):
            yield store
            return
        with self._guard.active():
            yield from driver.iterate(lambda: listing(self._probing, store), ahead=1000)

    def fetch(
        self,
        exposure: Exposure,
        refs: Sequence[ObjectRef],
        *,
        bytes: int,
        seconds: float,
        progress: Progress | None = None,
    ) -> Iterator[FetchedObject | Gap]:
        """Read these objects, in their order, with at most so many bytes and seconds in all.

        An object that is refused or misbehaves is a Gap of its own; what the budget leaves
        unread is one Gap BUDGET with its count.
        """
        store = self._rebuilt(exposure)
        if isinstance(store, Gap):
            yield store
            return
        with self._guard.active():
            made = driver.iterate(
                lambda: fetching(self._probing, store, refs, bytes, seconds), ahead=READERS
            )
            for item in made:
                if progress and not (isinstance(item, Gap) and item.reason is Reason.BUDGET):
                    progress(1)
                yield item

    def _by_name(self, outcome: Outcome) -> Outcome:
        """A service is the same under its name and its address, unless it is a web server."""
        seen = outcome.observation
        web = any(p.name == seen.protocol and p.recognise_http for p in registry.protocols())
        names = [h for h in self._hosts() if seen.endpoint.address in self._guard.pinned(h)]
        if seen.endpoint.name or web or not seen.protocol or len(names) != 1:
            return outcome
        endpoint = structs.replace(seen.endpoint, name=names[0])
        return replace(outcome, observation=structs.replace(seen, endpoint=endpoint))

    def _hosts(self) -> Iterator[str]:
        """Named hosts, without the literal addresses that a network holds anyway."""
        for host in dict.fromkeys(self.scope.file.targets.hosts):
            if not self._covered(host):
                yield host

    def _covered(self, host: str) -> bool:
        try:
            return any(self.scope.covers(host, port) for port in self.scope.ports)
        except ValueError:  # a name, no address
            return False

    def _addresses(self, host: str, ports: Sequence[int]) -> tuple[list[str], list[Gap]]:
        """The addresses of a name that may be contacted, and a Gap for each that may not."""
        try:
            found = self._guard.look_up(host, self._resolver)
        except (OSError, ValueError) as e:
            return [], [gap_at(Reason.UNRESOLVED, host, f"no look-up: {e}")]
        admitted = [a for a in found if any(self.scope.admits_named(host, a, p) for p in ports)]
        gaps = [
            gap_at(Reason.OUT_OF_SCOPE, host, f"leads to {a}, which is out of scope")
            for a in found
            if a not in admitted
        ]
        return admitted, gaps if found else [gap_at(Reason.UNRESOLVED, host, "no address")]

    def _store_target(self, store: StoreUrl) -> Target | Gap:
        try:
            parts = urlsplit(store.url)
            port = parts.port or _PORTS.get(parts.scheme, 80)
        except ValueError as e:
            return gap_at(Reason.UNRESOLVED, store.url, str(e))
        host = parts.hostname or ""
        found, gaps = self._addresses(host, (port,))
        if not found:
            return gaps[0]
        name = "" if self._covered_at(host, port) else host
        return self.scope.target(found[0], port, name=name, protocol=store.kind, url=store.url)

    def _covered_at(self, host: str, port: int) -> bool:
        try:
            return self.scope.covers(host, port)
        except ValueError:
            return False

    def _rebuilt(self, exposure: Exposure) -> Store | Gap:
        """The Target of an exposure, made and so checked by the scope once more."""
        place = str(exposure.endpoint)
        try:
            protocol = registry.protocol(exposure.protocol)
        except KeyError:
            return gap_at(Reason.UNSUPPORTED, place, f"no probe called {exposure.protocol}")
        own = [o for o in exposure.observations if o.sensor == SENSOR]
        tls = bool(own) and max(own, key=lambda o: o.time).tls
        for store in self.scope.file.targets.stores:
            target = self._store_target(store)
            if isinstance(target, Target) and endpoint_of(target) == exposure.endpoint:
                return Store(target, protocol, tls)
        endpoint = exposure.endpoint
        try:
            if endpoint.name:
                self._guard.pin(endpoint.name, endpoint.port, self._resolver)
            target = self.scope.target(endpoint.address, endpoint.port, name=endpoint.name)
        except OSError as e:
            return gap_at(Reason.UNRESOLVED, place, f"no look-up: {e}")
        except (LeftopenError, ValueError) as e:
            return gap_at(Reason.OUT_OF_SCOPE, place, str(e))
        if not self._guard.permits(endpoint.address, endpoint.port):
            return gap_at(Reason.OUT_OF_SCOPE, place, "the name leads to another address now")
        return Store(target, protocol, tls)
