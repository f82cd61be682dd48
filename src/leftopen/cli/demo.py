"""`leftopen demo`: rebuild the 2023 incident in small on loopback and run on it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from leftopen.cli.show import Bars, draw, examples, json_option, print_json, say


@click.command("demo", epilog=examples("leftopen demo", "leftopen demo --dir /tmp/demo --json"))
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("leftopen-demo"),
    show_default=True,
    help="A new folder for everything that the demo makes.",
)
@click.option("--own-server", is_flag=True, help="Leave nginx aside even where it is installed.")
@json_option
@click.pass_context
def command(ctx: click.Context, folder: Path, own_server: bool, as_json: bool) -> None:
    """Rebuild the exposure of a military mail server of February 2023 in small, and run on it.

    Everything is synthetic and on loopback (127.x). Exit 0 when no line of the table contradicts
    the planted truth, else 1. Nothing is left running.
    """
    from leftopen.demo.demo import demo
    from leftopen.demo.incident import mapping_rows

    if not as_json:
        draw(
            "Real requests from loopback, mapped onto the incident (this is not evidence)",
            ("comes from, today", "shown in the logs as", "and on", "who that is"),
            mapping_rows(),
        )
    with Bars(quiet=as_json) as bars:
        outcome = demo(folder, bars, own_server=own_server)
    wrong = [r for r in outcome.rows if not r.agrees]
    if as_json:
        print_json(
            {
                "rows": [
                    {
                        "question": r.question,
                        "truth": r.truth,
                        "concluded": r.concluded,
                        "agrees": r.agrees,
                    }
                    for r in outcome.rows
                ],
                "contradictions": len(wrong),
                "reports": {name: str(path) for name, path in outcome.reports.items()},
            }
        )
    else:
        _show(outcome)
    ctx.exit(1 if wrong else 0)


def _show(outcome: object) -> None:
    from leftopen.demo.demo import Outcome

    assert isinstance(outcome, Outcome)
    rows = [
        (r.question, r.truth, r.concluded, "agrees" if r.agrees else "CONTRADICTS")
        for r in outcome.rows
    ]
    draw("Planted truth and conclusion", ("question", "truth", "Leftopen says", ""), rows)
    wrong = sum(not r.agrees for r in outcome.rows)
    say(f"Served by {outcome.server}. {wrong} of {len(rows)} lines contradict the truth.")
    say(f"Report: {outcome.reports['html']}")
    program = sys.argv[0] if Path(sys.argv[0]).name == "leftopen" else "leftopen"
    say(f"Check:  {program} verify --dir {outcome.reports['html'].parent}")
