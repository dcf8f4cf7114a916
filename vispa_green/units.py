"""Energies, masses and times as people read them. Pure."""

from __future__ import annotations

from datetime import timedelta

from vispa_green.model import UJ_PER_KWH

UJ_PER_J = 1_000_000
UJ_PER_WH = UJ_PER_KWH // 1000


def energy_text(energy_uj: int | None) -> str:
    """Return e.g. ``812 J``, ``4.20 Wh`` or ``1.24 kWh``: three digits; a dash for what is unknown."""
    if energy_uj is None:
        return "–"
    if energy_uj < UJ_PER_WH:
        return _scaled(energy_uj / UJ_PER_J, "J")
    if energy_uj < UJ_PER_KWH:
        return _scaled(energy_uj / UJ_PER_WH, "Wh")
    return _scaled(energy_uj / UJ_PER_KWH, "kWh")


def mass_text(grams: float | None) -> str:
    """Return e.g. ``0.21 g``, ``42.1 g`` or ``1.30 kg``; a dash for what is unknown."""
    if grams is None:
        return "–"
    return _scaled(grams / 1000, "kg") if grams >= 1000 else _scaled(grams, "g")


def percent_text(fraction: float | None) -> str:
    """Return a fraction as ``42 %``; a dash for what is unknown, and no ``100 %`` for less than all."""
    if fraction is None:
        return "–"
    percent = round(100 * fraction)
    if percent == 100 and fraction < 1:
        return ">99 %"
    return "<1 %" if percent == 0 and fraction > 0 else f"{percent} %"


def duration_text(duration: timedelta | None) -> str:
    """Return e.g. ``1-02:03:04``, as Slurm writes it."""
    if duration is None:
        return "–"
    seconds = int(duration.total_seconds())
    days, rest = divmod(seconds, 86400)
    clock = f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
    return f"{days}-{clock}" if days else clock


def _scaled(value: float, unit: str) -> str:
    if 0 < value < 0.005:
        return f"<0.01 {unit}"
    digits = 0 if value >= 99.95 or value == 0 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"
