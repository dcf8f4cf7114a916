"""Tables of a file as dataclasses: what fits comes through as it is, what does not is named, all of it at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green import settings


@dataclass(frozen=True, slots=True)
class Inner:
    """A table within."""

    retries: int = settings.whole(2, at_least=0, at_most=5)


@dataclass(frozen=True, slots=True)
class Outer:
    """One setting of each type."""

    name: str = settings.text("here")
    folder: Path | None = settings.place(None)
    sources: tuple[str, ...] = settings.words("a", "b")
    enabled: bool = settings.flag(default=True)
    watts: float = settings.number(1.0, above=0, at_most=100)
    colour: str = settings.one_of("green", "brown")
    inner: Inner = settings.table(Inner)
    made_here: int = 7


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["name", "folder", "sources", "enabled", "watts", "colour", "inner", "made_here", "nmae"])
FITTING: dict[str, st.SearchStrategy[Any]] = {
    "name": st.text(),
    "sources": st.lists(st.text()).map(tuple),
    "enabled": st.booleans(),
    "watts": st.floats(0, 100, exclude_min=True),
    "colour": st.sampled_from(["green", "brown"]),
}


@given(content=st.fixed_dictionaries({}, optional=FITTING))
def test_what_fits_comes_through_and_the_rest_has_its_default(content: dict[str, Any]) -> None:
    read, faults = settings.read(Outer, content, "x")
    assert not faults
    expected = {key: getattr(Outer(), key) for key in FITTING} | content
    assert {key: getattr(read, key) for key in FITTING} == expected


@given(content=st.dictionaries(KEYS, JSON))
def test_whatever_stands_there_is_read_or_named_and_never_half_taken(content: dict[str, Any]) -> None:
    read, faults = settings.read(Outer, content, "x")
    named = {key for key in content if any(f.startswith((f"[x] {key}:", f"[x.{key}] ")) for f in faults)}
    for key in set(content) - named:
        taken = getattr(read, key)
        assert taken in (content[key], Path(str(content[key])), Inner()) or list(taken) == content[key]
    for key in named & set(FITTING):
        assert getattr(read, key) == getattr(Outer(), key)
    assert read.made_here == 7
    assert 0 < read.watts <= 100
    assert 0 <= read.inner.retries <= 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"nmae": "x"}, "[x] nmae: unknown key – did you mean 'name'?"),
        ({"made_here": 8}, "[x] made_here: unknown key"),
        ({"name": 3}, "[x] name: not a text (got 3)"),
        ({"folder": ""}, "[x] folder: not a path (got '')"),
        ({"sources": ["a", 1]}, "[x] sources: not a list of texts (got ['a', 1])"),
        ({"enabled": 1}, "[x] enabled: neither true nor false (got 1)"),
        ({"watts": True}, "[x] watts: not a number (got True)"),
        ({"watts": math.inf}, "[x] watts: not a number (got inf)"),
        ({"watts": 0}, "[x] watts: it has to be more than 0 (got 0)"),
        ({"watts": 101}, "[x] watts: it has to be at most 100 (got 101)"),
        ({"colour": "grene"}, "[x] colour: not one of green, brown – did you mean 'green'? (got 'grene')"),
        ({"inner": 3}, "[x] inner: not a table (got 3)"),
        ({"inner": {"retires": 3}}, "[x.inner] retires: unknown key – did you mean 'retries'?"),
        ({"inner": {"retries": 2.0}}, "[x.inner] retries: not a whole number (got 2.0)"),
        ({"inner": {"retries": 6}}, "[x.inner] retries: it has to be at most 5 (got 6)"),
    ],
)
def test_a_fault_says_where_what_and_what_it_got(content: dict[str, Any], said: str) -> None:
    _, [fault] = settings.read(Outer, content, "x")
    assert fault.startswith(said)


def test_all_faults_are_found_at_once() -> None:
    _, faults = settings.read(Outer, {"nmae": 1, "watts": 0, "inner": {"retries": 9}, "enabled": "no"}, "")
    assert [fault.partition(":")[0] for fault in faults] == ["[nmae]", "[watts]", "[inner] retries", "[enabled]"]


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (settings.duration, ["", "30", "1:00:00", "1-0", "6h"], ["6x", "UNLIMITED", "-5", "1:2:3:4"]),
        (settings.zone, ["UTC", "Europe/Berlin"], ["Europe/Berln", "", "../etc/passwd", "/etc/localtime", "\0"]),
        (settings.web_address, ["http://127.0.0.1:9", "https://api.example.org/v1"], ["api.example.org", "http://"]),
    ],
)
def test_texts_with_a_grammar_are_checked(check: settings.Check, right: list[str], wrong: list[str]) -> None:
    assert [text for text in right if check(text)] == []
    assert [text for text in wrong if not check(text)] == []
