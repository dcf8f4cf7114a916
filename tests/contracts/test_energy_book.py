"""Laws of every book of energy: append-only, idempotent, exact, and what was put in comes out."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.contracts.rows import (
    HOUR,
    ORIGIN,
    SECOND,
    START,
    UJ_PER_WH,
    charged,
    deliver,
    energy_by,
    fact,
    interval,
    spooled,
)
from tests.contracts.standing_in import StandIn
from vispa_green.energy.jobs import job_energies
from vispa_green.errors import IntervalRefused
from vispa_green.model import (
    Component,
    Dimension,
    EnergyEntry,
    EnergySum,
    JobKey,
    JobShare,
    Ledger,
    NodeInterval,
    Origin,
    Quality,
    Selection,
    SpooledInterval,
)


def test_a_second_delivery_changes_nothing(ledger: Ledger) -> None:
    assert ledger.energy.append(ORIGIN, spooled(1, 2), START) == 2
    before = ledger.energy.balance()
    assert ledger.energy.append(ORIGIN, spooled(1, 2, 3), START) == 1
    after = ledger.energy.balance(), ledger.energy.jobs(Selection())
    assert ledger.energy.append(ORIGIN, spooled(1, 2, 3), START) == 0
    assert (ledger.energy.balance(), ledger.energy.jobs(Selection())) == after
    assert before[0].measured_uj * 3 == after[0][0].measured_uj * 2


def test_two_spools_may_use_the_same_numbers(ledger: Ledger) -> None:
    for spool in ("one", "two"):
        assert ledger.energy.append(Origin("lab", spool), spooled(1), START) == 1


def test_what_goes_in_comes_out(ledger: Ledger) -> None:
    ledger.energy.append(ORIGIN, spooled(1), START)
    [row] = ledger.energy.balance()
    assert (row.measured_uj, row.jobs_uj, row.idle_uj, row.system_uj, row.difference_uj) == (1000, 700, 100, 200, 0)
    [posting] = ledger.energy.postings(Selection())
    assert (posting.key, posting.node, posting.busy_uj, posting.idle_uj) == (JobKey("lab", "7", None), "n1", 650, 50)
    assert posting.end - posting.start == 10 * SECOND
    [account] = ledger.energy.jobs(Selection())
    assert (account.key, account.fact, account.uid) == (posting.key, None, 1001)
    assert account.sums == (EnergySum(Component.CPU, Quality.MEASURED, 650, 50),)
    [stay] = account.stays
    assert (stay.node, stay.start, stay.end) == ("n1", posting.start, posting.end)
    assert (stay.present_us, stay.metered_us, stay.unwatched_us) == (9_000_000, 9_000_000, 0)
    assert (stay.cpu_ns, stay.reserved_us) == (5_000_000_000, 4 * 9_000_000)


def test_node_energy_over_time_sums_to_the_balance(ledger: Ledger) -> None:
    """Two sockets of one node are one figure, a gap without a figure is none, and a span takes what overlaps it."""
    shares = (JobShare("7", 600, 50),)
    sockets = tuple(
        EnergyEntry(Component.CPU, f"intel-rapl:{i}", Quality.MEASURED, 1000, 150, 200, shares) for i in range(2)
    )
    unread = EnergyEntry(Component.DRAM, "intel-rapl:0:0", Quality.GAP, None, reason="unreadable")
    board = EnergyEntry(Component.GPU, "gpu-0", Quality.ESTIMATED, 70, 70)
    deliver(ledger, [replace(interval(number), entries=(*sockets, unread, board)) for number in range(4)])
    found = list(ledger.energy.node_energy(START, START + 40 * SECOND))
    assert {(e.node, e.component, e.quality, e.measured_uj, e.jobs_uj, e.idle_uj, e.system_uj) for e in found} == {
        ("n1", Component.CPU, Quality.MEASURED, 2000, 1300, 300, 400),
        ("n1", Component.GPU, Quality.ESTIMATED, 70, 0, 70, 0),
    }
    for row in ledger.energy.balance():
        assert row.measured_uj == sum(e.measured_uj for e in found if e.component is row.component)
        assert row.jobs_uj == sum(e.jobs_uj for e in found if e.component is row.component)
    inside = ledger.energy.node_energy(START + 15 * SECOND, START + 20 * SECOND)
    assert {(e.start, e.end) for e in inside} == {(START + 10 * SECOND, START + 20 * SECOND)}


def test_a_gap_without_a_figure_counts_for_nothing(ledger: Ledger) -> None:
    entry = EnergyEntry(Component.CPU, "intel-rapl:0", Quality.GAP, None, reason="unreadable")
    deliver(ledger, [replace(interval(1), entries=(entry,), quality=Quality.GAP)])
    assert ledger.energy.balance() == []
    [account] = ledger.energy.jobs(Selection())
    [stay] = account.stays
    assert (stay.present_us, stay.metered_us, stay.unwatched_us, account.sums) == (0, 0, 9_000_000, ())


def test_a_selection_by_time_takes_what_overlaps(ledger: Ledger) -> None:
    ledger.energy.append(ORIGIN, spooled(*range(10)), START)
    span = Selection(start=START + 25 * SECOND, end=START + 45 * SECOND)
    assert [p.start for p in ledger.energy.postings(span)] == [START + n * 10 * SECOND for n in (2, 3, 4)]
    assert list(ledger.energy.postings(Selection(job_ids=("8",)))) == []
    [inside] = ledger.energy.jobs(span, whole=False)
    assert inside.sums == (EnergySum(Component.CPU, Quality.MEASURED, 325 + 650 + 325, 25 + 50 + 25),)
    [whole] = ledger.energy.jobs(span)
    assert whole.sums == (EnergySum(Component.CPU, Quality.MEASURED, 6500, 500),)
    assert ledger.energy.jobs(replace(span, end=span.start, start=START - HOUR))[0].key == whole.key
    assert ledger.energy.jobs(Selection(end=START)) == []


def test_many_writers_at_once_lose_nothing(account: StandIn) -> None:
    def write(spool: str) -> None:
        own = account.ledger(create=True)
        for number in range(20):
            own.energy.append(Origin("lab", spool), spooled(number), START)
        own.close()

    writers = [threading.Thread(target=write, args=(f"spool-{n}",)) for n in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    ledger = account.ledger()
    assert ledger.energy.balance()[0].measured_uj == 6 * 20 * 1000
    assert ledger.energy.verify() == []
    ledger.close()


def test_an_interval_that_breaks_the_rules_is_named_and_changes_nothing(ledger: Ledger) -> None:
    ledger.energy.append(ORIGIN, spooled(1), START)
    before = ledger.energy.balance(), ledger.energy.jobs(Selection()), list(ledger.energy.postings(Selection()))
    good = interval(2)
    twice = replace(good, entries=good.entries * 2)
    backwards = replace(good, end=good.start - SECOND)
    for bad in (twice, backwards):
        with pytest.raises(IntervalRefused) as refused:
            ledger.energy.append(ORIGIN, [*spooled(2, 3), SpooledInterval(4, bad), *spooled(5)], START)
        assert refused.value.sequence == 4
        now = ledger.energy.balance(), ledger.energy.jobs(Selection()), list(ledger.energy.postings(Selection()))
        assert now == before
    assert ledger.energy.append(ORIGIN, spooled(2, 3, 5), START) == 3
    assert ledger.energy.verify() == []


def test_a_whole_node_counter_counts_only_where_its_parts_were_not_read(ledger: Ledger) -> None:
    """30 J for the node each time; RAPL tells 10 J of the first and cannot be read in the other two."""

    def one(number: int, cpu_j: int | None) -> NodeInterval:
        cpu = EnergyEntry(Component.CPU, "cpu", Quality.GAP, None, reason="unreadable")
        if cpu_j is not None:
            cpu = EnergyEntry(Component.CPU, "cpu", Quality.MEASURED, 10**7, jobs=(JobShare("7", 10**7),))
        node = EnergyEntry(Component.NODE, "ipmi", Quality.MEASURED, 3 * 10**7, jobs=(JobShare("7", 3 * 10**7),))
        return replace(interval(number), entries=(cpu, node))

    deliver(ledger, [one(0, 10), one(1, None), one(2, None)])
    [account] = ledger.energy.jobs(Selection())
    [row] = job_energies([account], user_of=str, running_until=None)
    assert row.energy_uj == 70_000_000
    assert row.quality is Quality.GAP, "of two thirds only the node as a whole is known"
    drawn = list(ledger.energy.node_energy(START, START + 30 * SECOND))
    assert sum(energy.measured_uj for energy in drawn) == 70_000_000
    rows = {row.component: row.measured_uj for row in ledger.energy.balance()}
    assert rows == {Component.CPU: 10_000_000, Component.NODE: 90_000_000}, "each counter's account is whole"
    assert ledger.energy.verify() == []


def test_a_long_gap_is_spread_over_its_days_and_weeks(ledger: Ledger) -> None:
    monday = datetime(2026, 11, 16, 12, tzinfo=UTC)
    deliver(ledger, [charged({"7": 72 * UJ_PER_WH}, monday, 72 * HOUR, quality=Quality.GAP)])
    days = energy_by(ledger, Dimension.DAY)
    assert days == {date(2026, 11, 16 + i): wh * UJ_PER_WH for i, wh in enumerate((11, 24, 24, 13))}
    friday, tuesday = datetime(2026, 11, 20, 22, 50, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC)
    length = tuesday - friday
    weekend = charged({"8": round(length / HOUR * UJ_PER_WH)}, friday, length, quality=Quality.GAP)
    deliver(ledger, [weekend], spool="other")
    weeks = energy_by(ledger, Dimension.WEEK, selection=Selection(job_ids=("8",)))
    assert {week: round(energy_uj / UJ_PER_WH) for week, energy_uj in weeks.items()} == {
        date(2026, 11, 16): 48, date(2026, 11, 23): 25,
    }  # fmt: skip


def test_a_clock_that_is_set_back_leaves_no_gap(ledger: Ledger) -> None:
    """Not a second was missed: the agent's own steady clock says so, whatever the wall clock was set to."""
    numbers = [*range(6), *range(-354, -348)]  # after a minute, an hour back
    deliver(ledger, [interval(number) for number in numbers])
    [account] = ledger.energy.jobs(Selection())
    assert sum(stay.present_us for stay in account.stays) == 12 * 9_000_000
    [row] = job_energies([account], user_of=str, running_until=None)
    assert (row.coverage, row.quality) == (1.0, Quality.MEASURED)
    ledger.facts.append("lab", [fact(state="COMPLETED", end=START + 108 * SECOND)], START + HOUR)
    [account] = ledger.energy.jobs(Selection())
    [row] = job_energies([account], user_of=str, running_until=None)
    assert row.coverage == pytest.approx(1.0)
    assert row.quality is Quality.MEASURED
    assert ledger.energy.verify() == []


