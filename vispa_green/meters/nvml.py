"""GPU energy from NVML's own counter (``nvmlDeviceGetTotalEnergyConsumption``, mJ since the driver was loaded).

Volta and newer have it; an older card raises `MeterError` at each reading, which is recorded as a gap.
A card is named by its minor number, the N of ``/dev/nvidiaN``, which is what Slurm binds to jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vispa_green.errors import MeterError
from vispa_green.host import Host
from vispa_green.model import Component, Instant, Meter, Quality
from vispa_green.registry import NoOptions

MOST_WATTS = 3000
"""No card (largest in 2026: 1400 W) draws as much; used where the driver does not tell its power limit."""

MARGIN = 2
"""The driver holds its limit on average; for tenths of a second a card may draw up to twice that."""


@dataclass(frozen=True, slots=True)
class GpuCounter:
    """One card."""

    device: str
    gpu_index: int | None
    handle: Any
    max_watts: int
    component: Component = Component.GPU
    quality: Quality = Quality.MEASURED
    modulus_uj: int | None = None
    prompt: bool = False  # a card that fails may hold the driver for seconds

    def read_uj(self, at: Instant) -> int:
        """Return the card's counter in µJ."""
        import pynvml

        try:
            return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(self.handle)) * 1000
        except pynvml.NVMLError as error:
            raise MeterError(f"{self.device}: {error}") from error


@dataclass(frozen=True, slots=True)
class LostCard:
    """A card that the driver counts, but does not open: each reading is a gap until the agent is started again."""

    device: str
    reason: str
    gpu_index: int | None = None
    max_watts: int = MOST_WATTS
    component: Component = Component.GPU
    quality: Quality = Quality.MEASURED
    modulus_uj: int | None = None
    prompt: bool = True

    def read_uj(self, at: Instant) -> int:
        """Raise `MeterError`."""
        raise MeterError(f"{self.device}: it cannot be opened ({self.reason}); start the agent again when it works")


def make(host: Host | None, options: NoOptions) -> Sequence[Meter]:
    """Return the cards of this node; none where there is no NVIDIA driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return [_card(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def _card(index: int) -> Meter:
    import pynvml

    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        minor = int(pynvml.nvmlDeviceGetMinorNumber(handle))
    except pynvml.NVMLError as error:
        return LostCard(f"gpu-at-index-{index}", str(error))
    return GpuCounter(f"gpu-{minor}", minor, handle, _max_watts(handle))


def _max_watts(handle: Any) -> int:  # noqa: ANN401 - an opaque C pointer
    import pynvml

    try:
        limit_mw = int(pynvml.nvmlDeviceGetEnforcedPowerLimit(handle))
    except pynvml.NVMLError:
        return MOST_WATTS
    return min(MOST_WATTS, MARGIN * limit_mw // 1000 + 1) if limit_mw > 0 else MOST_WATTS
