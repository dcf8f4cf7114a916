"""What a segment cost: from the cluster's ledger inside a Slurm job, else from an account of its own process.

That is the one of ``vispa-green run``, in a thread of this process: the same counters, the same split by CPU
time. Whatever goes wrong with it is a sentence in the record and never the end of a training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from vispa_green.agent.embedded import own_job_id
from vispa_green.config import SlurmSection
from vispa_green.energy.carbon import GridSignal, carbon_of, without_overlap
from vispa_green.errors import VispaGreenError
from vispa_green.model import Instant, JobId, JobPosting
from vispa_green.session import Session
from vispa_green_jobs.record import Cost, Segment, moment


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
    try:
        postings, intensity = _asked(session, segment.account_id)
    except VispaGreenError as error:
        return Cost(f"{source}: {error}")
    end = moment(segment.end) if segment.end else until
    if segment.account == "slurm":
        postings = clipped(postings, moment(segment.start), end)
    if not postings:
        return Cost(f"{source}: nothing in the account yet; `vispa-green jobs check` asks again")
    from vispa_green.energy.jobs import energy_parts, worst

    carbon = carbon_of(postings, intensity) if intensity else None
    quality = worst(posting.quality for posting in postings)
    return Cost(
        source,
        energy_parts(postings).total_uj,
        quality.value if quality else None,
        carbon.grams if carbon and carbon.covered_uj else None,
        (carbon.covered_fraction or 0.0) if carbon else 0.0,
        max(posting.end for posting in postings).isoformat(),
    )


def _asked(session: Session, job_id: JobId) -> tuple[list[JobPosting], GridSignal | None]:
    """Return what the job was charged and the grid's carbon intensity meanwhile; Slurm need not be asked."""
    from vispa_green.answers.jobs import JobChoice, collect

    without_slurm = session.config.model_copy(update={"slurm": SlurmSection(enabled=False)})
    material = collect(replace(session, config=without_slurm), JobChoice(job_ids=(job_id,)))
    return without_overlap(p for p in material.postings if p.job_id == job_id), material.grid.intensity


def clipped(postings: list[JobPosting], start: datetime, end: datetime | None) -> list[JobPosting]:
    """Cut postings to ``[start, end)``; energy within one interval is taken to be even."""
    kept = []
    for posting in postings:
        first, last = max(posting.start, start), min(posting.end, end) if end else posting.end
        if last <= first:
            continue
        part = (last - first) / (posting.end - posting.start)
        busy, idle = int(posting.busy_uj * part), int(posting.idle_uj * part)
        kept.append(replace(posting, start=first, end=last, busy_uj=busy, idle_uj=idle))
    return kept
