"""The entry point: finds a command by its file name, prints errors as one line, sets exit codes.

Exit codes (design, section 6): 0 everything examined, nothing open; 11 to 14 open, by worst
severity; 20 nothing open so far, but there are Gaps; 1 internal error; 2 usage or scope file;
3 nothing in scope.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from leftopen import __version__
from leftopen.model.errors import LeftopenError, UsageError

COMMANDS = {
    "init": "write a commented scope file",
    "run": "the main job: reach, contents, cause, trace, case",
    "sweep": "which ports answer, alone or as one of several machines",
    "inspect": "what is in a file or folder at rest, and how many people",
    "trace": "who came in, from logs alone",
    "explain": "which directive opens it, from configuration files alone",
    "cases": "the case store and the library of earlier cases",
    "verify": "check the hash chain of a case store",
    "demo": "rebuild the 2023 incident in small on loopback and run on it",
    "protocols": "list what reach can prove",
    "detectors": "list what contents can find",
    "formats": "list what contents and trace can read",
    "rules": "list what cause can explain",
}
EPILOG = """
\b
Examples:
  leftopen demo                          see it work, on loopback only
  leftopen init scope.toml               write a scope file to edit
  leftopen run scope.toml --dry-run      what would be contacted, and how
  leftopen run scope.toml                the main job; report in ./leftopen-case/report.html
  leftopen inspect mail.mbox --json      what is in a store at rest
"""


class _Lazy(click.Group):
    """Imports a command's module only when it runs, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a user needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, from leftopen/cli/<name>.py."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"leftopen.cli.{cmd_name}")
        found: click.Command = module.command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Lazy,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="leftopen")
def cli() -> None:
    """Which of our own servers hand data to a stranger, what was in there, and who came in.

    Leftopen touches only what your scope file names. Exit codes: 0 nothing open, 11-14 open by
    severity (low, medium, high, critical), 20 nothing open but something was not examined,
    2 usage, 3 nothing in scope.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; never shows a traceback for a user's error."""
    try:
        code: Any = cli.main(args=arguments, prog_name="leftopen", standalone_mode=False)
    except click.exceptions.Exit as e:
        sys.exit(e.exit_code)
    except click.Abort:
        _fail("stopped; run the same command again to go on from here", 130)
    except click.ClickException as e:
        _fail(e.format_message(), 2)
    except UsageError as e:
        _fail(str(e), 2)
    except LeftopenError as e:
        _fail(str(e), 1)
    except BrokenPipeError:  # a pager was closed
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    from leftopen.model.redact import escape_controls

    click.echo(f"leftopen: {escape_controls(message)}", err=True)
    sys.exit(code)
