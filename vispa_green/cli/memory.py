"""``vispa-green memory``: what the next job should ask for, from what earlier ones like it used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from vispa_green.answers.memory import FamilySizing, Sizing, SizingAnswer, sizes
from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import print_json, rounded, warn
from vispa_green.cli._selection import choose
from vispa_green.printable import printable
from vispa_green.session import open_session
from vispa_green.sizing.replay import Record
from vispa_green.sizing.words import memory_words, size_text, time_word
from vispa_green.times.local_zone import local_zone
from vispa_green.units import duration_text


@click.command("memory")
@click.argument("names", nargs=-1, metavar="[JOBNAME]...")
@click.option("-j", "--jobs", default="", help="Jobs like these.", metavar="JOBS")
@click.option("-u", "--user", "users", default="", help="Jobs of these users, as far as you keep the ledger.")
@click.option("-a", "--allusers", is_flag=True, help="Jobs of all users, as far as you keep the ledger.")
@click.option("--compare", is_flag=True, help="Replay what was asked for, p95 and 1.2 × max beside the rule.")
@config_option
@json_option
def command(names: tuple[str, ...], config_file: Path | None, *, as_json: bool, **asked: Any) -> None:  # noqa: ANN401
    """Tell how much memory, time and CPUs jobs like JOBNAME need, from their runs of 90 days.

    Alike are jobs of one user whose names differ in digits only. What was used is an upper bound over all tasks and
    steps. "failed" is what the rule itself would have done to these runs: more was needed than it would have said.
    Where it is not known what was used, or too little, nothing is advised.

    \b
    Examples:
      vispa-green memory
      vispa-green memory train_7
      vispa-green memory -j 4711 --json | jq '.families[].memory'
      vispa-green memory -a --compare
    """
    session = open_session(config_file)
    choice = choose(
        jobs=asked["jobs"], users=asked["users"], accounts="", names=",".join(names), start=None, end=None,
        all_users=asked["allusers"], now=session.now.utc, zone=local_zone(os.environ), since_today=False,
    )  # fmt: skip
    answer = sizes(session, choice, compare=asked["compare"])
    if as_json:
        records = {name: _record(record) for name, record in answer.records.items()}
        print_json(
            {
                "families": [_family(one) for one in answer.families],
                "records": records,
                "warnings": list(answer.warnings),
            }
        )
        return
    warn(answer.warnings)
    click.echo("\n".join(_lines(answer)))


def _lines(answer: SizingAnswer) -> Iterator[str]:
    if not answer.families:
        yield "No such jobs have run in 90 days."
        return
    yield f"{'JobName':<24} {'Runs':>5} {'Most':>10} {'Asked':>10}  {'Failed':<9} Advice"
    for one in answer.families:
        name = f"{printable(one.family.name)}{'[]' if one.family.is_array else ''}"
        yield _line(name, one.memory, size_text, _memory_said(one))
        if one.time.advice.amount is not None:
            yield _line("", one.time, _length_text, time_word(one.time.advice.amount))
        if one.cpus.advice.amount is not None:
            yield _line("", one.cpus, _cpus_text, f"{one.cpus.advice.amount} CPUs would have done")
    for name, record in answer.records.items():
        yield f"{'The rule' if name == 'rule' else name}, on memory of these runs: {_told(record)}"


def _line(name: str, sizing: Sizing, text: Any, said: str) -> str:  # noqa: ANN401 - a figure to its text
    advice, record = sizing.advice, sizing.record
    failed = f"{record.failed}/{record.advised}"
    most, asked = text(advice.most_used), text(sizing.asked)
    return f"{name:<24} {advice.runs:>5} {most:>10} {asked:>10}  {failed:<9} {said}"


def _memory_said(one: FamilySizing) -> str:
    advice = one.memory.advice
    if advice.amount is None:
        return f"as it is: {advice.ground.value}"
    return f"{' or '.join(memory_words(advice.amount, one.last))} ({advice.ground.value})"


def _length_text(seconds: float | None) -> str:
    return duration_text(None if seconds is None else timedelta(seconds=round(seconds)))


def _cpus_text(cpus: float | None) -> str:
    return "–" if cpus is None else f"{cpus:.1f} CPUs"


def _told(record: Record) -> str:
    if record.failure_rate is None:
        return f"it would have advised none of {record.runs}"
    told = (
        f"{record.failed} of {record.advised} advised failed ({100 * record.failure_rate:.2f} %), {record.runs} ran"
    )
    if record.given_per_used is None or record.asked_per_used is None:
        return told
    return f"{told}; allocated {record.given_per_used:.2f} × used instead of {record.asked_per_used:.2f} ×"


def _family(one: FamilySizing) -> dict[str, Any]:
    memory = one.memory.advice.amount
    return {
        "cluster": one.family.cluster,
        "user": one.family.user,
        "name": one.family.name,
        "is_array": one.family.is_array,
        "memory": {
            **_sizing(one.memory, "mib"),
            "options": list(memory_words(memory, one.last)) if memory is not None else [],
        },
        "time": _sizing(one.time, "s"),
        "cpus": _sizing(one.cpus, "cpus"),
    }


def _sizing(sizing: Sizing, unit: str) -> dict[str, Any]:
    advice = sizing.advice
    return {
        "runs": advice.runs,
        f"most_{unit}": rounded(advice.most_used),
        f"asked_{unit}": rounded(sizing.asked),
        f"advised_{unit}": advice.amount,
        "ground": advice.ground.name.lower(),
        "killed": advice.cuts,
        "record": _record(sizing.record),
    }


def _record(record: Record) -> dict[str, Any]:
    return {
        **{name: value for name, value in asdict(record).items() if name in {"runs", "advised", "failed"}},
        "failure_rate": rounded(record.failure_rate, 6),
        "allocated_per_used": rounded(record.given_per_used, 4),
        "asked_per_used": rounded(record.asked_per_used, 4),
    }
