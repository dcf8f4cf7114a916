"""RAPL counters of CPU packages and DRAM, through the kernel's powercap files.

``Documentation/power/powercap/powercap.rst``: ``energy_uj`` is cumulative and wraps after
``max_energy_range_uj``. That file shows the largest value the register can hold, so the counter is taken
modulo one more; the true modulus is one register unit (≤ 61 µJ) above the range and not shown anywhere.

Counted are packages and DRAM, which do not overlap. Left out, because they would count energy twice:
``core`` and ``uncore`` (inside the package), ``psys`` (contains it), ``intel-rapl-mmio`` (a second view
of the same registers) and the flat symlinks to nested zones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vispa_green.errors import MeterError, MeterForbidden
from vispa_green.host import Host
from vispa_green.model import Component, Instant, Meter, Quality
from vispa_green.registry import NoOptions

ZONE = re.compile(r"intel-rapl:\d+(:\d+)?")
PACKAGE = re.compile(r"package-(?P<package>\d+)(-die-(?P<die>\d+))?")
AMD_ZEN_1_AND_2 = "23"


@dataclass(frozen=True, slots=True)
class RaplZone:
    """One powercap zone."""

    component: Component
    device: str
    modulus_uj: int | None
    directory: Path
    quality: Quality = Quality.MEASURED
    gpu_index: int | None = None

    def read_uj(self, at: Instant) -> int:
        """Return ``energy_uj``."""
        path = self.directory / "energy_uj"
        try:
            return int(path.read_text())
        except PermissionError as error:
            raise MeterForbidden(
                f"{path}: only root may read it (since Linux 5.10); see `vispa-green doctor`"
            ) from error
        except (OSError, ValueError) as error:
            raise MeterError(f"{path}: {error}") from error


def make(host: Host | None, options: NoOptions) -> Sequence[Meter]:
    """Return the zones to count; none where there is no powercap."""
    assert host is not None
    root = host.sysfs / "class/powercap"
    zones = {path.name: path for path in sorted(root.glob("intel-rapl*")) if ZONE.fullmatch(path.name)}
    for pattern in ("intel-rapl/intel-rapl:*", "intel-rapl:*/intel-rapl:*", "intel-rapl/intel-rapl:*/intel-rapl:*"):
        for path in sorted(root.glob(pattern)):
            if ZONE.fullmatch(path.name):
                zones.setdefault(path.name, path)
    if _dies_mirror_one_counter(host):
        copies = {device for device, path in zones.items() if _is_further_die(path)}
        zones = {device: path for device, path in zones.items() if not {device, device.rpartition(":")[0]} & copies}
    found = (_zone(device, path) for device, path in sorted(zones.items()))
    return [zone for zone in found if zone is not None]


def _zone(device: str, directory: Path) -> RaplZone | None:
    name = _name(directory)
    component = Component.DRAM if name == "dram" else Component.CPU if PACKAGE.fullmatch(name) else None
    return None if component is None else RaplZone(component, device, _modulus(directory), directory)


def _is_further_die(directory: Path) -> bool:
    package = PACKAGE.fullmatch(_name(directory))
    return package is not None and package["die"] not in {None, "0"}


def _name(directory: Path) -> str:
    try:
        return (directory / "name").read_text().strip()
    except OSError:
        return ""


def _modulus(directory: Path) -> int | None:
    try:
        return int((directory / "max_energy_range_uj").read_text()) + 1
    except (OSError, ValueError):
        return None


def _dies_mirror_one_counter(host: Host) -> bool:
    """Tell whether ``die-1`` repeats ``die-0``, as on AMD family 17h (codecarbon issue 1274)."""
    try:
        lines = (host.procfs / "cpuinfo").read_text().splitlines()
    except OSError:
        return False
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return facts.get("vendor_id") == "AuthenticAMD" and facts.get("cpu family") == AMD_ZEN_1_AND_2
