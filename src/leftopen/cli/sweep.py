"""`leftopen sweep`: which ports answer, alone or as one of several machines."""

from __future__ import annotations

from pathlib import Path

import click

from leftopen.cli.show import Bars, examples, json_option, say
from leftopen.model.errors import UsageError


@click.command(
    "sweep",
    epilog=examples(
        "leftopen sweep scope.toml",
        "leftopen sweep scope.toml --shard 0/4 > open-0.ndjson    # on the first of four machines",
        'leftopen run scope.toml      # with [imports] sweep = ["open-0.ndjson", ...]',
    ),
)
@click.argument("scope", type=click.Path(path_type=Path))
@click.option("--shard", default="0/1", show_default=True, help="This machine's share, from 0.")
@click.option("--connect", is_flag=True, help="Ask by connects only, without raw packets.")
@json_option
def command(scope: Path, shard: str, connect: bool, as_json: bool) -> None:
    """Find the ports of SCOPE that answer; prove nothing.

    Each is one line of JSON on stdout (ip, port, timestamp), which `[imports] sweep` of a scope
    file takes in place of its own sweep. Killed and started again, it goes on where it was. The
    shards of one scope file never ask the same endpoint.
    """
    from leftopen.model.record import to_json
    from leftopen.model.time import now
    from leftopen.reach.sweep import Shard
    from leftopen.run.sweeping import sweep_share

    index, _, of = shard.partition("/")
    if not (index.isascii() and index.isdigit() and of.isascii() and of.isdigit()):
        raise UsageError(f"--shard {shard}: give it as N/M, counted from 0, for example 0/4")
    kept = scope.with_name(f"{scope.name}.{index}-{of}.point")
    share = Shard(int(index), int(of))
    with Bars(quiet=as_json) as bars:
        found = sweep_share(scope, kept, share, raw=not connect, progress=bars)
    stamp = now()
    for endpoint in found.open:
        line = {"ip": endpoint.address, "port": endpoint.port, "timestamp": stamp}
        click.echo(to_json(line))
    say(f"{len(found.open)} open, {found.closed} closed, {found.filtered} without an answer")
    for note in found.notes:
        say(note)
