"""What jobs cost: choose jobs, read the ledger, lay Slurm's facts over it, ask what the grid was like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from vispa_green.access import may_see
from vispa_green.answers.asking import for_asker
from vispa_green.answers.background import with_grid
from vispa_green.answers.projects import with_projects
from vispa_green.energy.jobs import ChargedSpan, JobEnergy, charged_spans, job_energies, runs_of
from vispa_green.errors import LedgerError, LedgerMissing, SlurmError
from vispa_green.host import user_name, user_number
from vispa_green.model import JobAccount, JobFact, JobId, JobKey, Ledger, Selection
from vispa_green.session import Session

REQUEUE = timedelta(hours=1)
"""As in `vispa_green.ledgers`: a later submission of a number soon after its last sight is a requeue's."""


@dataclass(frozen=True, slots=True)
class JobChoice:
    """Which jobs, in ``sacct``'s sense: those that ran at some time in ``[start, end)``. Empty means all.

    With ``truncate`` only what they were charged in the span counts, else their whole runs.
    """

    job_ids: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    truncate: bool = False
    states: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    as_of: datetime | None = None
    """Tell CO2 by what was known of the grid then."""

    def shows(self, row: JobEnergy) -> bool:
        """Say whether a row is wanted by what only Slurm's facts tell."""
        return (
            (not self.states or row.state.partition(" ")[0] in self.states)
            and (not self.nodes or bool(set(self.nodes) & set(row.nodes)))
            and (not self.names or row.name in self.names)
        )

    @property
    def selection(self) -> Selection:
        """The same for the ledger, where Slurm may not have told the users' names yet."""
        uids = tuple(uid for uid in map(user_number, self.users) if uid is not None)
        users = tuple(user_name(int(name)) if name.isdecimal() else name for name in self.users)
        return Selection(
            job_ids=self.job_ids, users=users, uids=uids, accounts=self.accounts, partitions=self.partitions,
            projects=self.projects, start=self.start, end=self.end, as_of=self.as_of,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobAnswer:
    """The rows, and what went wrong on the way as lines for the reader."""

    rows: tuple[JobEnergy, ...]
    warnings: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class SlurmsWord:
    """What Slurm says of some jobs now."""

    facts: tuple[JobFact, ...] = ()
    """What the ledger may not have yet."""
    until: datetime | None = None
    """When it called its running jobs running; ``None`` where it could not be asked."""
    is_in_ledger: bool = False
    """Whether what the ledger has is its newest word, so that nothing of it is old."""


def open_account(session: Session) -> Ledger:
    """Open the ledger, to write where that is allowed; raise `LedgerError` where it cannot be read."""
    try:
        return session.ledger()
    except LedgerMissing:
        raise
    except LedgerError:
        return session.ledger(read_only=True)


def jobs(session: Session, choice: JobChoice) -> JobAnswer:
    """Return what the chosen jobs cost.

    Slurm's answer is kept in the ledger if it can be written. What is missing (Slurm, the grid)
    becomes a warning; without a ledger there is nothing to say, and `LedgerError` is raised.
    """
    ledger = open_account(session)
    try:
        warnings: list[str] = []
        said = asked_slurm(session, ledger, choice, warnings)
        doubts = kept(ledger, session, said.facts)
        warnings += doubts
        selection = for_asker(session, choice.selection)
        whole = not choice.truncate
        accounts = ledger.energy.jobs(selection, whole=whole)
        credible, strange = _credible(said.facts, accounts)
        warnings += () if doubts else strange
        accounts = overlaid(session, accounts, replace(said, facts=credible), choice, selection)
        accounts, missing = with_grid(session, ledger, selection, accounts, whole=whole)
        spans = _spans(ledger, accounts) if choice.as_of is None else {}
    finally:
        ledger.close()
    rows = job_energies(accounts, user_of=user_name, running_until=said.until, spans=spans)
    return JobAnswer(tuple(filter(choice.shows, rows)), (*warnings, *missing))


def asked_slurm(session: Session, ledger: Ledger, choice: JobChoice, warnings: list[str]) -> SlurmsWord:
    """Return what Slurm says of the chosen jobs: nothing more where an importer keeps the ledger up to date.

    Where nobody imports it is asked; a failure is a warning, and the ledger's old word holds.
    """
    if (imported := _imported(session, ledger)) is not None:
        return SlurmsWord(until=imported, is_in_ledger=True)
    if not session.config.slurm.enabled:
        return SlurmsWord()
    from vispa_green.slurm import commands
    from vispa_green.slurm.jobs import JobQuery, job_facts

    if not commands.available():
        return SlurmsWord()
    query = JobQuery(choice.job_ids, choice.users, choice.accounts, choice.start, choice.end)
    try:
        answer = job_facts(query, timeout_s=session.config.slurm.timeout_s)
    except SlurmError as error:
        warnings.append(f"{error}; shown is what the ledger knows")
        return SlurmsWord()
    warnings += answer.faults
    return SlurmsWord(tuple(with_projects(session, answer.records)), session.now.utc)


def _imported(session: Session, ledger: Ledger) -> datetime | None:
    """Return until when an importer has filled the ledger, if that is now but for a few of its periods."""
    from vispa_green.importing import is_fresh

    mark = ledger.facts.imported_until(session.config.cluster.name)
    return mark if is_fresh(mark, session.now.utc, session.config.slurm.sync_s) else None


def kept(ledger: Ledger, session: Session, facts: Sequence[JobFact]) -> tuple[str, ...]:
    """Keep facts, if the ledger can be written; return those that are not believed, a sentence each."""
    try:
        return ledger.facts.append(session.config.cluster.name, facts, session.now.utc)
    except LedgerError:
        return ()  # most users may only read their site's ledger


def _credible(
    facts: tuple[JobFact, ...], accounts: Sequence[JobAccount]
) -> tuple[tuple[JobFact, ...], Sequence[str]]:
    """Return the facts whose user is the one under whom agents saw the job run, and a sentence for each other."""
    if not facts:
        return (), ()
    from vispa_green.slurm.jobs import believed

    seen: defaultdict[JobId, list[JobAccount]] = defaultdict(list)
    for account in accounts:
        if account.stays:
            seen[account.key.job_id].append(account)

    def uid_of(fact: JobFact) -> int | None:
        for account in seen[fact.job_id]:
            last = max(stay.end for stay in account.stays)
            if fact.submit and (account.key.submitted or fact.submit) <= fact.submit <= last + REQUEUE:
                return account.uid
        return None

    answer = believed(facts, uid_of)
    return tuple(answer.records), answer.faults


def overlaid(
    session: Session,
    accounts: Iterable[JobAccount],
    said: SlurmsWord,
    choice: JobChoice,
    selection: Selection,
) -> list[JobAccount]:
    """Lay what Slurm says now over what was kept; an old word on a job that was yet to start is void."""
    cluster = session.config.cluster.name
    left = by_number(said.facts)
    found: list[JobAccount] = []
    for account in accounts:
        namesakes = left.get(account.key.job_id, [])
        fact = next((f for f in namesakes if is_about(f, account, cluster)), None)
        if fact is not None:
            namesakes.remove(fact)
            account = replace(account, fact=fact)  # noqa: PLW2901 - the same account, with what is known now
        has_started = account.fact is not None and account.fact.start is not None
        if fact is not None or account.stays or has_started or said.is_in_ledger:
            found.append(account)
    rest = (fact for namesakes in left.values() for fact in namesakes)
    unknown = [fact for fact in rest if _is_wanted(choice, fact) and is_for(selection, fact)]
    return [*found, *(JobAccount(JobKey(cluster, fact.job_id, fact.submit), fact, fact.uid) for fact in unknown)]


def by_number(facts: Iterable[JobFact]) -> dict[JobId, list[JobFact]]:
    """Return facts by job id; a cluster's year has too many to look through all of them for each job."""
    found: defaultdict[JobId, list[JobFact]] = defaultdict(list)
    for fact in facts:
        found[fact.job_id].append(fact)
    return dict(found)


def is_about(fact: JobFact, account: JobAccount, cluster: str) -> bool:
    """Say whether a fact of a cluster is about the job of an account."""
    key = account.key
    if (key.cluster, key.job_id) != (cluster, fact.job_id):
        return False
    if account.uid is not None and fact.uid is not None and account.uid != fact.uid:
        return False
    if key.submitted is None or fact.submit is None:
        seen = [stay.start for stay in account.stays]
        return not seen or fact.start is None or min(seen) >= fact.start - REQUEUE
    if fact.submit in {key.submitted, account.fact.submit if account.fact else None}:
        return True
    last = max((stay.end for stay in account.stays), default=key.submitted)
    return key.submitted < fact.submit <= last + REQUEUE


def _is_wanted(choice: JobChoice, fact: JobFact) -> bool:
    from vispa_green.slurm.jobs import matches

    conditions = (
        not choice.users or fact.user in choice.selection.users,
        not choice.accounts or fact.account in choice.accounts,
        not choice.partitions or fact.partition in choice.partitions,
        not choice.projects or fact.project in choice.projects,
        not choice.job_ids or any(matches(fact, text) for text in choice.job_ids),
    )
    return all(conditions)


def is_for(selection: Selection, fact: JobFact) -> bool:
    """Say whether whoever asks may be told a fact."""
    somebody = selection.visible
    if somebody is None:
        return True
    from vispa_green.access import Principal

    return may_see(Principal(somebody.user, somebody.uid, somebody.accounts), fact.user, fact.uid, fact.account)


def _spans(ledger: Ledger, accounts: Iterable[JobAccount]) -> dict[JobKey, tuple[ChargedSpan, ...]]:
    """Return the runs of jobs that had several, each with what it was charged."""
    from vispa_green.energy.carbon import GridSignal
    from vispa_green.model import Quantity

    spans: dict[JobKey, tuple[ChargedSpan, ...]] = {}
    for account in accounts:
        if len(runs_of(account)) < 2 or not account.sums:
            continue
        postings = list(ledger.energy.postings(Selection(keys=(account.key,))))
        first, last = min(p.start for p in postings), max(p.end for p in postings)
        values = ledger.grid.values(Quantity.CARBON_INTENSITY, first, last)
        signal = GridSignal.from_values(values, Quantity.CARBON_INTENSITY) if values else None
        spans[account.key] = charged_spans(postings, signal)
    return spans
