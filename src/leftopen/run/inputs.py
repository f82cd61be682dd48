"""Opens what a run starts from: the scope file and the case folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from leftopen.model.errors import ScopeError, UsageError
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.scope import Scope, parse_scope
from leftopen.model.scope_file import StoreUrl
from leftopen.model.time import now
from leftopen.reach.inventory_reader import read_inventories

STORE_FILE = "case.sqlite"
MAX_SCOPE_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Inputs:
    """A checked scope with its paths resolved against the file's own folder."""

    scope: Scope
    folder: Path
    gaps: tuple[Gap, ...] = ()  # what of the inventories could not become a target

    def paths(self, names: tuple[str, ...]) -> tuple[Path, ...]:
        """Paths of the scope file; relative ones are meant from where it lies."""
        return tuple(self.folder / name for name in names)


def open_scope(path: Path) -> Inputs:
    """Read and check a scope file.

    Raises:
        ScopeError: it cannot be read, or is wrong; one line with file:line.
    """
    try:
        if path.is_dir():
            raise ScopeError(f"{path} is a directory; name a scope file (leftopen init makes one)")
        if path.stat().st_size > MAX_SCOPE_BYTES:
            raise ScopeError(f"{path} is too large to be a scope file")
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ScopeError(f"{path} is not there; make one with: leftopen init {path}") from None
    except UnicodeDecodeError:
        raise ScopeError(f"{path}:1: not UTF-8 text") from None
    except OSError as e:
        raise ScopeError(f"{path} cannot be read: {e.strerror}") from None
    inputs = Inputs(parse_scope(text, str(path), now()), path.resolve().parent)
    return _with_inventories(inputs)


def _with_inventories(inputs: Inputs) -> Inputs:
    """With what the cloud inventories name; the user named them, so what they hold is his."""
    names = inputs.scope.file.targets.inventories
    if not names:
        return inputs
    networks: list[str] = []
    hosts: list[str] = []
    stores: list[StoreUrl] = []
    gaps: list[Gap] = []
    for item in read_inventories(inputs.paths(names)):
        if isinstance(item, Gap):
            gaps.append(item)
        elif item.kind and urlsplit(item.url).path.strip("/"):
            stores.append(StoreUrl(url=item.url, kind=item.kind))
        elif item.url:  # containers and buckets are named by their owner, never guessed
            detail = f"{item.url}: the account is known, its containers are not; name them"
            gap = Gap(stage=Stage.REACH, reason=Reason.NOT_GIVEN, place=item.place, detail=detail)
            gaps.append(gap)
        elif item.address:
            networks.append(item.address)
        else:
            hosts.append(item.name)
    seal = hashlib.sha256(repr((networks, hosts, stores)).encode()).hexdigest()
    return Inputs(
        inputs.scope.with_targets(networks, hosts, stores, seal), inputs.folder, tuple(gaps)
    )


def case_folder(path: Path) -> Path:
    """Make the case folder, readable by its owner only.

    Raises:
        UsageError: it is a file, or cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as e:
        raise UsageError(f"{path} cannot be the case folder: {e.strerror}") from None
    return path
