"""Ways to ask Slurm for its jobs, one file each, chosen by ``[slurm] source``.

A file defines ``make(host, options) -> Cluster``.
"""

from vispa_green.model import Cluster
from vispa_green.registry import Variants

CLUSTERS: Variants[Cluster] = Variants("source of Slurm's facts", __name__, "slurm")
