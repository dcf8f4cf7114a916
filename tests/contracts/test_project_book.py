"""Laws of the book of projects: the last tag counts, sums follow to the µJ, and the earlier ones stay on record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.rows import BERLIN, HOUR, SECOND, START, charged, deliver, energy_by, fact
from tests.contracts.standing_in import examples, stand_in_of
from vispa_green.answers.totals import summed
from vispa_green.ledgers import LEDGERS, open_ledger
from vispa_green.model import Dimension, Ledger, ProjectTag, Selection, Visibility


def tag(job_id: str, project: str, second: int = 0, by: str = "ada") -> ProjectTag:
    return ProjectTag("lab", job_id, START, project, by, START + second * SECOND)


def told(ledger: Ledger, *numbers: str, project: str = "", user: str = "ada", uid: int = 1001) -> None:
    """Let jobs use 1000 µJ each, and Slurm tell of them."""
    deliver(
        ledger, [charged({n: 1000}, START, HOUR, uid=uid, submitted=START) for n in numbers], spool=f"of-{numbers}"
    )
    ledger.facts.append("lab", [fact(n, project=project, user=user, uid=uid) for n in numbers], START + HOUR)


def by_project(ledger: Ledger, *projects: str) -> dict[object, int]:
    found = summed(ledger, Selection(projects=projects), (Dimension.PROJECT,), BERLIN, with_grid=False)
    return {total.group[Dimension.PROJECT]: sum(s.busy_uj + s.idle_uj for s in total.sums) for total in found}


def test_a_tag_counts_before_what_slurm_tells_and_the_last_before_all(ledger: Ledger) -> None:
    told(ledger, "1", "2", project="told")
    ledger.projects.append([tag("1", "a"), tag("1", "b", 1)])
    assert energy_by(ledger, Dimension.PROJECT) == {"b": 1000, "told": 1000}
    ledger.facts.append("lab", [fact("1", project="told", state="COMPLETED")], START + 2 * HOUR)
    assert energy_by(ledger, Dimension.PROJECT) == {"b": 1000, "told": 1000}, "Slurm's next word changes nothing"
    told(ledger, "3")
    deliver(ledger, [charged({"1": 500}, START + HOUR, HOUR, submitted=START)], spool="more")
    assert energy_by(ledger, Dimension.PROJECT) == {"": 1000, "b": 1500, "told": 1000}
    ledger.projects.append([tag("1", "", 2)])
    assert energy_by(ledger, Dimension.PROJECT) == {"": 1000, "told": 2500}
    assert [one.project for one in ledger.projects.tags(Selection(job_ids=("1",)))] == ["a", "b", ""]
    assert ledger.energy.verify() == []


def test_a_tag_may_come_before_the_job(ledger: Ledger) -> None:
    ledger.projects.append([tag("1", "a")])
    told(ledger, "1", project="told")
    assert energy_by(ledger, Dimension.PROJECT) == {"a": 1000}
    ledger.projects.append([tag("1", "a")])
    assert len(ledger.projects.tags(Selection())) == 1, "the same is not added twice"


def test_a_number_that_comes_again_is_another_job(ledger: Ledger) -> None:
    ledger.projects.append([tag("1", "a")])
    year = timedelta(days=365)
    deliver(ledger, [charged({"1": 1000}, START + year, HOUR, submitted=START + year)])
    later = fact("1", submit=START + year, start=START + year, eligible=START + year)
    ledger.facts.append("lab", [later], START + year)
    assert energy_by(ledger, Dimension.PROJECT) == {"": 1000}


def test_a_whole_array_and_one_of_its_tasks(ledger: Ledger) -> None:
    """The last task of an array has the number of the array for its own."""
    deliver(ledger, [charged({"12": 1, "13": 10, "14": 100}, START, HOUR, submitted=START)])
    shown = {"13": "12_1", "14": "12_2", "12": "12_3"}
    ledger.facts.append("lab", [fact(n, display_id=shown[n]) for n in shown], START)
    ledger.projects.append([tag("12", "all"), tag("12_3", "last", 1), tag("14", "second", 2)])
    assert energy_by(ledger, Dimension.PROJECT) == {"all": 10, "last": 1, "second": 100}
    ledger.projects.append([tag("12", "again", 3)])
    assert energy_by(ledger, Dimension.PROJECT) == {"again": 111}


def test_a_split_job_counts_for_each_of_its_projects(ledger: Ledger) -> None:
    told(ledger, "1", "2", project="a")
    ledger.projects.append([tag("1", "a=0.7,b=0.3")])
    assert by_project(ledger) == {"a": 1700, "b": 300}
    assert by_project(ledger, "b") == {"b": 300}
    (only,) = summed(ledger, Selection(projects=("b",)), (Dimension.USER,), BERLIN, with_grid=False)
    assert (only.group, only.sums[0].busy_uj) == ({Dimension.USER: "ada"}, 300)
    assert [one.key.job_id for one in ledger.energy.jobs(Selection(projects=("b",)))] == ["1"]


def test_tags_of_others_are_not_told(ledger: Ledger) -> None:
    told(ledger, "1")
    told(ledger, "2", user="bob", uid=1002)
    ledger.projects.append([tag("1", "a"), tag("2", "secret", by="bob")])
    mine = ledger.projects.tags(Selection(visible=Visibility("ada", 1001)))
    assert [one.project for one in mine] == ["a"]


@contextmanager
def fresh_ledger(name: str) -> Iterator[Ledger]:
    with TemporaryDirectory() as directory, stand_in_of(name).healthy(Path(directory)) as there:
        ledger = open_ledger(there.url, create=True)
        yield ledger
        ledger.close()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["tag", "fact", "energy"]), st.sampled_from("123"), st.sampled_from(["", "a", "b=0.5,c=0.5"])
    ),
    max_size=20,
)


@pytest.mark.parametrize("name", LEDGERS.names())
def test_whatever_the_order_sums_by_project_are_those_of_the_jobs(name: str) -> None:
    @examples(name, 30)
    @given(steps=STEPS)
    def holds(steps: list[tuple[str, str, str]]) -> None:
        with fresh_ledger(name) as ledger:
            expected = _told_step_by_step(ledger, steps)
            assert energy_by(ledger, Dimension.PROJECT) == expected
            assert ledger.energy.verify() == []
            assert all(a.tagged_at <= b.tagged_at for a, b in pairwise(ledger.projects.tags(Selection())))

    holds()


def _told_step_by_step(ledger: Ledger, steps: list[tuple[str, str, str]]) -> dict[object, int]:
    """Return how much each project should have used then."""
    tags: dict[str, str] = {}
    facts: dict[str, str] = {}
    energy = dict.fromkeys("123", 0)
    for second, (what, number, project) in enumerate(steps):
        if what == "tag":
            ledger.projects.append([tag(number, project, second)])
            tags[number] = project
        elif what == "fact":
            ledger.facts.append("lab", [fact(number, project=project, name=f"s{second}")], START + second * SECOND)
            facts[number] = project
        else:
            deliver(ledger, [charged({number: 7}, START, HOUR, submitted=START)], spool=f"s{second}")
            energy[number] += 7
    expected: dict[object, int] = {}
    for number, used_uj in energy.items():
        own = (tags.get(number) or facts.get(number, "")) if number in facts or number in tags else ""
        if used_uj:
            expected[own] = expected.get(own, 0) + used_uj
    return expected
