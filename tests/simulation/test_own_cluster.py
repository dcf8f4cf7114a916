"""A study of one's own cluster: its slurm.conf is the machine, its ledger says what jobs draw."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from vispa_green_sim.study.preparing import prepare
from vispa_green_sim.study.replication import reference_run

from vispa_green.ledgers import open_ledger
from vispa_green.model import (
    Component,
    EnergyEntry,
    JobActivity,
    JobFact,
    JobShare,
    NodeInterval,
    Origin,
    Quality,
    SpooledInterval,
)

START = datetime(2025, 3, 3, tzinfo=UTC)
CONF = "NodeName=n[1-6] CPUs=4 RealMemory=8000\nPartitionName=main Nodes=n[1-6] Default=YES\n"
STUDY = """\
[study]
name = "our own cluster"
seeds = 2
[workload]
file = "jobs.swf"
[machine]
slurm_conf = "slurm.conf"
policy = "slurm_like"
[machine.power]
idle_w = 80.0
busy_w = 200.0
{ledger}
[grid]
file = "grid.csv"
start = 2025-03-03T00:00:00Z
[[scenario]]
name = "asleep"
interventions = [{{ use = "sleep_idle", after_minutes = 5 }}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [f"{n} {n * 60} -1 600 2 -1 -1 2 900 -1 1 1 1 1 1 -1 -1 -1" for n in range(1, 20)]
    (tmp_path / "jobs.swf").write_text("\n".join(rows) + "\n")
    (tmp_path / "slurm.conf").write_text(CONF)
    hours = (START + timedelta(hours=n) for n in range(-24 * 5, 24 * 15))
    lines = [f"{hour:%Y-%m-%dT%H:%M:%SZ},50,{300 + hour.hour},measured" for hour in hours]
    (tmp_path / "grid.csv").write_text("start_utc,renewable_share_pct,gco2_per_kwh,kind\n" + "\n".join(lines) + "\n")
    return tmp_path


def write_ledger(path: Path, watts_per_cpu: float) -> None:
    ledger = open_ledger(f"sqlite://{path}", create=True)
    energy_uj = round(watts_per_cpu * 2 * 100 * 1e6)
    entry = EnergyEntry(Component.CPU, "d", Quality.MEASURED, energy_uj, jobs=(JobShare("7", energy_uj),))
    end = START + timedelta(seconds=100)
    interval = NodeInterval(
        "n1", "b", START, end, 100_000_000, Quality.MEASURED, (entry,), (JobActivity("7", 1, 100_000_000),)
    )
    ledger.energy.append(Origin("lab", "s"), [SpooledInterval(1, interval)], end)
    fact = JobFact("7", "7", "ada", "a", "main", "x", "COMPLETED", ("n1",), START, START, START, end, None, 2)
    ledger.facts.append("lab", [fact, replace(fact, job_id="8", display_id="8")], end)
    ledger.close()


def test_the_machine_is_that_of_slurm_conf(folder: Path) -> None:
    (folder / "study.toml").write_text(STUDY.format(ledger=""))
    machine = prepare(folder / "study.toml").machine
    assert [(one.count, one.cpus) for one in machine.classes] == [(6, 4)]
    assert machine.classes[0].power.idle_mw == 80_000


def test_jobs_draw_what_our_own_jobs_drew(folder: Path) -> None:
    write_ledger(folder / "ledger.sqlite", watts_per_cpu=12.5)
    (folder / "study.toml").write_text(STUDY.format(ledger='ledger = "ledger.sqlite"'))
    base = reference_run(prepare(folder / "study.toml"), 1)
    assert set(base.job_mw) == {25_000}  # two processors each


def test_another_ledger_is_another_study(folder: Path) -> None:
    fingerprints = []
    for number, watts in enumerate((10, 20)):
        write_ledger(folder / f"{number}.sqlite", watts)
        (folder / "study.toml").write_text(STUDY.format(ledger=f'ledger = "{number}.sqlite"'))
        fingerprints.append(prepare(folder / "study.toml").fingerprint)
    assert fingerprints[0] != fingerprints[1]
