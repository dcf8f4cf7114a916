"""Measured curves of what a cap costs in time and saves in power.

GPU: Zeus (You et al., NSDI'23), ``summary_power_{v100,a40}.csv``: time per epoch and mean power of training
at each power limit, here relative to no limit. Their power is the whole card's; as a ratio for the part
above idle it understates the saving a little. CPU: Grid'5000's Taurus node (2 × 6 cores) as Batsim
documents it: speed in % and W of the busy node, of which 95 W are idle power; the ratio is of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """One cap: run time and power above idle, each relative to no cap."""

    cap: float
    """A power limit in W for GPUs, the speed in % for CPUs."""
    time_ratio: float
    power_ratio: float


def _gpu(*rows: tuple[float, float, float]) -> tuple[Point, ...]:
    _, full_time, full_power = rows[-1]
    return tuple(Point(cap_w, time / full_time, power / full_power) for cap_w, time, power in rows)


def _cpu(idle_w: float, *rows: tuple[float, float]) -> tuple[Point, ...]:
    full_w = rows[-1][1]
    return tuple(Point(speed, 100 / speed, (busy_w - idle_w) / (full_w - idle_w)) for speed, busy_w in rows)


CURVES = {
    "v100_resnet50": _gpu(
        (100, 6781.17, 98.382),
        (125, 5064.97, 121.966),
        (150, 4148.66, 144.595),
        (175, 3852.18, 166.372),
        (200, 3700.97, 184.944),
        (225, 3584.30, 205.438),
        (250, 3514.99, 220.250),
    ),
    "v100_deepspeech2": _gpu(
        (100, 8032.49, 99.108),
        (125, 6929.62, 112.770),
        (150, 6400.61, 124.777),
        (175, 6150.91, 134.601),
        (200, 5940.38, 144.568),
        (225, 5874.56, 155.123),
        (250, 5710.52, 167.224),
    ),
    "a40_resnet50": _gpu(
        (150, 6326.84, 144.608),
        (175, 4705.61, 160.230),
        (200, 4123.52, 177.583),
        (225, 3909.47, 196.409),
        (250, 3864.98, 214.629),
        (275, 3857.81, 230.849),
        (300, 3847.48, 235.205),
    ),
    "taurus_cpu": _cpu(
        95.0,
        (45.0, 125.9),
        (50.1, 132.5),
        (60.8, 138.9),
        (68.8, 146.9),
        (76.2, 155.7),
        (83.7, 165.6),
        (88.96, 171.0),
        (100.0, 190.7),
    ),
}
