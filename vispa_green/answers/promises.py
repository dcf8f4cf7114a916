"""Where a user's promises and moves are kept and found: his own spool, the site's drop directory, the ledger."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from vispa_green.errors import LedgerError, SpoolError
from vispa_green.ledgers import decides_itself
from vispa_green.model import Move, Promise, Selection
from vispa_green.promise_spool import JobOwner, Notes, check_writable, collect, keep, own_notes
from vispa_green.shifting.notes import SUBMITTING

if TYPE_CHECKING:
    from vispa_green.model import JobFact, JobId, Ledger, QueueEntry
    from vispa_green.session import Session
    from vispa_green.shifting.notes import Note


def keep_note(session: Session, note: Note) -> None:
    """Keep a note in the user's own spool, and for the site: at its server, in its drop directory.

    Raise `SpoolError` where one of them cannot be; the others are written all the same.
    """
    trouble: list[str] = []
    for directory, is_own in ((session.promise_dir, True), (session.config.promises.spool_dir, False)):
        if directory is None:
            continue
        try:
            keep(directory, note, create=is_own)
        except SpoolError as error:
            trouble.append(str(error))
    if decides_itself(session.ledger_url, session.config.options("ledger")):
        try:
            _tell_server(session, note)
        except LedgerError as error:
            trouble.append(str(error))
    if trouble:
        raise SpoolError("; ".join(trouble))


def _tell_server(session: Session, note: Note) -> None:
    ledger = session.ledger()
    try:
        if isinstance(note, Promise):
            ledger.promises.append(note)
        elif isinstance(note, Move):
            ledger.promises.append_moves((note,))
        else:
            ledger.projects.append((note,))
    finally:
        ledger.close()


def own_promises(session: Session, job_ids: Collection[JobId] = ()) -> Notes:
    """Return what the calling user's own spool holds about these jobs, or about all."""
    if session.asker is not None:  # this program is a server: what is here is not his
        return Notes()
    return _of_cluster(own_notes(session.promise_dir, os.getuid(), job_ids), session)


def known_promises(session: Session, ledger: Ledger | None, selection: Selection) -> Notes:
    """Return what the ledger and the user's own spool hold of a selection; what is in both is there once."""
    own = own_promises(session, selection.job_ids)
    if ledger is None:
        return own
    kept = ledger.promises.promises(selection), ledger.promises.moves(selection)
    mine = [promise for promise in own.promises if _is_within(promise, selection)]
    promises = {(p.job_id, p.submitted): p for p in (*mine, *kept[0])}
    moves = dict.fromkeys((*own.moves, *kept[1]))
    return Notes(
        tuple(sorted(promises.values(), key=lambda promise: promise.submitted)),
        tuple(sorted(moves, key=lambda move: move.moved_at)),
        refused=own.refused,
    )


def _is_within(promise: Promise, selection: Selection) -> bool:
    start, end = selection.start, selection.end
    is_asked = not selection.users or promise.user in selection.users
    return is_asked and (start is None or promise.submitted >= start) and (end is None or promise.submitted < end)


def _of_cluster(notes: Notes, session: Session) -> Notes:
    """Return notes with the name of this cluster: a note does not say, and could not be believed, which it is of."""
    name = session.config.cluster.name
    return Notes(
        tuple(replace(promise, cluster=name) for promise in notes.promises),
        tuple(replace(move, cluster=name) for move in notes.moves),
        tuple(replace(tag, cluster=name) for tag in notes.tags),
        notes.refused,
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
            ledger.promises.append_moves(moves)
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


def owners_in_queue(session: Session) -> Mapping[JobId, JobOwner]:
    """Return whose the jobs in the queue are; raise `SlurmError` where Slurm does not answer."""
    from vispa_green.slurm.squeue import entries

    return owners_of(entries(timeout_s=session.config.slurm.timeout_s).records)


def owners_of(facts: Iterable[JobFact | QueueEntry]) -> dict[JobId, JobOwner]:
    """Return the owners by job id; an array or a het job goes by the number it was submitted under, too."""
    owners: dict[JobId, JobOwner] = {}
    for fact in facts:
        uid = fact.uid if fact.uid is not None else _uid(fact.user)
        if uid is None:
            continue
        owner = JobOwner(uid, fact.submit)
        owners.setdefault(fact.display_id.partition("_")[0].partition("+")[0], owner)
        owners.setdefault(fact.display_id, owner)
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
    if not notes.promises and not notes.moves and not notes.tags:
        return
    notes = _of_cluster(notes, session)
    ledger = session.ledger(create=True)
    try:
        ids = tuple({promise.job_id for promise in notes.promises})
        known = ledger.promises.promises(Selection(job_ids=ids)) if ids else []
        for promise in notes.promises:
            if not any(_is_same_submission(promise, first) for first in known):
                ledger.promises.append(promise)
        ledger.promises.append_moves(notes.moves)
        ledger.projects.append(notes.tags)
    finally:
        ledger.close()
