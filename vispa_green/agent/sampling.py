"""One pass over a node: counters, CPU time and jobs, read together."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from vispa_green.agent.watch import JobWatch
from vispa_green.config import Config
from vispa_green.energy.accounting import DeviceReading, NodePass
from vispa_green.errors import MeterError
from vispa_green.host import Host
from vispa_green.meters import METERS
from vispa_green.model import Component, CpuTime, Instant, Meter, Quality

log = logging.getLogger(__name__)


class NodeReader:
    """Everything that is read on one node."""

    def __init__(self, host: Host, meters: Sequence[Meter]) -> None:
        self._host, self._meters = host, meters
        self._cpu_time_failed = False

    def read(self, watch: JobWatch, at: Instant) -> NodePass:
        """Read everything once; what fails is a reading without a value, never a missing pass."""
        readings = tuple(_reading(meter, at) for meter in self._meters)
        return NodePass(at, self._host.boot_id(), self._host.cpus(), self._cpu_time(), readings, watch.seen())

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
    return _reading(meter, at).value_uj is not None


def _reading(meter: Meter, at: Instant) -> DeviceReading:
    value: int | None = None
    failure = ""
    try:
        value = meter.read_uj(at)
    except MeterError as error:
        failure = str(error)
    return DeviceReading(
        meter.component, meter.device, meter.quality, meter.modulus_uj, meter.gpu_index, value, failure
    )
