"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file (default: $VISPA_GREEN_CONFIG, else /etc/vispa-green/config.toml).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON with a stable schema.")
