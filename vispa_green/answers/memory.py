"""What jobs like earlier ones should ask for: memory, time, CPUs; and how often the rules would have failed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from vispa_green.answers.asking import own_or_kept
from vispa_green.answers.jobs import JobChoice, asked_slurm, kept, open_account, overlaid
from vispa_green.energy.jobs import job_energies
from vispa_green.host import user_name
from vispa_green.model import JobAccount, JobFact, JobId
from vispa_green.session import Session
from vispa_green.sizing.alike import Family, cpu_run, families, family_of, memory_run, runs_of, time_run
from vispa_green.sizing.replay import Advisor, AsAsked, ByRule, OfRecent, Record, most_and_a_fifth, p95, replay
from vispa_green.sizing.rule import CPUS, EXPIRY, MEMORY, TIME, Advice, Rule, Run, for_the_next

BASELINES: Mapping[str, Callable[[], Advisor]] = {
    "as asked": AsAsked,
    "p95": lambda: OfRecent(p95),
    "1.2 × max": lambda: OfRecent(most_and_a_fifth),
}
"""What the memory rule is compared with."""

Read = Callable[[JobFact], Run | None]


@dataclass(frozen=True, slots=True)
class Sizing:
    """What to ask for of one thing, what was asked for last, and how the rule would have done so far."""

    advice: Advice
    asked: float | None
    record: Record


@dataclass(frozen=True, slots=True)
class FamilySizing:
    """Jobs that are alike, and what the next of them should ask for."""

    family: Family
    last: JobFact
    """The one that was submitted last."""
    memory: Sizing
    """In MiB on each node."""
    time: Sizing
    """In seconds."""
    cpus: Sizing
    """CPUs kept busy in the mean; fewer slow a job down."""


@dataclass(frozen=True, slots=True)
class SizingAnswer:
    """A line for each family, what the memory rule and its baselines would have done to all, and warnings."""

    families: tuple[FamilySizing, ...]
    records: Mapping[str, Record] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def sizes(session: Session, choice: JobChoice, *, compare: bool = False) -> SizingAnswer:
    """Return what jobs like the chosen ones should ask for; of a job chosen by number, those of its family.

    With ``compare`` the records of baselines are there, too. Raise `LedgerError` where there is no ledger.
    """
    warnings: list[str] = []
    asked = replace(choice, job_ids=(), names=()) if choice.job_ids else choice
    accounts = _accounts(session, asked, warnings, with_energy=True)
    busy = _busy(accounts)
    known = families((one.key.cluster, one.fact) for one in accounts if one.fact is not None)
    chosen = {family: facts for family, facts in known.items() if _is_chosen(choice, family, facts)}
    found = [
        FamilySizing(
            family,
            facts[-1],
            _sizing(session, facts, memory_reader(session), MEMORY),
            _sizing(session, facts, time_run, TIME),
            _sizing(session, facts, lambda fact: cpu_run(fact, busy.get((fact.job_id, fact.submit))), CPUS),
        )
        for family, facts in chosen.items()
    ]
    records = {"rule": sum((one.memory.record for one in found), Record())}
    if compare:
        records |= _compared(chosen.values(), memory_reader(session))
    return SizingAnswer(tuple(sorted(found, key=lambda one: one.family)), records, tuple(warnings))


def memory_reader(session: Session) -> Read:
    """Return how the memory of a run is read at this site."""
    sampled = timedelta(seconds=session.config.slurm.memory_sampled_s)
    return lambda fact: memory_run(fact, sampled)


def like_jobs(session: Session, family: Family, warnings: list[str]) -> list[JobFact]:
    """Return the earlier jobs of a family, the last one last; lighter than `sizes`, for a submission."""
    choice = JobChoice(users=(family.user,), start=session.now.utc - EXPIRY)
    accounts = _accounts(session, choice, warnings, with_energy=False)
    known = families((one.key.cluster, one.fact) for one in accounts if one.fact is not None)
    return known.get(family, [])


def _accounts(session: Session, choice: JobChoice, warnings: list[str], *, with_energy: bool) -> list[JobAccount]:
    choice = replace(choice, start=choice.start or session.now.utc - EXPIRY)
    ledger = open_account(session)
    try:
        said = asked_slurm(session, ledger, choice, warnings)
        warnings += kept(ledger, session, said.facts)
        selection = own_or_kept(session, choice.selection)
        if with_energy:
            accounts = ledger.energy.jobs(selection)
        else:
            accounts = [JobAccount(key, fact, fact.uid) for key, fact in ledger.facts.facts(selection)]
    finally:
        ledger.close()
    return overlaid(session, accounts, said, choice, selection)


def _busy(accounts: Iterable[JobAccount]) -> dict[tuple[JobId, datetime | None], float | None]:
    """Return by number and submission which part of its CPUs a job kept busy."""
    found = list(accounts)
    rows = {row.key: row.cpu_efficiency for row in job_energies(found, user_of=user_name, running_until=None)}
    return {(one.fact.job_id, one.fact.submit): rows[one.key] for one in found if one.fact is not None}


def _is_chosen(choice: JobChoice, family: Family, facts: Iterable[JobFact]) -> bool:
    from vispa_green.slurm.jobs import matches

    if choice.job_ids:
        return any(matches(fact, wanted) for fact in facts for wanted in choice.job_ids)
    wanted = {family_of("", "", name, is_array=False).name for name in choice.names}
    return not wanted or family.name in wanted


def _sizing(session: Session, facts: list[JobFact], read: Read, rule: Rule) -> Sizing:
    runs = runs_of(facts, read)
    asked, advice = for_the_next(runs, rule, session.now.utc)
    return Sizing(advice, asked, replay(runs, ByRule(rule)))


def _compared(facts: Iterable[list[JobFact]], read: Read) -> dict[str, Record]:
    runs = [runs_of(of_family, read) for of_family in facts]
    return {
        name: sum((replay(of_family, make()) for of_family in runs), Record()) for name, make in BASELINES.items()
    }
