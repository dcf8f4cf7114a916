"""``vispa-green simulate study``: read, play what is missing, report. Progress goes to stderr."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from vispa_green import host
from vispa_green.errors import UsageError
from vispa_green.numbers import whole_number
from vispa_green.reports.plots import new_figure
from vispa_green_sim.report import write_report
from vispa_green_sim.report.words import replay_words, table
from vispa_green_sim.study.on import PLACES, Progress, Task, play_seed, slice_of
from vispa_green_sim.study.preparing import PreparedStudy, prepare
from vispa_green_sim.study.replay_error import ReplayError, replay_error
from vispa_green_sim.study.replication import reference_run
from vispa_green_sim.study.store import Store
from vispa_green_sim.study.summary import summarise


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """The options of the command."""

    file: Path
    workers: int | None = None
    out: Path | None = None
    resume: bool = False
    on: str = "local"
    sbatch: tuple[str, ...] = ()
    slice: str | None = None


def study(options: StudyOptions) -> None:
    """Do a study and write its report; with a slice, play those seeds only."""
    run_on = PLACES.load(options.on)
    new_figure(1, 1)  # told now if pictures cannot be drawn, not after an hour of playing
    prepared = prepare(options.file)
    out = options.out or Path(f"{options.file.stem}-study")
    store = Store.of(prepared, out)
    workers = options.workers or (len(os.sched_getaffinity(0)) if options.on == "local" else 16)
    task = Task(prepared, store, options.file, out, workers, options.sbatch)
    if options.slice is not None:
        _play_slice(task, options.slice)
        return
    for remark in prepared.workload.remarks:
        click.echo(f"warning: {prepared.workload.name}: {remark}", err=True)
    if not options.resume:
        for scenario in prepared.scenarios:
            for seed in prepared.seeds:
                store.forget(scenario, seed)
    replay = _first_say_how_true(prepared)
    run_on(task, _shown())
    results = [[store.get(scenario, seed) for seed in prepared.seeds] for scenario in prepared.scenarios]
    summary = summarise(prepared, replay, results)
    files = write_report(summary, results, out)
    click.echo(table(summary))
    click.echo(f"\n{files.html}")


def _play_slice(task: Task, text: str) -> None:
    part, parts = (whole_number(number) for number in (text.partition("/")[0], text.partition("/")[2]))
    if part is None or parts is None or part >= parts:
        raise UsageError(f"--slice {text}: write PART/PARTS, e.g. 0/4")
    for seed in slice_of(task.prepared.seeds, part, parts):
        play_seed(task.prepared, task.store, seed)


def _first_say_how_true(prepared: PreparedStudy) -> ReplayError:
    """Replay the history as recorded, and print the error before anything else."""
    error = replay_error(reference_run(prepared, None).played.run)
    click.echo(replay_words(error))
    return error


def _shown() -> Progress:
    """Return a progress that knows the time; on a terminal one line that changes, else one line each tenth."""
    began, first, last = host.now().monotonic_ns, -1, -1
    live = sys.stderr.isatty()

    def show(done: int, total: int) -> None:
        nonlocal first, last
        first = done if first < 0 else first
        if done == last or (not live and done != total and done * 10 // total == last * 10 // total and last >= 0):
            return
        last = done
        passed_s = (host.now().monotonic_ns - began) / 1e9
        left = f", about {passed_s / (done - first) * (total - done):.0f} s left" if first < done < total else ""
        text = f"{done} of {total} replications in {passed_s:.0f} s{left}"
        click.echo(f"\r{text:<70}" if live else text, nl=not live or done == total, err=True)

    return show
