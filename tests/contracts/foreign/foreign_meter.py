"""A node that is said to draw the same power all the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vispa_green.host import Host
from vispa_green.model import Component, Instant, Meter, Quality
from vispa_green.settings import whole


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[meters.foreign_meter]``; without watts there is no such meter."""

    watts: int = whole(0, at_least=0, at_most=1000)


@dataclass(frozen=True, slots=True)
class SteadyCounter:
    """Counts the declared power over the monotonic clock."""

    watts: int
    component: Component = Component.CPU
    device: str = "foreign-0"
    quality: Quality = Quality.MEASURED
    modulus_uj: int | None = None
    gpu_index: int | None = None
    max_watts: int = 1001
    prompt: bool = True

    def read_uj(self, at: Instant) -> int:
        """Return watts × µs."""
        return self.watts * (at.monotonic_ns // 1000)


def make(host: Host | None, options: Options) -> Sequence[Meter]:
    """Return the meter, where there is one."""
    return [SteadyCounter(options.watts)] if options.watts else []
