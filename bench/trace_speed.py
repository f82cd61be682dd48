"""CPU seconds and memory to read an access log: ours, GoAccess where installed, and wc -l.

    .venv/bin/python bench/trace_speed.py [--quick] [--megabytes N] [--seed N]

A table goes to standard error, one JSON object to standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

QUICK, FULL = 50, 1000  # megabytes
START = 1675209600  # 2023-02-01
DAYS = 14
LIMIT = 1800  # seconds for one reader
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/110.0 Safari/537.36"
READ = """
import sys
from leftopen.model.gap import Gap
from leftopen.model.redact import Keyring
from leftopen.trace.read import read_source
for item in read_source(sys.argv[1], keyring=Keyring(b"a benchmark key.")):
    if isinstance(item, Gap):
        print(item, file=sys.stderr)
    else:
        s = item.source
        print(s.lines, s.parsed, s.rejected, len(item.clients))
"""
GOACCESS = ["goaccess", "--no-progress", "--log-format=COMBINED", "-o", "json"]


def generate(path: Path, megabytes: int, seed: int) -> int:
    """Write a log of two weeks: 20,000 clients with a long tail, 30,000 objects; its lines."""
    chance = random.Random(seed)
    clients = [".".join(str(chance.randint(1, 254)) for _ in range(4)) for _ in range(20_000)]
    target, lines, size = megabytes * 1_000_000, 0, 0
    step = DAYS * 86400 / (target / 200)
    time = float(START)
    with path.open("w", encoding="ascii", newline="\n") as file:
        while size < target:
            time += chance.expovariate(1 / step)
            moment = datetime.fromtimestamp(time, UTC)
            client = clients[min(int(chance.paretovariate(0.7)), len(clients)) - 1]
            number = min(int(chance.paretovariate(0.5)), 30_000)
            status = chance.choice((200, 200, 200, 206, 301, 404))
            size += file.write(
                f"{client} - - [{moment:%d/%b/%Y:%H:%M:%S} +0000] "
                f'"GET /mail/{number % 97}/{number}.eml HTTP/1.1" {status} '
                f'{chance.randint(200, 90_000)} "https://example.org/start" "{AGENT}"\n'
            )
            lines += 1
    return lines


def measure(command: list[str]) -> dict[str, Any]:
    """CPU seconds, peak resident megabytes and first output of one command."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read(200).decode("utf-8", "replace").strip()
    if process.returncode:
        raise SystemExit(f"{command[0]} failed with {process.returncode}")
    return {
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_mb": round(usage.ru_maxrss / 1024),
        "said": said,
    }


def goaccess(path: Path) -> dict[str, Any]:
    """The same figures for GoAccess, or that it is missing."""
    if not shutil.which("goaccess"):
        return {"missing": "goaccess is not installed"}
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "report.json")
        made = measure([*GOACCESS[:-1], out, str(path)])
    return {key: value for key, value in made.items() if key != "said"}


def main() -> None:
    """Generate, measure, tell."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--quick", action="store_true", help=f"{QUICK} MB instead of {FULL}")
    options.add_argument("--megabytes", type=int)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="leftopen-bench-") as folder:
        path = Path(folder) / "access.log"
        lines = generate(path, given.megabytes or (QUICK if given.quick else FULL), given.seed)
        megabytes = path.stat().st_size / 1e6
        counted = measure(["timeout", str(LIMIT), "wc", "-l", str(path)])  # and warms the cache
        ours = measure(["timeout", str(LIMIT), sys.executable, "-c", READ, str(path)])
        nothing = measure([sys.executable, "-c", "import leftopen.trace.read"])
        other = goaccess(path)
    if ours["said"].split()[:2] != [str(lines), str(lines)]:
        raise SystemExit(f"{lines} lines were written, read: {ours['said']}")
    readers = {"leftopen": ours, "goaccess": other, "wc -l": counted}
    for figures in readers.values():
        if "cpu_seconds" in figures:
            figures["mb_per_cpu_second"] = round(megabytes / max(0.001, figures["cpu_seconds"]), 1)
    result = {
        "megabytes": round(megabytes, 1),
        "lines": lines,
        "readers": readers,
        "leftopen_start_cpu_seconds": nothing["cpu_seconds"],
        "goaccess_cpu_by_leftopen": round(other["cpu_seconds"] / ours["cpu_seconds"], 2)
        if "cpu_seconds" in other
        else None,
        "leftopen_cpu_by_wc": round(ours["cpu_seconds"] / max(0.001, counted["cpu_seconds"]), 1),
    }
    print(f"{megabytes:.0f} MB, {lines} lines", file=sys.stderr)
    for name, figures in readers.items():
        row = figures.get("missing") or (
            f"{figures['cpu_seconds']:>9.2f} CPU s {figures['mb_per_cpu_second']:>9.1f} MB/CPU s "
            f"{figures['peak_mb']:>6} MB peak"
        )
        print(f"{name:>10} {row}", file=sys.stderr)
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    main()
