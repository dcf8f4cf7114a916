"""Energy as people are told it: busy shares by component, and the idle energy that is carried. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from vispa_green.model import UJ_PER_KWH, Component, Quality, Quantity, Weighted

_NOTHING = dict.fromkeys(Component, 0)
_UNKNOWN = Weighted()
_SEVERITY = (Quality.MEASURED, Quality.ESTIMATED, Quality.GAP)


class Charged(Protocol):
    """Anything with the energy of one component: a sum, or a posting."""

    @property
    def component(self) -> Component:
        """What was metered."""

    @property
    def busy_uj(self) -> int:
        """What was used."""

    @property
    def idle_uj(self) -> int:
        """What was carried."""


@dataclass(frozen=True, slots=True)
class EnergyParts:
    """Where energy went: busy shares by component and the idle energy that was charged, in µJ.

    ``node_uj`` is what a whole-node counter alone knows; it is 0 wherever the parts are metered.
    """

    cpu_uj: int = 0
    dram_uj: int = 0
    gpu_uj: int = 0
    node_uj: int = 0
    idle_uj: int = 0

    @property
    def total_uj(self) -> int:
        """Everything that was charged."""
        return self.cpu_uj + self.dram_uj + self.gpu_uj + self.node_uj + self.idle_uj

    def __add__(self, other: EnergyParts) -> EnergyParts:
        return EnergyParts(
            self.cpu_uj + other.cpu_uj,
            self.dram_uj + other.dram_uj,
            self.gpu_uj + other.gpu_uj,
            self.node_uj + other.node_uj,
            self.idle_uj + other.idle_uj,
        )


def energy_parts(charged: Iterable[Charged]) -> EnergyParts:
    """Sum by component; idle energy is a part of its own, whatever it was measured in."""
    busy = dict(_NOTHING)
    idle = 0
    for one in charged:
        busy[one.component] += one.busy_uj
        idle += one.idle_uj
    return EnergyParts(busy[Component.CPU], busy[Component.DRAM], busy[Component.GPU], busy[Component.NODE], idle)


def worst(qualities: Iterable[Quality]) -> Quality | None:
    """Return the least trustworthy of some qualities."""
    return max(qualities, key=_SEVERITY.index, default=None)


@dataclass(frozen=True, slots=True)
class GridFigures:
    """The CO2 of some energy and how renewable it was, as far as the grid was known for it."""

    co2_g: float | None
    """Of the part of the energy for which the grid was known; see ``co2_coverage``."""
    co2_coverage: float
    renewable_share_pct: float | None

    @classmethod
    def of(cls, grid: Mapping[Quantity, Weighted], energy_uj: int) -> GridFigures:
        """Return the figures of ``energy_uj`` whose grid is ``grid``."""
        intensity = grid.get(Quantity.CARBON_INTENSITY, _UNKNOWN)
        share = grid.get(Quantity.RENEWABLE_SHARE, _UNKNOWN)
        return cls(
            intensity.sum_uj / UJ_PER_KWH if intensity.known_uj else None,
            intensity.known_uj / energy_uj if energy_uj else 0.0,
            share.mean,
        )
