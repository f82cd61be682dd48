"""`leftopen protocols`: what reach can prove."""

from __future__ import annotations

import click

from leftopen.cli.show import examples, json_option, print_json, table


@click.command("protocols", epilog=examples("leftopen protocols", "leftopen protocols --json"))
@json_option
def command(as_json: bool) -> None:
    """List the protocols that reach can prove, and what each would send."""
    from leftopen.reach.registry import protocols, title_of

    rows = [(p.name, _ports((*p.ports, *p.tls_ports)), title_of(p), p.sends) for p in protocols()]
    if as_json:
        keys = ("name", "ports", "title", "sends")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        table("Protocols", ("name", "usual ports", "title", "what it sends"), rows)


def _ports(ports: tuple[int, ...]) -> str:
    return " ".join(map(str, ports))
