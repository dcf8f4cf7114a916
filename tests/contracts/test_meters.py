"""Laws of every meter. A new file in vispa_green/meters is tested here; its hardware comes from the lab."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from lab.hosttree import HostTree, Layout

from tests.contracts.nodes import host_of
from tests.contracts.standing_in import stand_in_of
from vispa_green.errors import MeterError
from vispa_green.meters import METERS
from vispa_green.model import Component, Instant, Quality

NOW = Instant(datetime(2026, 6, 21, tzinfo=UTC), 5_000_000_000)
LATER = Instant(NOW.utc, NOW.monotonic_ns + 10**9)
OPTIONS = {"estimate": {"idle_watts": 50, "watts_per_core": 10}}


@pytest.mark.parametrize("name", METERS.names())
def test_absent_hardware_is_no_meter_or_a_failing_one_never_a_zero(name: str, tmp_path: Path) -> None:
    there = stand_in_of(name).absent(tmp_path)
    for meter in METERS.make(name, there.host, {name: there.table}):
        with pytest.raises(MeterError):
            meter.read_uj(NOW)


@pytest.mark.parametrize("name", METERS.names())
def test_devices_are_unique_and_readings_are_whole_numbers_within_the_modulus(name: str, tmp_path: Path) -> None:
    with stand_in_of(name).healthy(tmp_path) as there:
        meters = METERS.make(name, there.host, {name: there.table})
        assert meters
        assert len({meter.device for meter in meters}) == len(meters)
        for meter in meters:
            value = meter.read_uj(NOW)
            assert isinstance(value, int)
            assert 0 <= value < (meter.modulus_uj or value + 1)


@pytest.mark.parametrize("name", METERS.names())
def test_a_counter_never_runs_backwards_while_time_and_energy_go_on(name: str, tmp_path: Path) -> None:
    with stand_in_of(name).healthy(tmp_path) as there:
        meters = METERS.make(name, there.host, {name: there.table})
        before = [meter.read_uj(NOW) for meter in meters]
        there.work()
        after = [meter.read_uj(LATER) for meter in meters]
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
    Layout(dies="mirrored", vendor="Hygon"),
    Layout(only_mmio=True),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("packages", [2, 12], ids=["two packages", "numbered in hexadecimal"])
def test_every_joule_of_a_package_and_its_memory_is_counted_once(
    layout: Layout, packages: int, tmp_path: Path
) -> None:
    tree = HostTree(tmp_path, packages=packages, cpus=24, layout=layout)
    meters = METERS.make("rapl", host_of(tree), {})
    before = sum(meter.read_uj(NOW) for meter in meters)
    for number, device in enumerate(tree.devices):
        if device.startswith(("package", "dram")):
            tree.add_energy(device, 1_000 * (number + 1) ** 3)
    assert sum(meter.read_uj(NOW) for meter in meters) - before == tree.truth.node_uj


def test_the_estimate_is_its_power_model_and_says_so(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    [model] = METERS.make("estimate", host_of(tree), OPTIONS)
    before = model.read_uj(NOW)
    tree.add_cpu(4_000_000_000, 12_000_000_000)
    after = model.read_uj(Instant(NOW.utc, NOW.monotonic_ns + 2 * 10**9))
    assert after - before == (50 * 2 + 10 * 4) * 1_000_000
    assert (model.quality, model.component) == (Quality.ESTIMATED, Component.CPU)


@pytest.mark.parametrize(("said_w", "bound_w"), [(None, 1000), (150, 301), (700, 1000), (5000, 1000), (0, 1000)])
def test_a_package_is_bounded_by_twice_what_the_kernel_says_or_by_what_no_socket_draws(
    said_w: int | None, bound_w: int, tmp_path: Path
) -> None:
    tree = HostTree(tmp_path, packages=1, dram=False, layout=Layout(max_power_w=said_w))
    [package] = METERS.make("rapl", host_of(tree), {})
    assert package.max_watts == bound_w


@pytest.mark.parametrize("text", ["", "-5", "1_000", "12.5", "²", str(2**64 - 1), "0x10", "1 2", "\0"])
def test_what_is_no_energy_is_a_failed_reading(text: str, tmp_path: Path) -> None:
    tree = HostTree(tmp_path, packages=1, dram=False)
    [package] = METERS.make("rapl", host_of(tree), {})
    (tree.sysfs_root / "class/powercap/intel-rapl:0/energy_uj").write_text(text)
    with pytest.raises(MeterError, match="is no energy"):
        package.read_uj(NOW)
