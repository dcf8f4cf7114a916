"""``vispa-green jobs``: the bundled workloads; found by the core through its entry points ``vispa_green.cli``.

Listing, showing and rendering need the extra `jobs`, neither torch nor NumPy; what runs says which extra is missing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vispa_green.cli._options import config_option, json_option
from vispa_green.errors import UsageError
from vispa_green_jobs.catalogue import JOBS

if TYPE_CHECKING:
    from vispa_green_jobs.green_hours import GreenHours
    from vispa_green_jobs.job import Job
    from vispa_green_jobs.record import Record

preset_option = click.option(
    "--preset", default="smoke", show_default=True, metavar="NAME", help="tiny, smoke or paper."
)
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting; repeatable."
)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the run (default: vispa-green-jobs/NAME-PRESET-SEED).",
)
seed_option = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything.")
every_option = click.option(
    "--checkpoint-every", "every_s", type=click.FloatRange(min=0), default=60.0, show_default=True, metavar="SECONDS"
)
work_option = click.option(
    "--work", metavar="D", help="Computing time needed at most (default: the preset's time limit)."
)
restart_option = click.option(
    "--restart-costs", "restart", default="10m", show_default=True, metavar="D", help="Computing time a pause costs."
)
until_option = click.option(
    "--finish-by", metavar="T", help="Compute in the greenest hours until then: pause when they end (code 75)."
)


@click.group("jobs")
def command() -> None:
    """Published physics workloads that pause, resume and check themselves."""


@command.command("list")
@click.option("--category", default="", metavar="WORD", help="Only those whose category contains it.")
@json_option
def list_jobs(category: str, *, as_json: bool) -> None:
    """List the bundled jobs.

    \b
    Examples:
      vispa-green jobs list
      vispa-green jobs list --category flows --json
    """
    jobs = [job_named(name) for name in JOBS.names()]
    chosen = [job for job in jobs if category.lower() in job.definition.livingreview_category.lower()]
    if as_json:
        click.echo(json.dumps({"meta": {"version": 1}, "jobs": [described(job) for job in chosen]}, indent=2))
        return
    for job in chosen:
        ready = "ready" if not job.missing() else f"needs {', '.join(job.missing())}"
        click.echo(f"{job.name:20} arXiv:{job.definition.arxiv:12} {job.definition.title}  [{ready}]")


@command.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show what a job is, its presets and its claims.

    \b
    Examples:
      vispa-green jobs show one_flow
    """
    job = job_named(name)
    if as_json:
        click.echo(json.dumps({"meta": {"version": 1}, "job": described(job)}, indent=2))
        return
    about = job.definition
    click.echo(f"{job.name}: {about.title} (arXiv:{about.arxiv})\n{about.summary}\n")
    for preset_name, preset in about.presets.items():
        r = preset.resources
        click.echo(f"preset {preset_name}: {r.cpus} CPUs, {r.gpus} GPUs, {r.memory_gib} GiB, {r.time}")
        click.echo("  " + ", ".join(f"{key}={value}" for key, value in preset.settings.items()))
    click.echo("claims")
    for claim in about.claims:
        where = f" [{', '.join(claim.presets)}]" if claim.presets else ""
        click.echo(f"  {claim.metric} {claim.op.value} {claim.value:g}{where}: {claim.source}")
    if missing := job.missing():
        click.echo(f"missing here: {', '.join(missing)}: pip install 'vispa-green[{','.join(about.extras)}]'")


