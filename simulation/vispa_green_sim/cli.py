"""``vispa-green simulate``: play a job history; found by the core through its entry points ``vispa_green.cli``."""

from __future__ import annotations

from pathlib import Path

import click

from vispa_green.errors import UsageError


@click.group("simulate")
def command() -> None:
    """Play a job history on a simulated machine: what would have happened?"""


@command.command()
@click.option(
    "--workload", "file", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The history."
)
@click.option("--format", "format_name", metavar="NAME", help="Its format (default: by the name of the file).")
@click.option(
    "--processors", type=click.IntRange(min=1), metavar="P", help="The machine's size (default: the file's)."
)
@click.option("--policy", default="easy", show_default=True, metavar="NAME", help="How the queue is served.")
@click.option(
    "--schedule", type=click.Path(path_type=Path, dir_okay=False), help="Write job_id,submit,start,end here."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON with a stable schema.")
def replay(
    file: Path, format_name: str | None, processors: int | None, policy: str, schedule: Path | None, *, as_json: bool
) -> None:
    """Play a history once and say how long jobs waited.

    Times are whole seconds. At each instant completions come first, then submissions, then one
    scheduling pass. Repaired rows are counted on stderr.

    \b
    Examples:
      vispa-green simulate replay --workload KTH-SP2-1996-2.1-cln.swf.gz --policy easy
      vispa-green simulate replay --workload log.swf.gz --processors 240 --schedule out.csv --json
    """
    try:
        from vispa_green_sim.replaying import Request, play
    except ModuleNotFoundError as error:
        raise UsageError(f"the simulation needs {error.name}: pip install 'vispa-green[sim]'") from error
    play(Request(file, format_name, processors, policy, schedule, as_json))
