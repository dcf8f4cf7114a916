"""Messages: what is written and read again is the same; what cannot be is refused with its field's name."""

from __future__ import annotations

import typing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vispa_green.calls import books, call_of
from vispa_green.codec import LARGEST_ASKED, LARGEST_TOLD, codec_of, parsed, text_of
from vispa_green.errors import Malformed
from vispa_green.model import (
    BalanceRow,
    Component,
    Dimension,
    EnergyEntry,
    GridValue,
    JobAccount,
    JobFact,
    JobKey,
    Move,
    Promise,
    Quality,
    Selection,
    SpooledInterval,
    Total,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
SPANS = st.timedeltas(timedelta(-1000), timedelta(10_000))
WHOLES = st.integers(-LARGEST_ASKED, LARGEST_ASKED)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
for kind, strategy in ((str, TEXTS), (datetime, MOMENTS), (timedelta, SPANS), (int, WHOLES), (float, NUMBERS)):
    st.register_type_strategy(kind, strategy)
# An entry has to balance, so it is drawn from its parts.
st.register_type_strategy(
    EnergyEntry,
    st.tuples(st.sampled_from(Component), TEXTS, st.sampled_from(Quality), st.integers(0, 2**40), st.integers(0, 9))
    .map(lambda drawn: EnergyEntry(*drawn[:3], drawn[3] + drawn[4], drawn[3], drawn[4])),
)  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [SpooledInterval, Selection, JobAccount, Total, JobFact, Promise, Move, GridValue, BalanceRow],
    ids=lambda kind: str(kind.__name__),
)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_what_is_written_and_read_again_is_the_same(kind: Any, data: st.DataObject) -> None:  # noqa: ANN401
    value = data.draw(st.from_type(kind))
    codec = codec_of(kind)
    assert codec.read(parsed(text_of(codec.write(value)).encode(), LARGEST_TOLD), "") == value


@pytest.mark.parametrize(
    ("group"),
    [{Dimension.DAY: datetime(2026, 3, 29, tzinfo=UTC).date()}, {Dimension.JOB: JobKey("lab", "7", None)},
     {Dimension.USER: "2026-03-29"}],
)  # fmt: skip
def test_a_date_a_key_and_a_text_that_looks_like_one_stay_apart(group: dict[Dimension, Any]) -> None:
    codec = codec_of(Total)
    total = Total(group, (), None, None)
    again = codec.read(codec.write(total), "")
    assert (again, *map(type, again.group.values())) == (total, *map(type, group.values()))


def test_times_of_other_zones_are_the_same_moments() -> None:
    codec, moment = codec_of(datetime), datetime(2026, 6, 21, 12, tzinfo=timezone(timedelta(hours=2)))
    assert codec.read(codec.write(moment), "") == moment


@pytest.mark.parametrize(
    "text",
    [b'{"a":1,"a":1}', b"NaN", b"[Infinity]", b"1e999", b"-1e999", b"9" * 30, b"9" * 5000, b"[" * 100_000, b"\xff",
     b"", b'"\x00"', b"{'a': 1}", b'{"a":1}x', b"[1,]", str(LARGEST_ASKED + 1).encode()],
    ids=range(15),
)  # fmt: skip
def test_what_is_no_json_or_absurd_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        parsed(text)


PROMISE = {
    "job_id": "7", "user": "ada", "submitted": 1, "planned_start": 2, "duration": 3, "finish_by": None,
    "quantity": "gco2_per_kwh", "mean": 1.5, "mean_if_started_now": None, "policy": "p", "reason": "r",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, "has no field 'colour'"),
        ({"job_id": 7}, r"promise\.job_id: not a text"),
        ({"user": "\ud800"}, "no text has"),
        ({"user": "a\0b"}, "no text has"),
        ({"user": "a" * 70_000}, "longer than"),
        ({"submitted": "1"}, r"promise\.submitted: not a whole number"),
        ({"submitted": True}, "not a whole number"),
        ({"submitted": 1.0}, "not a whole number"),
        ({"submitted": 10**18}, "not a time"),
        ({"duration": 10**30}, "not a span"),
        ({"quantity": "horses"}, "not one of"),
        ({"quantity": ["gco2_per_kwh"]}, "not one of"),
        ({"mean": "1.5"}, "not a number"),
        ({"mean": False}, "not a number"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], said: str) -> None:
    call = call_of("promises", "append")
    assert call is not None
    assert isinstance(call.read({"promise": PROMISE})["promise"], Promise)
    with pytest.raises(Malformed, match=said):
        call.read({"promise": PROMISE | change})


@pytest.mark.parametrize(
    "message", [[], None, {}, {"promise": PROMISE, "more": 1}, {"promise": []}, {"promise": None}]
)
def test_other_arguments_than_the_methods_are_refused(message: object) -> None:
    call = call_of("promises", "append")
    assert call is not None
    with pytest.raises(Malformed):
        call.read(message)


def test_an_entry_that_does_not_balance_is_refused_where_it_is_read() -> None:
    entry = {"component": "cpu", "device": "d", "quality": "measured", "measured_uj": 5, "idle_uj": 4}
    with pytest.raises(Malformed, match="parts sum to 4"):
        codec_of(EnergyEntry).read(entry, "entry")


def test_every_method_of_every_book_can_be_sent() -> None:
    for book, protocol in books().items():
        methods = [name for name in vars(protocol) if not name.startswith("_")]
        assert methods
        for method in methods:
            assert call_of(book, method) is not None
    assert call_of("energy", "__init__") is call_of("nothing", "append") is call_of("energy", "close") is None
    assert typing.get_type_hints(books()["promises"].append)
