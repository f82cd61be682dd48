"""The raw sweep in network namespaces: recall, forged answers, the scope, rates, lost answers."""

from __future__ import annotations

import ipaddress
import os
import random
import secrets
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import namespaces
import servers
from leftopen.model.errors import OutOfScope
from leftopen.model.scope import Scope
from leftopen.net import packets, syn
from leftopen.net.budget import Meter
from leftopen.net.gate import Gate
from leftopen.net.pace import CREDIT, SAMPLES, SLOWEST, Pace, Patience
from leftopen.net.syn_frames import HEARD_SLOT, SLOT, Cookies, lay_out, sender, write
from leftopen.reach.sweep import Sweep, Wish
from leftopen.reach.sweep_space import Space
from reaching import scope_of

FAST = "connections_per_second = 20000\nconnections_per_second_per_host = 20000\n"
PORTS = (80, 443, 873, 9200)
NET = "10.128.0.0/23"
Place = tuple[str, int]


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """A folder with the responder in it."""
    namespaces.need_root()
    with servers.scratch() as folder:
        namespaces.compiled(folder)
        yield folder


def some(count: int, seed: int = 1) -> list[Place]:
    """So many endpoints of NET."""
    hosts = [str(h) for h in ipaddress.ip_network(NET).hosts()]
    return random.Random(seed).sample([(h, p) for h in hosts for p in PORTS], count)


def swept(scope: Scope, wish: Wish | None = None) -> tuple[set[Place], Sweep]:
    """What is open, and the sweep."""
    rates = scope.file.rates
    meter = Meter(rates.connections_per_second, rates.connections_per_second_per_host, 1)
    sweep = Sweep(scope, (), meter, wish)
    return {(t.endpoint.address, t.endpoint.port) for t in sweep}, sweep


def scope_with(rates: str = FAST, more: str = "", seconds: float = 0.5) -> Scope:
    return scope_of((NET,), PORTS, more, f"{rates}\ntimeout_seconds = {seconds}")


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_every_open_port_is_found_over_a_lossy_path(built: Path, seed: str) -> None:
    there = some(60, int(seed))
    options = ("-d", "20", "-l", "10", "-s", seed)
    with namespaces.far_side(built, there, *options) as far, namespaces.inside(far.name):
        found, sweep = swept(scope_with())
    assert found == set(there)
    assert (sweep.closed, sweep.filtered, sweep.notes) == (0, 510 * 4 - 60, [])


def test_resets_are_closed_and_end_the_sweep_at_once(built: Path) -> None:
    there = some(20)
    with namespaces.far_side(built, there, "-r") as far, namespaces.inside(far.name):
        started = time.monotonic()
        found, sweep = swept(scope_with(seconds=30))
        took = time.monotonic() - started
    assert found == set(there)
    assert (sweep.closed, sweep.filtered) == (510 * 4 - 20, 0)
    assert took < 10  # nobody is left to wait for: the 30 s are not spent


def test_a_dark_network_is_filtered(built: Path) -> None:
    with namespaces.far_side(built, []) as far, namespaces.inside(far.name):
        found, sweep = swept(scope_with(seconds=0.2))
        asked = Counter((p.address, p.port) for p in far.packets())
    assert (found, sweep.closed, sweep.filtered, sweep.notes) == (set(), 0, 510 * 4, [])
    # Twice by raw packets; a sample of 64 once more by connects, as nothing at all was heard.
    assert sorted(Counter(asked.values()).items()) == [(2, 510 * 4 - 64), (3, 64)]


def test_forged_answers_are_ignored(built: Path) -> None:
    there = some(10)
    with namespaces.far_side(built, there, "-x") as far, namespaces.inside(far.name):
        found, sweep = swept(scope_with())
    assert found == set(there)
    assert (sweep.closed, sweep.filtered) == (0, 510 * 4 - 10)


def test_no_packet_leaves_the_scope(built: Path) -> None:
    exclude = ["10.128.0.0/28", "10.128.1.7", "10.128.1.9:443", "10.128.0.128/25:873"]
    more = f"exclude = {exclude}".replace("'", '"')
    with namespaces.far_side(built, some(20), "-r") as far, namespaces.inside(far.name):
        _, sweep = swept(scope_with(more=more))
        seen = far.packets()
    scope = sweep.space.scope
    asked = {(str(ipaddress.ip_address(p.address)), p.port) for p in seen}
    inside = {(a, p) for a in scope.addresses() for p in PORTS if scope.covers(a, p)}
    assert asked == inside
    assert {p.protocol for p in seen} == {socket.IPPROTO_TCP}
    assert {p.flags for p in seen} == {0x02, 0x04}  # SYN; the kernel's RST to each SYN-ACK
    assert sweep.closed + sweep.open == len(inside)


