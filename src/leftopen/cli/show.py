"""What the commands share: progress and tables on stderr, JSON alone on stdout, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option(
    "--json", "as_json", is_flag=True, help="JSON on stdout, and nothing else there."
)
folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("leftopen-case"),
    show_default=True,
    help="The case folder: store, reports.",
)


def examples(*lines: str) -> str:
    """An epilog of examples, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    from leftopen.model.record import to_json

    sys.stdout.buffer.write(to_json(value) + b"\n")
    sys.stdout.buffer.flush()


def say(text: str = "") -> None:
    """One line for people, on stderr."""
    click.echo(text, err=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for people: on stdout as records (tab-separated) when piped, else drawn.

    Cells may be hostile; markup in them is not interpreted.
    """
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in row))
        return
    draw(title, columns, rows)


def draw(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], **style: Any) -> None:
    """A table drawn for people, on stderr."""
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(title), title_justify="left", **style)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    console().print(made)


def console() -> Any:
    """A console on stderr. NO_COLOR and a pipe turn colours off (https://no-color.org)."""
    from rich.console import Console

    width = None if sys.stderr.isatty() else int(os.environ.get("COLUMNS") or 110)
    return Console(stderr=True, width=width, highlight=False)


class Bars:
    """Progress on stderr: bars on a terminal, one line a part elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        """`quiet` shows nothing."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console(),
        )
        self._task: Any = None

    def __enter__(self) -> Bars:
        if self._live:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._bars.stop()

    def begin(self, what: str, total: int | None = None) -> None:
        """A new part."""
        if self._live:
            self._task = self._bars.add_task(what, total=total)
        elif not self._quiet:
            say(f"{what}: {total}" if total else what)

    def advance(self, steps: int = 1) -> None:
        """So many steps done."""
        if self._live and self._task is not None:
            self._bars.advance(self._task, steps)

    def note(self, text: str) -> None:
        """A line that stays."""
        if self._live:
            self._bars.console.print(text, markup=False)
        elif not self._quiet:
            say(text)
