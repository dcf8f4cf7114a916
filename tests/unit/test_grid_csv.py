"""A recorded series from a file: missing cells stay missing, faults name their line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vispa_green.errors import GridDataError, GridUnavailable
from vispa_green.model import GridValue, Quantity
from vispa_green.providers.csv import CsvProvider

T0 = datetime(2026, 6, 1, tzinfo=UTC)
HEAD = "start_utc,renewable_share_pct,gco2_per_kwh,kind\n"


def read(tmp_path: Path, rows: str) -> list[GridValue]:
    file = tmp_path / "grid.csv"
    file.write_text(HEAD + rows)
    return list(CsvProvider(file).fetch(T0, T0 + timedelta(days=1), T0))


def test_an_empty_cell_is_a_missing_value(tmp_path: Path) -> None:
    values = read(tmp_path, "2026-06-01T00:00:00Z,50,,forecast\n2026-06-01T00:00:05Z,,300,forecast\n")
    assert [(v.quantity, v.value) for v in values] == [
        (Quantity.RENEWABLE_SHARE, 50), (Quantity.CARBON_INTENSITY, 300)]  # fmt: skip
    assert {v.end - v.start for v in values} == {timedelta(seconds=5)}


def test_each_kind_has_its_own_steps(tmp_path: Path) -> None:
    rows = "".join(f"2026-06-01T0{hour}:00:00,,{hour},measured\n" for hour in range(3))
    values = read(tmp_path, rows + "2026-06-01T03:00:00,,3,forecast\n")
    assert [(v.end - v.start) for v in values] == [timedelta(hours=1)] * 4, "a lone row takes the file's step"


def test_of_a_constant_for_years_only_the_days_that_are_asked_for_are_told(tmp_path: Path) -> None:
    values = read(tmp_path, "2000-01-01T00:00:00,,400,measured\n2099-01-01T00:00:00,,400,measured\n")
    assert [(v.start, v.end, v.value) for v in values] == [(T0, T0 + timedelta(days=1), 400)]


def test_another_offset_is_the_same_moment(tmp_path: Path) -> None:
    values = read(tmp_path, "2026-06-01T02:00:00+02:00,1,1,measured\n2026-06-01T02:15:00+02:00,1,1,measured\n")
    assert values[0].start == T0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "no data"),
        ("2026-06-01T00:00:00,1,1,measured\n", r":2: a single row"),
        ("2026-06-01T00:00:00,1,1,measured\nyesterday,1,1,measured\n", r":3: "),
        ("2026-06-01T00:00:00,1,1,measured\n2026-06-01T00:00:00,1,1,measured\n", r":3: .* not later"),
        ("2026-06-01T00:00:00,1,1,guessed\n", r":2: 'guessed'"),
        ("2026-06-01T00:00:00,1\n", r":2: too few"),
        ("2026-06-01T00:00:00,-1,1,measured\n2026-06-01T01:00:00,1,1,measured\n", r":2: -1 is outside"),
        ("2026-06-01T00:00:00,1,many,measured\n2026-06-01T01:00:00,1,1,measured\n", r":2: 'many' is no number"),
        ("2026-06-01T00:00:00,1,nan,measured\n2026-06-01T01:00:00,1,1,measured\n", r":2: nan is no number"),
    ],
)
def test_a_fault_names_its_line(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(GridDataError, match=message):
        read(tmp_path, rows)


def test_a_missing_file_or_column_is_said(tmp_path: Path) -> None:
    with pytest.raises(GridUnavailable, match="no file is configured"):
        CsvProvider(None).fetch(T0, T0, T0)
    file = tmp_path / "grid.csv"
    file.write_text("time,value\n")
    with pytest.raises(GridDataError, match="no column start_utc"):
        CsvProvider(file).fetch(T0, T0, T0)
