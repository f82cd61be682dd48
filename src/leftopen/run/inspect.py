"""Contents at rest: a file or a folder, each file a unit, over processes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from leftopen import __version__
from leftopen.case.exit import CLEAN, NOT_EXAMINED, OPEN_LOW
from leftopen.contents.examine import examine_unit, list_units
from leftopen.contents.summarise import summarise
from leftopen.model.finding import Contents, ObjectReport
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import Keyring, safe
from leftopen.model.time import now
from leftopen.run.inputs import STORE_FILE, case_folder
from leftopen.run.keys import KEY_BYTES, keyring_of
from leftopen.run.local import map_units
from leftopen.run.progress import Progress, Silent
from leftopen.store.store import Store

STAGE = "inspect"
Found = list[ObjectReport | Gap]


def inspect(
    path: Path, *, folder: Path | None = None, workers: int = 1, progress: Progress | None = None
) -> tuple[Contents, tuple[Gap, ...]]:
    """What is in a file or folder. With a case folder, a killed run goes on where it was.

    Raises:
        UsageError: the path is not there, or the folder cannot be used.
    """
    units = list_units(path)
    progress = progress or Silent()
    progress.begin(f"reading {path}", len(units))
    if folder is None:
        keyring = Keyring(secrets.token_bytes(KEY_BYTES))
        found: Found = []
        for _, records in _examined(path, units, keyring, workers, progress):
            found.extend(records)
    else:
        keyring = keyring_of(case_folder(folder))
        found = _kept(path, units, folder, keyring, workers, progress)
    return _summary(found, keyring)


def _summary(found: Found, keyring: Keyring) -> tuple[Contents, tuple[Gap, ...]]:
    reports = [r for r in found if isinstance(r, ObjectReport)]
    gaps = tuple(
        sorted((g for g in found if isinstance(g, Gap)), key=lambda g: (g.place, g.reason))
    )
    contents = summarise(
        reports,
        objects_total=len(reports),
        bytes_total=None,
        population=None,
        gaps=gaps,
        keyring=keyring,
    )
    return contents, gaps


def _kept(
    path: Path, units: list[str], folder: Path, keyring: Keyring, workers: int, progress: Progress
) -> Found:
    """The same through a store: units that are done are not read again."""
    scope = hashlib.sha256(f"inspect {path.resolve()}".encode("utf-8", "surrogateescape"))
    with Store.open(folder / STORE_FILE) as store:
        run = store.begin_run(scope.hexdigest(), "at rest", "", now(), __version__)
        done = run.done_units(STAGE)
        todo = [u for u in units if _name(keyring, u) not in done]
        progress.advance(len(units) - len(todo))
        for unit, records in _examined(path, todo, keyring, workers, progress):
            run.finish(STAGE, _name(keyring, unit), records)
        found: Found = [*run.records(ObjectReport, STAGE), *run.records(Gap, STAGE)]
        run.close(now())
    return found


def _name(keyring: Keyring, unit: str) -> str:
    """A unit's name in the store: a file's name may itself be a value."""
    return keyring.digest("unit", unit)


def _examined(
    path: Path, units: list[str], keyring: Keyring, workers: int, progress: Progress
) -> Iterable[tuple[str, Found]]:
    work = partial(_work, str(path), keyring.raw)
    for unit, result in map_units(work, units, workers):
        progress.advance()
        yield unit, [_crash(unit, result)] if isinstance(result, BaseException) else result


def _work(root: str, key: bytes, unit: str) -> Found:
    return list(examine_unit(Path(root), unit, Keyring(key)))


def _crash(unit: str, error: BaseException) -> Gap:
    return Gap(
        stage=Stage.CONTENTS,
        reason=Reason.CRASHED,
        place=safe(unit),
        detail=f"the reader failed: {type(error).__name__}",
    )


def exit_code(contents: Contents, gaps: tuple[Gap, ...]) -> int:
    """11 to 14 by the worst severity found, 20 when nothing was found but not all was read, 0."""
    if contents.severity:
        return OPEN_LOW + contents.severity.rank
    return NOT_EXAMINED if gaps else CLEAN
