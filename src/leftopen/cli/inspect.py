"""`leftopen inspect`: what is in a file or folder at rest."""

from __future__ import annotations

import os
from pathlib import Path

import click

from leftopen.cli.show import Bars, draw, examples, json_option, print_json, say


@click.command(
    "inspect",
    epilog=examples(
        "leftopen inspect mail.mbox",
        "leftopen inspect /srv/export --workers 4 --dir case",
        "leftopen inspect scan.pdf --json",
    ),
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    help="Keep what is done there: a killed run goes on, and nothing counts twice.",
)
@click.option(
    "--workers", type=click.IntRange(1, 256), default=os.cpu_count() or 1, show_default=True
)
@json_option
@click.pass_context
def command(
    ctx: click.Context, path: Path, folder: Path | None, workers: int, as_json: bool
) -> None:
    """Read PATH (mbox, Maildir, EML, PDF, Office, ZIP, text, ...) and say what is in it.

    No value is ever shown: counts, shapes and places only.
    """
    from leftopen.run.inspect import exit_code, inspect

    with Bars() as bars:
        contents, gaps = inspect(path, folder=folder, workers=workers, progress=bars)
    if as_json:
        print_json({"contents": contents, "gaps": gaps})
    else:
        _show(contents, gaps)
    ctx.exit(exit_code(contents, gaps))


def _show(contents: object, gaps: tuple[object, ...]) -> None:
    from leftopen.model.finding import Contents

    assert isinstance(contents, Contents)
    say(contents.summary)
    rows = [
        (f.title, f.severity.value, f.confidence.value, str(f.matches), str(f.distinct))
        for f in contents.findings
    ]
    if rows:
        draw("Found", ("what", "severity", "confidence", "matches", "distinct"), rows)
    p = contents.people
    say(f"People: at least {p.lower}, best {p.best}, at most {p.upper}")
    _show_gaps(gaps)


def _show_gaps(gaps: tuple[object, ...]) -> None:
    from leftopen.case.gaps import merge_gaps
    from leftopen.model.gap import Gap

    merged = merge_gaps(g for g in gaps if isinstance(g, Gap))
    if merged:
        rows = [(g.reason.value, str(g.count), g.place, g.detail) for g in merged[:20]]
        draw("Not examined", ("reason", "items", "where", "detail"), rows)
        if len(merged) > 20:
            say(f"and {len(merged) - 20} more; --json has all")
