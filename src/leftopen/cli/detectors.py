"""`leftopen detectors`: what contents can find."""

from __future__ import annotations

import click

from leftopen.cli.show import examples, json_option, print_json, say, table


@click.command("detectors", epilog=examples("leftopen detectors", "leftopen detectors --check"))
@click.option("--check", is_flag=True, help="Run every detector's examples and counterexamples.")
@json_option
@click.pass_context
def command(ctx: click.Context, check: bool, as_json: bool) -> None:
    """List the detectors, forms and markings, with the source of each rule."""
    if check:
        _check(ctx, as_json)
        return
    from leftopen.contents.registry import detectors, forms, markings, title_of

    rows = [(d.name, d.severity.value, title_of(d), d.source) for d in detectors()]
    rows += [(f.name, "form", title_of(f), f.source) for f in forms()]
    rows += [(m.name, "marking", title_of(m), m.source) for m in markings()]
    if as_json:
        keys = ("name", "severity", "title", "source")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        table("Detectors", ("name", "severity", "title", "source"), rows)


def _check(ctx: click.Context, as_json: bool) -> None:
    from leftopen.contents.check import check_examples

    problems = list(check_examples())
    if as_json:
        print_json({"problems": problems})
    else:
        for problem in problems:
            say(problem)
        say(f"{len(problems)} problems" if problems else "every example holds")
    ctx.exit(1 if problems else 0)
