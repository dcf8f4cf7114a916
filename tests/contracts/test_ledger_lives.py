"""Whatever lives and in whatever order it is told: rows, roll-ups and sums agree, and every job has its own."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from hypothesis import strategies as st

from tests.contracts.lives import FIRST, SECOND, USERS, YEAR, Life, Spool, World, worlds
from tests.contracts.rows import BERLIN
from tests.contracts.standing_in import over_ledgers, stand_in_of
from vispa_green.model import QUARTER, Dimension, JobAccount, Ledger, Origin, Selection, SpooledInterval

EVERYTHING = Selection()
LATE = FIRST + 2 * YEAR
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["deliver", "deliver", "deliver", "again", "fact", "forge", "prune"]),
        st.integers(0, 99),
        st.integers(0, 6000),
    ),
    max_size=12,
)
MOMENTS = st.builds(
    lambda epoch, seconds: FIRST + epoch * YEAR + seconds * SECOND,
    st.integers(0, 1),
    st.floats(-1000, 9000) | st.integers(-1, 9).map(lambda hour: hour * 900 + 467),
)


class Telling:
    """Tells a world to a ledger, piece by piece."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self.world, self.ledger = world, ledger
        self.told = [0] * len(world.spools)

    def deliver(self, number: int, many: int) -> None:
        """Deliver the next intervals of a spool."""
        index = number % len(self.world.spools)
        spool, first = self.world.spools[index], self.told[index]
        fresh = len(spool.intervals[first : first + 1 + many % 4])
        assert self._append(spool, first, first + fresh) == fresh
        self.told[index] += fresh

    def again(self, number: int, _: int) -> None:
        """Deliver once more what a spool has delivered."""
        index = number % len(self.world.spools)
        assert self._append(self.world.spools[index], 0, self.told[index]) == 0

    def fact(self, number: int, now_s: int) -> None:
        """Tell what Slurm says of a job at some time of its life, and not before what agents have told already."""
        life = self.world.lives[number % len(self.world.lives)]
        now_s = max(now_s, self._heard_s(life))
        if (fact := life.fact(now_s)) is not None:
            assert self.ledger.facts.append(life.cluster, [fact], life.at(now_s)) == ()

    def _heard_s(self, life: Life) -> int:
        ends = [
            spool.intervals[told - 1].end
            for spool, told in zip(self.world.spools, self.told, strict=True)
            if told and (spool.cluster, spool.name.split("-")[2]) == (life.cluster, str(life.epoch))
        ]
        return max(((end - life.at(0)) // SECOND for end in ends), default=0)

    def forge(self, number: int, now_s: int) -> None:
        """Tell that a job whose processes were seen is somebody else's."""
        life = self.world.lives[number % len(self.world.lives)]
        if (fact := life.fact(now_s)) is None or not self._is_seen(life, fact.submit):
            return
        other = next(user for user in USERS if user != life.user)
        forged = replace(fact, user=other, uid=USERS[other], account="evil")
        before = self.ledger.energy.jobs(EVERYTHING)
        [doubt] = self.ledger.facts.append(life.cluster, [forged], life.at(now_s))
        assert life.number in doubt
        assert self.ledger.energy.jobs(EVERYTHING) == before

    def prune(self, number: int, seconds: int) -> None:
        """Take out old rows; no sum changes, whatever it is made by."""
        before = sums_by(self.ledger, EVERYTHING)
        days = quarter_sums(self.ledger)
        self.ledger.energy.prune(FIRST + number % 2 * YEAR + seconds * SECOND)
        assert sums_by(self.ledger, EVERYTHING) == before
        assert quarter_sums(self.ledger) == days

    def finish(self) -> None:
        """Tell all that is left, and Slurm's last word on every job."""
        for index, spool in enumerate(self.world.spools):
            self._append(spool, self.told[index], len(spool.intervals))
        for life in self.world.lives:
            self.fact(self.world.lives.index(life), 10**6)

    def _append(self, spool: Spool, first: int, after: int) -> int:
        items = [SpooledInterval(i + 1, spool.intervals[i]) for i in range(first, after)]
        return self.ledger.energy.append(Origin(spool.cluster, spool.name), items, LATE)

    def _is_seen(self, life: Life, submit: datetime | None) -> bool:
        return life.shows_uid and any(
            activity.binding.submitted == submit and activity.job_id == life.number
            for spool, told in zip(self.world.spools, self.told, strict=True)
            for interval in spool.intervals[:told]
            if spool.cluster == life.cluster
            for activity in interval.jobs
        )


def energy_uj(account: JobAccount) -> int:
    return sum(one.busy_uj + one.idle_uj for one in account.sums)


def sums_by(ledger: Ledger, selection: Selection) -> dict[Dimension, Counter[object]]:
    """Return all energy by each dimension in turn."""
    found: dict[Dimension, Counter[object]] = {}
    for dimension in Dimension:
        found[dimension] = Counter()
        for total in ledger.energy.totals(selection, (dimension,), BERLIN, with_grid=False):
            for one in total.sums:
                key = total.group[dimension], one.component, one.quality
                found[dimension][key] += one.busy_uj + one.idle_uj
        found[dimension] = +found[dimension]
    return found


def quarter_sums(ledger: Ledger) -> Counter[object]:
    """Return all energy by job in windows between quarter-hours."""
    edges = [FIRST + epoch * YEAR + n * QUARTER - (FIRST - FIRST.replace(minute=0, second=0))
             for epoch in range(2) for n in range(0, 16, 3)]  # fmt: skip
    found: Counter[object] = Counter()
    for start, end in pairwise(edges):
        for account in ledger.energy.jobs(Selection(start=start, end=end), whole=False):
            found[account.key, start] += energy_uj(account)
    return +found


@contextmanager
def fresh_ledger(name: str, zone: str = "Europe/Berlin") -> Iterator[Ledger]:
    with (
        tempfile.TemporaryDirectory() as directory,
        stand_in_of(name).healthy(Path(directory)) as there,
        closing(there.ledger(create=True, zone=zone)) as ledger,
    ):
        yield ledger


def assert_sound(ledger: Ledger, world: World | None = None) -> None:
    """The account agrees with itself and, once all is told, with the truth."""
    assert ledger.energy.verify() == []
    balance = ledger.energy.balance()
    assert {row.difference_uj for row in balance} <= {0}
    accounts = ledger.energy.jobs(EVERYTHING)
    total_uj = sum(map(energy_uj, accounts))
    assert total_uj == sum(p.busy_uj + p.idle_uj for p in ledger.energy.postings(EVERYTHING))
    for dimension, sums in sums_by(ledger, EVERYTHING).items():
        assert sum(sums.values()) == total_uj, dimension
    if world is not None:
        assert total_uj == sum(sum(parts.values()) for parts in world.charged.values())
        measured: Counter[object] = Counter()
        for row in balance:
            measured[row.node, row.component] += row.measured_uj
        assert +measured == +Counter[object](world.measured)


def assert_everybody_has_his_own(ledger: Ledger, world: World) -> None:
    """There is one row for each job, under its own name, with its own energy."""
    of_life: defaultdict[tuple[str, str], list[Life]] = defaultdict(list)
    for life in world.lives:
        of_life[life.cluster, life.number].append(life)
    for (cluster, number), lives in of_life.items():
        accounts = ledger.energy.jobs(Selection(clusters=(cluster,), job_ids=(number,)))
        lives.sort(key=lambda life: life.epoch)
        assert len(accounts) == len(lives), [account.key for account in accounts]
        for life, account in zip(lives, accounts, strict=True):
            assert account.key.submitted in {life.at(run[0]) for run in life.runs}
            assert account.fact == life.fact(10**6)
            assert account.uid == USERS[life.user]
            charged: Counter[object] = Counter()
            for one in account.sums:
                charged[one.component, one.quality] += one.busy_uj + one.idle_uj
            assert +charged == +Counter[object](world.charged[life])
            assert sum(stay.cpu_ns for stay in account.stays) == 10**9 * _sightings(world, life)


def _sightings(world: World, life: Life) -> int:
    return sum(
        activity.job_id == life.number
        for spool in world.spools
        if (spool.cluster, spool.name.split("-")[2]) == (life.cluster, str(life.epoch))
        for interval in spool.intervals
        for activity in interval.jobs
    )


@over_ledgers(100, world=worlds(), steps=STEPS)
def test_sums_agree_and_every_job_has_its_own(name: str, world: World, steps: list[tuple[str, int, int]]) -> None:
    with fresh_ledger(name) as ledger:
        telling = Telling(world, ledger)
        for step, number, seconds in steps:
            if step in {"deliver", "again", "prune"} and not world.spools:
                continue
            getattr(telling, step)(number, seconds)
        assert_sound(ledger)
        telling.finish()
        assert_sound(ledger, world)
        assert_everybody_has_his_own(ledger, world)


@over_ledgers(
    60,
    world=worlds(),
    pruned=st.none() | st.integers(0, 6000),
    moments=st.lists(MOMENTS, min_size=3, max_size=6, unique=True),
)
def test_adjacent_windows_add_up_to_their_union(
    name: str, world: World, pruned: int | None, moments: list[datetime]
) -> None:
    with fresh_ledger(name) as ledger:
        telling = Telling(world, ledger)
        telling.finish()
        if pruned is not None:
            ledger.energy.prune(FIRST + YEAR + pruned * SECOND)
        edges = sorted(moments)
        pieces, by_job = Counter[object](), Counter[object]()
        for start, end in pairwise(edges):
            pieces += _in_window(ledger, start, end)
            by_job += _accounts_in(ledger, start, end)
        assert pieces == _in_window(ledger, edges[0], edges[-1])
        assert by_job == pieces
        whole = _in_window(ledger, FIRST - YEAR, FIRST + 3 * YEAR)
        assert whole == +Counter({account.key: energy_uj(account) for account in ledger.energy.jobs(EVERYTHING)})


def _in_window(ledger: Ledger, start: datetime, end: datetime) -> Counter[object]:
    found: Counter[object] = Counter()
    for total in ledger.energy.totals(Selection(start=start, end=end), (Dimension.JOB,), BERLIN, with_grid=False):
        found[total.group[Dimension.JOB]] += sum(one.busy_uj + one.idle_uj for one in total.sums)
    return +found


def _accounts_in(ledger: Ledger, start: datetime, end: datetime) -> Counter[object]:
    accounts: Sequence[JobAccount] = ledger.energy.jobs(Selection(start=start, end=end), whole=False)
    return +Counter[object]({account.key: energy_uj(account) for account in accounts})
