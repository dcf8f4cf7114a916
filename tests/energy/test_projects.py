"""Laws of projects: one writing, parts that sum to the whole, and the order in which Slurm's words count."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.rows import fact
from vispa_green.energy.projects import (
    LONGEST_NAME,
    MOST_PARTS,
    is_split,
    parts_of,
    project_text,
    split_grid,
    split_sums,
    split_uj,
    told_project,
)
from vispa_green.errors import UsageError
from vispa_green.model import Component, EnergySum, Quality, Quantity, Weighted

NAMES = st.text(min_size=1, max_size=LONGEST_NAME).filter(
    lambda text: text.isprintable() and text == text.strip() and not set(text) & set("=,|\"'\\")
)
ENERGIES = st.integers(0, 2**80)


@st.composite
def splits(draw: st.DrawFn) -> str:
    """Return a split whose shares are multiples of a thousandth."""
    names = draw(st.lists(NAMES, min_size=2, max_size=MOST_PARTS, unique=True))
    cuts = sorted(draw(st.sets(st.integers(1, 999), min_size=len(names) - 1, max_size=len(names) - 1)))
    shares = [after - before for before, after in zip([0, *cuts], [*cuts, 1000], strict=True)]
    return ",".join(f"{name}=0.{share:03}" for name, share in zip(names, shares, strict=True))


@given(NAMES | splits())
def test_the_writing_of_the_ledger_is_read_as_it_is_written(text: str) -> None:
    written = project_text(text)
    assert project_text(written) == written
    assert sum(share for _, share in parts_of(written)) == 1
    assert is_split(written) == (len(parts_of(written)) > 1)


@given(splits(), st.randoms())
def test_the_order_of_the_shares_says_nothing(text: str, chance: object) -> None:
    items = text.split(",")
    chance.shuffle(items)  # type: ignore[attr-defined]
    assert project_text(",".join(items)) == project_text(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "a,b", "a=0.5", "a=0.5,b=0.6", "a=0.5,a=0.5", "a=0.5,b=", "a=-0.5,b=1.5", "a=0.5,b=nan", "=1", "a|b",
     "a\nb", "x" * (LONGEST_NAME + 1), 'a"b', "a=0.5,=0.5", "a=1e0", "a=0,b=1", "\u202ea"],
)  # fmt: skip
def test_what_is_no_project_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        project_text(text)


@given(st.text(max_size=80))
def test_any_text_of_a_user_has_parts(text: str) -> None:
    """A ``--wckey`` may hold anything; it is then a project of its own."""
    parts = parts_of(text)
    assert sum(share for _, share in parts) == 1
    assert parts == ((text, Fraction(1)),) or project_text(text) == text


@given(ENERGIES, splits())
def test_parts_of_an_energy_sum_to_it_and_are_never_off_by_a_microjoule(energy_uj: int, text: str) -> None:
    parts = parts_of(project_text(text))
    found = split_uj(energy_uj, parts)
    assert sum(found) == energy_uj
    assert all(abs(own - energy_uj * share) < 1 for own, (_, share) in zip(found, parts, strict=True))


@given(st.lists(st.tuples(st.sampled_from(Component), st.sampled_from(Quality), ENERGIES, ENERGIES)), splits())
def test_sums_and_grid_of_the_parts_are_those_of_the_whole(
    rows: list[tuple[Component, Quality, int, int]], text: str
) -> None:
    sums, parts = [EnergySum(*row) for row in rows], parts_of(project_text(text))
    found = split_sums(sums, parts)
    for i, one in enumerate(sums):
        assert (one.busy_uj, one.idle_uj) == (sum(p[i].busy_uj for p in found), sum(p[i].idle_uj for p in found))
    known_uj = sum(row[2] for row in rows)
    grid = {Quantity.CARBON_INTENSITY: Weighted(known_uj, known_uj * 312.5)}
    grids = split_grid(grid, parts)
    assert sum(own[Quantity.CARBON_INTENSITY].known_uj for own in grids) == known_uj
    assert sum(own[Quantity.CARBON_INTENSITY].sum_uj for own in grids) == pytest.approx(known_uj * 312.5)


def test_slurms_words_count_in_order() -> None:
    rules = (("by-name", "px_*"), ("never", "px_1"))
    told = {"name": "px_1", "comment": "a project=by-comment b", "wckey": "by-wckey"}
    assert told_project(fact(**told), rules) == "by-wckey"
    assert told_project(fact(**{**told, "wckey": ""}), rules) == "by-comment"
    assert told_project(fact(**{**told, "wckey": ""}), rules, from_comment=False) == "by-name"
    assert told_project(fact(name="PX_1"), rules) == "", "upper and lower case differ"
    assert told_project(fact(comment="project=a=0.25,b=0.75")) == "a=0.25,b=0.75"
    assert told_project(fact(comment="project=a|b")) == "", "what is no name is none"
