"""`leftopen verify`: check the hash chain of a case store."""

from __future__ import annotations

from pathlib import Path

import click

from leftopen.cli.show import examples, folder_option, json_option, print_json, say


@click.command(
    "verify", epilog=examples("leftopen verify", "leftopen verify --dir leftopen-demo/case")
)
@folder_option
@click.option("--store", default="", metavar="URL", help="A database instead of DIR/case.sqlite.")
@json_option
@click.pass_context
def command(ctx: click.Context, folder: Path, store: str, as_json: bool) -> None:
    """Recompute every digest of the store: exit 0 when nothing was changed, else 1."""
    from leftopen.run.library import open_existing

    with open_existing(folder, store) as opened:
        problems = list(opened.verify())
        runs = opened.runs()
    units = sum(r.chain_length for r in runs)
    if as_json:
        print_json({"runs": len(runs), "units": units, "problems": problems})
    else:
        for problem in problems:
            say(problem)
        what = f"{units} units of work in {len(runs)} runs"
        say(f"{what}: {len(problems)} problems" if problems else f"{what}: unchanged")
    ctx.exit(1 if problems else 0)
