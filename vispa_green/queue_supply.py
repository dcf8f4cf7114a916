"""What is known of the machine ahead, for policies that look at the queue. Fails softly, like `grid_supply`."""

from __future__ import annotations

from datetime import datetime

from vispa_green.config import SlurmSection
from vispa_green.errors import SlurmError
from vispa_green.model import Outlook, Policy
from vispa_green.slurm.commands import available
from vispa_green.slurm.queue import machine_ahead


def what_lies_ahead(policy: Policy, settings: SlurmSection, now: datetime) -> tuple[Outlook | None, tuple[str, ...]]:
    """Return the outlook and warnings; without one, a policy plans by the grid alone.

    Slurm is only asked for a policy that looks at the queue.
    """
    if not policy.looks_at_queue or not settings.enabled or not available():
        return None, ()
    try:
        return machine_ahead(now, timeout_s=settings.timeout_s), ()
    except SlurmError as error:
        return None, (f"{error}; planned without the queue",)
