"""What our own account gives to the simulation: power of like jobs, and what the grid did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from vispa_green_sim.machine import Machine
from vispa_green_sim.power import Priors, job_powers, samples_of

from tests.simulation.traces import made
from vispa_green.ledgers import open_ledger
from vispa_green.model import (
    Component,
    EnergyEntry,
    JobActivity,
    JobFact,
    JobShare,
    Ledger,
    NodeInterval,
    Origin,
    Quality,
    SpooledInterval,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite://{tmp_path / 'ledger.sqlite'}", create=True)
    yield opened
    opened.close()


def test_priors_come_from_measured_jobs(ledger: Ledger) -> None:
    """40 W on 4 CPUs are 10 W for each CPU of a job without a measurement."""
    entry = EnergyEntry(
        Component.CPU, "intel-rapl:0", Quality.MEASURED, 200_000_000_000, 56_000_000_000, 0,
        (JobShare("5", 144_000_000_000),),
    )  # fmt: skip
    activity = JobActivity("5", 1, 3_600_000_000)
    interval = NodeInterval("n1", "boot", NOON, NOON + HOUR, 3_600_000_000, Quality.MEASURED, (entry,), (activity,))
    ledger.energy.append(Origin("lab", "spool"), [SpooledInterval(1, interval)], NOON + HOUR)
    fact = JobFact(
        "5", "5", "ada", "hep", "cpu", "fit", "COMPLETED", ("n1",), NOON, NOON, NOON, NOON + HOUR, HOUR, 4
    )  # fmt: skip
    ledger.facts.append("lab", [fact], NOON + HOUR)
    samples = samples_of(ledger)
    assert [sample.mw_per_cpu for sample in samples] == [pytest.approx(10_000)]
    workload = made([(0, 10, 10, 3)])
    assert job_powers(workload, Machine.of_processors(4), Priors.of(samples)) == [30_000]
    assert job_powers(workload, Machine.of_processors(4)) == [3 * 7975]
