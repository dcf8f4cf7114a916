"""A written account: real ledger files with a story in them that the tests know by heart."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vispa_green.ledgers import open_ledger
from vispa_green.model import (
    Binding,
    Component,
    EnergyEntry,
    GridKind,
    GridValue,
    JobActivity,
    JobFact,
    JobShare,
    NodeInterval,
    Origin,
    Quality,
    Quantity,
    SpooledInterval,
)

Shares = Mapping[str, tuple[int, int]]
"""Busy and idle µJ by job."""


@dataclass
class Story:
    """One user's configuration and ledger; no Slurm, no grid service."""

    directory: Path
    config: Path = field(init=False)
    sequence: int = 0
    cluster: str = "cluster"

    def __post_init__(self) -> None:
        self.config = self.directory / "config.toml"
        self.configure("")
        open_ledger(self.url, create=True).close()

    @property
    def url(self) -> str:
        return f"sqlite://{self.directory / 'ledger.sqlite'}"

    def configure(self, more: str) -> None:
        text = f'[ledger]\nurl = "{self.url}"\n[slurm]\nenabled = false\n[grid]\nproviders = []\n{more}'
        self.config.write_text(text, encoding="utf-8")

    def interval(
        self,
        start: datetime,
        seconds: float,
        shares: Mapping[Component, Shares],
        *,
        node: str = "n1",
        uid: int | None = None,
        present_s: Mapping[str, float] | None = None,
        quality: Quality = Quality.MEASURED,
        idle_uj: int = 0,
    ) -> None:
        """Add one interval; every job with a share was there all the time unless ``present_s`` says otherwise."""
        jobs = sorted({job for of_jobs in shares.values() for job in of_jobs} | set(present_s or {}))
        present = {job: (present_s or {}).get(job, seconds) for job in jobs}
        owner = Binding(os.getuid() if uid is None else uid, 1, ())
        activity = tuple(JobActivity(job, int(present[job] * 5e8), int(present[job] * 1e6), owner) for job in jobs)
        entries = tuple(_entry(component, of_jobs, quality, idle_uj) for component, of_jobs in shares.items())
        end = start + timedelta(seconds=seconds)
        interval = NodeInterval(node, "boot", start, end, int(seconds * 1e6), Quality.MEASURED, entries, activity)
        self.sequence += 1
        ledger = open_ledger(self.url)
        ledger.energy.append(Origin(self.cluster, "story"), [SpooledInterval(self.sequence, interval)], end)
        ledger.close()

    def grid(
        self,
        quantity: Quantity,
        start: datetime,
        values: Sequence[float],
        step: timedelta = timedelta(hours=1),
        kind: GridKind = GridKind.MEASURED,
    ) -> None:
        """Add a series of equal steps."""
        ledger = open_ledger(self.url)
        ledger.grid.append(
            [
                GridValue(quantity, kind, start + i * step, start + (i + 1) * step, value, "story", start, start)
                for i, value in enumerate(values)
            ]
        )
        ledger.close()

    def facts(self, *facts: JobFact) -> None:
        ledger = open_ledger(self.url)
        ledger.facts.append(self.cluster, facts, datetime(2026, 11, 22, tzinfo=UTC))
        ledger.close()

    def run(
        self, *arguments: str, before: Sequence[str] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the installed command line, with ``before`` in front of it."""
        program = Path(sys.executable).with_name("vispa-green")
        return subprocess.run(
            [*before, program, *arguments, "--config", str(self.config)],
            capture_output=True,
            check=False,
            text=True,
            env={
                **os.environ,
                "TZ": "Europe/Berlin",
                "VISPA_GREEN_STATE": str(self.directory / "state"),
                **environment,
            },
        )


def _entry(component: Component, shares: Shares, quality: Quality, idle_uj: int) -> EnergyEntry:
    jobs = tuple(JobShare(job, busy, idle) for job, (busy, idle) in shares.items())
    measured = sum(busy + idle for busy, idle in shares.values()) + idle_uj
    gpu = component is Component.GPU
    return EnergyEntry(component, "gpu-0" if gpu else f"{component}:0", quality, measured, idle_uj, 0, jobs)
