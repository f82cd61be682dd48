"""`leftopen cases`: the case store and the library of earlier cases."""

from __future__ import annotations

from pathlib import Path

import click

from leftopen.cli.show import examples, folder_option, json_option, print_json, say, table


@click.group(
    "cases",
    epilog=examples(
        "leftopen cases list",
        "leftopen cases show 3f2a --json",
        "leftopen cases export 3f2a > case.md",
        "leftopen cases import brief.md",
    ),
)
def command() -> None:
    """List, show, export and import cases."""


@command.command("list")
@folder_option
@click.option("--library", is_flag=True, help="The earlier cases of the library instead.")
@json_option
def list_cases(folder: Path, library: bool, as_json: bool) -> None:
    """List the cases of the store, or the library of earlier ones."""
    from leftopen.run.library import earlier_cases, stored_cases

    if library:
        pages = earlier_cases(folder)
        if as_json:
            print_json(pages)
        else:
            table(
                "Earlier cases", ("uid", "date", "title"), [(p.uid, p.date, p.title) for p in pages]
            )
        return
    cases = stored_cases(folder)
    if as_json:
        print_json(cases)
    else:
        rows = [(c.uid, c.severity.value, c.state, c.title) for c in cases]
        table("Cases", ("uid", "severity", "state", "title"), rows)


@command.command("show")
@click.argument("uid")
@folder_option
@json_option
def show(uid: str, folder: Path, as_json: bool) -> None:
    """Show one case (UID may be its beginning) as a brief, or as JSON."""
    from leftopen.run.library import brief_of, find_case

    case = find_case(folder, uid)
    if as_json:
        print_json(case)
    else:
        click.echo(brief_of(folder, case))


@command.command("export")
@click.argument("uid")
@folder_option
@click.option(
    "--format", "name", default="markdown", show_default=True, help="html, json, markdown"
)
def export(uid: str, folder: Path, name: str) -> None:
    """Write one case to stdout in a format."""
    from leftopen.run.library import export_case

    click.echo(export_case(folder, uid, name), nl=False)


@command.command("import")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@folder_option
@json_option
def import_pages(files: tuple[Path, ...], folder: Path, as_json: bool) -> None:
    """Read briefs (Markdown, in the form that Leftopen writes) into the library."""
    from leftopen.run.library import import_page

    pages = [import_page(folder, path) for path in files]
    if as_json:
        print_json(pages)
    else:
        for page in pages:
            say(f"{page.uid}  {page.title}")
