"""Ways to find the jobs of a node, one file each; a file defines ``make(host, options) -> Tracker``.

A way that does not exist on a host finds no jobs there; Slurm makes its directories with its first job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vispa_green.registry import Variants

if TYPE_CHECKING:
    from vispa_green.model import Tracker

TRACKERS: Variants[Tracker] = Variants("tracker", __name__, "trackers")
