"""What a report pays for the facts of a large cluster: those it wants, not all there are."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vispa_green.ledgers import open_ledger
from vispa_green.model import JobFact, Selection

FACTS = 100_000
START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def fact(number: int) -> JobFact:
    """One job a minute, each an hour long, every hundred of them an array."""
    begin = START + number * MINUTE
    shown = f"{number // 100 * 100}_{number % 100}"
    name = f"fit-{number}"
    return JobFact(
        str(number), shown, "ada", "phys", "main", name, "COMPLETED", ("n1",), begin, begin, begin,
        begin + 60 * MINUTE, None, 4
    )  # fmt: skip


@pytest.mark.full
def test_facts_by_id_and_by_day(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite://{tmp_path / 'ledger.sqlite'}", create=True)
    ledger.append_job_facts([fact(number) for number in range(FACTS)], START)
    day = Selection(start=START + timedelta(days=30), end=START + timedelta(days=31))
    took_s: dict[str, float] = {}
    for name, selection, expected in (
        ("all", Selection(), FACTS),
        ("one array", Selection(job_ids=("4200",)), 100),
        ("one day", day, 24 * 60 + 59),
    ):
        began = time.perf_counter()
        assert len(ledger.job_facts(selection)) == expected
        took_s[name] = time.perf_counter() - began
    ledger.close()
    for name, seconds in took_s.items():
        print(f"\n{name:>9} of {FACTS} facts: {1000 * seconds:7.1f} ms, {seconds / took_s['all']:.3f} of all", end="")
