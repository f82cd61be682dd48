"""`leftopen rules`: what cause can explain."""

from __future__ import annotations

import click

from leftopen.cli.show import examples, json_option, print_json, table


@click.command("rules", epilog=examples("leftopen rules", "leftopen rules --json"))
@json_option
def command(as_json: bool) -> None:
    """List the products and cloud settings that cause can explain."""
    from leftopen.cause.registry import clouds, rules, title_of

    rows = [("file", r.product, title_of(r)) for r in rules()]
    rows += [("cloud", c.product, title_of(c)) for c in clouds()]
    if as_json:
        print_json([dict(zip(("kind", "name", "title"), row, strict=True)) for row in rows])
    else:
        table("Rules", ("kind", "name", "title"), rows)
