"""Trace on logs alone, without a probe: the window is given, or taken from the logs."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from leftopen.model.endpoint import Endpoint
from leftopen.model.errors import UsageError
from leftopen.model.gap import Gap
from leftopen.model.redact import Keyring
from leftopen.model.scope_file import Parties
from leftopen.model.time import Interval, now
from leftopen.model.trace import TraceResult
from leftopen.run.inputs import open_scope
from leftopen.run.keys import KEY_BYTES
from leftopen.run.progress import Progress
from leftopen.trace.digest import SourceDigest
from leftopen.trace.judge import judge
from leftopen.trace.read import read_source
from leftopen.trace.rotation import expand


def trace_logs(
    paths: Sequence[str],
    *,
    start: datetime | None,
    end: datetime | None,
    scope_path: Path | None,
    port: int,
    protocol: str,
    zone: str,
    progress: Progress,
) -> tuple[TraceResult | None, tuple[Gap, ...]]:
    """Who came in. None where no log could be read.

    Raises:
        UsageError: a path is not there, or the window ends before it begins.
    """
    parties = open_scope(scope_path).scope.file.parties if scope_path else Parties()
    keyring = Keyring(secrets.token_bytes(KEY_BYTES))
    items: list[SourceDigest | Gap] = []
    for path in [p for given in paths for p in expand(given)]:
        if isinstance(path, Gap):
            items.append(path)
        else:
            progress.begin(f"reading {path}")
            items += read_source(path, zone=zone, keyring=keyring)
    digests = [i for i in items if isinstance(i, SourceDigest)]
    gaps = [i for i in items if isinstance(i, Gap)]
    window = _window(digests, start, end)
    if window is None:
        return None, tuple(gaps)
    result, unseen = judge(
        digests,
        window=window,
        window_note="The window is as given."
        if start and end
        else "The window is from the first to the last line of the logs.",
        endpoint=Endpoint(address="0.0.0.0", port=port),  # noqa: S104 - any, nothing listens
        protocol=protocol,
        parties=parties,
        as_of=now(),
    )
    return result, (*gaps, *unseen)


def _window(
    digests: Sequence[SourceDigest], start: datetime | None, end: datetime | None
) -> Interval | None:
    firsts = [d.source.first for d in digests if d.source.first]
    lasts = [d.source.last for d in digests if d.source.last]
    begin, finish = start or min(firsts, default=None), end or max(lasts, default=None)
    if begin is None or finish is None:
        return None
    if finish <= begin:
        raise UsageError(f"the window ends ({finish}) before it begins ({begin})")
    return Interval(start=begin, end=finish)
