"""Means with 95 % intervals over seeds (Student's t). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# t(0.975; n) for n = 1 .. 30 degrees of freedom, as in any table
# fmt: off
_T = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
    2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
    2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
)
# fmt: on
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float
    sd: float
    """Of single seeds, not of the mean."""

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def estimate(values: Iterable[float]) -> Estimate:
    """Return the estimate of two values or more."""
    found = np.fromiter(values, dtype=np.float64)
    mean, sd = float(found.mean()), float(found.std(ddof=1))
    half = t_quantile(len(found) - 1) * sd / len(found) ** 0.5
    return Estimate(mean, mean - half, mean + half, sd)


def t_quantile(degrees: int) -> float:
    """Return t(0.975; degrees): by the table, beyond it by the expansion of Fisher and Cornish (error < 1e-5)."""
    if degrees <= len(_T):
        return _T[degrees - 1]
    z = _Z
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3
