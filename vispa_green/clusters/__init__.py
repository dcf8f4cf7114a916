"""Ways to ask Slurm for its jobs, one file each, chosen by ``[slurm] source``.

A file defines ``make(host, options) -> Cluster``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vispa_green.registry import Variants

if TYPE_CHECKING:
    from vispa_green.model import Cluster

CLUSTERS: Variants[Cluster] = Variants("source of Slurm's facts", __name__, "slurm")
