"""`leftopen trace`: who came in, from logs alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from leftopen.cli.show import Bars, draw, examples, json_option, print_json, say


@click.command(
    "trace",
    epilog=examples(
        "leftopen trace access.log access.log.1",
        "leftopen trace logs/ --from 2023-02-03 --to 2023-02-20T18:00 --scope scope.toml",
        "leftopen trace flows/ --port 8025 --json",
    ),
)
@click.argument("paths", type=click.Path(), nargs=-1, required=True)
@click.option("--from", "start", type=click.DateTime(), help="Begin of the window, UTC.")
@click.option("--to", "end", type=click.DateTime(), help="End of the window, UTC.")
@click.option(
    "--scope", type=click.Path(path_type=Path), help="Who is who: [parties] of this file."
)
@click.option("--port", type=click.IntRange(1, 65535), default=80, show_default=True)
@click.option("--protocol", default="http", show_default=True)
@click.option("--zone", default="UTC", show_default=True, help="For formats without a zone.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    scope: Path | None,
    port: int,
    protocol: str,
    zone: str,
    as_json: bool,
) -> None:
    """Read logs (files or folders) and say who came in, how much left, and what no log can say."""
    from leftopen.run.trace_logs import trace_logs

    with Bars() as bars:
        result, gaps = trace_logs(
            paths,
            start=start.replace(tzinfo=UTC) if start else None,
            end=end.replace(tzinfo=UTC) if end else None,
            scope_path=scope,
            port=port,
            protocol=protocol,
            zone=zone,
            progress=bars,
        )
    if as_json:
        print_json({"trace": result, "gaps": gaps})
    else:
        _show(result, gaps)
    ctx.exit(20 if gaps else 0)


def _show(result: object, gaps: tuple[object, ...]) -> None:
    from leftopen.model.gap import Gap
    from leftopen.model.trace import TraceResult

    if isinstance(result, TraceResult):
        rows = [
            (
                v.client,
                f"{v.party.kind.value} {v.party.name}".strip(),
                v.behaviour.value,
                str(v.requests),
                "not known" if v.objects is None else str(v.objects),
                f"{v.bytes_out.low} to {'?' if v.bytes_out.high is None else v.bytes_out.high}",
            )
            for v in result.visits[:40]
        ]
        columns = ("client", "party", "did", "requests", "objects", "bytes out")
        draw("Visits", columns, rows)
        c = result.coverage
        say(f"Covered: {c.any:.1%} by any log, {c.app:.1%} by one that names objects, ")
        say(f"{c.bytes:.1%} by one that counts bytes.")
        say(f"Verdict: {result.verdict.word.replace('_', ' ')} ({result.verdict.confidence})")
        for reason in result.verdict.reasons:
            say(f"  - {reason}")
        if result.verdict.unseen:
            say(f"  unseen: {result.verdict.unseen}")
    for gap in gaps:
        if isinstance(gap, Gap):
            say(f"not examined: {gap.place}: {gap.reason.value} {gap.detail}")
