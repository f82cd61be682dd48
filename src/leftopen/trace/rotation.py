"""Files of one log: which series a file belongs to, which rotation it is, which are missing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from leftopen.model.errors import UsageError
from leftopen.model.gap import Gap, Reason, Stage

FILES_MAX = 100_000  # of one folder
_NUMBERED = re.compile(r"(?P<base>.+?)\.(?P<number>\d{1,4})(?:\.gz)?")
_DATED = re.compile(r"(?P<base>.+?)[.-](?P<date>\d{4}-?\d\d-?\d\d(?:-?\d{2,10})?)(?:\.gz)?")
_HOURLY = re.compile(r"(?P<base>.+?)/y=\d{4}/m=\d\d/d=\d\d/h=\d\d/m=\d\d(?P<mac>/macAddress=\w+)?/")


def series_of(path: str) -> tuple[str, int | None]:
    """The log of which this file is one rotation, and its number.

    logrotate: access.log is 0, access.log.1 the one before; dated files (dateext) and Azure's
    y=/m=/d=/h= folders belong together but have no number.
    """
    if hourly := _HOURLY.match(path):
        return hourly["base"] + (hourly["mac"] or ""), None
    folder, name = os.path.split(path)
    if dated := _DATED.fullmatch(name):
        return os.path.join(folder, dated["base"]), None
    if numbered := _NUMBERED.fullmatch(name):
        return os.path.join(folder, numbered["base"]), int(numbered["number"])
    return os.path.join(folder, name.removesuffix(".gz")), 0


def missing(numbers: Iterable[int]) -> tuple[int, ...]:
    """The numbers between the smallest and the largest that are not there."""
    there = set(numbers)
    return tuple(n for n in range(min(there), max(there)) if n not in there) if there else ()


def expand(path: str) -> Iterator[str | Gap]:
    """The files to read for one path of the scope file, in order of their names.

    A folder gives the files below it; links out of it are not followed. A rotation number that
    is missing in a folder is a Gap: a hole in the log.

    Raises:
        UsageError: there is nothing at this path.
    """
    if not os.path.lexists(path):
        raise UsageError(f"log {path!r} does not exist")
    if not os.path.isdir(path):
        yield path
        return
    found: list[str] = []
    failed: list[OSError] = []
    for folder, folders, names in os.walk(path, onerror=failed.append):
        folders.sort()
        for link in (os.path.join(folder, name) for name in folders):
            if os.path.islink(link):
                yield _gap(Reason.NOT_GIVEN, link, "a link to a folder; it was not followed")
        found += (os.path.join(folder, name) for name in sorted(names))
        if len(found) > FILES_MAX:
            detail = f"more than {FILES_MAX} files; the rest was not read"
            yield _gap(Reason.TOO_LARGE, path, detail)
            break
    for error in failed:
        yield _gap(Reason.UNREADABLE, str(error.filename), error.strerror or "cannot be listed")
    if not found:
        yield _gap(Reason.EMPTY, path, "the folder holds no file")
    numbers: dict[str, list[int]] = {}
    for file in found[:FILES_MAX]:
        series, number = series_of(file)
        if number is not None:
            numbers.setdefault(series, []).append(number)
        yield file
    for series, there in numbers.items():
        for number in missing(there):
            yield _gap(Reason.NO_LOG, f"{series}.{number}", "this rotation of the log is missing")


def _gap(reason: Reason, place: str, detail: str) -> Gap:
    return Gap(stage=Stage.TRACE, reason=reason, place=place, detail=detail)
