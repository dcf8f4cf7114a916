"""Nothing of others is in any answer of any book: what is shown is what `vispa_green.access.may_see` allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.rows import BERLIN, HOUR, START, charged, deliver, fact, promise
from tests.contracts.standing_in import examples, stand_in_of
from vispa_green.access import Principal, Role, may_see, narrowed
from vispa_green.ledgers import LEDGERS, open_ledger
from vispa_green.model import Dimension, Ledger, Move, Quantity, Selection

UIDS = {"ada": 1001, "bob": 1002, "eve": 1003}
ACCOUNTS = ("", "physics", "biology")


@dataclass(frozen=True)
class Owned:
    """A job: whose, under which account, and who of agent and Slurm told of it."""

    number: str
    user: str
    account: str
    is_seen: bool
    shows_uid: bool
    is_told: bool

    @property
    def owner(self) -> tuple[str, int | None, str]:
        """What the ledger knows of who it is: user, uid, account."""
        uid = UIDS[self.user] if self.is_told or (self.is_seen and self.shows_uid) else None
        return (self.user, uid, self.account) if self.is_told else ("", uid, "")


@st.composite
def owned(draw: st.DrawFn) -> list[Owned]:
    kinds = draw(
        st.lists(
            st.tuples(st.sampled_from(sorted(UIDS)), st.sampled_from(ACCOUNTS), *[st.booleans()] * 3), max_size=6
        )
    )
    return [Owned(str(number), *kind) for number, kind in enumerate(kinds, 1) if kind[2] or kind[4]]


USERS = st.sampled_from(sorted(UIDS))
PRINCIPALS = st.builds(
    Principal,
    user=USERS,
    uid=st.none() | st.sampled_from(sorted(UIDS.values())),
    accounts=st.lists(st.sampled_from(ACCOUNTS), max_size=2).map(tuple),
    roles=st.sampled_from([frozenset(), frozenset(), frozenset({Role.ADMIN}), frozenset({Role.SUPPORT})]),
    sees_all=st.sampled_from([False, False, True]),
)
QUESTIONS = st.builds(
    Selection,
    users=st.lists(USERS, max_size=2).map(tuple),
    accounts=st.lists(st.sampled_from(ACCOUNTS[1:]), max_size=1).map(tuple),
    job_ids=st.lists(st.sampled_from("123"), max_size=2).map(tuple),
    start=st.sampled_from([None, START - HOUR, START + timedelta(minutes=7)]),
)


@contextmanager
def written(name: str, jobs: Sequence[Owned]) -> Iterator[Ledger]:
    """Yield a ledger with jobs, and promises of the told ones."""
    with TemporaryDirectory() as directory, stand_in_of(name).healthy(Path(directory)) as there:
        ledger = open_ledger(there.url, create=True)
        for job in jobs:
            uid = UIDS[job.user]
            if job.is_seen:
                seen = charged({job.number: 10 + int(job.number)}, START, HOUR, uid=uid if job.shows_uid else None)
                deliver(ledger, [seen], spool=job.number)
            if job.is_told:
                told = fact(job.number, user=job.user, uid=uid, account=job.account, end=START + HOUR)
                assert ledger.facts.append("lab", [told], START + HOUR) == ()
            ledger.promises.append(promise(job.number, job.user))
            ledger.promises.append_moves(
                [Move(job.number, START, START, job.user, START, START, Quantity.CARBON_INTENSITY, 1, 1, "", "lab")]
            )
        yield ledger
        ledger.close()


def numbers(ledger: Ledger, asked: Selection) -> dict[str, set[str]]:
    """Return the numbers of all jobs of which each book tells anything."""
    totals = ledger.energy.totals(asked, (Dimension.JOB,), BERLIN)
    return {
        "jobs": {account.key.job_id for account in ledger.energy.jobs(asked)},
        "jobs in a span": {account.key.job_id for account in ledger.energy.jobs(asked, whole=False)},
        "postings": {posting.key.job_id for posting in ledger.energy.postings(asked)},
        "totals": {getattr(total.group[Dimension.JOB], "job_id", "") for total in totals},
        "facts": {key.job_id for key, _ in ledger.facts.facts(asked)},
    }


@pytest.mark.parametrize("name", LEDGERS.names())
def test_a_narrowed_question_is_answered_with_what_the_asker_may_see_and_all_of_it(name: str) -> None:
    @examples(name, 60)
    @given(jobs=owned(), principal=PRINCIPALS, asked=QUESTIONS)
    def holds(jobs: list[Owned], principal: Principal, asked: Selection) -> None:
        allowed = {job.number for job in jobs if may_see(principal, *job.owner)}
        with written(name, jobs) as ledger:
            everything, mine = numbers(ledger, asked), numbers(ledger, narrowed(asked, principal))
            for what, found in mine.items():
                assert found == everything[what] & allowed, what
            sums, allowed_uj = Counter[str](), sum(10 + int(number) for number in everything["totals"] & allowed)
            for by in (Dimension.USER, Dimension.ACCOUNT, Dimension.NODE, Dimension.DAY, Dimension.COMPONENT):
                for with_grid in (True, False):  # the second may come from the sums by day
                    whole = replace(narrowed(asked, principal), start=None)
                    for total in ledger.energy.totals(whole, (by,), BERLIN, with_grid=with_grid):
                        sums[f"{by} {with_grid}"] += sum(one.busy_uj + one.idle_uj for one in total.sums)
            if asked.start is None or asked.start < START:
                assert set(sums.values()) <= {allowed_uj}

    holds()


@pytest.mark.parametrize("name", LEDGERS.names())
def test_promises_and_moves_are_told_to_who_may_see_their_user(name: str) -> None:
    @examples(name, 30)
    @given(jobs=owned(), principal=PRINCIPALS, asked=QUESTIONS)
    def holds(jobs: list[Owned], principal: Principal, asked: Selection) -> None:
        asked = replace(asked, accounts=(), start=None)
        with written(name, jobs) as ledger:
            everything, mine = (
                {one.job_id for one in ledger.promises.promises(question)}
                for question in (asked, narrowed(asked, principal))
            )
            moved = {one.job_id for one in ledger.promises.moves(narrowed(asked, principal))}
        allowed = {job.number for job in jobs if may_see(principal, job.user, UIDS[job.user], "")}
        assert mine == moved == everything & allowed

    holds()


def test_who_may_see_whom() -> None:
    ada = Principal("ada", 1001, ("physics",))
    assert may_see(ada, "ada", 1001, "")
    assert may_see(ada, "", 1001, ""), "Slurm has not told who that is yet"
    assert not may_see(ada, "bob", 1001, ""), "Slurm has told"
    assert may_see(ada, "bob", 1002, "physics"), "she coordinates it"
    assert not may_see(ada, "bob", 1002, "biology")
    assert not may_see(Principal("", None, ("",)), "", None, ""), "nobody is not everybody who is unknown"
    for unlimited in (replace(ada, roles=frozenset({Role.ADMIN})), replace(ada, sees_all=True)):
        assert may_see(unlimited, "bob", 1002, "biology")
        assert narrowed(Selection(users=("bob",)), unlimited) == Selection(users=("bob",))
