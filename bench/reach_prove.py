"""The laboratory: what Leftopen proves of it, beside nmap's version scan and its scripts.

Starts every server of the truth table (tests/lab) behind its relay; then, in the same run,
Leftopen proves all of them in one call, and `nmap -sV` with the scripts that show contents looks
at the same endpoints. nmap's ports hold for all hosts of a call, so there is one nmap for each
port, several at the same time: that is faster than one nmap for all, and no endpoint of somebody
else is touched. Rows are open or closed by the truth table; "proved open" counts those open ones
of which data or a list was shown, "sized" those with a count or a number of bytes.

    python bench/reach_prove.py [--quick]

A table goes to standard error, one JSON object to standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from lab.config import Config, configs
from lab.laboratory import Laboratory, Stand, laboratory
from leftopen.model.exposure import OPEN

QUICK = 3  # every third row
BAR = 8.0  # seconds for the whole laboratory
LIMIT = 60  # seconds that nmap may spend on one endpoint; it then gives that one up
NMAPS = 8  # at the same time
# Each script, what it must show for "anybody gets in", and what tells a size. These only show
# names or mechanisms: ldap-rootdse, rsync-list-modules, amqp-info, vnc-info, *-capabilities.
SCRIPTS: dict[str, tuple[str, str]] = {
    "ftp-anon": (r"Anonymous FTP login allowed", r"(?m)^[-d][rwx-]{9}"),
    "redis-info": (r"Version:", r""),
    "memcached-info": (r"Uptime|Current connections", r""),
    "ldap-search": (r"dn:", r""),
    "ldap-rootdse": (r"", r""),
    "rsync-list-modules": (r"", r""),
    "smb-enum-shares": (r"Anonymous access: READ", r""),
    "smb-ls": (r"(?m)^\s*(?:Volume|SIZE)", r"(?m)^\s*\d+ +\d{4}-"),
    "mqtt-subscribe": (r"Topics and their most recent payloads", r""),
    "couchdb-databases": (r"(?s)\b\d+ = |1 = ", r""),
    "mongodb-databases": (r"totalSize|databases", r"totalSize|sizeOnDisk"),
    "x11-access": (r"granted", r""),
    "http-ls": (r"Volume|SIZE", r"(?m)^\s*\d+ +\d{4}-|bytes"),
    "http-git": (r"Git repository found", r""),
    "imap-capabilities": (r"", r""),
    "pop3-capabilities": (r"", r""),
    "nfs-ls": (r"Volume", r"(?m)\d+ +\d{4}-"),
    "cassandra-info": (r"Version", r""),
    "amqp-info": (r"", r""),
    "hadoop-namenode-info": (r"Storage", r"Storage"),
    "vnc-info": (r"", r""),
}


def leftopen(lab: Laboratory) -> dict[str, Any]:
    """One Reach.prove call over everything that is up."""
    reach, targets = lab.reach()
    names = {id(target): name for name, target in targets.items()}
    found, sized, ended = set[str](), set[str](), dict[str, float]()
    started = time.perf_counter()
    for outcome in reach.prove(targets.values()):
        name, seen = names[id(outcome.target)], outcome.observation
        ended[name] = round(time.perf_counter() - started, 2)
        if seen.access in OPEN:
            found.add(name)
        if seen.size and (seen.size.objects is not None or seen.size.bytes is not None):
            sized.add(name)
    seconds = time.perf_counter() - started
    slowest = sorted(ended.items(), key=lambda item: -item[1])[:8]
    return {**counted(lab, seconds, found, sized), "slowest": dict(slowest)}


def counted(lab: Laboratory, seconds: float, found: set[str], sized: set[str]) -> dict[str, Any]:
    """The figures of one peer."""
    opened = {name for name, s in lab.stands.items() if s.config.access in OPEN}
    return {
        "seconds": round(seconds, 2),
        "proved_open": len(found & opened),
        "sized": len(sized & found & opened),
        "wrongly_open": sorted(found - opened),
    }


def nmap(lab: Laboratory) -> dict[str, Any]:
    """The same for nmap, or that it is missing."""
    binary = shutil.which("nmap")
    if not binary:
        return {"missing": "nmap is not installed"}
    groups: dict[int, list[Stand]] = defaultdict(list)
    for stand in lab.stands.values():
        groups[stand.port].append(stand)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="leftopen-bench-") as folder:
        outputs = [Path(folder) / f"{port}.xml" for port in groups]
        with ThreadPoolExecutor(NMAPS) as pool:
            jobs = zip(groups.items(), outputs, strict=True)
            took = list(pool.map(lambda job: scan(binary, *job[0], job[1]), jobs))
        seconds = time.perf_counter() - started
        found, sized = shown(outputs, lab.stands.values())
        gone = sum(output.read_text().count('timedout="true"') for output in outputs)
    slowest = sorted(zip(took, groups, strict=True), reverse=True)[:8]
    return {
        **counted(lab, seconds, found, sized),
        "slowest": {f"port {port}": round(at, 2) for at, port in slowest},
        "given_up": gone,
        "version": version(binary),
    }


def scan(binary: str, port: int, stands: Sequence[Stand], output: Path) -> float:
    """One nmap: this port of these hosts; the seconds it took."""
    started = time.perf_counter()
    command = [binary, "-sT", "-sV", "-Pn", "-n", "-T4", "-p", str(port), "-oX", str(output)]
    command += ["--host-timeout", f"{LIMIT}s", "--script", ",".join(SCRIPTS)]
    command += dict.fromkeys(s.host for s in stands)
    subprocess.run(command, check=True, capture_output=True, timeout=20 * LIMIT)
    return time.perf_counter() - started


def shown(outputs: Iterable[Path], stands: Iterable[Stand]) -> tuple[set[str], set[str]]:
    """The names of those that nmap's scripts let a reader call open, and of those it sizes."""
    names = {(s.host, str(s.port)): s.config.name for s in stands}
    found, sized = set(), set()
    for output in outputs:
        for host in ElementTree.parse(output).iter("host"):
            address = host.find("address")
            for port in host.iter("port") if address is not None else ():
                name = names.get((address.get("addr", ""), port.get("portid", "")))
                for script in port.iter("script"):
                    opens, sizes = SCRIPTS.get(script.get("id", ""), ("", ""))
                    said = script.get("output", "")
                    if name and opens and re.search(opens, said) and not refused(said):
                        found.add(name)
                        if sizes and re.search(sizes, said):
                            sized.add(name)
    return found, sized


