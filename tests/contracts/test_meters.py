"""Laws of every meter. A new file in vispa_green/meters is tested here; its hardware comes from the lab."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from lab.hosttree import HostTree, Layout

from vispa_green.config import EstimateSection, MetersSection
from vispa_green.errors import MeterError
from vispa_green.host import Host
from vispa_green.meters import METERS, rapl
from vispa_green.model import Component, Instant, Quality

NOW = Instant(datetime(2026, 6, 21, tzinfo=UTC), 5_000_000_000)
OPTIONS = MetersSection(estimate=EstimateSection(idle_watts=50, watts_per_core=10))
WITHOUT_HARDWARE = {"nvml"}  # found through the stand-in library, in a process of its own: tests/agent/test_gpus.py


def host_of(tree: HostTree) -> Host:
    return Host("n1", tree.sysfs_root, tree.procfs_root, tree.cgroup_root)


@pytest.mark.parametrize("name", METERS.names())
def test_absent_hardware_is_no_meter_or_a_failing_one_never_a_zero(name: str, tmp_path: Path) -> None:
    host = Host("n1", tmp_path / "sys", tmp_path / "proc", tmp_path / "cgroup")
    for meter in METERS.load(name)(host, OPTIONS):
        with pytest.raises(MeterError):
            meter.read_uj(NOW)


@pytest.mark.parametrize("name", sorted(set(METERS.names()) - WITHOUT_HARDWARE))
def test_devices_are_unique_and_readings_are_whole_numbers_within_the_modulus(name: str, tmp_path: Path) -> None:
    meters = METERS.load(name)(host_of(HostTree(tmp_path, first_uj=1000)), OPTIONS)
    assert meters
    assert len({meter.device for meter in meters}) == len(meters)
    for meter in meters:
        value = meter.read_uj(NOW)
        assert isinstance(value, int)
        assert 0 <= value < (meter.modulus_uj or value + 1)


@pytest.mark.parametrize("name", sorted(set(METERS.names()) - WITHOUT_HARDWARE))
def test_a_counter_never_runs_backwards_while_time_and_energy_go_on(name: str, tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    meters = METERS.load(name)(host_of(tree), OPTIONS)
    before = [meter.read_uj(NOW) for meter in meters]
    tree.add_energy("package-0", 10)
    tree.add_cpu(1_000_000_000, 1_000_000_000)
    after = [meter.read_uj(Instant(NOW.utc, NOW.monotonic_ns + 10**9)) for meter in meters]
    assert all(second >= first for first, second in zip(before, after, strict=True))
    assert sum(after) > sum(before)


LAYOUTS = [
    Layout(),
    Layout(psys=True),
    Layout(mmio=True),
    Layout(core=True, uncore=True),
    Layout(psys=True, mmio=True, core=True, uncore=True),
    Layout(dies="own"),
    Layout(dies="mirrored"),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_every_joule_of_a_package_and_its_memory_is_counted_once(layout: Layout, tmp_path: Path) -> None:
    tree = HostTree(tmp_path, layout=layout)
    meters = rapl.discover(host_of(tree), OPTIONS)
    before = sum(meter.read_uj(NOW) for meter in meters)
    for number, device in enumerate(tree.devices):
        if device.startswith(("package", "dram")):
            tree.add_energy(device, 1_000_000 * 2**number)
    assert sum(meter.read_uj(NOW) for meter in meters) - before == tree.truth.node_uj


def test_the_estimate_is_its_power_model_and_says_so(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    [model] = METERS.load("estimate")(host_of(tree), OPTIONS)
    before = model.read_uj(NOW)
    tree.add_cpu(4_000_000_000, 12_000_000_000)
    after = model.read_uj(Instant(NOW.utc, NOW.monotonic_ns + 2 * 10**9))
    assert after - before == (50 * 2 + 10 * 4) * 1_000_000
    assert (model.quality, model.component) == (Quality.ESTIMATED, Component.CPU)
