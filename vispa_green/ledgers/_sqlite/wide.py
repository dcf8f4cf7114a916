"""Sums wider than SQLite's integers: those of a site pass 2⁶³ µJ (2.56 GWh) in days.

They are made in two limbs of a base, and put together in Python, whose integers are as wide as they have to be.
"""

from __future__ import annotations

from collections.abc import Sequence

LIMB = 1_000_000_000


def limbs(*columns: str) -> str:
    """Return SQL for the sums of some columns, two limbs each."""
    return ", ".join(limb for column in columns for limb in limbs_of(column))


def limbs_of(column: str) -> tuple[str, str]:
    """Return SQL for the two limbs of one sum."""
    return f"sum({column} / {LIMB})", f"sum({column} % {LIMB})"


def joined(values: Sequence[int | None]) -> list[int]:
    """Return the sums whose limbs these are; those of nothing are 0."""
    return [(high or 0) * LIMB + (low or 0) for high, low in zip(values[::2], values[1::2], strict=True)]
