"""Wall and CPU seconds and recall of the sweep, beside nmap and masscan, in network namespaces.

    sudo .venv/bin/python bench/reach_sweep.py [--quick] [--rounds N] [--only A,B,C] [--seed N]

Three far sides of 4,096 addresses x 16 ports. A: all addresses there, 512 listeners, RST from all
else. B: 256 hosts there, 64 listeners, the rest dark. C: 200 listeners behind 20 ms and 1 % loss
each way, silence from all else (bench/responder.c). All readers of one far side run in turn, and
the rounds are interleaved; a table goes to standard error, one JSON object to standard output.
Nothing leaves this machine. Our times hold the start of Python.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NETWORK, HOSTS, PORTS = "10.128.0.0/20", 4096, range(1000, 1016)
LIVE = "10.128.0.0/24"
LIMIT = 240  # seconds for one reader of one far side
RATES = {"A": 1_000_000, "B": 50_000, "C": 50_000}  # A: as fast as it goes, like nmap -sT
NEAR, FAR = "lo-bench-near", "lo-bench-far"
MACS = ("02:00:00:77:00:01", "02:00:00:77:00:02")
VETH = ["-e", "near0", "--router-mac", MACS[1]]
MASSCAN_ROUTE = {"A": VETH, "B": VETH, "C": ["-e", "far0"]}  # it finds none by itself
LISTENERS = {"A": 512, "B": 64, "C": 200}
OURS = """
import json, sys
from datetime import UTC, datetime
from leftopen.model.scope import parse_scope
from leftopen.net.budget import Meter
from leftopen.net.guard import Guard
from leftopen.reach.sweep import Sweep, Wish
network, rate, raw = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "raw"
ports = list(range(int(sys.argv[4]), int(sys.argv[5])))
scope = parse_scope(
    f"version = 1\\n[rates]\\nconnections_per_second = {rate}\\n"
    f"connections_per_second_per_host = {rate}\\ntimeout_seconds = 2.5\\n"
    f'[targets]\\nnetworks = ["{network}"]\\nports = {ports}\\n', "bench", datetime.now(UTC))
with Guard(scope).active():
    sweep = Sweep(scope, (), Meter(rate, rate, 1), Wish(raw=raw))
    for target in sweep:
        print(f"{target.endpoint.address}:{target.endpoint.port}")
print("\\n".join(sweep.notes), file=sys.stderr)
"""
LISTEN = """
import socket, sys
held = []
for line in open(sys.argv[1]):
    address, port = line.split()
    held.append(socket.create_server((address, int(port)), backlog=512))
print("up", flush=True)
sys.stdin.read()
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def listeners(side: str, seed: int) -> list[str]:
    """Address and port of what is open on one far side."""
    chance = random.Random(f"{side}{seed}")
    hosts = 254 if side == "B" else HOSTS - 2
    places = [(n, port) for n in range(1, hosts + 1) for port in PORTS]
    chosen = chance.sample(places, LISTENERS[side])
    return [f"10.128.{n >> 8}.{n & 255} {port}" for n, port in chosen]


@contextmanager
def far_side(side: str, folder: Path, seed: int) -> Iterator[set[str]]:
    """Build one far side; yields what is open as address:port."""
    places = listeners(side, seed)
    listed = folder / f"listeners-{side}"
    listed.write_text("\n".join(places) + "\n")
    with ExitStack() as stack:
        for name in (NEAR, FAR):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
            ip("-n", name, "link", "set", "lo", "up")
        if side == "C":
            argv = [str(folder / "responder"), "-t", "far0", "-f", str(listed), "-s", str(seed)]
            stack.enter_context(waiting(NEAR, [*argv, "-d", "20", "-l", "10"]))
            ip("-n", NEAR, "addr", "add", "10.77.0.1/32", "dev", "far0")
            ip("-n", NEAR, "link", "set", "far0", "txqueuelen", "10000", "up")
            ip("-n", NEAR, "route", "add", NETWORK, "dev", "far0")
        else:
            join(LIVE if side == "B" else NETWORK)
            argv = [sys.executable, "-c", LISTEN, str(listed)]
            stack.enter_context(waiting(FAR, argv))
        yield {place.replace(" ", ":") for place in places}


