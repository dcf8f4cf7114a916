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
@click.option(
    "--scheduler",
    "--policy",
    "scheduler",
    default="easy",
    show_default=True,
    metavar="NAME",
    help="How the queue is served.",
)
@click.option(
    "--schedule", type=click.Path(path_type=Path, dir_okay=False), help="Write job_id,submit,start,end here."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON with a stable schema.")
def replay(
    file: Path,
    format_name: str | None,
    processors: int | None,
    scheduler: str,
    schedule: Path | None,
    *,
    as_json: bool,
) -> None:
    """Play a history once and say how long jobs waited.

    Times are whole seconds. At each instant completions come first, then submissions, then one
    scheduling pass. Repaired rows are counted on stderr.

    \b
    Examples:
      vispa-green simulate replay --workload KTH-SP2-1996-2.1-cln.swf.gz --scheduler easy
      vispa-green simulate replay --workload log.swf.gz --processors 240 --schedule out.csv --json
    """
    try:
        from vispa_green_sim.replaying import Request, play
    except ModuleNotFoundError as error:
        raise UsageError(f"the simulation needs {error.name}: pip install 'vispa-green[sim]'") from error
    play(Request(file, format_name, processors, scheduler, schedule, as_json))


@command.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="STUDY.toml")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes (default: all cores), or tasks.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder (default: STUDY-study).")
@click.option("--resume", is_flag=True, help="Keep the replications that are in the folder already.")
@click.option("--on", default="local", show_default=True, metavar="PLACE", help="local, or slurm: a job array.")
@click.option("--sbatch", multiple=True, metavar="OPTION", help="With --on slurm: an option for sbatch, repeatable.")
@click.option("--slice", "part", metavar="PART/PARTS", hidden=True, help="What a task of the array plays.")
def study(
    file: Path,
    workers: int | None,
    out: Path | None,
    on: str,
    sbatch: tuple[str, ...],
    part: str | None,
    *,
    resume: bool,
) -> None:
    """Ask what interventions would bring: scenarios × seeds, with intervals, and a report.

    The folder gets report.html, summary.json, replications.csv and users.csv. A study that was killed
    goes on with --resume and ends with the same bytes.

    \b
    Examples:
      vispa-green simulate study simulation/studies/a_quarter_takes_part.toml
      vispa-green simulate study mine.toml --on slurm --workers 32 --sbatch=--partition=long --resume
    """
    try:
        from vispa_green_sim.studying import StudyOptions
        from vispa_green_sim.studying import study as do
    except ModuleNotFoundError as error:
        raise UsageError(f"the simulation needs {error.name}: pip install 'vispa-green[sim,report]'") from error
    do(StudyOptions(file, workers, out, resume, on, sbatch, part))
