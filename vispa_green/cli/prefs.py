"""``vispa-green prefs``: what I want of the mails that I get."""

from __future__ import annotations

from pathlib import Path

import click

from vispa_green.answers.preferences import prefer
from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import print_json
from vispa_green.phrases import LANGUAGES
from vispa_green.session import open_session


@click.command("prefs")
@click.option("--language", type=click.Choice(LANGUAGES), help="The language of my mails.")
@click.option("--weekly", type=click.Choice(("on", "off")), help="Whether I get a mail each week.")
@config_option
@json_option
def command(language: str | None, weekly: str | None, config_file: Path | None, *, as_json: bool) -> None:
    """Say what I want of the weekly mails; without options, tell what holds.

    \b
    Examples:
      vispa-green prefs --language de
      vispa-green prefs --weekly off
    """
    session = open_session(config_file)
    now = prefer(session, language, weekly=None if weekly is None else weekly == "on")
    chosen = now.language or session.config.mail.language
    if as_json:
        print_json({"user": now.user, "language": chosen, "weekly": now.weekly})
        return
    click.echo(f"language {chosen}{'' if now.language else ' (as the site)'}, weekly {'on' if now.weekly else 'off'}")
