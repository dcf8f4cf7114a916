"""Our own ledger: the facts of jobs that agents and reports have stored in it."""

from __future__ import annotations

from pathlib import Path

from vispa_green.ledgers import open_ledger
from vispa_green.model import JobFact, Ledger, Selection
from vispa_green_sim.inputs import Options
from vispa_green_sim.inputs._columns import Record, Remarks, utc, workload_of
from vispa_green_sim.workload import Workload


def read(path: Path, options: Options) -> Workload:
    """Read the ledger in an SQLite file."""
    ledger = open_ledger(f"sqlite://{path.absolute()}", read_only=True)
    try:
        return of_ledger(ledger, options=options)
    finally:
        ledger.close()


def of_ledger(ledger: Ledger, selection: Selection | None = None, options: Options | None = None) -> Workload:
    """Return the workload of the selected jobs of an open ledger; "line" in a remark is the job's number in it."""
    remarks = Remarks()
    facts = [fact for _, fact in ledger.facts.facts(selection or Selection())]
    records = [record for n, fact in enumerate(facts, 1) if (record := _record(n, fact, remarks)) is not None]
    return workload_of("ledger", records, remarks, options.processors if options else None)


def _record(number: int, fact: JobFact, remarks: Remarks) -> Record | None:
    submit = utc(fact.submit)
    if submit is None:
        remarks.add("without a time of submission, left out", number)
        return None
    return Record(
        line=number,
        job_id=fact.job_id,
        submit=submit,
        eligible=utc(fact.eligible),
        start=utc(fact.start),
        end=utc(fact.end),
        request_s=None if fact.time_limit is None else int(fact.time_limit.total_seconds()),
        processors=fact.cpus or 0,
        nodes=len(fact.nodes),
        memory_mib=fact.memory_mib or 0,
        user=fact.user,
        account=fact.account,
        partition=fact.partition,
        job_name=fact.name,
        used_memory_mib=fact.peak_memory_mib or 0,
    )