def refused(said: str) -> bool:
    """Whether a script tells of an error in place of an answer."""
    return bool(re.search(r"ERROR:|[Aa]uthentication (?:required|failed)|[Uu]nauthorized", said))


def version(binary: str) -> str:
    """The first line of `nmap --version`."""
    said = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True)
    return said.stdout.split("\n")[0]


def told(result: dict[str, Any]) -> None:
    """The table."""
    print(
        f"{result['configurations']} configurations of {result['servers']} real servers and "
        f"{result['fakes']} fakes; {result['open']} open, {result['closed']} not; "
        f"{result['start_seconds']} s to start, {os.cpu_count()} cores",
        file=sys.stderr,
    )
    for name, reason in result["missing"].items():
        print(f"not started: {name}: {reason}", file=sys.stderr)
    print(f"{'':>10} seconds   proved open   sized   wrongly called open", file=sys.stderr)
    for peer in ("leftopen", "nmap"):
        row = result[peer]
        print(
            f"{peer:>10} {row['missing']}"
            if "missing" in row
            else f"{peer:>10} {row['seconds']:>7.2f} {row['proved_open']:>13} {row['sized']:>7} "
            f"{len(row['wrongly_open']):>6} {', '.join(row['wrongly_open'])}",
            file=sys.stderr,
        )
    if gone := result["nmap"].get("given_up"):
        print(f"nmap gave up {gone} endpoints after {LIMIT} s each", file=sys.stderr)
    slow = ", ".join(f"{name} {at:.2f} s" for name, at in result["leftopen"]["slowest"].items())
    print(f"the last to end: {slow}", file=sys.stderr)


def main() -> None:
    """Start, prove, compare, tell."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--quick", action="store_true", help=f"every {QUICK}rd row of the table")
    given = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end, too
    table: list[Config] = configs()[:: QUICK if given.quick else 1]
    started = time.perf_counter()
    with laboratory(table) as lab:
        start_seconds = time.perf_counter() - started
        rows = [s.config for s in lab.stands.values()]
        ours = leftopen(lab)
        other = nmap(lab)
    result = {
        "configurations": len(rows),
        "servers": len({c.name.split(":")[0] for c in rows if not c.fake}),
        "fakes": sum(c.fake for c in rows),
        "open": sum(c.access in OPEN for c in rows),
        "closed": sum(c.access not in OPEN for c in rows),
        "missing": lab.missing,
        "start_seconds": round(start_seconds, 1),
        "leftopen": ours,
        "nmap": other,
        "nmap_seconds_by_leftopen": round(other["seconds"] / ours["seconds"], 1)
        if "seconds" in other
        else None,
        "bar_seconds": BAR,
        "within_bar": ours["seconds"] < BAR,
    }
    told(result)
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    main()
