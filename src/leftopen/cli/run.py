"""`leftopen run`: the main job."""

from __future__ import annotations

from pathlib import Path

import click

from leftopen.cli.show import Bars, examples, folder_option, json_option, print_json, say, table


@click.command(
    "run",
    epilog=examples(
        "leftopen run scope.toml --dry-run",
        "leftopen run scope.toml",
        "leftopen run scope.toml --json | jq .cases[].title",
        "leftopen run scope.toml --store postgresql://team@db/leftopen",
    ),
)
@click.argument("scope", type=click.Path(path_type=Path))
@folder_option
@click.option("--store", default="", metavar="URL", help="A database instead of DIR/case.sqlite.")
@click.option("--dry-run", is_flag=True, help="Print what would be contacted; send nothing.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, scope: Path, folder: Path, store: str, dry_run: bool, as_json: bool
) -> None:
    """Find, prove, read, explain and trace everything that SCOPE names.

    Killed at any moment and started again, it goes on where it was; nothing counts twice.
    """
    if dry_run:
        _dry_run(scope, as_json)
        return
    from leftopen.run.pipeline import investigate

    with Bars() as bars:
        investigation, written = investigate(scope, folder, store=store, progress=bars)
    if as_json:
        print_json(investigation)
    else:
        _summary(investigation, written)
    ctx.exit(investigation.exit_code)


def _dry_run(scope: Path, as_json: bool) -> None:
    from leftopen.run.plan import plan

    steps = plan(scope)
    if as_json:
        print_json([{"target": target, "sends": sends} for target, sends in steps])
    else:
        table("Nothing is sent. A run would contact:", ("target", "what it would get"), steps)


def _summary(investigation: object, written: dict[str, Path]) -> None:
    from leftopen.model.case import Investigation

    assert isinstance(investigation, Investigation)
    say()
    for case in investigation.cases:
        say(f"{case.severity.upper()}: {case.title}")
        for reason in case.severity_reasons:
            say(f"  - {reason}")
        if case.trace:
            say(f"  trace: {case.trace.verdict.word.replace('_', ' ')}")
    if not investigation.cases:
        say("Nothing was found open." if investigation.targets else "Nothing is in scope.")
    gaps = sum(g.count for g in investigation.gaps)
    gaps += sum(g.count for c in investigation.cases for g in c.gaps)
    if gaps:
        say(f"Not examined: {gaps} items (each is named in the report).")
    for name, path in written.items():
        say(f"{name}: {path}")
