"""Hostile servers: each costs its deadline and no more, and is never taken for open or closed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import msgspec
import pytest

import servers
from hostile import tls
from hostile.dns import DNS, LABELS, Name
from hostile.http_site import READS
from hostile.kind import Kind, Served, serving
from hostile.kinds import COUNT, FAMILIES, KINDS
from hostile.proto_data import READS_REDIS
from hostile.proto_mail import READ_IMAP, WRITES_FTP
from hostile.prover import LIMITS, READ_SECONDS, READING, Asked, Report, Seen, Task
from leftopen.model.exposure import Access
from leftopen.model.gap import Gap
from leftopen.model.scope import Target
from leftopen.reach import registry
from leftopen.reach.reach import Reach
from probing import KEYRING
from reaching import QUICK, answer, contacts, scope_of, swept, web

TESTS = Path(__file__).parents[1]
ELSEWHERE = "127.0.99.1"
PEAK_BYTES = 200_000_000
SPARE = 1.0  # seconds beyond the deadline


class Looked(msgspec.Struct):
    """One family: what was seen, what the servers heard, who came to the canary."""

    report: Report
    heard: dict[str, list[str]]
    contacts: int


@cache
def looked(family: str) -> Looked:
    """All kinds of one family, served at once and looked at by one process."""
    network = f"127.0.{20 + list(FAMILIES).index(family)}"
    with servers.scratch() as folder, servers.fake(lambda c: None, ELSEWHERE) as canary:
        tls.CERTIFICATE[:] = hostile_certificate(folder)
        with serving(FAMILIES[family].kinds, network, canary) as served:
            report = run_prover(f"{network}.0/24", served)
            return Looked(report, {s.kind.name: s.heard for s in served}, contacts(canary))


def run_prover(network: str, served: list[Served]) -> Report:
    asked = {
        s.kind.name: Asked(s.host, s.port, s.kind.hint, s.kind.tls, s.kind.store) for s in served
    }
    done = subprocess.run(
        [sys.executable, "-m", "hostile.prover"],
        cwd=TESTS,
        input=msgspec.json.encode(Task(network, asked)),
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return msgspec.json.decode(done.stdout, type=Report)


def hostile_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 2,000 names whose subject attacks whoever shows it."""
    key, cert, conf = folder / "key.pem", folder / "cert.pem", folder / "openssl.cnf"
    names = ",".join(f"DNS:n{n}.test" for n in range(2000))
    conf.write_text(
        "[req]\nprompt=no\nutf8=yes\ndistinguished_name=dn\nx509_extensions=ext\n"
        "[dn]\nCN=<script>alert(1)</script>\nO==cmd()\u202e\x1b[2J\n"
        f"[ext]\nsubjectAltName={names}\n"
    )
    argv = [servers.need("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
    argv += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-config", str(conf)]
    argv += ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    return cert, key


def seen_of(kind: Kind) -> Seen:
    return looked(kind.name.split(":")[0]).report.seen[kind.name]


def test_there_are_at_least_ninety() -> None:
    assert COUNT >= 90
    assert len(KINDS) == sum(len(f.kinds) for f in FAMILIES.values())
    assert len({k.does for k in KINDS.values()}) > len(KINDS) * 0.9
    assert all(k.does for k in KINDS.values())


def allowed(kind: Kind) -> set[str]:
    """A protocol that we do not know yet may only be seen to speak."""
    known = not kind.hint or kind.hint in {p.name for p in registry.protocols()}
    return {a.value for a in kind.verdicts | (frozenset() if known else {Access.SPEAKS})}


@pytest.mark.parametrize("name", KINDS)
def test_the_verdict_is_no_guess(name: str) -> None:
    kind = KINDS[name]
    seen = seen_of(kind)
    # A machine without time for all of them at once may leave one unjudged, never misjudged.
    assert seen.access in allowed(kind) | {Access.UNDETERMINED.value}, seen
    assert seen.seconds <= LIMITS.seconds + SPARE, seen
    assert not [g for g in seen.gaps if g.startswith("crashed")]
    if seen.access in (Access.MISBEHAVES.value, Access.UNDETERMINED.value):
        assert seen.gaps, "what is not known is a gap"
    assert all(text.isprintable() for text in (seen.detail, *seen.gaps, *seen.shown))


def test_nearly_all_that_break_their_protocol_are_called_so() -> None:
    broken = [k for k in KINDS.values() if k.verdicts == {Access.MISBEHAVES}]
    right = [k for k in broken if seen_of(k).access == Access.MISBEHAVES.value]
    assert len(broken) >= 90
    assert len(right) > 0.9 * len(broken)


PLUGGED = [n for n, k in KINDS.items() if k.hint in {p.name for p in registry.protocols()}]


@pytest.mark.parametrize("name", PLUGGED)
def test_its_protocol_alone_does_not_guess_either(name: str) -> None:
    kind = KINDS[name]
    seen = seen_of(kind)
    assert seen.plugin
    assert not seen.plugin.startswith("crashed"), seen.plugin
    fine = {*allowed(kind), "something else", Access.UNDETERMINED.value}
    assert seen.plugin in fine or " " in seen.plugin, seen.plugin
    assert seen.plugin_seconds <= LIMITS.seconds + SPARE


@pytest.mark.parametrize("name", KINDS)
def test_reading_ends_too(name: str) -> None:
    seen = seen_of(KINDS[name])
    budget = READING["LISTING_SECONDS"] + READ_SECONDS + 2 * SPARE
    assert seen.reading_seconds <= budget
    exposed = seen.access in (Access.LISTS.value, Access.GIVES_DATA.value)
    assert exposed == (seen.reading_seconds > 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_memory_is_bounded_and_the_canary_untouched(family: str) -> None:
    found = looked(family)
    assert found.report.peak < PEAK_BYTES
    assert found.contacts == 0
    assert len(found.report.seen) == len(FAMILIES[family].kinds)


BAITS = {
    "site: write bait": set(READS),
    "data: Redis write bait": set(READS_REDIS),
    "mail: IMAP credential recorder": set(READ_IMAP),
}


@pytest.mark.parametrize("name", BAITS)
def test_only_reading_verbs_are_sent(name: str) -> None:
    heard = looked(name.split(":")[0]).heard[name]
    assert heard
    assert {verb for verb in heard if verb} <= BAITS[name]


def test_ftp_bait_is_not_written_to() -> None:
    heard = set(looked("mail").heard["mail: FTP write bait"])
    assert {"USER", "PASS", "RETR"} <= heard
    assert not heard & set(WRITES_FTP)


def test_no_file_is_given_to_a_server_that_asks_for_one() -> None:
    heard = looked("data").heard["data: MySQL asks for a file"]
    assert not [said for said in heard if "root:" in said]


@pytest.fixture
def canary() -> Iterator[servers.Fake]:
    with servers.fake(lambda client: None, ELSEWHERE) as server:
        yield server


@pytest.mark.parametrize("name", DNS, ids=[n.name for n in DNS])
def test_names_lead_nowhere_else(name: Name, canary: servers.Fake) -> None:
    asked: Counter[str] = Counter()

    def resolver(host: str) -> Iterable[str]:
        asked[host] += 1
        return name.answers(servers.CLIENT, canary.host, asked[host] - 1)

    with web(lambda path: answer(b"<html>ours</html>")) as ours:
        more = f"""exclude = ["{ELSEWHERE}"]
            hosts = ["web.test"]
            stores = [{{url = "http://files.test:{ours.port}/"}}]"""
        scope = scope_of((), (ours.port, canary.port), more=more)
        reach = Reach(scope, KEYRING, "r", limits=QUICK, resolver=resolver)
        found = list(reach.targets())
        opened = swept(reach)
        stores = [target for target in found if isinstance(target, Target)]
        outcomes = list(reach.prove([*opened, *stores]))
    assert contacts(canary) == 0
    assert {o.observation.endpoint.address for o in outcomes} <= {servers.CLIENT}
    assert all(t.endpoint.address.startswith("127.") for t in opened)
    assert [o.observation.access for o in outcomes] == [Access.SPEAKS] * (2 * name.reached)
    assert bool(ours.requests) is name.reached
    assert name.reached or [item for item in found if isinstance(item, Gap)]
    assert set(asked.values()) <= {1} or not name.reached


@pytest.mark.parametrize("label", LABELS)
def test_names_that_are_no_names(label: str) -> None:
    reach = Reach(scope_of(ports=(1,)), KEYRING, "r", limits=QUICK)
    with pytest.raises(OSError):
        reach._resolver(label)