def test_the_engine_itself_refuses_what_is_outside(built: Path) -> None:
    wide, narrow = scope_with(), scope_of(("10.128.0.0/24",), PORTS)
    with namespaces.far_side(built, []) as far, namespaces.inside(far.name):
        space = Space(wide)
        engine = syn.SynSweep(space, Gate(narrow), Pace(1000), 1000)
        number = space.find4(int(ipaddress.ip_address("10.128.1.1")), 80)
        assert number is not None
        with pytest.raises(OutOfScope, match=r"10\.128\.1\.1 port 80"):
            list(engine.run(iter([number])))
        engine.close()
        assert far.packets() == []


def test_the_rates_of_the_scope_hold(built: Path) -> None:
    rates = "connections_per_second = 400\nconnections_per_second_per_host = 20"
    scope = scope_of(("10.128.0.0/27",), tuple(range(1000, 1012)), rates=rates)
    with namespaces.far_side(built, [], "-r") as far, namespaces.inside(far.name):
        _, sweep = swept(scope)
        seen = far.packets()
    assert sweep.closed == len(seen) == 30 * 12
    times = [p.time for p in seen]
    assert most_within(times, 0.25) <= 400 * (0.25 + 2 * CREDIT) + 1
    for host in {p.address for p in seen}:
        # 20 a second: 11 gaps of 50 ms between 12 packets, less what a loaded machine is late by.
        own = [p.time for p in seen if p.address == host]
        assert own[-1] - own[0] > 0.5
        assert most_within(own, 0.19) <= 5


def most_within(times: list[float], seconds: float) -> int:
    """The most packets in any stretch of so many seconds."""
    return max(sum(t <= other < t + seconds for other in times) for t in times)


