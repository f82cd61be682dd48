"""`leftopen explain`: which directive opens it, from configuration files alone."""

from __future__ import annotations

from pathlib import Path

import click

from leftopen.cli.show import examples, json_option, print_json, say


@click.command(
    "explain",
    epilog=examples(
        "leftopen explain /etc/nginx",
        "leftopen explain redis.conf pg_hba.conf nsg.json --json",
    ),
)
@click.argument("paths", type=click.Path(path_type=Path), nargs=-1, required=True)
@json_option
@click.pass_context
def command(ctx: click.Context, paths: tuple[Path, ...], as_json: bool) -> None:
    """Say for each service in PATHS whether its configuration lets a stranger read.

    Exit 13 when something is open by its configuration, 20 when something could not be judged.
    """
    from leftopen.cause.explain import explain
    from leftopen.model.cause import Cause, Truth

    found = list(explain(paths))
    causes = [c for c in found if isinstance(c, Cause)]
    gaps = [g for g in found if not isinstance(g, Cause)]
    if as_json:
        print_json({"causes": causes, "gaps": gaps})
    else:
        for cause in causes:
            _show(cause)
        for gap in gaps:
            say(f"not examined: {gap.place}: {gap.reason.value} {gap.detail}")
    judged = {c.open for c in causes}
    ctx.exit(13 if Truth.YES in judged else 20 if gaps or Truth.UNKNOWN in judged else 0)


def _show(cause: object) -> None:
    from leftopen.model.cause import Cause, Truth

    assert isinstance(cause, Cause)
    word = {Truth.YES: "OPEN", Truth.NO: "closed", Truth.UNKNOWN: "unknown"}[cause.open]
    click.echo(f"{word}\t{cause.product}\t{cause.title}")
    if cause.open is Truth.NO:
        return
    for factor in cause.factors:
        click.echo(f"  {factor.name} {factor.holds.value}: {factor.directive} = {factor.value}")
        click.echo(f"    {factor.origin}")
    if cause.fix:
        click.echo(f"  fix: {cause.fix.title}")
        for line in (cause.fix.diff or cause.fix.command).splitlines():
            click.echo(f"    {line}")
