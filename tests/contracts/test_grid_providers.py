"""Laws of every grid provider. A new one is found by name; what it reads comes from its stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contracts.grid_day import END, NOW, T0
from tests.contracts.standing_in import stand_in_of
from vispa_green.energy.carbon import GridSignal
from vispa_green.errors import GridError
from vispa_green.model import GridProvider, Quantity
from vispa_green.providers import PROVIDERS


@pytest.fixture(params=PROVIDERS.names())
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GridProvider]:
    with stand_in_of(request.param).healthy(tmp_path) as there:
        yield PROVIDERS.make(request.param, there.host, {request.param: there.table})


@pytest.fixture(params=PROVIDERS.names())
def dead(request: pytest.FixtureRequest, tmp_path: Path) -> GridProvider:
    there = stand_in_of(request.param).absent(tmp_path)
    return PROVIDERS.make(request.param, there.host, {request.param: there.table})


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
