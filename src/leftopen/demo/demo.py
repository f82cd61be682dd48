"""The demo from beginning to end: build, visit, map, run, compare."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from leftopen.demo import compare, incident, mailstore, records, server, visitors
from leftopen.model.case import Investigation
from leftopen.model.errors import UsageError
from leftopen.run.pipeline import investigate
from leftopen.run.progress import Progress

ADDRESS = "127.0.0.10"
PORT = 8025
MARK = ".leftopen-demo"  # a folder with this file in it is ours to clear
SAMPLE = 900


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo shows."""

    rows: list[compare.Row]
    investigation: Investigation
    reports: dict[str, Path]
    server: str
    scope: Path


def demo(
    folder: Path,
    progress: Progress,
    *,
    messages: int = mailstore.MESSAGES,
    own_server: bool = False,
) -> Outcome:
    """Rebuild the incident below `folder` and run Leftopen on it.

    Raises:
        UsageError: the folder is somebody else's, or loopback cannot be used.
    """
    base = _fresh(folder)
    progress.begin("writing a synthetic mail archive", messages)
    truth = mailstore.build(base / "server/mail", messages=messages, tick=progress.advance)
    try:
        port = server.free_port(ADDRESS, PORT)
        configuration = server.configure(base / "server", base / "server/mail", ADDRESS, port)
        with server.serve(configuration, ADDRESS, port, own=own_server) as name:
            planted = stage(base, truth, port, progress)
            stamp = incident.OPENED.timestamp()
            os.utime(configuration, (stamp, stamp))
            scope = base / "scope.toml"
            scope.write_text(scope_text(port))
            with _pinned(base / "keys"):
                investigation, reports = investigate(scope, base / "case", progress=progress)
    except OSError as e:
        raise UsageError(f"the demo needs loopback addresses 127.x to itself: {e}") from None
    return Outcome(compare.rows(planted, investigation), investigation, reports, name, scope)


def _fresh(folder: Path) -> Path:
    """An empty folder that the demo may fill; one of an earlier demo is cleared."""
    try:
        if folder.exists():
            if not (folder / MARK).exists() and any(folder.iterdir()):
                raise UsageError(f"{folder} is not empty and not a demo's; name another with --dir")
            shutil.rmtree(folder)
        folder.mkdir(parents=True, mode=0o755)
        (folder / MARK).touch()
    except OSError as e:
        raise UsageError(f"{folder} cannot hold the demo: {e.strerror}") from None
    return folder.resolve()


def stage(base: Path, truth: mailstore.Truth, port: int, progress: Progress) -> compare.Planted:
    """Let the visitors come for real, then map their traces onto the seventeen days."""
    messages = [p for p in truth.sizes if p != mailstore.BACKUP]
    folders = [f"/{box}/" for box in mailstore.MAILBOXES]
    visits = incident.schedule(messages, folders)
    progress.begin("visitors come in, for real", len(visits))
    made = visitors.make_all(visits, ADDRESS, port, progress.advance)
    progress.begin("mapping their traces onto the incident")
    kept = base / "records"
    records.map_access_log(base / "server/logs/access.log", made, kept / "logs")
    records.write_flow_logs(made, port, kept / "flows")
    records.write_snapshot(port, kept / "nsg-snapshot.json")
    records.write_shodan(ADDRESS, port, kept / "shodan.json")
    return compare.Planted(truth, made, port)


def scope_text(port: int, *, objects: int = SAMPLE) -> str:
    """The scope file of the demo."""
    return records.SCOPE.format(address=ADDRESS, ports=port, objects=objects)


@contextmanager
def _pinned(keys: Path) -> Iterator[None]:
    """The owner runs Leftopen on 20 February 2023; the case key lies in the demo's folder."""
    wanted = {
        "SOURCE_DATE_EPOCH": str(int(incident.AS_OF.timestamp())),
        "LEFTOPEN_KEYS": str(keys),
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
