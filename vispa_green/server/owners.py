"""Whose a job is, by Slurm: who promises something of another's job could have it moved."""

from __future__ import annotations

from vispa_green.access import Principal
from vispa_green.answers.promises import job_owners, owners_in_queue
from vispa_green.config import Config
from vispa_green.errors import LedgerBusy, LedgerForbidden, SlurmError
from vispa_green.model import Promise
from vispa_green.promise_spool import JobOwner
from vispa_green.session import Session
from vispa_green.shifting.notes import SUBMITTING

AGAIN_S = 5.0


class Owners:
    """Asks Slurm, where there is one; a site without it has nobody who could move jobs either."""

    def __init__(self, config: Config, session: Session) -> None:
        self._enabled, self._session = config.slurm.enabled, session

    def check(self, principal: Principal, promise: Promise) -> None:
        """Raise `LedgerForbidden` for a promise of another's job, `LedgerBusy` where Slurm does not tell now."""
        if not self._enabled:
            return
        try:
            owner = self._owner(promise.job_id)
        except SlurmError as error:
            raise LedgerBusy(f"Slurm does not tell whose job {promise.job_id} is: {error}", AGAIN_S) from error
        if owner is None:
            raise LedgerBusy(f"Slurm knows no job {promise.job_id} yet", AGAIN_S)
        if owner.uid != principal.uid:
            raise LedgerForbidden(f"job {promise.job_id} is not {principal.user}'s")
        if owner.submitted is not None and abs(owner.submitted - promise.submitted) > SUBMITTING:
            raise LedgerForbidden(f"job {promise.job_id} was submitted at another time")

    def _owner(self, job_id: str) -> JobOwner | None:
        """Ask the queue, which knows a job at once, then accounting, which knows it for longer."""
        found = owners_in_queue(self._session).get(job_id)
        return found or job_owners(self._session, [job_id]).get(job_id)
