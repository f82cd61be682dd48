"""Looks at hostile servers in a process of its own, so that what that costs can be measured.

Reads a `Task` as JSON, writes a `Report` as JSON. It knows nothing of what the servers do.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec

from leftopen.model.exposure import Access, ObjectRef
from leftopen.model.gap import Gap
from leftopen.model.redact import safe
from leftopen.model.scope import Scope, Target
from leftopen.net.budget import Budget
from leftopen.reach import reading, registry
from leftopen.reach.api import Outcome, Protocol, reason_of
from leftopen.reach.prove import Limits, Probing
from leftopen.reach.reach import Reach
from reaching import exposure_of, reach_of, scope_of

LIMITS = Limits(seconds=2.0, greeting_seconds=0.2, answer_seconds=0.6, blind_seconds=0.3)
READING = {"LISTING_SECONDS": 1.0, "LISTING_BYTES": 8_000_000}
READING |= {"OBJECT_SECONDS": 1.0, "OBJECT_BYTES": 2_000_000}
READ_REFS = 50  # objects of one exposure that are read, in all so many bytes and seconds
READ_BYTES = 4_000_000
READ_SECONDS = 1.0
RATES = """connections_per_second_per_host = 10000
connections_per_second = 10000"""


class Asked(msgspec.Struct, frozen=True):
    """One server to look at."""

    host: str
    port: int
    hint: str = ""
    tls: bool = False
    store: str = ""


class Task(msgspec.Struct, frozen=True):
    """Servers that are looked at together."""

    network: str
    servers: dict[str, Asked]


class Seen(msgspec.Struct):
    """What came of one server."""

    access: str
    protocol: str
    detail: str
    seconds: float  # until the look had its outcome, all looks begun at once
    gaps: list[str] = []  # reason: detail
    shown: list[str] = []  # all else that people get to see
    plugin: str = ""  # what its protocol said, asked alone
    plugin_seconds: float = 0.0
    reading_seconds: float = 0.0
    refs: int = 0


class Report(msgspec.Struct):
    """What came of all, and the most memory that this process ever held, in bytes."""

    seen: dict[str, Seen]
    peak: int


def hinted(servers: Iterable[Asked]) -> tuple[Protocol, ...]:
    """The protocols, with these servers' ports among their usual ones."""
    found = []
    for protocol in registry.protocols():
        ours = [s for s in servers if s.hint == protocol.name]
        clear = tuple(s.port for s in ours if not s.tls)
        inside = tuple(s.port for s in ours if s.tls)
        ports, tls_ports = (*protocol.ports, *clear), (*protocol.tls_ports, *inside)
        found.append(replace(protocol, ports=ports, tls_ports=tls_ports))
    return tuple(found)


def main() -> None:
    """Look, list, read, and say what it came to."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    vars(reading).update(READING)  # the time of a test, not of a night
    stores = [
        f'{{url = "{url_of(s)}", kind = "{s.store}"}}' for s in task.servers.values() if s.store
    ]
    scope = scope_of((task.network,), (1,), more=f"stores = [{', '.join(stores)}]", rates=RATES)
    reach = reach_of(scope, LIMITS)
    reach._probing = replace(reach._probing, protocols=hinted(list(task.servers.values())))
    targets = {name: target_of(scope, asked) for name, asked in task.servers.items()}
    report = Report(look(reach, targets), 0)
    asyncio.run(ask_plugins(reach._probing, task, targets, report.seen))
    report.peak = peak()
    sys.stdout.buffer.write(msgspec.json.encode(report))


def target_of(scope: Scope, asked: Asked) -> Target:
    """As a scope file would name it."""
    if not asked.store:
        return scope.target(asked.host, asked.port)
    url = url_of(asked)
    return scope.target(asked.host, asked.port, protocol=asked.store, url=url)


def url_of(asked: Asked) -> str:
    """The store that the scope file names."""
    return f"http://{asked.host}:{asked.port}/bucket"


def look(reach: Reach, targets: dict[str, Target]) -> dict[str, Seen]:
    """Prove all at once, then list and read what turned out open."""
    names = {target: name for name, target in targets.items()}
    started = time.monotonic()
    done = [(o, time.monotonic() - started) for o in reach.prove(targets.values())]
    seen = {names[outcome.target]: _seen(outcome, took) for outcome, took in done}
    for outcome, _ in done:
        if outcome.observation.access in (Access.LISTS, Access.GIVES_DATA):
            read(reach, outcome, seen[names[outcome.target]])
    return seen


def _seen(outcome: Outcome, took: float) -> Seen:
    said = outcome.observation
    evidence = [e.answer for e in outcome.evidence] + [e.request for e in outcome.evidence]
    return Seen(
        access=said.access.value,
        protocol=said.protocol,
        detail=said.detail,
        seconds=took,
        gaps=[f"{gap.reason.value}: {gap.detail}" for gap in outcome.gaps],
        shown=[said.product, said.version, *said.containers, *evidence],
    )


def read(reach: Reach, outcome: Outcome, seen: Seen) -> None:
    """List all, read some."""
    started = time.monotonic()
    exposure = exposure_of(outcome)
    items = list(reach.listing(exposure))
    refs = [item for item in items if isinstance(item, ObjectRef)]
    got = list(reach.fetch(exposure, refs[:READ_REFS], bytes=READ_BYTES, seconds=READ_SECONDS))
    seen.reading_seconds = time.monotonic() - started
    seen.refs = len(refs)
    gaps = [item for item in (*items, *got) if isinstance(item, Gap)]
    seen.gaps += [f"{gap.reason.value}: {gap.detail}" for gap in gaps]
    seen.shown += [safe(ref.path) for ref in refs[:READ_REFS]]


async def ask_plugins(
    probing: Probing, task: Task, targets: dict[str, Target], seen: dict[str, Seen]
) -> None:
    """Let each server's protocol prove alone, all at once."""
    known = {p.name: p for p in registry.protocols()}
    with probing.guard.active():
        await asyncio.gather(
            *(
                ask_plugin(probing, known[asked.hint], targets[name], asked.tls, seen[name])
                for name, asked in task.servers.items()
                if asked.hint in known
            )
        )


async def ask_plugin(
    probing: Probing, protocol: Protocol, target: Target, tls: bool, seen: Seen
) -> None:
    """The word of the protocol, or that of its error."""
    limits = probing.limits
    budget = Budget(bytes=limits.bytes, connections=limits.connections, seconds=limits.seconds)
    dialer = probing.dialer(target, budget, protocol.allowed)
    started = time.monotonic()
    try:
        proof = await protocol.prove(probing.context(target, dialer, tls=tls))
        seen.plugin = proof.access.value if proof else "something else"
    except Exception as e:  # noqa: BLE001  which one it is, is what the test asks
        seen.plugin = f"{reason_of(e).value} {type(e).__name__}: {e}"
    seen.plugin_seconds = time.monotonic() - started


def peak() -> int:
    """VmHWM. Not getrusage's ru_maxrss, which Linux carries over from the parent by exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
