"""The powercap part of a fake host: energy counters that wrap as the hardware's do."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lab.atomic import place_tree, replace_text

SHARE_OF_PACKAGE_PCT: Mapping[str, int] = {"core": 60, "uncore": 10}


@dataclass(frozen=True)
class Layout:
    """The peculiarities of real machines that a tree may show."""

    psys: bool = False
    mmio: bool = False
    core: bool = False
    uncore: bool = False
    dies: Literal["none", "own", "mirrored"] = "none"
    single_slurmd: bool = False
    vendor: Literal["AMD", "Hygon"] = "AMD"  # of mirrored dies
    only_mmio: bool = False
    max_power_w: int | None = None  # what the zones say of themselves, nothing at all where it is None


@dataclass(frozen=True)
class Zone:
    """One directory below `sys/devices/virtual/powercap`, and the device whose counter it shows."""

    path: str
    name: str
    device: str


def zones_of(layout: Layout, packages: int, dram: bool) -> Iterator[Zone]:
    """Name every zone that a machine of this layout has, in the order of the kernel."""
    index = 0
    control = "intel-rapl-mmio" if layout.only_mmio else "intel-rapl"
    for package in range(packages):
        for die in (None,) if layout.dies == "none" else (0, 1):
            suffix = "" if die is None else f"-die-{die}"
            # Mirrored dies are two directories of one register: both carry the device of the package.
            device = f"{package}{suffix}" if layout.dies == "own" else f"{package}"
            zone = f"{control}/{control}:{index:x}"  # the kernel counts in hexadecimal
            yield Zone(zone, f"package-{package}{suffix}", f"package-{device}")
            inside = [name for name in ("core", "uncore") if getattr(layout, name)] + ["dram"] * dram
            for number, name in enumerate(inside):
                yield Zone(f"{zone}/{control}:{index:x}:{number:x}", name, f"{name}-{device}")
            index += 1
    if layout.psys:
        yield Zone(f"intel-rapl/intel-rapl:{index:x}", "psys", "psys")
    if layout.mmio:
        first = "0-die-0" if layout.dies == "own" else "0"
        yield Zone("intel-rapl-mmio/intel-rapl-mmio:0", "package-0", f"package-{first}")


@dataclass
class Register:
    """One energy counter: what it shows, what really was counted, and the files that show it."""

    range_uj: int
    shown_uj: int
    total_uj: int = 0
    files: list[Path] = field(default_factory=list)

    def advance(self, uj: int) -> None:
        self.total_uj += uj
        # The range is the largest value shown, so the step after it is zero.
        self.shown_uj = (self.shown_uj + uj) % (self.range_uj + 1)
        self.show()

    def show(self) -> None:
        for path in self.files:
            replace_text(path, f"{self.shown_uj}\n")


class PowercapFiles:
    """The directories of `sys/class/powercap`, linked nested and flat as the kernel links them."""

    def __init__(
        self,
        sysfs: Path,
        zones: tuple[Zone, ...],
        ranges_uj: tuple[int, int],
        first_uj: int,
        max_power_w: int | None = None,
    ) -> None:
        self.registers: dict[str, Register] = {}
        self._limits = {} if max_power_w is None else {"constraint_0_max_power_uw": f"{max_power_w * 1_000_000}\n"}
        self._class = sysfs / "class" / "powercap"
        self._devices = sysfs / "devices" / "virtual" / "powercap"
        for stale in (self._class, self._devices):  # of an earlier host in this directory, with other zones perhaps
            shutil.rmtree(stale, ignore_errors=True)
        self._class.mkdir(parents=True)
        for control in sorted({zone.path.split("/")[0] for zone in zones}):
            place_tree(self._devices / control, {"enabled": "1\n"})
            self._link(control)
        for zone in zones:
            self._add(zone, ranges_uj[1] if zone.name == "dram" else ranges_uj[0], first_uj)

    def _add(self, zone: Zone, range_uj: int, first_uj: int) -> None:
        register = self.registers.setdefault(zone.device, Register(range_uj, first_uj % (range_uj + 1)))
        place_tree(
            self._devices / zone.path,
            {
                "name": f"{zone.name}\n",
                "enabled": "1\n",
                "max_energy_range_uj": f"{range_uj}\n",
                "energy_uj": f"{register.shown_uj}\n",
                **self._limits,
            },
        )
        register.files.append(self._devices / zone.path / "energy_uj")
        self._link(zone.path)

    def _link(self, path: str) -> None:
        link = self._class / Path(path).name
        link.unlink(missing_ok=True)
        link.symlink_to(Path("../../devices/virtual/powercap") / path)

    def add(self, device: str, uj: int) -> None:
        """Count energy on a device, and on every counter of the machine that contains or copies it."""
        if uj < 0:
            raise ValueError(f"energy only grows: {uj} µJ for {device}")
        kind, _, rest = device.partition("-")
        if kind in SHARE_OF_PACKAGE_PCT or device not in self.registers:
            known = sorted(name for name in self.registers if name.split("-")[0] not in SHARE_OF_PACKAGE_PCT)
            raise ValueError(f"no device {device!r} to add energy to, only {known} (core and uncore follow)")
        self.registers[device].advance(uj)
        if kind == "package":
            for part, percent in SHARE_OF_PACKAGE_PCT.items():
                if (inner := self.registers.get(f"{part}-{rest}")) is not None:
                    inner.advance(self.registers[device].total_uj * percent // 100 - inner.total_uj)
        if kind != "psys" and (platform := self.registers.get("psys")) is not None:
            platform.advance(uj)

    def set_anew(self, device: str, shown_uj: int) -> None:
        """Let a counter start again from a value, as its driver's reload does; the truth keeps counting."""
        self.registers[device].shown_uj = shown_uj
        self.registers[device].show()

    def restart(self) -> None:
        """Set every counter to zero, as a boot does; the truth keeps counting."""
        for register in self.registers.values():
            register.shown_uj = 0
            register.show()
