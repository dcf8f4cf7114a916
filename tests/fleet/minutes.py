"""What an agent measures in a minute: four jobs on three devices, 20 rows of the ledger, whole µJ that balance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from vispa_green.model import Binding, Component, EnergyEntry, JobActivity, JobShare, NodeInterval, Quality

MINUTE = timedelta(minutes=1)
MINUTE_US = 60_000_000
JOBS = 4
ROWS = 20
"""One of the interval, three of devices, twelve of shares, four of presence."""
DEVICES = ((Component.CPU, "package-0"), (Component.CPU, "package-1"), (Component.DRAM, "dram-0"))
SUBMITTED = datetime(2026, 6, 1, tzinfo=UTC)


def node_name(number: int) -> str:
    """Return what the fleet calls a node."""
    return f"n{number:04}"


def minute(node: int, start: datetime, chance: Random) -> NodeInterval:
    """Return one interval of a node, whose jobs are its own and stay."""
    jobs = [str(node * JOBS + number + 1) for number in range(JOBS)]
    entries = tuple(_entry(component, device, jobs, chance) for component, device in DEVICES)
    present = tuple(
        JobActivity(job, chance.randrange(MINUTE_US * 1000), MINUTE_US, Binding(1000 + node % 50, 4, (), SUBMITTED))
        for job in jobs
    )
    return NodeInterval(node_name(node), "boot", start, start + MINUTE, MINUTE_US, Quality.MEASURED, entries, present)


def _entry(component: Component, device: str, jobs: list[str], chance: Random) -> EnergyEntry:
    shares = tuple(JobShare(job, chance.randrange(2**31), chance.randrange(2**20)) for job in jobs)
    idle_uj, system_uj = chance.randrange(2**24), chance.randrange(2**16)
    measured_uj = idle_uj + system_uj + sum(share.busy_uj + share.idle_uj for share in shares)
    return EnergyEntry(component, device, Quality.MEASURED, measured_uj, idle_uj, system_uj, shares)
