"""How long the demo takes, with nginx and with the demo's own server, and whether it is right.

No other tool does this job, so there is no peer to time beside it; the bar is the issue's: under
90 seconds, no line that contradicts the planted truth.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 90.0
LEFTOPEN = (sys.executable, "-c", "from leftopen.cli.main import main; main()")


def once(*options: str) -> dict[str, object]:
    """One demo in a fresh folder and process: seconds and contradictions."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run(
            [*LEFTOPEN, "demo", "--dir", str(Path(folder) / "demo"), "--json", *options],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    said = json.loads(done.stdout)
    return {"seconds": round(seconds, 2), "contradictions": said["contradictions"]}


def main() -> None:
    """Print a table on stderr and one JSON object on stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one server only")
    quick = parser.parse_args().quick
    results = {"own server": once("--own-server")}
    missing = []
    if not quick and shutil.which("nginx", path="/usr/sbin:/usr/bin"):
        results["nginx"] = once()
    elif not quick:
        missing.append("nginx")
    print(f"{'demo served by':16}{'seconds':>9}{'contradictions':>16}", file=sys.stderr)
    for name, r in results.items():
        print(f"{name:16}{r['seconds']:>9}{r['contradictions']:>16}", file=sys.stderr)
    print(f"limit {LIMIT} s; peers missing: {', '.join(missing) or 'none'}", file=sys.stderr)
    print(json.dumps({"bench": "demo_time", "limit_seconds": LIMIT, "runs": results}))


if __name__ == "__main__":
    main()
