"""``vispa-green server``: keep the account for others."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

import click

from vispa_green.cli._options import config_option
from vispa_green.errors import UsageError
from vispa_green.session import open_session


@click.group("server", invoke_without_command=True)
@config_option
@click.pass_context
def command(context: click.Context, config_file: Path | None) -> None:
    """Keep the account for others: agents deliver to it, everybody asks it. It answers until a signal ends it.

    Where it listens and whom it believes stands in the configuration under [server].

    \b
    Examples:
      vispa-green server
      vispa-green server --config /etc/vispa-green/server.toml
    """
    if context.invoked_subcommand is not None:
        return
    session = open_session(config_file)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        from vispa_green.server.serving import Server
    except ImportError as error:
        raise UsageError(f"a server needs {error.name}: pip install 'vispa-green[server]'") from error
    Server(session).run()


@command.command()
@click.argument("who")
def token(who: str) -> None:
    """Make a secret for WHO, which is node:NAME or user:NAME: one line for a file with mode 0600.

    The line goes into the server's file with everybody's, and alone into a file of that node or user.

    \b
    Examples:
      (umask 077; vispa-green server token node:n1 >> /etc/vispa-green/tokens)
    """
    from vispa_green.credentials._token_file import WHO

    if not WHO.fullmatch(who):
        raise UsageError(f"{who!r} is neither node:NAME nor user:NAME")
    click.echo(f"{who} {secrets.token_hex(32)}")
