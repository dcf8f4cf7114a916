"""Laws of every grid provider. A new one is found by name; to be tested it needs one healthy source here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lab import gridserver as lab

from vispa_green.config import GridSection
from vispa_green.energy.carbon import GridSignal
from vispa_green.errors import GridError
from vispa_green.grid import PROVIDERS
from vispa_green.model import GridProvider, Quantity

T0 = datetime(2026, 6, 1, tzinfo=UTC)
NOW = T0 + timedelta(hours=9, minutes=3)
END = T0 + timedelta(days=1)


@pytest.fixture(params=PROVIDERS.names())
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GridProvider]:
    series = lab.compress(lab.german_day(Path("/nowhere")), T0)
    file = tmp_path / "grid.csv"
    lab.write_csv(file, series, NOW.timestamp())
    with lab.GridServer(series, now=NOW.timestamp) as server:
        healthy = {"csv": {"path": file}, "energy_charts": {"base_url": server.base_url}}
        yield PROVIDERS.load(request.param)(GridSection.model_validate(healthy))


@pytest.fixture(params=PROVIDERS.names())
def dead(request: pytest.FixtureRequest) -> GridProvider:
    nothing = {
        "csv": {"path": "/nowhere/grid.csv"},
        "energy_charts": {"base_url": "http://127.0.0.1:9", "timeout_s": 1},
    }
    return PROVIDERS.load(request.param)(GridSection.model_validate(nothing))


def test_values_say_whence_and_when_and_lie_in_the_span(provider: GridProvider) -> None:
    values = provider.fetch(NOW, END, NOW)
    assert values
    for value in values:
        assert value.source == provider.name
        assert value.start < value.end
        assert value.start < END
        assert value.end > NOW
        assert value.issued_at <= NOW
        assert value.fetched_at == NOW
        assert value.start.utcoffset() == value.end.utcoffset() == timedelta(0)


def test_a_healthy_source_covers_what_it_has(provider: GridProvider) -> None:
    values = provider.fetch(T0, END, NOW)
    for quantity in Quantity:
        assert GridSignal.from_values(values, quantity).covers(T0, END)


def test_the_same_question_has_the_same_answer(provider: GridProvider) -> None:
    assert provider.fetch(T0, END, NOW) == provider.fetch(T0, END, NOW)


def test_its_name_is_the_one_it_is_found_by(provider: GridProvider) -> None:
    assert provider.name in PROVIDERS.names()


def test_a_dead_source_is_an_error_of_ours_and_no_zero(dead: GridProvider) -> None:
    with pytest.raises(GridError):
        dead.fetch(NOW, END, NOW)