def test_sums_of_a_site_do_not_overflow(ledger: Ledger) -> None:
    """Two absurd intervals of one node: together more than 2⁶³ µJ, which is 2.56 GWh."""
    huge = 9 * 10**18
    for day, (job, uid) in enumerate((("7", 1001), ("8", 1002))):
        deliver(ledger, [charged({job: huge}, START + day * 24 * HOUR, HOUR, uid=uid)], spool=job)
    [row] = ledger.energy.balance()
    assert (row.measured_uj, row.jobs_uj, row.difference_uj) == (2 * huge, 2 * huge, 0)
    assert energy_by(ledger, Dimension.CLUSTER) == {"lab": 2 * huge}
    assert energy_by(ledger, Dimension.NODE) == {"n1": 2 * huge}
    assert energy_by(ledger, Dimension.MONTH) == {date(2026, 6, 1): 2 * huge}
    assert ledger.energy.verify() == []


NAMES = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20
) | st.sampled_from(["'; DROP TABLE job; --", '"', "%", "_", "\x1f\n", "a,b", "[1]", "\u202e"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(names=st.lists(NAMES, min_size=5, max_size=5))
def test_no_name_has_a_meaning_of_its_own(ledger: Ledger, names: list[str]) -> None:
    """Whatever somebody is called, he is found under that and no other name, and the account stands."""
    cluster, node, user, account, project = names
    assume(not user.startswith("uid:"))  # no user's name has a colon (passwd(5))
    number = str(len(ledger.facts.facts(Selection())) + 1)
    deliver(ledger, [charged({number: 5}, START, HOUR, node=node)], cluster=cluster, spool=f"{number}-{names}")
    told = fact(number, user=user, account=account, project=project, name=node, display_id=number)
    assert ledger.facts.append(cluster, [told], START + HOUR) == ()
    for selection in (
        Selection(job_ids=(number,), clusters=(cluster,), users=(user,), accounts=(account,), projects=(project,)),
        Selection(keys=(JobKey(cluster, number, START),)),
    ):
        [found] = ledger.energy.jobs(selection)
        assert (found.fact, found.sums[0].busy_uj) == (told, 5)
    mine = Selection(job_ids=(number,), clusters=(cluster,))
    assert energy_by(ledger, Dimension.USER, Dimension.NODE, selection=mine) == {(user, node): 5}
    assert ledger.energy.jobs(replace(mine, users=(user + "'",))) == []
    assert ledger.energy.verify() == []