@command.command()
@click.argument("name")
@preset_option
@seed_option
@set_option
@out_option
@every_option
@until_option
@work_option
@restart_option
@config_option
def run(
    name: str,
    preset: str,
    seed: int,
    overrides: tuple[str, ...],
    out: Path | None,
    every_s: float,
    finish_by: str | None,
    work: str | None,
    restart: str,
    config_file: Path | None,
) -> None:
    """Run a job here; SIGUSR1, SIGTERM or Ctrl-C pause it.

    Exit codes: 0 complete and every claim holds, 3 complete but a claim failed, 75 paused, 1 error.

    \b
    Examples:
      vispa-green jobs run one_flow --seed 3
      vispa-green jobs run one_flow --preset paper --set steps=200000 --out /data/one-flow
    """
    from vispa_green_jobs.running import start

    job = job_named(name)
    folder = out or _default_out(name, preset, seed)
    hours = _hours(job, preset, finish_by, work, restart)
    _segment(job, start(job, preset, seed, overrides, folder), folder, every_s, config_file, hours)


@command.command()
@click.argument("name")
@preset_option
@seed_option
@out_option
@every_option
@until_option
@work_option
@restart_option
@config_option
def resume(
    name: str,
    preset: str,
    seed: int,
    out: Path | None,
    every_s: float,
    finish_by: str | None,
    work: str | None,
    restart: str,
    config_file: Path | None,
) -> None:
    """Go on with a run that was paused or killed; preset and seed only find its folder.

    \b
    Examples:
      vispa-green jobs resume one_flow --seed 3
    """
    from vispa_green_jobs.running import take_up

    job = job_named(name)
    folder = out or _default_out(name, preset, seed)
    record = take_up(job, folder)
    hours = _hours(job, record.preset, finish_by, work, restart)
    _segment(job, record, folder, every_s, config_file, hours)


@command.command()
@click.argument("name")
@preset_option
@seed_option
@out_option
@config_option
@json_option
def check(name: str, preset: str, seed: int, out: Path | None, config_file: Path | None, *, as_json: bool) -> None:
    """Judge a run again from its metrics and ask the ledger again what it cost; nothing is trained.

    \b
    Examples:
      vispa-green jobs check one_flow --seed 3
    """
    from vispa_green.session import open_session
    from vispa_green_jobs.running import check as judge_again

    folder = out or _default_out(name, preset, seed)
    record = judge_again(job_named(name), folder, open_session(config_file))
    if as_json:
        click.echo((folder / "metrics.json").read_text(), nl=False)
    else:
        click.echo((folder / "report.md").read_text(), nl=False)
    sys.exit(record.exit_code or 0)


@command.command()
@click.argument("name")
@preset_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("vispa-green-jobs"),
    show_default=True,
    help="Folder of the runs' folders.",
)
@json_option
def table(name: str, preset: str, out: Path, *, as_json: bool) -> None:
    """Lay the runs of several seeds side by side: median, worst and claim of each metric.

    Exit codes: 0 every claim holds in every run, 3 one does not.

    \b
    Examples:
      vispa-green jobs submit one_flow --seed 0-9 && vispa-green jobs table one_flow
    """
    from dataclasses import asdict

    from vispa_green_jobs.table import complete, energy_line, found_in, lines, rows

    runs = found_in(out, job_named(name).name, preset)
    done = complete(runs)
    found = rows([record.claims for record in done])
    others = {record.seed: record.status.value for record in runs if record not in done}
    if as_json:
        seeds = {"seeds": [record.seed for record in done], "not_complete": others}
        rows_json = [asdict(row) for row in found]
        click.echo(json.dumps({"meta": {"version": 1}, "job": name, **seeds, "claims": rows_json}, indent=2))
    else:
        click.echo("\n".join([*lines(name, found, len(done)), "", energy_line(done)]))
        for seed, status in others.items():
            click.echo(f"seed {seed} is {status}")
    sys.exit(0 if all(row.held == row.runs for row in found) else 3)


