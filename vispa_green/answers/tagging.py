"""Tags jobs with a project afterwards, and tells who tagged what; a user tags his own jobs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from vispa_green.answers.asking import own_or_kept, who_asks
from vispa_green.answers.jobs import JobChoice, asked_slurm, kept, open_account
from vispa_green.answers.promises import keep_note
from vispa_green.errors import LedgerError, SlurmError, UsageError
from vispa_green.host import user_name
from vispa_green.model import JobAccount, Ledger, ProjectTag
from vispa_green.session import Session


@dataclass(frozen=True, slots=True)
class TaggingAnswer:
    """The tags, whether the ledger has them, and lines for the reader.

    Where it has not, they wait in the drop directory for whoever keeps the ledger.
    """

    tags: tuple[ProjectTag, ...]
    is_in_ledger: bool = True
    warnings: tuple[str, ...] = ()


def tag(session: Session, choice: JobChoice, project: str) -> TaggingAnswer:
    """Tag the chosen jobs with a project in the ledger's writing; an empty one takes their tags away.

    Raise `UsageError` where one of the jobs asked for by number is not there or not the caller's to tag.
    """
    warnings: list[str] = []
    ledger = open_account(session)
    try:
        warnings += kept(ledger, session, asked_slurm(session, ledger, choice, warnings).facts)
        found = _may_tag(session, ledger, choice)
        _check_all_there(choice.job_ids, found)
        tags = _tags(session, found, choice.job_ids, project)
        try:
            ledger.projects.append(tags)
        except LedgerError as error:
            _drop(session, tags, error)
            return TaggingAnswer(tags, False, tuple(warnings))
    finally:
        ledger.close()
    return TaggingAnswer(tags, True, tuple(warnings))


def tag_submission(session: Session, job_id: str, project: str) -> None:
    """Tag the job that the caller has just submitted; raise a `VispaGreenError` where the tag cannot be kept.

    ``job_id`` is sbatch's, ``project`` in the ledger's writing. Slurm is asked when it took the job in, since a
    number comes again; what the drop directory takes is completed by who collects it.
    """
    user = user_name(os.getuid())
    one = ProjectTag(session.config.cluster.name, job_id, None, project, user, session.now.utc)
    try:
        one = replace(one, submitted=_taken_in(session, job_id, user))
        ledger = session.ledger()
        try:
            ledger.projects.append((one,))
        finally:
            ledger.close()
    except (LedgerError, SlurmError) as error:
        _drop(session, (one,), error)


def _taken_in(session: Session, job_id: str, user: str) -> datetime | None:
    from vispa_green.slurm.squeue import entries

    for one in entries(users=(user,), timeout_s=session.config.slurm.timeout_s).records:
        if job_id in (one.job_id, one.display_id.partition("_")[0].partition("+")[0]):
            return one.submit
    raise SlurmError(f"Slurm shows no job {job_id} of {user}")


def tags_of(session: Session, choice: JobChoice) -> TaggingAnswer:
    """Return all tags that the chosen jobs ever had, the oldest first."""
    ledger = open_account(session)
    try:
        return TaggingAnswer(tuple(ledger.projects.tags(own_or_kept(session, choice.selection))))
    finally:
        ledger.close()


def _may_tag(session: Session, ledger: Ledger, choice: JobChoice) -> list[JobAccount]:
    accounts = ledger.energy.jobs(own_or_kept(session, choice.selection))
    names = choice.names
    return [account for account in accounts if not names or (account.fact is not None and account.fact.name in names)]


def _check_all_there(job_ids: Iterable[str], found: Sequence[JobAccount]) -> None:
    known = {name for account in found for name in names_of(account)}
    if missing := [job_id for job_id in job_ids if job_id not in known]:
        raise UsageError(
            f"the ledger has no job {', '.join(missing)} of yours: nothing was tagged;"
            " see `vispa-green energy` for those it has"
        )


def _tags(
    session: Session, found: Sequence[JobAccount], job_ids: Sequence[str], project: str
) -> tuple[ProjectTag, ...]:
    by, at = who_asks(session).user, session.now.utc
    tags = {
        (account.key.cluster, _called(account, job_ids), account.key.submitted): ProjectTag(
            account.key.cluster, _called(account, job_ids), account.key.submitted, project, by, at
        )
        for account in found
    }
    return tuple(tags.values())


def _called(account: JobAccount, job_ids: Sequence[str]) -> str:
    """Return the number to tag: that of the whole where it was asked for, else the one that means this part only."""
    names = names_of(account)
    return next((name for name in reversed(names) if name in job_ids), names[0])


def names_of(account: JobAccount) -> tuple[str, ...]:
    """Return what a job is called: as shown, and the number of its whole."""
    shown = account.fact.display_id if account.fact else account.key.job_id
    whole = shown.partition("_")[0].partition("+")[0]
    return (shown, whole) if shown != whole else (shown,)


def _drop(session: Session, tags: Sequence[ProjectTag], why: LedgerError | SlurmError) -> None:
    if session.config.promises.spool_dir is None:
        raise LedgerError(f"{why}; and the site has no [promises] spool_dir where you could leave the tags")
    for one in tags:
        keep_note(session, one)
