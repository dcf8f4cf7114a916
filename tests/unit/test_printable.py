"""Text of others cannot leave its line, its cell or its direction."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.printable import csv_cell, printable

ANY = st.text(st.characters())  # lone surrogates too


@given(ANY)
def test_whatever_comes_in_prints_on_one_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    shown.encode("utf-8")


@given(ANY.map(lambda text: "".join(character for character in text if character.isprintable())))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines", r"two\nlines"),
        ("red\x1b]0;pwn\x07", r"red\x1b]0;pwn\x07"),
        ("c1\x9b31m", r"c1\x9b31m"),
        ("rtl\u202egpj", r"rtl\u202egpj"),
        ("half\udc80", r"half\udc80"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("nul\0tab\tend\r", r"nul\0tab\tend\r"),
        ("Größe 漢字 |=b c", "Größe 漢字 |=b c"),
    ],
)
def test_what_does_not_print_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.lists(ANY, min_size=1), st.sampled_from([",", ";", "|"]))
def test_a_cell_is_read_back_alone_and_is_no_formula(texts: list[str], delimiter: str) -> None:
    row = delimiter.join(csv_cell(text, delimiter) for text in texts)
    if texts == [""]:
        return  # one empty cell is an empty line, which csv takes for no row
    (cells,) = csv.reader(io.StringIO(row), delimiter=delimiter, strict=True)
    assert [cell.removeprefix("'") for cell in cells] == [printable(text).removeprefix("'") for text in texts]
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in cells)


def test_a_link_of_a_spreadsheet_is_only_text() -> None:
    assert csv_cell('=HYPERLINK("http://x")') == '"\'=HYPERLINK(""http://x"")"'
    assert csv_cell("a,b") == '"a,b"'
    assert csv_cell("a,b", "|") == "a,b"
