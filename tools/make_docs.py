"""Regenerate docs/ from the code: commands, plugins, the scope file and its JSON Schema.

`--check` changes nothing and ends 1 when a page is not what the code says; a test runs it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

DOCS = Path(__file__).parent.parent / "docs"


def main() -> int:
    """Write or check the pages."""
    from leftopen.model.scope_file import schema

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = {
        DOCS / "reference.md": "\n".join(page()) + "\n",
        DOCS / "scope.schema.json": json.dumps(schema(), indent=1, sort_keys=True) + "\n",
    }
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text() != text]
    for path in stale:
        if not check:
            path.write_text(wanted[path])
        print(f"{path.name} {'is not what the code says; run: make docs' if check else 'written'}")
    return int(check and bool(stale))


def page() -> Iterator[str]:
    """The lines of the page."""
    yield "# Reference"
    yield ""
    yield "Made from the code by `make docs`; a test holds that it is what the code says."
    yield from commands()
    yield from plugins()
    yield from scope_file()


def commands() -> Iterator[str]:
    """Every command's help."""
    from leftopen.cli.main import cli

    context = click.Context(cli, info_name="leftopen", max_content_width=100, terminal_width=100)
    yield from ("", "## Commands")
    for name in cli.list_commands(context):
        yield from help_of(cli.get_command(context, name), f"leftopen {name}")


def help_of(command: click.Command | None, name: str) -> Iterator[str]:
    """One command and its own commands."""
    assert command is not None
    context = click.Context(command, info_name=name, max_content_width=100, terminal_width=100)
    yield from ("", f"### `{name}`", "", "```text", command.get_help(context), "```")
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            yield from help_of(command.get_command(context, child), f"{name} {child}")


def plugins() -> Iterator[str]:
    """What there is of each kind."""
    from leftopen.cause import registry as cause
    from leftopen.contents import registry as contents
    from leftopen.reach import registry as reach
    from leftopen.trace import registry as trace

    yield from ("", "## Plugins")
    rows = [(p.name, reach.title_of(p), p.sends) for p in reach.protocols()]
    yield from table("Protocols (reach)", ("name", "title", "what it sends"), rows)
    rows = [(i.name, reach.title_of(i), i.source) for i in reach.imports()]
    yield from table("Imports (reach)", ("name", "title", "source"), rows)
    documents = [(f.name, contents.title_of(f)) for f in contents.formats()]
    yield from table("Document formats (contents)", ("name", "title"), documents)
    judged = (*contents.detectors(), *contents.forms(), *contents.markings())
    rows = [(d.name, contents.title_of(d), d.source) for d in judged]
    yield from table("Detectors, forms, markings (contents)", ("name", "title", "source"), rows)
    causes = [(r.product, cause.title_of(r)) for r in (*cause.rules(), *cause.clouds())]
    yield from table("Rules (cause)", ("product", "title"), causes)
    logs = [(f.name, trace.title_of(f), f.source) for f in trace.formats()]
    yield from table("Log formats (trace)", ("name", "title", "source"), logs)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table."""
    yield from ("", f"### {title}", "", "| " + " | ".join(columns) + " |")
    yield "|" + " --- |" * len(columns)
    for row in rows:
        yield "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in row) + " |"


def scope_file() -> Iterator[str]:
    """The commented scope file."""
    from leftopen.cli.init import TEMPLATE

    yield from ("", "## Scope file", "", "JSON Schema: [scope.schema.json](scope.schema.json).")
    yield from ("", "What `leftopen init` writes:", "", "```toml")
    yield from TEMPLATE.format(name="scope.toml").rstrip().splitlines()
    yield "```"


if __name__ == "__main__":
    sys.exit(main())
