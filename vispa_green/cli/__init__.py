"""The command line: parse, call one function, print. Each command is a file here that defines ``command``."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import click

from vispa_green import __version__, terminal
from vispa_green.errors import VispaGreenError, did_you_mean
from vispa_green.inherited import occupy_closed_streams

PROGRAM = "vispa-green"
COMPLETION = "_VISPA_GREEN_COMPLETE"
"""Set by a shell that completes a line; click answers it."""
INTERRUPTED = 130

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class Commands(click.Group):
    """A group of this package's modules and of installed entry points; imports only the one in use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*_own(), *(entry.name for entry in _installed())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        command: click.Command
        if cmd_name in _own():
            command = importlib.import_module(f"{__name__}.{cmd_name}").command
            return command
        for entry in _installed():
            if entry.name == cmd_name:
                command = entry.load()
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; one that there is not is an error that names the nearest."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            near = did_you_mean(args[0], self.list_commands(ctx))
            ctx.fail(f"there is no command {args[0]!r}{near}")
        return super().resolve_command(ctx, args)


def _own() -> set[str]:
    return {m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")}


def _installed() -> tuple[EntryPoint, ...]:
    from importlib.metadata import entry_points  # slow to start, and needed for other people's commands only

    return tuple(entry_points(group=__name__))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM)
def vispa_green() -> None:
    """What your Slurm jobs cost in energy and CO2, and when the German grid is green.

    \b
    Examples:
      vispa-green energy                       my jobs of today
      vispa-green plan --duration 4h --finish-by +24h
      vispa-green grid forecast
      gsbatch --green-finish-by=tomorrow job.sh
    """


def main() -> NoReturn:
    """Run the command line; an expected failure is one line on stderr and exit code 1."""
    occupy_closed_streams()
    terminal.adopt(sys.stdout, sys.stderr)
    if COMPLETION in os.environ:
        vispa_green(prog_name=PROGRAM)
    sys.exit(_finished(_ended(sys.argv[1:])))


def _ended(arguments: list[str]) -> int:
    """Run to the end, whatever it is, and return the exit code."""
    try:
        with vispa_green.make_context(PROGRAM, arguments) as context:
            vispa_green.invoke(context)
    except (click.exceptions.Exit, click.ClickException) as end:
        if isinstance(end, click.ClickException):
            end.show()
        return end.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        terminal.end_as_unread()
    except (VispaGreenError, OSError) as error:
        return _failed(_reason(error))
    return 0


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'standard output'}: {error.strerror or error}"
    return str(error)


def _finished(code: int) -> int:
    """Write what is still to be written; what stdout does not take is one line and exit code 1."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        terminal.end_as_unread()
    except OSError as error:
        terminal.let_go(sys.stdout)
        code = code or _failed(f"standard output: {error.strerror}")
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            sys.stderr.flush()
    return code


def _failed(text: str) -> int:
    line = f"{PROGRAM}: {text}"
    if "JOURNAL_STREAM" in os.environ:  # a service of systemd, or a child of one
        import logging

        from vispa_green.systemd import graded, writes_to_journal

        line = graded(line, logging.ERROR) if writes_to_journal(2, os.environ) else line
    terminal.say(line)
    return 1