def test_packets_that_the_kernel_drops_are_counted_and_told(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receive buffer for a handful of packets, and answers that all come at once."""
    monkeypatch.setattr(packets, "_RECEIVE_BYTES", 1)
    monkeypatch.setattr(syn, "_HEARD_AT_ONCE", 4)
    rates = "connections_per_second = 200000\nconnections_per_second_per_host = 200000"
    with namespaces.far_side(built, [], "-r") as far, namespaces.inside(far.name):
        space = Space(scope_with(rates))
        pace = Pace(200_000)
        engine = syn.SynSweep(space, space.gate, pace, 200_000)
        engine.wait(Patience(0.2, 0.2))
        heard = {a[0] for a in engine.run(iter(range(1200))) if a}
        engine.close()
    assert engine.dropped == 1200 - len(heard) > 0
    assert f"dropped {engine.dropped} packets" in engine.notes()[0]
    assert pace.rate < pace.limit


def test_when_raw_packets_hear_nothing_it_connects(built: Path) -> None:
    there = some(10)
    options = ("-r", "-w", "1024")
    with namespaces.far_side(built, there, *options) as far, namespaces.inside(far.name):
        found, sweep = swept(scope_with(seconds=0.3))
    assert found == set(there)
    assert (sweep.closed, sweep.filtered) == (510 * 4 - 10, 0)
    assert "raw packets hear nothing" in sweep.notes[0]


def test_a_killed_sweep_goes_on_and_asks_none_twice(built: Path) -> None:
    """Killed three times at random; only what was on its way then may be asked again."""
    scope = scope_with("connections_per_second = 5000\nconnections_per_second_per_host = 5000")
    cuts = random.Random(7)
    heard: list[int] = []
    points: list[bytes] = [b""]
    with namespaces.far_side(built, some(50), "-r") as far, namespaces.inside(far.name):
        for count in (*(cuts.randrange(20, 600) for _ in range(3)), 9999):
            wish = Wish(
                resume=points[-1], checkpoint=points.append, look_every=0.0, store_every=0.0
            )
            sweep = Sweep(scope, (), Meter(5000, 5000, 1), wish)
            states = sweep.states()
            heard += [number for number, _ in islice(states, count)]
            states.close()
        asked = Counter((p.address, p.port) for p in far.packets() if p.flags == 0x02)
    assert set(heard) == set(range(510 * 4))
    assert (sweep.open, sweep.closed, sweep.filtered) == (50, 510 * 4 - 50, 0)
    assert len(asked) == 510 * 4
    # A turn sends 50 packets; two turns at most lie between a checkpoint and the kill.
    assert sum(asked.values()) - 510 * 4 <= 3 * 100


def test_neighbours_and_our_own_address_are_asked_by_the_kernels_ways(built: Path) -> None:
    """On Ethernet (veth): ARP is the kernel's; the dark neighbours have none."""
    near, far = (f"lo-{side}-{os.getpid()}" for side in ("near", "far"))
    pair = ("near0", "netns", near, "type", "veth", "peer", "far0", "netns", far)
    with namespaces.namespace(near), namespaces.namespace(far):
        namespaces.command("link", "add", *pair)
        for name, device, address in ((near, "near0", "10.77.0.1"), (far, "far0", "10.77.0.2")):
            namespaces.command("-n", name, "addr", "add", f"{address}/29", "dev", device)
            namespaces.command("-n", name, "link", "set", device, "up")
        with namespaces.inside(far):
            there = socket.create_server(("10.77.0.2", 443))
        with namespaces.inside(near), socket.create_server(("10.77.0.1", 80)), there:
            found, sweep = swept(
                scope_of(("10.77.0.0/29",), (80, 443), rates=FAST + "timeout_seconds = 0.5")
            )
    assert found == {("10.77.0.1", 80), ("10.77.0.2", 443)}
    assert (sweep.closed, sweep.filtered, sweep.notes) == (2, 8, [])


def test_without_privilege_it_connects(built: Path) -> None:
    there = some(10)
    scope = scope_with(seconds=0.3)
    with namespaces.far_side(built, there, "-r") as far, namespaces.inside(far.name):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setuid(65534)
                found, sweep = swept(scope)
                told = "no raw packets here" in sweep.notes[0]
                status = 0 if found == set(there) and told and sweep.filtered == 0 else 2
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0


@given(st.integers(0, 2**32 - 1), st.integers(0, 65535), st.integers(0, 2**32 - 1))
def test_the_checksum_is_that_of_the_bytes(address: int, port: int, cookie: int) -> None:
    slots = bytearray(2 * SLOT)
    lay_out(slots)
    own = 0x0A4D0001
    write(slots, SLOT, sender(own, 40_000), 40_000, (address, port), cookie)
    tcp = bytes(slots[SLOT + 36 : 2 * SLOT])
    pseudo = struct.pack(">IIHH", own, address, 6, len(tcp))
    total = sum(struct.unpack(f">{(len(tcp) + 12) // 2}H", pseudo + tcp))
    assert total % 0xFFFF == 0
    assert struct.unpack_from(">HHIIBB", tcp) == (40_000, port, cookie, 0, 0x60, 0x02)
    assert struct.unpack_from(">4xII", slots, SLOT + 24) == (own, address)
    assert struct.unpack_from(">I", slots, SLOT + 4) == (address,)


def answer(cookies: Cookies, flags: int, shift: int = 1, first: int = 0x45) -> bytes:
    ack = (cookies.of(7, 80) + shift) & 0xFFFFFFFF
    ip = struct.pack(">B11xII", first, 7, 9)
    return (ip + struct.pack(">HHIIBB", 80, 40_000, 5, ack, 0x50, flags)).ljust(HEARD_SLOT, b"\0")


def test_only_an_answer_to_our_packet_counts() -> None:
    cookies = Cookies(secrets.token_bytes(32))
    slots = [answer(cookies, flags) for flags in (0x12, 0x14, 0x04, 0x02, 0x10, 0x16)]
    slots += [answer(cookies, 0x12, shift) for shift in (0, 2, -1)]
    slots += [answer(cookies, 0x12, first=0x46), answer(Cookies(b"another"), 0x12), bytes(64)]
    heard = list(cookies.check(memoryview(b"".join(slots))))
    assert heard == [(7, 80, True), (7, 80, False), (7, 80, False)]


GATES = [
    "",
    'exclude = ["10.0.0.4/30", "10.0.0.16:80", "10.0.0.16/30:443", "fd00::1", "[fd00::2]:80"]',
    'exclude = ["10.0.0.0/28", "10.0.0.0/27"]',
    '[[rules.tiers]]\nnetworks = ["10.0.0.4/30", "fd00::/64"]\ntier = 0\n'
    '[[rules.tiers]]\nnetworks = ["10.0.0.16/31"]\ntier = 2',
    '[rules]\ntier = 0\n[[rules.tiers]]\nnetworks = ["10.0.0.16/30", "10.0.0.50/32"]\ntier = 4\n'
    '[[rules.tiers]]\nnetworks = ["10.0.0.17/32"]\ntier = 0',
]


@pytest.mark.parametrize("more", GATES)
def test_the_gate_says_what_the_scope_says(more: str) -> None:
    scope = scope_of(("10.0.0.0/28", "10.0.0.16/28", "10.0.0.48/29"), (80, 443), more)
    gate = Gate(scope)
    first = int(ipaddress.ip_address("9.255.255.250"))
    for number in range(first, first + 90):
        for port in (80, 443):
            address = str(ipaddress.ip_address(number))
            assert gate.admits(number, port) is scope.covers(address, port), (address, port)


def test_the_pace_halves_on_loss_and_comes_back() -> None:
    pace = Pace(1000)
    pace.send(100, 10.0)
    assert pace.wait(10.0) == pytest.approx(0.1 - CREDIT)
    pace.lost(10.0)
    assert pace.rate == 500
    pace.fine(10.5)
    assert pace.rate == 500
    for second in range(11, 30):
        pace.fine(float(second))
    assert pace.rate == 1000
    for _ in range(20):
        pace.lost(30.0)
    assert pace.rate == 500
    for second in range(31, 50):
        pace.lost(float(second))
    assert pace.rate == SLOWEST


def test_patience_is_the_scopes_until_enough_is_known() -> None:
    patience = Patience(3.0, 0.3)
    for _ in range(SAMPLES - 1):
        patience.heard(0.02)
    assert patience.seconds == 3.0
    patience.heard(0.2)
    assert patience.seconds == pytest.approx(0.6)
    assert patience.last(1.0).seconds == 1.0
    patience.heard(2.0)
    assert patience.seconds == 3.0
