"""Promises and moves as files: what was written is what is read, and of others' files only what they may say."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.errors import DamagedNote, SlurmError, SpoolError
from vispa_green.model import Move, ProjectTag, Promise, Quantity
from vispa_green.promise_spool import MOST_OF_A_USER, PATIENCE, JobOwner, Notes, collect, keep, own_notes
from vispa_green.shifting.notes import Note, note_of, note_text

NOW = datetime.now(UTC)  # noqa: TID251 - files get their times from the machine's clock
HOUR = timedelta(hours=1)
ME, BOB = os.getuid(), 64_001
as_root = pytest.mark.skipif(ME != 0, reason="only root can be somebody else")

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2105, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
MEANS = st.none() | st.floats(-1e6, 1e6).map(float)
TEXTS = st.text(max_size=500).filter(str.isprintable)
IDS = st.integers(0, 2**32 - 3).map(str)
PROMISES = st.builds(
    Promise, job_id=IDS, user=st.just("ada"), submitted=MOMENTS, planned_start=MOMENTS,
    duration=st.timedeltas(timedelta(0), timedelta(days=3650)), finish_by=st.none() | MOMENTS,
    quantity=st.sampled_from(Quantity), mean=MEANS, mean_if_started_now=MEANS, policy=TEXTS, reason=TEXTS,
)  # fmt: skip
MOVES = st.builds(
    Move, job_id=IDS, submitted=MOMENTS, moved_at=MOMENTS, moved_by=st.just("ada"), before=MOMENTS, after=MOMENTS,
    quantity=st.sampled_from(Quantity), mean_before=MEANS, mean_after=MEANS, reason=TEXTS,
)  # fmt: skip
SHOWN = IDS | st.builds("{}{}{}".format, IDS, st.sampled_from("_+"), IDS)
PROJECTS = st.sampled_from(["", "paper-x", "a=0.25,b=0.75", "ein Projekt"])
TAGS = st.builds(
    ProjectTag, cluster=st.just(""), job_id=SHOWN, submitted=st.none() | MOMENTS, project=PROJECTS,
    tagged_by=st.just("ada"), tagged_at=MOMENTS,
)  # fmt: skip
PROMISE = Promise(
    "6", "?", NOW, NOW + HOUR, HOUR, NOW + 6 * HOUR, Quantity.CARBON_INTENSITY, 300, 400, "best_mean", ""
)
MOVE = Move("6", NOW, NOW + HOUR, "?", NOW, NOW + HOUR, Quantity.CARBON_INTENSITY, 300, 200, "greener")


# ---- the text --------------------------------------------------------------------------------------


@given(PROMISES | MOVES | TAGS)
def test_a_note_comes_back_as_it_was(note: Note) -> None:
    assert note_of(note_text(note).encode(), "ada") == note


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode()))
def test_anything_else_is_damaged(text: bytes) -> None:
    with pytest.raises(DamagedNote):
        note_of(text, "ada")


NO_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none())


@given(PROMISES, st.data())
def test_one_odd_value_never_gets_through_as_another_kind(promise: Promise, data: st.DataObject) -> None:
    body = json.loads(note_text(promise))
    body[data.draw(st.sampled_from(sorted(body)))] = data.draw(NO_VALUES)
    try:
        read = note_of(json.dumps(body).encode(), "ada")
    except DamagedNote:
        return
    assert isinstance(read, Promise)
    assert note_of(note_text(read).encode(), "ada") == read


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"kind":"promise","kind":"move"}', '{"kind":"promise"}', '{"kind":"note"}', "1" * 10_000,
     note_text(PROMISE).replace('"job_id":"6"', '"job_id":"²"'), note_text(PROMISE).replace("300", "NaN"),
     note_text(PROMISE)[:-1] + ',"user":"root"}', note_text(PROMISE).replace("300", "true"),
     note_text(PROMISE).replace("300", "1e999"), note_text(PROMISE).replace('"reason":""', '"reason":"\\u001b[2J"')],
)  # fmt: skip
def test_what_a_liar_would_write_is_damaged(text: str) -> None:
    with pytest.raises(DamagedNote):
        note_of(text.encode(), "bob")


# ---- a user's own spool ----------------------------------------------------------------------------


def test_what_is_kept_is_found_and_its_owners_alone(tmp_path: Path) -> None:
    spool = tmp_path / "state/promises"
    assert own_notes(spool, ME) == Notes()
    for note in (replace(PROMISE, job_id="7", submitted=NOW + HOUR), PROMISE, MOVE):
        keep(spool, note)
    found = own_notes(spool, ME)
    assert ([p.job_id for p in found.promises], len(found.moves), found.refused) == (["6", "7"], 1, ())
    assert [p.job_id for p in own_notes(spool, ME, ["7"]).promises] == ["7"]
    assert {oct(path.stat().st_mode & 0o777) for path in (spool, *spool.iterdir())} == {"0o700", "0o600"}


def test_a_damaged_note_is_set_aside_and_named_once(tmp_path: Path) -> None:
    keep(tmp_path, PROMISE)
    (tmp_path / "6-0.json").write_text(note_text(PROMISE)[:40])
    first, second = own_notes(tmp_path, ME), own_notes(tmp_path, ME)
    assert len(first.promises) == len(second.promises) == 1
    assert "set aside" in first.refused[0]
    assert second.refused == ()
    assert (tmp_path / "6-0.json.damaged").exists()


def test_the_first_promise_of_a_submission_holds(tmp_path: Path) -> None:
    """A number that comes again later is another job."""
    later, again = replace(PROMISE, submitted=NOW + timedelta(minutes=1)), replace(PROMISE, submitted=NOW + 9 * HOUR)
    for promise in (later, again, PROMISE):
        keep(tmp_path, promise)
    assert [promise.submitted for promise in own_notes(tmp_path, ME).promises] == [NOW, NOW + 9 * HOUR]


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file/below", Path("/proc/nothing")):
        with pytest.raises(SpoolError, match=str(place)):
            keep(place, PROMISE)


# ---- the drop directory ----------------------------------------------------------------------------


class Drop:
    """A drop directory with Slurm's word on whose the jobs are, and what was stored from it."""

    def __init__(self, folder: Path, owners: Mapping[str, JobOwner]) -> None:
        self.folder, self._owners = folder / "drop", owners
        self.folder.mkdir()
        self.folder.chmod(0o1733)
        self.stored: list[Notes] = []

    def put(self, note: Promise | Move, uid: int = ME) -> Path:
        before = set(self.folder.iterdir())
        keep(self.folder, note, create=False)
        (path,) = set(self.folder.iterdir()) - before
        if uid != ME:
            os.chown(path, uid, uid)
        return path

    def collect(self, later: timedelta = timedelta(0)) -> Notes:
        return collect(self.folder, self._owned, self.stored.append, NOW + later)

    def _owned(self, job_ids: Collection[str]) -> Mapping[str, JobOwner]:
        return {job_id: owner for job_id, owner in self._owners.items() if job_id in job_ids}

    @property
    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path, {"6": JobOwner(ME, NOW), "8": JobOwner(ME, None)})


