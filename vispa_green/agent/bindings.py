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


class SlurmBindings:
    """Slurm as a source of bindings; why it does not answer is logged once, not for each job."""

    def __init__(self, node: str, timeout_s: float) -> None:
        self._node, self._timeout_s = node, timeout_s
        self._trouble = ""

    def __call__(self, job_id: JobId) -> Binding:
        """Return what Slurm says the job holds of this node; nothing known where it does not answer."""
        try:
            held = bindings(timeout_s=self._timeout_s).records
        except SlurmError as error:
            if str(error) != self._trouble:
                log.warning("%s: asking the jobs' own processes instead", error)
            self._trouble = str(error)
            return Binding()
        self._trouble = ""
        return held.get(job_id, {}).get(self._node, Binding())


def slurm_bindings(settings: SlurmSection, node: str) -> list[BindingSource]:
    """Return Slurm as the first source of bindings, none where it is switched off or not installed."""
    if not settings.enabled or not available():
        return []
    return [SlurmBindings(node, min(settings.timeout_s, PATIENCE_S))]
