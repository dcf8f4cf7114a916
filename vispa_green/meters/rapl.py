"""RAPL counters of CPU packages and DRAM, through the kernel's powercap files.

``Documentation/power/powercap/powercap.rst``: ``energy_uj`` is cumulative and wraps after
``max_energy_range_uj``. That file shows the largest value the register can hold, so the counter is taken
modulo one more; the true modulus is one register unit (≤ 61 µJ) above the range and not shown anywhere.
Zones are numbered in hexadecimal (``drivers/powercap/powercap_sys.c``: ``"%s:%x"``).

Counted are packages and DRAM, which do not overlap. Left out, because they would count energy twice:
``core`` and ``uncore`` (inside the package), ``psys`` (contains it), ``intel-rapl-mmio`` (a second view
of the same registers, used where it is the only one) and the flat symlinks to nested zones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vispa_green.errors import MeterError, MeterForbidden
from vispa_green.host import Host, read_small
from vispa_green.model import Component, Instant, Meter, Quality
from vispa_green.numbers import whole_number
from vispa_green.registry import NoOptions

CONTROLS = ("intel-rapl", "intel-rapl-mmio")
PACKAGE = re.compile(r"package-(?P<package>\d+)(-die-(?P<die>\d+))?")

MOST_WATTS = {Component.CPU: 1000, Component.DRAM: 500}
"""No socket (largest in 2026: 500 W) and no socket's memory (24 modules of 15 W) draws as much."""

MARGINS = {Component.CPU: 2, Component.DRAM: 4}
"""What the kernel calls maximum is the power for long, and a package may draw twice that for seconds; of memory
it is what firmware believes, which may be that of fewer modules than there are."""

MIRRORED_DIES = {("AuthenticAMD", "23"), ("HygonGenuine", "24")}
"""Families whose ``die-1`` repeats ``die-0``: Zen 1 and 2 (codecarbon issue 1274), and Hygon's Zen 1 (18h)."""


@dataclass(frozen=True, slots=True)
class RaplZone:
    """One powercap zone."""

    component: Component
    device: str
    modulus_uj: int | None
    max_watts: int
    directory: Path
    quality: Quality = Quality.MEASURED
    gpu_index: int | None = None
    prompt: bool = True

    def read_uj(self, at: Instant) -> int:
        """Return ``energy_uj``."""
        path = f"{self.directory}/energy_uj"
        try:
            text = read_small(path)
        except PermissionError as error:
            raise MeterForbidden(
                f"{path}: only root may read it (since Linux 5.10); see `vispa-green doctor`"
            ) from error
        except OSError as error:
            raise MeterError(f"{path}: {error.strerror}") from error
        value_uj = whole_number(text.strip())
        if value_uj is None:
            raise MeterError(f"{path}: {text[:40]!r} is no energy in µJ")
        return value_uj


def make(host: Host | None, options: NoOptions) -> Sequence[Meter]:
    """Return the zones to count; none where there is no powercap."""
    assert host is not None
    root = host.sysfs / "class/powercap"
    for control in CONTROLS:
        zones = _zones(root, control)
        if _dies_mirror_one_counter(host):
            copies = {device for device, path in zones.items() if _is_further_die(path)}
            zones = {name: path for name, path in zones.items() if not {name, _parent(name)} & copies}
        found = [zone for name, path in sorted(zones.items()) if (zone := _zone(name, path)) is not None]
        if found:
            return found
    return []


def _zones(root: Path, control: str) -> dict[str, Path]:
    """Return the zones of a control type by name, wherever the kernel's links show them."""
    name = re.compile(rf"{control}:[0-9a-f]+(:[0-9a-f]+)?")
    zones: dict[str, Path] = {}
    for pattern in ("", f"{control}/", f"{control}:*/", f"{control}/{control}:*/"):
        for path in sorted(root.glob(f"{pattern}{control}:*")):
            if name.fullmatch(path.name):
                zones.setdefault(path.name, path)
    return zones


def _parent(zone: str) -> str:
    return zone.rpartition(":")[0]


def _zone(device: str, directory: Path) -> RaplZone | None:
    name = _text(directory / "name")
    component = Component.DRAM if name == "dram" else Component.CPU if PACKAGE.fullmatch(name) else None
    if component is None:
        return None
    return RaplZone(component, device, _modulus(directory), _max_watts(directory, component), directory)


def _max_watts(directory: Path, component: Component) -> int:
    """Return the most the zone can draw: by its own limits, where it has any that say something."""
    files = [*directory.glob("constraint_*_max_power_uw"), *directory.glob("constraint_*_power_limit_uw")]
    limits_uw = [uw for path in files if (uw := whole_number(_text(path)))]
    # A limit that is set to "never" says nothing.
    watts = [MARGINS[component] * uw // 1_000_000 + 1 for uw in limits_uw if uw < MOST_WATTS[component] * 1_000_000]
    return min(MOST_WATTS[component], max(watts, default=MOST_WATTS[component]))


def _is_further_die(directory: Path) -> bool:
    package = PACKAGE.fullmatch(_text(directory / "name"))
    return package is not None and package["die"] not in {None, "0"}


def _text(path: Path) -> str:
    try:
        return read_small(str(path)).strip()
    except OSError:
        return ""


def _modulus(directory: Path) -> int | None:
    """Return where the counter wraps; ``None`` where the kernel does not know (it then shows nothing, or 0)."""
    range_uj = whole_number(_text(directory / "max_energy_range_uj"))
    return range_uj + 1 if range_uj and range_uj > 1 else None


def _dies_mirror_one_counter(host: Host) -> bool:
    """Tell whether ``die-1`` repeats ``die-0``, by the first CPU of ``/proc/cpuinfo``."""
    lines = _text(host.procfs / "cpuinfo").splitlines()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    return (facts.get("vendor_id"), facts.get("cpu family")) in MIRRORED_DIES
