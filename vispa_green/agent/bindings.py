"""Asks Slurm what of this node a job holds."""

from __future__ import annotations

import logging

from vispa_green.agent.watch import BindingSource
from vispa_green.config import SlurmSection
from vispa_green.errors import SlurmError
from vispa_green.model import Binding, JobId
from vispa_green.slurm.bindings import bindings
from vispa_green.slurm.commands import available

log = logging.getLogger(__name__)

PATIENCE_S = 2.0
"""The next reading waits for the answer, so the controller gets less time here than elsewhere."""


def slurm_bindings(settings: SlurmSection, node: str) -> list[BindingSource]:
    """Return Slurm as the first source of bindings, none where it is switched off or not installed."""
    if not settings.enabled or not available():
        return []

    def ask(job_id: JobId) -> Binding:
        try:
            held = bindings(job_id, timeout_s=min(settings.timeout_s, PATIENCE_S))
        except SlurmError as error:
            log.warning("%s: asking the job's own processes instead", error)
            return Binding()
        return held.get(job_id, {}).get(node, Binding())

    return [ask]
