"""Condense the MISP warning lists of scanners and crawlers to one small data file.

The lists are CC0 1.0 (github.com/MISP/misp-warninglists) and come with the package
pymispwarninglists. In a virtual environment of its own:

    python3 -m venv /tmp/lists
    /tmp/lists/bin/pip install pymispwarninglists
    cd src/leftopen/trace/data
    /tmp/lists/bin/python ../../../../tools/condense_warninglists.py published_ranges.json
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import ipaddress
import json
import re
import sys
from pathlib import Path
from typing import Any

PACKAGE = "pymispwarninglists"
SCANNERS = ("scanning", "scanner", "shadowserver", "tenable-cloud")
CRAWLERS = {"googlebot": "Googlebot", "openai-gptbot": "GPTBot"}  # list, word in the user agent


def kind_of(folder: str) -> str:
    """Which kind a list is, "" for those that are neither."""
    if folder in CRAWLERS:
        return "crawler"
    return "scanner" if any(word in folder for word in SCANNERS) else ""


def condense(path: Path) -> dict[str, Any] | None:
    """The name, version and collapsed ranges of one list; None where it does not concern us."""
    folder, kind = path.parent.name, kind_of(path.parent.name)
    if not kind:
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    networks = [ipaddress.ip_network(value, strict=False) for value in data["list"]]
    four = ipaddress.collapse_addresses(n for n in networks if n.version == 4)
    six = ipaddress.collapse_addresses(n for n in networks if n.version == 6)
    return {
        "list": folder,
        "name": short(data["name"]),
        "version": str(data["version"]),
        "kind": kind,
        "agent": CRAWLERS.get(folder, ""),
        "ranges": [str(n) for n in (*four, *six)],
    }


def short(name: str) -> str:
    """Who scans, without the words that every list's name repeats."""
    name = re.sub(r",? ?IP[- ]Ranges,?( pot\.)? used for Scanning$", "", name, flags=re.IGNORECASE)
    name = re.sub(r"^List of (known|published) ", "", name)
    return re.sub(r"^IP address ranges for | IP ranges \(.*\)$", "", name)


def main() -> None:
    """Write the file named on the command line."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None or len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(spec.origin).parent / "data" / "misp-warninglists" / "lists"
    lists = [made for path in sorted(folder.glob("*/list.json")) if (made := condense(path))]
    source = f"MISP warninglists in {PACKAGE} {importlib.metadata.version(PACKAGE)}"
    head = {"source": source, "licence": "CC0-1.0", "lists": lists}
    Path(sys.argv[1]).write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")
    total = sum(len(item["ranges"]) for item in lists)
    print(f"{len(lists)} lists, {total} ranges", file=sys.stderr)


if __name__ == "__main__":
    main()
