"""A made study, small enough to be played in a second, as files."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from math import sin
from pathlib import Path

from vispa_green_sim.studying import StudyOptions, study

PROCESSORS = 24
OUTPUT = ("report.html", "summary.json", "replications.csv", "users.csv")

HEAD = """\
[study]
name = "a small one"
seeds = {seeds}

[workload]
file = "jobs.swf"

[machine]
processors = 24
pue = 1.3

[machine.power]
spread_pct = 20

[grid]
file = "grid.csv"
start = 2025-03-03T00:00:00Z
"""
SCENARIOS = """
[[scenario]]
name = "asleep"
interventions = [{ use = "sleep_idle", after_minutes = 5 }]

[[scenario]]
name = "green, by a third"
adoption = { rate = 0.33, persistence = 0.9 }
interventions = [
  { use = "green_partition", open_hours = 6 },
  { use = "priority_boost", hours = 2 },
]

[[scenario]]
name = "capped and paused"
adoption = { rate = 0.5 }
interventions = [{ use = "suspend", every_hours = 1 }, { use = "power_cap", curve = "taurus_cpu", cap = 68.8 }]

[[scenario]]
name = "green windows"
adoption = { rate = 0.33 }
interventions = [{ use = "green_windows", policy = "queue_aware", slack_hours = 6 }]

[[sensitivity]]
scenario = "green, by a third"
vary = "adoption.rate"
values = [0.1, 1.0]
"""


def write(folder: Path, scenarios: str = SCENARIOS, *, seeds: int = 4, jobs: int = 250) -> Path:
    """Write a study with its history and its grid into a folder; return the study's file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "jobs.swf").write_text(history(jobs))
    (folder / "grid.csv").write_text(grid())
    file = folder / "study.toml"
    file.write_text(HEAD.format(seeds=seeds) + scenarios)
    return file


def history(jobs: int) -> str:
    """Return a SWF file of jobs that more than fill the machine by day; submissions record a wait."""
    dice = random.Random(7)
    lines = ["; Version: 2.2", "; MaxProcs: 24"]
    submit = 0
    for number in range(jobs):
        submit += dice.choice((0, 60, 300, 900, 4000))
        run = dice.choice((30, 600, 3600, 9000, 20000))
        width = dice.choice((1, 1, 2, 4, 8, 16))
        user = dice.randrange(12)
        lines.append(
            f"{number} {submit} {dice.randrange(500)} {run} {width} -1 -1 {width} {run * 2} -1 1 {user} 1 1 1 1 -1 -1"
        )
    return "\n".join(lines) + "\n"


def grid(days: int = 21, start: datetime = datetime(2025, 2, 24, tzinfo=UTC)) -> str:
    """Return an hourly series with days and nights."""
    rows = [
        f"{start + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ},{400 + 150 * sin(hour / 24 * 6.283):.1f}"
        for hour in range(days * 24)
    ]
    return "\n".join(["utc_start,gco2_per_kwh", *rows]) + "\n"


def answer(file: Path, out: Path, *, workers: int = 1, resume: bool = False, on: str = "local") -> dict[str, bytes]:
    """Do the study and return the bytes of its report."""
    study(StudyOptions(file, workers, out, resume, on))
    return output(out)


def output(out: Path) -> dict[str, bytes]:
    """Return the bytes of a report."""
    return {name: (out / name).read_bytes() for name in OUTPUT}
