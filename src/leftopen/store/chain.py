"""The hash chain over the finished units of a run: custody that anybody can recompute.

A unit's payload digest is SHA-256 over its records, one canonical JSON array of type name and
record per line. An entry's digest is SHA-256 over the run, its place, the payload digest and the
previous entry's digest, so nothing can be changed, removed, moved or put in between without
changing the head. Whoever can rewrite the whole file can make a new chain: the head that a report
shows is what ties the file to it (NIST SP 800-86, 4.2: integrity of the evidence).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from leftopen.model.record import to_json


def payload_digest(records: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over (type name, canonical JSON) pairs, in their order."""
    made = hashlib.sha256()
    for name, json in records:
        made.update(b'["%s",%s]\n' % (name.encode(), json.encode("utf-8", "surrogatepass")))
    return made.hexdigest()


def genesis(
    run_id: str, scope_sha256: str, vantage: str, organisation: str, version: str, started: str
) -> str:
    """The digest in front of the first entry: over what the run said of itself at its start."""
    return _digest(
        ["leftopen-run-1", run_id, scope_sha256, vantage, organisation, version, started]
    )


def entry_digest(
    run_id: str, seq: int, stage: str, unit: str, payload_sha256: str, previous: str
) -> str:
    """The digest of one entry."""
    return _digest(["leftopen-unit-1", run_id, seq, stage, unit, payload_sha256, previous])


def _digest(fields: list[Any]) -> str:
    return hashlib.sha256(to_json(fields)).hexdigest()
