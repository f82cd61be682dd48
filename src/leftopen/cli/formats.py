"""`leftopen formats`: what contents and trace can read, and what reports are written."""

from __future__ import annotations

import click

from leftopen.cli.show import examples, json_option, print_json, table


@click.command("formats", epilog=examples("leftopen formats", "leftopen formats --json"))
@json_option
def command(as_json: bool) -> None:
    """List the formats of documents, logs, imports and reports."""
    from leftopen.brief.registry import formats as reports
    from leftopen.contents import registry as contents
    from leftopen.reach import registry as reach
    from leftopen.trace import registry as trace

    rows = [("document", f.name, contents.title_of(f)) for f in contents.formats()]
    rows += [("log", f.name, trace.title_of(f)) for f in trace.formats()]
    rows += [("import", i.name, reach.title_of(i)) for i in reach.imports()]
    rows += [("report", r.name, r.file_name) for r in reports().values()]
    if as_json:
        print_json([dict(zip(("kind", "name", "title"), row, strict=True)) for row in rows])
    else:
        table("Formats", ("kind", "name", "title"), rows)
