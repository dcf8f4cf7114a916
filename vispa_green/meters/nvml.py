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


@dataclass(frozen=True, slots=True)
class GpuCounter:
    """One card."""

    device: str
    gpu_index: int | None
    handle: Any
    component: Component = Component.GPU
    quality: Quality = Quality.MEASURED
    modulus_uj: int | None = None

    def read_uj(self, at: Instant) -> int:
        """Return the card's counter in µJ."""
        import pynvml

        try:
            return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(self.handle)) * 1000
        except pynvml.NVMLError as error:
            raise MeterError(f"{self.device}: {error}") from error


def make(host: Host | None, options: NoOptions) -> Sequence[Meter]:
    """Return the cards of this node; none where there is no NVIDIA driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return [_counter(pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def _counter(handle: Any) -> GpuCounter:  # noqa: ANN401 - an opaque C pointer
    import pynvml

    minor = int(pynvml.nvmlDeviceGetMinorNumber(handle))
    return GpuCounter(f"gpu-{minor}", minor, handle)
