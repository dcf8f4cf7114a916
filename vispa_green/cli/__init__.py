"""The command line: parse, call one function, print. Each command is a file here that defines ``command``."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from importlib.metadata import entry_points

import click

from vispa_green import __version__
from vispa_green.errors import VispaGreenError


class Commands(click.Group):
    """A group of this package's modules and of installed entry points; imports only the one in use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*_own(), *(entry.name for entry in entry_points(group=__name__))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        command: click.Command
        if cmd_name in _own():
            command = importlib.import_module(f"{__name__}.{cmd_name}").command
            return command
        for entry in entry_points(group=__name__, name=cmd_name):
            command = entry.load()
            return command
        return None


def _own() -> set[str]:
    return {m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vispa-green")
def vispa_green() -> None:
    """What your Slurm jobs cost in energy and CO2, and when the German grid is green.

    \b
    Examples:
      vispa-green energy                       my jobs of today
      vispa-green plan --duration 4h --finish-by +24h
      vispa-green grid forecast
      gsbatch --green-finish-by=tomorrow job.sh
    """


def main() -> None:
    """Run the command line; an expected failure is one line on stderr and exit code 1."""
    try:
        vispa_green(prog_name="vispa-green")
    except VispaGreenError as error:
        click.echo(f"vispa-green: {error}", err=True)
        sys.exit(1)
