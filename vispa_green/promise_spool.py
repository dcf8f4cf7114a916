"""Where promises, moves and tags are kept by users who may not write the site's ledger: a small file each.

There are two such places. A user's own spool is in his state directory. A drop directory, if the site names one,
is root's with mode 1733: everybody can leave a file there, nobody can list it or touch another's. Whoever collects
it believes of a file only its owner, which the kernel says, and of a job only its owner, which Slurm says.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from vispa_green.errors import DamagedNote, SpoolError
from vispa_green.model import Move, ProjectTag, Promise
from vispa_green.printable import printable
from vispa_green.shifting.notes import SUBMITTING, note_of, note_text

if TYPE_CHECKING:
    from vispa_green.model import JobId
    from vispa_green.shifting.notes import Note

LARGEST_BYTES = 65_536
MOST_OF_A_USER = 1000
"""So many files of one user wait in a drop directory; what is more is removed, or one could fill it for all."""
PATIENCE = timedelta(days=7)
"""So long a note waits for Slurm to know its job."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What was kept, oldest first, and in a sentence each what was not believed."""

    promises: tuple[Promise, ...] = ()
    moves: tuple[Move, ...] = ()
    tags: tuple[ProjectTag, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobOwner:
    """Whose a job is, and when it was submitted, as Slurm says."""

    uid: int
    submitted: datetime | None


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    uid: int
    changed: datetime
    note: Note


def keep(directory: Path, note: Note, *, create: bool = True) -> None:
    """Write a note for its owner's eyes only, whole or not at all; raise `SpoolError` where that cannot be."""
    # No fsync: what a power failure can take is a plan's record, not the job, and every submission would wait.
    name = f"{note.job_id}-{os.urandom(8).hex()}.json"
    try:
        if create:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _opened(directory, os.O_PATH) as folder:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(f".{name}", flags, 0o600, dir_fd=folder), "w", encoding="utf-8") as file:
                file.write(note_text(note))
            os.rename(f".{name}", name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        raise SpoolError(f"{directory}: {error.strerror}; see that you may write there") from error


def check_writable(directory: Path) -> None:
    """Raise `SpoolError` where `keep` would fail."""
    if not os.access(directory, os.W_OK | os.X_OK):
        raise SpoolError(f"{directory} cannot be written to")


def own_notes(directory: Path, uid: int, job_ids: Collection[JobId] = ()) -> Notes:
    """Return the notes of one user in his own spool, of these jobs or of all; a damaged one is set aside."""
    found: list[Note] = []
    refused: list[str] = []
    try:
        with _opened(directory, os.O_RDONLY) as folder:
            for name in sorted(os.listdir(folder)):  # noqa: PTH208 - of this very directory
                if not name.endswith(".json") or name.startswith(".") or not _is_about(name, job_ids):
                    continue
                try:
                    one = _read(folder, name)
                    _believe(one.uid == uid, "it is somebody else's")
                except DamagedNote as error:
                    with suppress(OSError):
                        os.rename(name, f"{name}.damaged", src_dir_fd=folder, dst_dir_fd=folder)
                    refused.append(f"{directory / name} is set aside: {error}")
                else:
                    found.append(one.note)
    except FileNotFoundError:
        return Notes()
    except OSError as error:
        return Notes(refused=(f"{directory} cannot be read: {error.strerror}",))
    return _notes(found, refused)


def collect(
    directory: Path,
    owners: Callable[[Collection[JobId]], Mapping[JobId, JobOwner]],
    store: Callable[[Notes], None],
    now: datetime,
) -> Notes:
    """Take what users dropped, hand what is theirs to ``store``, then remove it; return it.

    A note about a job that Slurm does not know yet stays for `PATIENCE`. What ``owners`` or ``store`` raise
    goes through, and then all stays. Raise `SpoolError` if the directory is not one to be trusted.
    """
    refused: dict[str, str] = {}
    try:
        with _opened(directory, os.O_RDONLY) as folder:
            _check_is_drop(directory, os.fstat(folder))
            found = list(_dropped(folder, refused))
            known = owners({one.note.job_id for one in found}) if found else {}
            kept: list[_Found] = []
            for one in found:
                owner = known.get(one.note.job_id)
                if owner is None and now - one.changed < PATIENCE:
                    continue
                try:
                    _check_is_his(one, owner)
                except DamagedNote as error:
                    refused[one.name] = f"of {_user(one.uid)}, on job {one.note.job_id}: {error}"
                else:
                    kept.append(_as_submitted(one, owner))
            notes = _notes([one.note for one in kept], [f"a note {why}" for why in refused.values()])
            store(notes)
            for name in (*(one.name for one in kept), *refused):
                _remove(folder, name)
    except OSError as error:
        raise SpoolError(f"{directory}: {error.strerror}; see [promises] spool_dir") from error
    return notes


def _dropped(folder: int, refused: dict[str, str]) -> Iterator[_Found]:
    of_user: Counter[int] = Counter()
    for name in sorted(os.listdir(folder)):
        if name.startswith("."):  # being written
            continue
        try:
            one = _read(folder, name)
            of_user[one.uid] += 1
            _believe(of_user[one.uid] <= MOST_OF_A_USER, "too many of this user")
        except DamagedNote as error:
            refused[name] = f"called {printable(name)!r}: {error}"
        except OSError:
            continue
        else:
            yield one


def _read(folder: int, name: str) -> _Found:
    """Read one file without following, waiting for or believing anything; raise `DamagedNote`."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        number = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise DamagedNote(f"it cannot be opened ({error.strerror})") from None
    try:
        about = os.fstat(number)
        _believe(stat.S_ISREG(about.st_mode), "it is no regular file")
        _believe(about.st_nlink == 1, "it has other names")
        text = os.read(number, LARGEST_BYTES + 1)
        _believe(len(text) <= LARGEST_BYTES, "it is too large")
    finally:
        os.close(number)
    changed = datetime.fromtimestamp(about.st_ctime, UTC)  # a user can set the other times, not this one
    return _Found(name, about.st_uid, changed, note_of(text, _user(about.st_uid)))


def _check_is_his(one: _Found, owner: JobOwner | None) -> None:
    _believe(owner is not None, "Slurm knows no such job")
    assert owner is not None
    _believe(owner.uid == one.uid, f"that job is {_user(owner.uid)}'s")
    known, given = owner.submitted, one.note.submitted
    is_other = known is not None and given is not None and abs(known - given) > SUBMITTING
    _believe(not is_other, "that job was submitted at another time")


def _as_submitted(one: _Found, owner: JobOwner | None) -> _Found:
    """Return a tag with the time that Slurm tells, by which the ledger knows its job, not about then."""
    if owner is None or owner.submitted is None or not isinstance(one.note, ProjectTag):
        return one
    return replace(one, note=replace(one.note, submitted=owner.submitted))


def _check_is_drop(directory: Path, about: os.stat_result) -> None:
    writable = stat.S_IMODE(about.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    if about.st_uid not in {0, os.geteuid()} or (writable and not about.st_mode & stat.S_ISVTX):
        raise SpoolError(f"{directory}: users could remove each other's files; make it root's, with mode 1733")


def _believe(is_so: bool, why_not: str) -> None:
    if not is_so:
        raise DamagedNote(why_not)


def _notes(found: list[Note], refused: list[str]) -> Notes:
    """Put in order; of several promises about one submission the first one given holds."""
    promises = sorted((note for note in found if isinstance(note, Promise)), key=lambda p: p.submitted)
    first: dict[JobId, list[Promise]] = {}
    for promise in promises:
        same = first.setdefault(promise.job_id, [])
        if not same or promise.submitted - same[-1].submitted > SUBMITTING:
            same.append(promise)
    moves = sorted((note for note in found if isinstance(note, Move)), key=lambda move: move.moved_at)
    kept = sorted((p for same in first.values() for p in same), key=lambda p: p.submitted)
    tags = sorted((note for note in found if isinstance(note, ProjectTag)), key=lambda tag: tag.tagged_at)
    return Notes(tuple(kept), tuple(moves), tuple(tags), tuple(refused))


def _is_about(name: str, job_ids: Collection[JobId]) -> bool:
    return not job_ids or name.partition("-")[0] in job_ids


def _remove(folder: int, name: str) -> None:
    with suppress(OSError):
        try:
            os.unlink(name, dir_fd=folder)
        except IsADirectoryError:
            os.rmdir(name, dir_fd=folder)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@contextmanager
def _opened(directory: Path, flags: int) -> Iterator[int]:
    number = os.open(directory, flags | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield number
    finally:
        os.close(number)
