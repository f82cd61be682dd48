"""Run every fuzz target for a bounded time: the hypothesis tests named `fuzz`, with more examples.

A fuzz target is any test whose name contains `fuzz`. Under this command each one runs with the
`fuzz` profile (tests/conftest.py) again and again until its share of the time is over; a failing
input is printed and kept in .hypothesis/ for the next run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time


def targets() -> list[str]:
    """The node ids of all fuzz targets."""
    listing = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-k", "fuzz"],
        capture_output=True,
        text=True,
        check=False,
    )
    return sorted({line.split("[")[0] for line in listing.stdout.splitlines() if "::" in line})


def main() -> int:
    """Fuzz; 1 when a target failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="for each target")
    options = parser.parse_args()
    failed = []
    for target in targets():
        end = time.monotonic() + options.seconds
        rounds = 0
        while time.monotonic() < end:
            rounds += 1
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", target]
            env = {**os.environ, "HYPOTHESIS_PROFILE": "fuzz"}
            done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
            if done.returncode:
                failed.append(target)
                print(done.stdout[-4000:])
                break
        print(f"{'FAILED' if target in failed else 'ok':7}{rounds:4} rounds  {target}", flush=True)
    print(f"{len(failed)} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
