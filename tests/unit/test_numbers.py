"""What is a number and what only looks like one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vispa_green.numbers import LARGEST, LATEST_S, decimal_number, listed_numbers, spans, utc_second, whole_number

NEARLY = ["", " 1", "1 ", "1\n", "+1", "-1", "1_0", "²", "٣", "１", "1.", ".5", "1.2.3", "1e3", "inf", "nan", "0x1"]


@given(st.integers(0, LARGEST))
def test_a_whole_number_is_read_as_it_is_written(number: int) -> None:
    assert whole_number(str(number)) == number


@given(st.floats(0, 1e9, allow_nan=False).map(lambda value: f"{value:.6f}"))
def test_a_decimal_is_read_as_it_is_written(text: str) -> None:
    assert decimal_number(text) == float(text)


@pytest.mark.parametrize("text", NEARLY)
def test_what_only_looks_like_a_number_is_none(text: str) -> None:
    assert whole_number(text) is None
    assert decimal_number(text) is None
    assert utc_second(text) is None
    assert listed_numbers(text) is None


@given(st.text())
@example(str(LARGEST + 1))
@example("9" * 5000)
def test_any_text_is_a_number_in_range_or_none(text: str) -> None:
    """No text raises; what is taken holds nothing but the ten digits."""
    number = whole_number(text)
    assert number is None or (0 <= number <= LARGEST and set(text) <= set("0123456789"))
    moment = utc_second(text)
    assert moment is None or moment.timestamp() == int(text)


def test_a_moment_has_an_end_and_zero_is_none() -> None:
    assert utc_second("1795334400") == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert utc_second("0") is None
    assert utc_second(str(LATEST_S)) is not None
    assert utc_second(str(LATEST_S + 1)) is None  # Slurm's NO_VAL
    assert utc_second("99999999999999") is None


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 50)), min_size=1, max_size=20))
def test_ranges_hold_exactly_their_numbers(parts: list[tuple[int, int]]) -> None:
    text = ",".join(f"{first}-{first + more}" if more else f"{first}" for first, more in parts)
    wanted = tuple(number for first, more in parts for number in range(first, first + more + 1))
    assert listed_numbers(text) == wanted
    assert listed_numbers(text, most=len(wanted)) == wanted
    assert listed_numbers(text, most=len(wanted) - 1) is None


@pytest.mark.parametrize("text", ["10-08", "0-99999999", "0-65536", "1-", "-1", "1--2", "1,,2", "a-b", "0-9,0-65535"])
def test_a_range_that_is_backwards_endless_or_broken_is_none(text: str) -> None:
    assert spans(text) is None
