"""What of this node can be read: counters, cards, jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator

from vispa_green.doctor.findings import Finding, Level
from vispa_green.errors import MeterError, MeterForbidden, VispaGreenError
from vispa_green.meters import METERS
from vispa_green.model import Meter
from vispa_green.session import Session
from vispa_green.trackers import TRACKERS

RAPL_REMEDY = (
    "run the agent as a service with AmbientCapabilities=CAP_DAC_READ_SEARCH, or let a group read it by a line in"
    " /etc/tmpfiles.d/vispa-green.conf: z {path} 0440 root vispa-green"
)


def rapl(session: Session) -> Iterator[Finding]:
    """Say which CPU and memory counters are readable, forbidden or absent."""
    zones = _discovered(session, "rapl")
    if not zones:
        yield Finding(
            Level.WARN,
            f"RAPL: no counters under {session.host().sysfs / 'class/powercap'}",
            "load the kernel module intel_rapl_common (Intel and AMD); in a virtual machine there are none, and"
            " energy is estimated",
        )
    for zone in zones:
        try:
            zone.read_uj(session.now)
        except MeterForbidden:
            path = f"{getattr(zone, 'directory', '/sys/class/powercap/' + zone.device)}/energy_uj"
            remedy = RAPL_REMEDY.format(path=os.path.realpath(path))
            yield Finding(Level.WARN, f"RAPL: {zone.device} ({zone.component}) is forbidden to this user", remedy)
        except MeterError as error:
            yield Finding(Level.WARN, f"RAPL: {error}", "look at the kernel's log; the agent records a gap meanwhile")
        else:
            yield Finding(Level.OK, f"RAPL: {zone.device} ({zone.component}) is readable")


def nvml(session: Session) -> Iterator[Finding]:
    """Say which GPUs have a readable energy counter."""
    cards = _discovered(session, "nvml")
    if not cards:
        yield Finding(Level.OK, "NVML: no NVIDIA driver here, so no GPUs are metered")
    for card in cards:
        try:
            card.read_uj(session.now)
        except MeterError as error:
            yield Finding(Level.WARN, f"NVML: {error}", "cards before Volta have no energy counter; it stays a gap")
        else:
            yield Finding(Level.OK, f"NVML: {card.device} is readable")


def energy_source(session: Session) -> Iterator[Finding]:
    """Fail where an agent would find nothing at all to read."""
    names = session.config.meters.enabled
    if not any(_reads(meter, session) for name in names for meter in _discovered(session, name)):
        yield Finding(Level.FAIL, "no enabled meter can be read here", 'add "estimate" to [meters] enabled')


def job_tracking(session: Session) -> Iterator[Finding]:
    """Say by which ways jobs can be found on this node."""
    host = session.host()
    found: list[str] = []
    for name in session.config.agent.trackers:
        try:
            found += [name] if TRACKERS.make(name, host, session.config.options("trackers")) is not None else []
        except VispaGreenError:
            continue  # told with the other variants
    if any(name.startswith("cgroup") for name in found):
        yield Finding(Level.OK, f"jobs are found by {', '.join(found)} under {host.cgroup}")
    elif found:
        yield Finding(
            Level.WARN,
            f"jobs are found by {', '.join(found)} alone: no Slurm control group under {host.cgroup} now",
            "set ProctrackType=proctrack/cgroup in slurm.conf; on a node without jobs this is normal",
        )
    else:
        yield Finding(Level.FAIL, "no way to find jobs here", "see [agent] trackers, and [host] for moved roots")


def _discovered(session: Session, name: str) -> list[Meter]:
    try:
        return list(METERS.make(name, session.host(), session.config.options("meters")))
    except VispaGreenError:
        return []


def _reads(meter: Meter, session: Session) -> bool:
    try:
        meter.read_uj(session.now)
    except MeterError:
        return False
    return True
