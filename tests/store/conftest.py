from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leftopen.model.case import Investigation, RunInfo
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.store.runs import Run
from leftopen.store.store import Store

START = datetime(2023, 2, 20, 12, tzinfo=UTC)


def gap(place: str, count: int = 1) -> Gap:
    return Gap(stage=Stage.REACH, reason=Reason.TIMEOUT, place=place, count=count)


def report(run: RunInfo) -> Investigation:
    return Investigation(
        run=run,
        as_of=START,
        organisation="Example",
        authority="",
        vantage="outside",
        scope_sha256="ab" * 32,
        targets=4,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "case.leftopen"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(path) as opened:
        yield opened


Begin = Callable[..., Run]


@pytest.fixture
def begin(store: Store) -> Begin:
    def begin(scope: str = "ab" * 32, **how: bool | None) -> Run:
        return store.begin_run(scope, "outside", "Example", START, "0.1.0", **how)

    return begin


@pytest.fixture
def edit(path: Path) -> Callable[[str], None]:
    """Changes the file behind the store's back."""

    def edit(sql: str) -> None:
        with closing(sqlite3.connect(path)) as raw:
            raw.executescript(sql)

    return edit
