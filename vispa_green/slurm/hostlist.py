"""Slurm's short notation for many nodes, ``rack1n[01-03,7],login``, written out. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from vispa_green.errors import SlurmError
from vispa_green.numbers import MOST_IN_RANGES, listed_numbers, spans
from vispa_green.printable import printable

NO_NODES = frozenset({"", "None assigned", "(null)", "None", "N/A"})
"""What Slurm prints in place of a node list for a job that has no nodes yet."""

_PART = re.compile(r"\[([^\[\]]*)\]|([^\[\],]+)")


def expand(text: str) -> tuple[str, ...]:
    """Return the node names that ``text`` stands for, in its order; raise `SlurmError` for anything else.

    More than 65,536 names are more than Slurm allows a cluster and refused, as is a range that runs backwards.
    """
    if text.strip() in NO_NODES:
        return ()
    names: list[str] = []
    for group in _split_outside_brackets(text.strip()):
        names += _expand_group(group, MOST_IN_RANGES - len(names))
    return tuple(names)


def expand_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of ``0-2,7``, the form of Slurm's CPU and device ids; raise `SlurmError` for others."""
    numbers = listed_numbers(text)
    if numbers is None:
        raise SlurmError(f"{_shown(text)} is no list of numbers as Slurm writes it; please report this as a bug")
    return numbers


def _split_outside_brackets(text: str) -> list[str]:
    groups, depth, start = list[str](), 0, 0
    for position, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            groups.append(text[start:position])
            start = position + 1
    return [*groups, text[start:]]


def _expand_group(group: str, most: int) -> Iterator[str]:
    parts = list(_PART.finditer(group))
    if not parts or "".join(part.group() for part in parts) != group:
        raise SlurmError(f"{_shown(group)} is no list of nodes as Slurm writes it; please report this as a bug")
    choices: list[list[str]] = []
    names = 1
    for part in parts:
        choices.append(_written_out(part[1]) if part[1] is not None else [part[2]])
        names *= len(choices[-1])
        if names > most:
            raise SlurmError(f"{_shown(group)} names more nodes than Slurm allows; please report this as a bug")
    return map("".join, itertools.product(*choices))


def _written_out(text: str) -> list[str]:
    parts = spans(text)
    if parts is None:
        raise SlurmError(f"{_shown(text)} is no list of numbers as Slurm writes it; please report this as a bug")
    # n[08-11] is n08, n09, n10, n11: the width is that of the first number
    return [str(number).zfill(part.width) for part in parts for number in range(part.first, part.last + 1)]


def _shown(text: str) -> str:
    return f"'{printable(text[:60])}'"
