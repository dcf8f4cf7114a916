"""Batches of several spools that are booked together are booked as each of them alone."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, zip_longest

from hypothesis import strategies as st

from tests.contracts.lives import World, worlds
from tests.contracts.standing_in import over_ledgers
from tests.contracts.test_ledger_lives import EVERYTHING, LATE, fresh_ledger, sums_by
from vispa_green.model import Batch, Ledger, Origin, SpooledInterval


def batches_of(world: World, size: int) -> list[Batch]:
    """Return what all spools deliver, in turns."""
    each = [
        [
            Batch(
                Origin(spool.cluster, spool.name),
                [SpooledInterval(n + 1, one) for n, one in enumerate(spool.intervals)][start : start + size],
            )
            for start in range(0, len(spool.intervals), size)
        ]
        for spool in world.spools
    ]
    return [batch for batch in chain.from_iterable(zip_longest(*each)) if batch is not None]


def told(ledger: Ledger) -> tuple[object, ...]:
    """Return what a ledger says, in an order of its own: of equals any may come first."""
    accounts = [
        repr(replace(one, sums=tuple(sorted(one.sums, key=repr)), stays=tuple(sorted(one.stays, key=repr))))
        for one in ledger.energy.jobs(EVERYTHING)
    ]
    return sums_by(ledger, EVERYTHING), ledger.energy.balance(), sorted(accounts)


@over_ledgers(60, world=worlds(), size=st.integers(1, 4), together=st.integers(2, 6))
def test_a_group_is_booked_as_each_alone(name: str, world: World, size: int, together: int) -> None:
    batches = batches_of(world, size)
    with ExitStack() as stack:
        alone, grouped = (stack.enter_context(fresh_ledger(name)) for _ in range(2))
        numbers = [alone.energy.append(one.origin, one.intervals, LATE) for one in batches]
        for start in range(0, len(batches), together):
            group = batches[start : start + together]
            assert grouped.energy.append_all(group, LATE) == numbers[start : start + together]
            assert grouped.energy.append_all(group, LATE) == [0] * len(group)
        for one, other in zip(told(grouped), told(alone), strict=True):
            assert one == other
        assert grouped.energy.verify() == []
