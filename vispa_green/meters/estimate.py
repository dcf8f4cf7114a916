"""A declared power model instead of a counter: idle power × time + power per core × busy CPU time.

Used where no CPU counter can be read. It is a function of the uptime and the CPU time since boot, so it
is cumulative like a real counter and survives a restart of the agent. Every entry made of it is marked
``estimated``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vispa_green.host import Host
from vispa_green.model import Component, Instant, Meter, Quality
from vispa_green.settings import number

MOST_CPUS = 1024
"""Where the node does not say how many it has."""


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[meters.estimate]``: the declared power model."""

    idle_watts: float = number(60.0, at_least=0)
    watts_per_core: float = number(6.0, at_least=0)


@dataclass(frozen=True, slots=True)
class PowerModel:
    """The model of one node, all sockets together."""

    host: Host
    idle_watts: float
    watts_per_core: float
    max_watts: int
    component: Component = Component.CPU
    device: str = "power-model"
    quality: Quality = Quality.ESTIMATED
    modulus_uj: int | None = None
    gpu_index: int | None = None
    prompt: bool = True

    def read_uj(self, at: Instant) -> int:
        """Return the modelled energy since boot; raise `MeterError` if the CPU time is unreadable."""
        busy_ns = self.host.cpu_time().busy_ns
        return int(self.idle_watts * (at.monotonic_ns // 1000) + self.watts_per_core * (busy_ns // 1000))


def make(host: Host | None, options: Options) -> Sequence[Meter]:
    """Return the model of a node with the declared powers."""
    assert host is not None
    # The model's own maximum, twice: CPU time comes in ticks, and of several of them in short intervals.
    max_watts = int(2 * (options.idle_watts + options.watts_per_core * (host.cpus() or MOST_CPUS))) + 1
    return [PowerModel(host, options.idle_watts, options.watts_per_core, max_watts)]
