"""What a segment cost: from the cluster's ledger inside a Slurm job, else from an account of its own process.

That is the one of ``vispa-green run``, in a thread of this process: the same counters, the same split by CPU
time. Whatever goes wrong with it is a sentence in the record and never the end of a training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from vispa_green.agent.embedded import own_job_id
from vispa_green.config import SlurmSection
from vispa_green.energy.jobs import JobEnergy
from vispa_green.errors import VispaGreenError
from vispa_green.model import Instant, JobId
from vispa_green.session import Session
from vispa_green_jobs.record import Cost, Segment, moment

EARLIEST = datetime.min.replace(tzinfo=UTC)


def account_of(environment: Mapping[str, str], now: Instant) -> tuple[str, JobId]:
    """Return who accounts this process, and under which job id."""
    if job_id := environment.get("SLURM_JOB_ID"):
        return "slurm", job_id
    return "local", own_job_id(now)


def cost_of(session: Session, segment: Segment, until: datetime | None, failure: str = "") -> Cost:
    """Ask the ledger what a segment cost; ``until`` ends one whose end nobody wrote down.

    A requeued job keeps its id, so the intervals of one id are cut to the segment's times.
    """
    source = f"ledger, Slurm job {segment.account_id}" if segment.account == "slurm" else "local meter"
    if failure:
        return Cost(f"{source}: {failure}")
    end = moment(segment.end) if segment.end else until
    span = (moment(segment.start), end) if segment.account == "slurm" else (None, None)
    try:
        row = _asked(session, segment.account_id, *span)
    except VispaGreenError as error:
        return Cost(f"{source}: {error}")
    if row is None or row.parts is None:
        return Cost(f"{source}: nothing in the account yet; `vispa-green jobs check` asks again")
    last = max((run.end for run in row.charged), default=row.end)
    return Cost(
        source,
        row.parts.total_uj,
        row.quality.value if row.quality else None,
        row.grid.co2_g,
        row.grid.co2_coverage,
        last.isoformat() if last else None,
    )


def _asked(session: Session, job_id: JobId, start: datetime | None, end: datetime | None) -> JobEnergy | None:
    """Return what the job was charged within a span; Slurm need not be asked."""
    from vispa_green.answers.jobs import JobChoice, jobs

    without_slurm = replace(session.config, slurm=SlurmSection(enabled=False))
    choice = JobChoice(job_ids=(job_id,), start=start, end=end, truncate=True)
    rows = jobs(replace(session, config=without_slurm), choice).rows
    return max(rows, key=lambda row: row.submit or row.start or EARLIEST, default=None)
