"""CPU cost of reading and judging a mail store, against the standard library's mail parser alone.

Usage: python bench/contents_speed.py [--quick] [--seed N]

Table on stderr, one JSON object on stdout. Figures are user CPU seconds of this process, best of
three interleaved runs; start-up and the compilation of patterns are measured apart. MB = 10^6
bytes of mbox. The peer does less: it parses and decodes, and judges nothing.
"""

from __future__ import annotations

import argparse
import email
import importlib.util
import json
import mmap
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import corpus
from leftopen.contents import examine, extract, mailbox, registry
from leftopen.model.blob import Blob, Provenance
from leftopen.model.finding import ObjectReport
from leftopen.model.gap import Gap
from leftopen.model.redact import Keyring

RUNS = 3
QUICK, FULL = 20_000_000, 220_000_000
KEYRING = Keyring(b"benchmark key, 32 bytes or more!")


def user_seconds(work: Callable[[], int]) -> tuple[float, int]:
    """User CPU seconds of one call, and its result."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    result = work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime - before, result


def leftopen(path: Path) -> int:
    """Everything: split, decode, extract, judge, report. Counts matches."""
    matches = 0
    for item in examine.examine_path(path, KEYRING):
        if isinstance(item, ObjectReport):
            matches += len(item.matches)
    return matches


def extraction(path: Path) -> int:
    """Our reading half alone. Counts characters."""
    chars = 0
    mail = next(f for f in registry.formats() if f.name == "eml")
    for message in _messages(path):
        blob = Blob(data=mailbox.unquote(message), place=Provenance())
        for item in extract.extract(blob, None, mail):
            chars += 0 if isinstance(item, Gap) else len(item.text)
    return chars


def standard_library(path: Path) -> int:
    """email.message_from_bytes and the decoding of every part. Counts decoded bytes."""
    size = 0
    for message in _messages(path):
        for part in email.message_from_bytes(message).walk():
            if not part.is_multipart():
                payload = part.get_payload(decode=True)
                size += len(payload) if isinstance(payload, bytes) else 0
    return size


def _messages(path: Path) -> list[bytes]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return [data[start:end] for start, end in mailbox.split(data)]


def presidio(path: Path) -> int:
    """Presidio's pattern recognisers over the text that we extracted. Counts results."""
    from presidio_analyzer import AnalyzerEngine  # type: ignore[import-not-found]

    engine, found = AnalyzerEngine(), 0
    for text in _texts(path):
        found += len(engine.analyze(text=text, language="en"))
    return found


def datafog(path: Path) -> int:
    """DataFog's regular expressions over the text that we extracted. Counts results."""
    from datafog.services import TextService  # type: ignore[import-not-found]

    service, found = TextService(engine="regex"), 0
    for text in _texts(path):
        found += sum(map(len, service.annotate_text_sync(text).values()))
    return found


def _texts(path: Path) -> list[str]:
    mail = next(f for f in registry.formats() if f.name == "eml")
    texts = []
    for message in _messages(path):
        for item in extract.extract(Blob(data=message, place=Provenance()), None, mail):
            if not isinstance(item, Gap):
                texts.append(item.text)
    return texts


def measure(path: Path) -> dict[str, dict[str, float]]:
    """Best of the runs of every tool, interleaved."""
    tools: dict[str, Callable[[Path], int]] = {
        "leftopen, end to end": leftopen,
        "leftopen, extraction alone": extraction,
        "email.message_from_bytes + decode": standard_library,
    }
    size = path.stat().st_size / 1e6
    times: dict[str, list[float]] = {name: [] for name in tools}
    results: dict[str, int] = {}
    for _ in range(RUNS):
        for name, tool in tools.items():
            seconds, results[name] = user_seconds(lambda tool=tool: tool(path))  # type: ignore[misc]
            times[name].append(seconds)
    return {
        name: {
            "user_s": round(min(runs), 3),
            "worst_user_s": round(max(runs), 3),
            "mb_per_s": round(size / min(runs), 1),
            "result": results[name],
        }
        for name, runs in times.items()
    }


def others(path: Path) -> dict[str, object]:
    """Tools that are measured where they are installed; "missing" otherwise."""
    out: dict[str, object] = {}
    for name, module, tool in (
        ("Presidio", "presidio_analyzer", presidio),
        ("DataFog", "datafog", datafog),
    ):
        if importlib.util.find_spec(module) is None:
            out[name] = "missing"
            continue
        seconds, found = user_seconds(lambda tool=tool: tool(path))  # type: ignore[misc]
        out[name] = {"user_s": round(seconds, 3), "result": found}
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="20 MB instead of 220 MB")
    parser.add_argument("--seed", type=int, default=20230208)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.mbox"
        messages = corpus.write_mbox(path, QUICK if options.quick else FULL, options.seed)
        size = path.stat().st_size
        warm = Path(folder) / "warm.eml"
        warm.write_bytes(b"From: a@example.org\nTo: b@example.org\nSubject: warm\n\nSSN\n")
        start, _ = user_seconds(lambda: leftopen(warm))
        figures = measure(path)
        peer = figures["email.message_from_bytes + decode"]["user_s"]
        report = {
            "bytes": size,
            "messages": messages,
            "seed": options.seed,
            "start_up_user_s": round(start, 3),
            "tools": figures,
            "others": others(path),
            "end_to_end_to_stdlib": round(figures["leftopen, end to end"]["user_s"] / peer, 2),
            "extraction_to_stdlib": round(
                figures["leftopen, extraction alone"]["user_s"] / peer, 2
            ),
        }
    print(f"{messages} messages, {size / 1e6:.1f} MB, start-up {start:.2f} s", file=sys.stderr)
    for name, row in figures.items():
        line = f"{name:36s} {row['user_s']:8.2f} s  {row['mb_per_s']:8.1f} MB/s"
        print(f"{line}  {row['user_s'] / peer:5.2f} x stdlib", file=sys.stderr)
    for name, row in report["others"].items():
        print(f"{name:36s} {row}", file=sys.stderr)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