@command.command()
@click.argument("name")
@preset_option
@click.option("--seed", "seeds", default="0", show_default=True, metavar="LIST", help="E.g. 0-9 or 1,4,7: an array.")
@set_option
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of folders, one per seed.")
@click.option("--max-delay", metavar="D", help="Start in the greenest hours, at most that much later: 6h, 1-0.")
@click.option("--finish-by", metavar="T", help="Start in the greenest hours, done by then: tomorrow, +24h.")
@click.option("--green-hours", is_flag=True, help="Pause whenever green hours end, go on in the next; needs a limit.")
@work_option
@restart_option
@click.option("--sbatch", multiple=True, metavar="OPTION", help="An option for sbatch, repeatable.")
@click.option("--dry-run", is_flag=True, help="Print the script, submit nothing.")
def submit(
    name: str,
    preset: str,
    seeds: str,
    overrides: tuple[str, ...],
    out: Path | None,
    max_delay: str | None,
    finish_by: str | None,
    work: str | None,
    restart: str,
    sbatch: tuple[str, ...],
    *,
    green_hours: bool,
    dry_run: bool,
) -> None:
    """Write a batch script and submit it with gsbatch; it pauses before its time limit and is requeued.

    \b
    Examples:
      vispa-green jobs submit one_flow --preset paper --max-delay 12h --sbatch=--partition=gpu
      vispa-green jobs submit one_flow --seed 0-9 --dry-run
      vispa-green jobs submit one_flow --preset paper --green-hours --finish-by +48h --work 10h
    """
    from vispa_green_jobs.batch import Submission, render, send

    job = job_named(name)
    job.settings(preset, overrides)  # a wrong one should be known now, not on the node
    folder = (out or Path("vispa-green-jobs")).resolve()
    if green_hours and finish_by is None and max_delay is None:
        raise click.UsageError("--green-hours needs a limit: --finish-by T or --max-delay D")
    if work is not None and not green_hours:
        raise click.UsageError("--work belongs to --green-hours")
    hours = _hours(job, preset, finish_by, work, restart, max_delay) if green_hours else None
    submission = Submission(name, preset, seeds, overrides, folder, max_delay, finish_by, sbatch, hours)
    script = render(submission, job.definition, sys.executable)
    if dry_run:
        click.echo(script, nl=False)
        return
    sys.exit(send(submission, script))


def job_named(name: str) -> Job:
    """Load a bundled job; raise `UsageError` where what all of them need is not installed."""
    try:
        return JOBS.load(name)()
    except ModuleNotFoundError as error:
        raise UsageError(f"the bundled jobs need {error.name}: pip install 'vispa-green[jobs]'") from error


def described(job: Job) -> dict[str, Any]:
    """Return what is known of a job as values for JSON."""
    return {"name": job.name, **job.definition.model_dump(mode="json", by_alias=False), "missing": job.missing()}


def _default_out(name: str, preset: str, seed: int) -> Path:
    return Path("vispa-green-jobs") / f"{name}-{preset}-{seed}"


def _hours(
    job: Job, preset: str, finish_by: str | None, work: str | None, restart: str, max_delay: str | None = None
) -> GreenHours | None:
    from vispa_green import host
    from vispa_green_jobs.green_hours import GreenHours

    if finish_by is None and max_delay is None:
        if work is not None:
            raise click.UsageError("--work says how long green hours are to be, and needs --finish-by T")
        return None
    length = work or job.definition.preset(preset).resources.time
    return GreenHours.of(finish_by, max_delay, length, restart, host.now().utc)


def _segment(
    job: Job, record: Record, folder: Path, every_s: float, config_file: Path | None, hours: GreenHours | None
) -> None:
    from vispa_green import host
    from vispa_green.session import open_session
    from vispa_green_jobs.report import total_cost_line
    from vispa_green_jobs.running import Run, go_on

    done = go_on(Run(job, folder, open_session(config_file), host.now, click.echo, every_s, hours), record)
    for claim in done.claims:
        value = "–" if claim.value is None else f"{claim.value:.4g}"
        click.echo(
            f"{'holds ' if claim.passed else 'FAILED'} {claim.metric} = {value} ({claim.op} {claim.threshold:g})"
        )
    click.echo(f"{job.name} is {done.status}: {total_cost_line(done)}; see {folder / 'report.md'}")
    sys.exit(done.exit_code or 0)
