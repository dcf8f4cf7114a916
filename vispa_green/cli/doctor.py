"""``vispa-green doctor``: what works here, what is missing, what to do."""

from __future__ import annotations

import os
from pathlib import Path

import click

from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import print_json
from vispa_green.config import locate
from vispa_green.doctor import Finding, Level, examine
from vispa_green.errors import ConfigError
from vispa_green.session import open_session

MARKS = {Level.OK: "ok  ", Level.WARN: "warn", Level.FAIL: "FAIL"}


@click.command("doctor")
@click.option("--online", is_flag=True, help="Also ask the grid services and the mail host.")
@config_option
@json_option
def command(config_file: Path | None, *, online: bool, as_json: bool) -> None:
    """Say what is readable here, what is missing and what to do. The exit code is 1 if anything fails.

    Run it as the user and on the machine in question: counters and ledgers look different to others.

    \b
    Examples:
      vispa-green doctor
      sudo -u vispa-green vispa-green doctor --online --json
    """
    try:
        findings = examine(open_session(config_file), locate(os.environ, config_file), online=online)
    except ConfigError as error:
        findings = [Finding(Level.FAIL, f"configuration: {error}", "correct it; nothing runs before")]
    if as_json:
        print_json({"findings": [_record(finding) for finding in findings]})
    else:
        for finding in findings:
            click.echo(f"{MARKS[finding.level]}  {finding.what}")
            if finding.remedy:
                click.echo(f"      -> {finding.remedy}")
    if any(finding.level is Level.FAIL for finding in findings):
        raise SystemExit(1)


def _record(finding: Finding) -> dict[str, str]:
    return {"level": finding.level.value, "what": finding.what, "remedy": finding.remedy}
