"""Where a user's promises and moves are kept and found: his own spool, the site's drop directory, the ledger."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping

from vispa_green.errors import SpoolError
from vispa_green.model import JobFact, JobId, Ledger, Move, Promise
from vispa_green.promise_spool import SUBMITTING, JobOwner, Notes, check_writable, collect, keep, own_notes
from vispa_green.session import Session


def keep_note(session: Session, note: Promise | Move) -> None:
    """Keep a promise or a move in the user's own spool, and for the site where it names a drop directory.

    Raise `SpoolError` where one of the two cannot be; the other is written all the same.
    """
    trouble: list[str] = []
    for directory, is_own in ((session.promise_dir, True), (session.config.promises.spool_dir, False)):
        if directory is None:
            continue
        try:
            keep(directory, note, create=is_own)
        except SpoolError as error:
            trouble.append(str(error))
    if trouble:
        raise SpoolError("; ".join(trouble))


def own_promises(session: Session, job_ids: Collection[JobId] = ()) -> Notes:
    """Return what the calling user's own spool holds about these jobs, or about all."""
    return own_notes(session.promise_dir, os.getuid(), job_ids)


def known_promises(session: Session, ledger: Ledger | None, job_ids: Collection[JobId] = ()) -> Notes:
    """Return what the ledger and the user's own spool hold; what is in both is there once."""
    own = own_promises(session, job_ids)
    if ledger is None:
        return own
    ids = tuple(job_ids)
    promises = {(p.job_id, p.submitted): p for p in (*own.promises, *ledger.promises(ids))}
    moves = dict.fromkeys((*own.moves, *ledger.moves(ids)))
    return Notes(
        tuple(sorted(promises.values(), key=lambda promise: promise.submitted)),
        tuple(sorted(moves, key=lambda move: move.moved_at)),
        own.refused,
    )


class MoveKeeper:
    """Keeps each move where its promise is: in the user's own spool, else in the ledger."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._own = {(promise.job_id, promise.submitted) for promise in own_promises(session).promises}

    def check(self, promise: Promise) -> None:
        """Raise `LedgerError` or `SpoolError` where a move of this promise could not be kept."""
        if (promise.job_id, promise.submitted) in self._own:
            check_writable(self._session.promise_dir)
        else:
            self._append(())

    def keep(self, move: Move) -> None:
        """Keep a move; raise as `check` does."""
        if (move.job_id, move.submitted) in self._own:
            keep_note(self._session, move)
        else:
            self._append((move,))

    def _append(self, moves: tuple[Move, ...]) -> None:
        ledger = self._session.ledger()
        try:
            ledger.append_moves(moves)
        finally:
            ledger.close()


def collect_promises(session: Session) -> Notes:
    """Take what users left in the drop directory into the ledger, if the site has one and we may.

    Raise `SlurmError` where it cannot be asked whose the jobs are, `SpoolError` or `LedgerError` where one of
    the places fails; then everything stays where it is.
    """
    directory = session.config.promises.spool_dir
    if directory is None or not os.access(directory, os.R_OK | os.W_OK):
        return Notes()
    return collect(
        directory, lambda ids: job_owners(session, ids), lambda notes: _store(session, notes), session.now.utc
    )


def job_owners(session: Session, job_ids: Collection[JobId]) -> Mapping[JobId, JobOwner]:
    """Return whose jobs these are, by Slurm; raise `SlurmError` where it does not answer."""
    from vispa_green.slurm.jobs import JobQuery, job_facts

    facts = job_facts(JobQuery(job_ids=tuple(sorted(job_ids))), timeout_s=session.config.slurm.timeout_s)
    return owners_of(facts.records)


def owners_of(facts: Iterable[JobFact]) -> dict[JobId, JobOwner]:
    """Return the owners by job id; an array or a het job goes by the number it was submitted under, too."""
    owners: dict[JobId, JobOwner] = {}
    for fact in facts:
        uid = fact.uid if fact.uid is not None else _uid(fact.user)
        if uid is None:
            continue
        owner = JobOwner(uid, fact.submit)
        owners.setdefault(fact.display_id.partition("_")[0].partition("+")[0], owner)
        owners.setdefault(fact.job_id, owner)
    return owners


def _uid(user: str) -> int | None:
    import pwd

    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def _is_same_submission(one: Promise, other: Promise) -> bool:
    return one.job_id == other.job_id and abs(one.submitted - other.submitted) <= SUBMITTING


def _store(session: Session, notes: Notes) -> None:
    if not notes.promises and not notes.moves:
        return
    ledger = session.ledger(create=True)
    try:
        known = ledger.promises(tuple({promise.job_id for promise in notes.promises}))
        for promise in notes.promises:
            if not any(_is_same_submission(promise, first) for first in known):
                ledger.append_promise(promise)
        ledger.append_moves(notes.moves)
    finally:
        ledger.close()
