"""What revised values of the grid have changed since a time: a report, for nothing in the ledger is overwritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo

from vispa_green.answers.asking import for_asker
from vispa_green.answers.jobs import JobChoice, open_account
from vispa_green.answers.totals import GroupTotal, summed, told
from vispa_green.model import Dimension, JobKey
from vispa_green.session import Session


@dataclass(frozen=True, slots=True)
class Repriced:
    """The CO2 of some energy by what was known of the grid then, and by what is known now."""

    group: Mapping[Dimension, str | date | JobKey]
    energy_uj: int
    then: GroupTotal
    now: GroupTotal

    @property
    def change_g(self) -> float | None:
        """What the CO2 has changed by; ``None`` where it is not known for the same part of the energy."""
        before, after = self.then.grid, self.now.grid
        if before.co2_g is None or after.co2_g is None or before.co2_coverage != after.co2_coverage:
            return None
        return after.co2_g - before.co2_g


def repriced(
    session: Session, choice: JobChoice, by: Sequence[Dimension], zone: tzinfo, then: datetime
) -> tuple[Repriced, ...]:
    """Return the sums of the chosen jobs with their CO2 as of a time and as of now."""
    selection = for_asker(session, choice.selection)
    ledger = open_account(session)
    try:
        found = [summed(ledger, one, by, zone, with_grid=True) for one in (replace(selection, as_of=then), selection)]
    finally:
        ledger.close()
    pairs = zip(map(told, found[0]), map(told, found[1]), strict=True)
    return tuple(Repriced(before.group, before.parts.total_uj, before, after) for before, after in pairs)
