"""One pass over a node: counters, CPU time and jobs, read together."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

from vispa_green.agent.sources import SlowSource, read
from vispa_green.agent.watch import JobWatch
from vispa_green.config import Config
from vispa_green.energy.accounting import NodePass
from vispa_green.energy.readings import DeviceReading
from vispa_green.errors import MeterError
from vispa_green.host import Host
from vispa_green.meters import METERS
from vispa_green.model import Component, CpuTime, Instant, Meter, Quality

log = logging.getLogger(__name__)


class NodeReader:
    """Everything that is read on one node."""

    def __init__(self, host: Host, meters: Sequence[Meter]) -> None:
        self._host = host
        self._boot_id, self._cpus = host.boot_id(), host.cpus()
        self._prompt = [meter for meter in meters if meter.prompt]
        self._slow = [SlowSource(group) for group in _by_kind(meter for meter in meters if not meter.prompt)]
        self._cpu_time_failed = False

    def read(self, watch: JobWatch, at: Instant) -> NodePass:
        """Read everything once; what fails is a reading without a value, never a missing pass."""
        readings = [read(meter, at) for meter in self._prompt]
        cpu = self._cpu_time()
        watch.measure(at.monotonic_ns)
        for source in self._slow:
            readings += source.read(at)
        return NodePass(at, self._boot_id, self._cpus, cpu, tuple(readings), watch.seen())

    def close(self) -> None:
        """Let the threads of slow meters go."""
        for source in self._slow:
            source.close()

    def _cpu_time(self) -> CpuTime | None:
        try:
            cpu_time = self._host.cpu_time()
        except MeterError as error:
            if not self._cpu_time_failed:
                log.warning("%s: the jobs' CPU times alone divide the energy until it can be read", error)
            self._cpu_time_failed = True
            return None
        self._cpu_time_failed = False
        return cpu_time


class Failures:
    """Says once of each device why it gives no energy, and once that it does again."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def report(self, readings: Iterable[DeviceReading]) -> None:
        """Log what has changed since the last readings."""
        for reading in readings:
            before = self._reasons.get(reading.device, "")
            if reading.failure and not before:
                log.warning("%s: no energy is recorded of it until it can be read", reading.failure)
            elif before and not reading.failure:
                log.info("%s can be read again", reading.device)
            self._reasons[reading.device] = reading.failure


def find_meters(host: Host, config: Config, at: Instant) -> list[Meter]:
    """Return the meters to use: every enabled one that is there, an estimate only where no counter is.

    A CPU counter that this user may not read counts as absent, if an estimate is enabled to stand in.
    """
    found: list[Meter] = []
    for name in config.meters.enabled:
        found += METERS.make(name, host, config.options("meters"))
    estimates = [m for m in found if m.quality is Quality.ESTIMATED]
    counters = [m for m in found if m.quality is not Quality.ESTIMATED]
    for estimate in estimates:
        rivals = [m for m in counters if m.component is estimate.component]
        if any(_readable(m, at) for m in rivals):
            continue
        reason = (
            f"{rivals[0].device} cannot be read" if rivals else f"no {estimate.component} counter is enabled here"
        )
        log.info("%s: %s energy is estimated, and marked so; see `vispa-green doctor`", reason, estimate.component)
        # Without its package counters a DRAM counter of the same kind is forbidden as well; keep what works.
        counters = [m for m in counters if m not in rivals and (m.component is Component.GPU or _readable(m, at))]
        counters.append(estimate)
    return counters


def _readable(meter: Meter, at: Instant) -> bool:
    return read(meter, at).value_uj is not None


def _by_kind(meters: Iterable[Meter]) -> Iterator[list[Meter]]:
    """Yield the meters of each class together: what one driver holds up, it holds up for all of them."""
    groups: dict[type, list[Meter]] = {}
    for meter in meters:
        groups.setdefault(type(meter), []).append(meter)
    yield from groups.values()