def join(local: str) -> None:
    """A pair of devices between the namespaces; the far one holds all addresses of `local`."""
    near = ["near0", "address", MACS[0], "netns", NEAR]
    ip("link", "add", *near, "type", "veth", "peer", "far0", "address", MACS[1], "netns", FAR)
    for name, device, address in ((NEAR, "near0", "10.77.0.1/30"), (FAR, "far0", "10.77.0.2/30")):
        ip("-n", name, "addr", "add", address, "dev", device)
        ip("-n", name, "link", "set", device, "up")
    ip("-n", NEAR, "route", "add", NETWORK, "via", "10.77.0.2")
    ip("-n", FAR, "route", "add", "local", local, "dev", "lo")


@contextmanager
def waiting(name: str, argv: Sequence[str]) -> Iterator[None]:
    """A program in a namespace that says "up", until the block ends."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", name, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"up\n":
            raise SystemExit(f"{argv[0]} did not start")
        yield
    finally:
        process.kill()
        process.wait()


def ours(how: str, rate: int) -> list[str]:
    code = [sys.executable, "-c", OURS, NETWORK, str(rate), how, str(PORTS.start), str(PORTS.stop)]
    if how == "raw":
        return code
    return ["setpriv", "--bounding-set=-net_raw,-net_admin", *code]  # as a user without privilege


def nmap(*options: str) -> list[str]:
    ports = f"-p{PORTS.start}-{PORTS.stop - 1}"
    return ["nmap", "-n", "--open", "-T4", "-oG", "-", ports, *options, NETWORK]


def readers(side: str) -> dict[str, list[str]]:
    """The command of each reader of a far side."""
    rate = RATES[side]
    tuned = nmap("-Pn", "--min-rate", str(rate), "--max-retries", "1")
    masscan = ["masscan", NETWORK, f"-p{PORTS.start}-{PORTS.stop - 1}", "--rate", "50000"]
    masscan += ["--retries", "1", "--wait", "2", "-oL", "-", *MASSCAN_ROUTE[side]]
    found = {"leftopen": ours("raw", rate), "leftopen connect": ours("connect", rate)}
    if side == "A":
        return found | {"nmap -sT": nmap("-Pn", "-sT"), "masscan": masscan}
    if side == "B":
        return found | {"nmap": nmap(), "nmap tuned": tuned, "masscan": masscan}
    return found | {"nmap tuned": tuned, "masscan": masscan}


def measure(command: list[str]) -> dict[str, Any]:
    """Wall and CPU seconds and the open endpoints that one command says."""
    program = command[0]
    if not shutil.which(program):
        return {"missing": f"{program} is not installed"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        # masscan sends for two seconds here and then often waits for ever.
        limit = LIMIT // 6 if program == "masscan" else LIMIT
        argv = ["ip", "netns", "exec", NEAR, "timeout", "-k1", str(limit), *command]
        started = time.perf_counter()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, said):
            file.seek(0)
        text, errors = out.read().decode(), said.read(2000).decode("utf-8", "replace").strip()
    figures: dict[str, Any] = {
        "wall_seconds": round(wall, 3),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "open": endpoints(text),
    }
    if process.returncode:
        figures["failed"] = f"ended with {process.returncode}: {errors[-200:]}"
    elif errors and "leftopen" in " ".join(command):
        figures["notes"] = errors
    return figures


def endpoints(text: str) -> set[str]:
    """address:port of our own lines, of nmap -oG and of masscan -oL."""
    found = set(re.findall(r"^(\d+\.\d+\.\d+\.\d+:\d+)$", text, re.M))
    found |= {f"{a}:{p}" for p, a in re.findall(r"^open tcp (\d+) (\S+)", text, re.M)}
    for host, ports in re.findall(r"^Host: (\S+) .*?Ports: (.*)$", text, re.M):
        found |= {f"{host}:{p}" for p in re.findall(r"(\d+)/open/", ports)}
    return found


def run(side: str, rounds: int, folder: Path, seed: int) -> dict[str, Any]:
    """All readers of one far side, in turn, so many rounds: medians, and the worst recall."""
    looks: dict[str, list[dict[str, Any]]] = {}
    with far_side(side, folder, seed) as truth:
        for number in range(rounds):
            for name, command in readers(side).items():
                if number and name == "masscan" and "failed" in looks[name][0]:
                    continue
                figures = measure(command)
                if "open" in figures:
                    opened = figures.pop("open")
                    figures |= {"found": len(opened & truth), "wrong": len(opened - truth)}
                looks.setdefault(name, []).append(figures)
    return {"listeners": len(truth), "readers": {n: together(f) for n, f in looks.items()}}


def together(looks: list[dict[str, Any]]) -> dict[str, Any]:
    """The median times of several looks, the least found, the most wrong."""
    if "missing" in looks[0]:
        return looks[0]
    made: dict[str, Any] = {
        key: round(statistics.median(look[key] for look in looks), 3)
        for key in ("wall_seconds", "cpu_seconds")
    }
    made["found"] = min(look["found"] for look in looks)
    made["wrong"] = max(look["wrong"] for look in looks)
    made["walls"] = [look["wall_seconds"] for look in looks]
    for key in ("failed", "notes"):
        if said := {look[key] for look in looks if key in look}:
            made[key] = sorted(said)
    return made


def ratio(sides: dict[str, Any], side: str, other: str, one: str = "leftopen") -> float | None:
    """How many times as long the other took; None where it is missing."""
    readers_ = sides.get(side, {}).get("readers", {})
    theirs, own = (readers_.get(n, {}).get("wall_seconds") for n in (other, one))
    return round(theirs / own, 2) if theirs and own else None


def main() -> None:
    """Build, measure, tell."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--quick", action="store_true", help="one round instead of three")
    options.add_argument("--rounds", type=int)
    options.add_argument("--only", default="A,B,C")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    rounds = given.rounds or (1 if given.quick else 3)
    if os.getuid() or not all(map(shutil.which, ("ip", "gcc", "setpriv"))):
        raise SystemExit("needs root, ip (iproute2), setpriv (util-linux) and gcc")
    sides: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="leftopen-bench-") as name:
        folder = Path(name)
        responder = [str(folder / "responder"), str(HERE / "responder.c")]
        subprocess.run(["gcc", "-O2", "-o", *responder], check=True)
        for side in given.only.split(","):
            sides[side] = run(side, rounds, folder, given.seed)
            tell(side, sides[side])
    result = {
        "rounds": rounds,
        "sides": sides,
        "A_nmap_connect_by_leftopen": ratio(sides, "A", "nmap -sT"),
        "B_nmap_by_leftopen": ratio(sides, "B", "nmap"),
        "B_nmap_tuned_by_leftopen": ratio(sides, "B", "nmap tuned"),
        "B_nmap_by_leftopen_connect": ratio(sides, "B", "nmap", "leftopen connect"),
        "C_nmap_tuned_by_leftopen": ratio(sides, "C", "nmap tuned"),
    }
    print(json.dumps(result, sort_keys=True))


def tell(side: str, figures: dict[str, Any]) -> None:
    """One table."""
    print(f"far side {side}: {figures['listeners']} listeners", file=sys.stderr)
    for name, made in figures["readers"].items():
        row = made.get("missing") or (
            f"{made['wall_seconds']:>8.2f} s {made['cpu_seconds']:>7.2f} CPU s "
            f"{made['found']:>5} found {made['wrong']:>3} wrong {' '.join(made.get('notes', ()))}"
            f"{' '.join(made.get('failed', ()))}"
        )
        print(f"{name:>18} {row}", file=sys.stderr)


if __name__ == "__main__":
    main()
