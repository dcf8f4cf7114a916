"""Laws of every book of facts: the newest word holds, of the right job, and only if it can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from tests.contracts.rows import HOUR, START, charged, deliver, energy_by, fact
from vispa_green.model import Dimension, JobFact, JobKey, Ledger, Selection


def states(ledger: Ledger) -> list[str]:
    return [told.state for _, told in ledger.facts.facts(Selection())]


def test_the_latest_fact_of_a_job_holds_and_is_kept_word_for_word(ledger: Ledger) -> None:
    every_field = fact(
        state="COMPLETED", end=START + HOUR, time_limit=2 * HOUR, memory_mib=100, peak_memory_mib=50, comment="a\nb",
        qos="normal", project="p1", exit_code="1:0", elapsed=HOUR / 2,
    )  # fmt: skip
    for told in (fact(state="RUNNING"), fact(state="RUNNING"), every_field):
        assert ledger.facts.append("lab", [told], START) == ()
        assert ledger.facts.facts(Selection()) == [(JobKey("lab", "7", START), told)]
    ledger.facts.append("lab", [replace(every_field, comment="later")], START)
    assert [told.comment for _, told in ledger.facts.facts(Selection())] == ["later"]


def test_facts_are_chosen_by_id_and_by_time(ledger: Ledger) -> None:
    """``12`` is the whole array or het job, ``12_1`` a task; one that waits is in the span of its submission."""
    hours = [START + n * HOUR for n in range(4)]
    stored = [
        fact(raw, display_id=shown, start=start, end=end, submit=hours[0])
        for raw, shown, start, end in (
            ("12", "12_2", hours[0], hours[1]),
            ("13", "12_1", hours[1], hours[2]),
            ("14", "14+0", hours[1], None),
            ("15", "14+1", None, None),
            ("120", "120", hours[2], hours[3]),
        )
    ]
    ledger.facts.append("lab", stored, hours[2])

    def chosen(*ids: str, start: datetime | None = None, end: datetime | None = None) -> list[str]:
        found = ledger.facts.facts(Selection(job_ids=ids, start=start, end=end))
        return sorted(key.job_id for key, _ in found)

    assert chosen("12") == ["12", "13"]
    assert chosen("12_1") == ["13"]
    assert chosen("14", "120", "1", "12_") == ["120", "14", "15"]
    assert chosen(start=hours[1]) == ["120", "13", "14"], "14 ran when Slurm was asked last"
    assert chosen(start=hours[2]) == ["120"]
    assert chosen(start=hours[1] - timedelta(microseconds=1)) == ["12", "120", "13", "14"]
    assert chosen(end=hours[1]) == ["12", "15"]
    assert chosen("12", start=hours[1], end=hours[3]) == ["13"]


def test_a_fact_that_names_another_user_than_the_agent_saw_is_not_believed(ledger: Ledger) -> None:
    deliver(ledger, [charged({"7": 5}, START, HOUR, submitted=START)])
    true = fact(end=START + HOUR, state="COMPLETED")
    ledger.facts.append("lab", [true], START + HOUR)
    before = ledger.energy.jobs(Selection())
    [doubt] = ledger.facts.append("lab", [replace(true, user="bob", uid=1002, account="evil")], START + HOUR)
    assert all(word in doubt for word in ("job 7", "bob", "1002", "1001", "not believed"))
    assert ledger.energy.jobs(Selection()) == before
    assert energy_by(ledger, Dimension.USER) == {"ada": 5}
    assert ledger.energy.jobs(Selection(users=("bob",))) == []


def test_what_the_agent_sees_later_undoes_a_fact_that_named_another_user(ledger: Ledger) -> None:
    """The same two words in the other order: the energy is his whose processes they were."""
    lie = fact(user="bob", uid=1002, account="evil", project="p")
    ledger.facts.append("lab", [lie], START)
    deliver(ledger, [charged({"7": 5}, START, HOUR, submitted=START)])
    assert energy_by(ledger, Dimension.USER) == {"uid:1001": 5}
    assert energy_by(ledger, Dimension.ACCOUNT) == {"": 5}
    assert ledger.energy.jobs(Selection(users=("bob",))) == ledger.energy.jobs(Selection(accounts=("evil",))) == []
    [account] = ledger.energy.jobs(Selection())
    assert (account.uid, account.fact) == (1001, None)
    assert len(ledger.facts.append("lab", [lie], START + HOUR)) == 1
    assert ledger.facts.append("lab", [fact()], START + HOUR) == ()
    assert energy_by(ledger, Dimension.USER) == {"ada": 5}
    assert ledger.energy.verify() == []


LIVES = (
    ("lab", START, "ada", 1001, 5),
    ("other", START, "bob", 1002, 7),
    ("lab", START + 365 * 24 * HOUR, "cyd", 1003, 11),
)
"""Three jobs of one number: cluster, submission, user, uid, µJ."""


@pytest.mark.parametrize("knows", [True, False], ids=["submission known to the agent", "unknown"])
@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_one_number_on_two_clusters_and_again_next_year_is_three_jobs(
    ledger: Ledger, order: tuple[int, ...], *, knows: bool
) -> None:
    """Whatever is told first: energy or facts, this year or next."""

    def energy(lives: Sequence[tuple[str, datetime, str, int, int]]) -> None:
        for cluster, submit, _, uid, energy_uj in lives:
            one = charged({"42": energy_uj}, submit + HOUR, HOUR, uid=uid, submitted=submit if knows else None)
            deliver(ledger, [one], cluster=cluster, spool=f"{cluster}-{submit}")

    def facts(lives: Sequence[tuple[str, datetime, str, int, int]]) -> None:
        for cluster, submit, user, uid, _ in lives:
            told = fact("42", user=user, uid=uid, submit=submit, start=submit + HOUR, end=submit + 2 * HOUR)
            assert ledger.facts.append(cluster, [told], submit + 3 * HOUR) == ()

    for step in order:
        (energy, facts)[step % 2](LIVES[:2] if step < 2 else LIVES[2:])
    rows = {account.key: account for account in ledger.energy.jobs(Selection(job_ids=("42",)))}
    assert set(rows) == {JobKey(cluster, "42", submit) for cluster, submit, *_ in LIVES}
    for cluster, submit, user, uid, energy_uj in LIVES:
        account = rows[JobKey(cluster, "42", submit)]
        assert isinstance(account.fact, JobFact)
        assert (account.fact.user, account.uid, account.sums[0].busy_uj) == (user, uid, energy_uj)
    assert energy_by(ledger, Dimension.USER, Dimension.CLUSTER) == {
        ("ada", "lab"): 5, ("bob", "other"): 7, ("cyd", "lab"): 11,
    }  # fmt: skip
    assert ledger.energy.verify() == []


def test_a_requeued_job_is_one_job_under_its_first_submission(ledger: Ledger) -> None:
    """Its node died: Slurm notices after a while, submits it anew, and tells of the last run only."""
    again = START + HOUR + timedelta(minutes=20)
    deliver(ledger, [charged({"7": 5}, START, HOUR, submitted=START)], spool="n1")
    deliver(ledger, [charged({"7": 7}, again, HOUR, submitted=again, node="n2")], spool="n2")
    last = fact(submit=again, start=again, end=again + HOUR, state="COMPLETED", nodes=("n2",))
    ledger.facts.append("lab", [last], again + 2 * HOUR)
    [account] = ledger.energy.jobs(Selection())
    assert (account.key.submitted, account.fact) == (START, last)
    assert sum(one.busy_uj for one in account.sums) == 12
    assert {stay.node for stay in account.stays} == {"n1", "n2"}


def test_the_users_of_a_job_are_those_of_the_latest_word_in_every_sum(ledger: Ledger) -> None:
    """Its account is changed while it runs: all of its energy goes there, on every day."""
    midnight = datetime(2026, 6, 21, 22, tzinfo=UTC)
    deliver(ledger, [charged({"7": 1000}, midnight - HOUR, 2 * HOUR, submitted=START)])
    for account in ("physics", "chemistry"):
        ledger.facts.append("lab", [fact(account=account, start=midnight - HOUR)], midnight)
        by_day = energy_by(ledger, Dimension.ACCOUNT, Dimension.DAY)
        assert set(by_day.values()) == {500}
        assert energy_by(ledger, Dimension.ACCOUNT) == {account: 1000}
        assert ledger.energy.verify() == []
    assert states(ledger) == ["RUNNING"]


def test_jobs_without_an_end_are_those_to_ask_for_again(ledger: Ledger) -> None:
    """Told of or only seen, of one cluster, and back to a time."""
    later = START + 10 * HOUR
    deliver(ledger, [charged({"1": 5, "2": 5, "3": 5}, START, HOUR, submitted=START)])
    deliver(ledger, [charged({"9": 5}, later, HOUR, submitted=later)], spool="n2", first=1)
    deliver(ledger, [charged({"8": 5}, later, HOUR, submitted=later)], cluster="other", spool="n3")
    ledger.facts.append("lab", [fact("2"), fact("3", state="COMPLETED", end=START + HOUR)], START + HOUR)
    ledger.facts.append("lab", [fact("4", state="PENDING", start=None, submit=later)], later)
    assert ledger.facts.unfinished("lab", START) == {"9": False, "4": True, "1": False, "2": True}
    assert list(ledger.facts.unfinished("lab", START))[:2] == ["9", "4"]
    assert set(ledger.facts.unfinished("lab", later)) == {"9", "4"}
    assert ledger.facts.unfinished("nowhere", START) == {}
    ledger.facts.append("lab", [fact("2", state="COMPLETED", end=START + HOUR)], START + HOUR)
    assert "2" not in ledger.facts.unfinished("lab", START)


def test_how_far_an_import_came_is_kept_for_each_cluster(ledger: Ledger) -> None:
    assert ledger.facts.imported_until("lab") is None
    for until in (START, START + HOUR, START - HOUR):  # back, too: after a clock that was wrong
        ledger.facts.imported("lab", until)
        assert ledger.facts.imported_until("lab") == until
    assert ledger.facts.imported_until("other") is None


def test_a_requeue_that_agents_saw_is_not_believed_to_be_anothers(ledger: Ledger) -> None:
    again = START + HOUR
    first = charged({"7": 1000}, START, HOUR, submitted=START)
    deliver(ledger, [first, charged({"7": 1000}, again, HOUR, submitted=again)])
    [doubt] = ledger.facts.append("lab", [fact(user="eve", uid=4711, submit=again, start=again)], again)
    assert "that is not believed" in doubt
    assert ledger.facts.append("lab", [fact(submit=again, start=again)], again) == ()
    [account] = ledger.energy.jobs(Selection())
    assert account.fact is not None
    assert (account.fact.user, account.key.submitted) == ("ada", START)