def test_what_was_dropped_is_stored_once(drop: Drop) -> None:
    drop.put(PROMISE)
    drop.put(MOVE)
    found = drop.collect()
    assert ([p.job_id for p in found.promises], [m.job_id for m in found.moves], found.refused) == (["6"], ["6"], ())
    assert drop.stored == [found]
    assert drop.left == []
    assert drop.collect() == Notes()


@as_root
def test_nobody_promises_for_anothers_job(drop: Drop) -> None:
    """Bob copies the promise of my job with a later end; he hands in a move of it as well."""
    drop.put(replace(PROMISE, finish_by=NOW + 72 * HOUR), BOB)
    drop.put(MOVE, BOB)
    drop.put(PROMISE)
    found = drop.collect()
    assert [promise.finish_by for promise in found.promises] == [PROMISE.finish_by]
    assert found.moves == ()
    assert len(found.refused) == 2
    assert f"of {BOB}, on job 6" in found.refused[0]
    assert drop.left == []


def test_a_number_that_came_again_is_another_job(drop: Drop) -> None:
    drop.put(replace(PROMISE, submitted=NOW - 300 * HOUR))
    found = drop.collect()
    assert (found.promises, "another time" in found.refused[0]) == ((), True)


def test_a_job_that_slurm_does_not_know_yet_waits_and_not_for_ever(drop: Drop) -> None:
    drop.put(replace(PROMISE, job_id="7"))
    assert drop.collect() == Notes()
    assert len(drop.left) == 1
    assert "knows no such job" in drop.collect(later=PATIENCE + HOUR).refused[0]
    assert drop.left == []


def test_all_stays_where_slurm_or_the_ledger_fails(drop: Drop) -> None:
    drop.put(PROMISE)

    def silent(job_ids: Collection[str]) -> Mapping[str, JobOwner]:
        raise SlurmError("no answer")

    def known(job_ids: Collection[str]) -> Mapping[str, JobOwner]:
        return {job_id: JobOwner(ME, NOW) for job_id in job_ids}

    def full(notes: Notes) -> None:
        raise SpoolError("no room")

    with pytest.raises(SlurmError):
        collect(drop.folder, silent, drop.stored.append, NOW)
    with pytest.raises(SpoolError):
        collect(drop.folder, known, full, NOW)
    assert len(drop.left) == 1
    assert len(drop.collect().promises) == 1


def test_odd_files_are_neither_followed_nor_waited_for(drop: Drop, tmp_path: Path) -> None:
    """None of them is read, all of them go, and what they point to stays."""
    secret, folder = tmp_path / "secret.json", drop.folder
    secret.write_text(note_text(PROMISE))
    (folder / "link").symlink_to(secret)
    (folder / "hard").hardlink_to(secret)
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "large").write_bytes(b" " * 70_000)
    (folder / "garbage\n\x1b[2J").write_bytes(b"\xff\0")
    found = drop.collect()
    assert (found.promises, len(found.refused)) == ((), 6)
    assert all(sentence.isprintable() for sentence in found.refused)
    assert drop.left == []
    assert secret.read_text() == note_text(PROMISE)


def test_one_user_cannot_fill_it_for_all(drop: Drop) -> None:
    for _ in range(MOST_OF_A_USER + 5):
        drop.put(replace(PROMISE, job_id="7"))
    assert len(drop.collect().refused) == 5
    assert len(drop.left) == MOST_OF_A_USER


def test_a_directory_whose_files_others_may_remove_is_not_trusted(drop: Drop) -> None:
    drop.folder.chmod(0o777)
    drop.put(PROMISE)
    with pytest.raises(SpoolError, match="1733"):
        drop.collect()
    assert len(drop.left) == 1
