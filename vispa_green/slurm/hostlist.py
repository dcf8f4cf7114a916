"""Slurm's short notation for many nodes, ``rack1n[01-03,7],login``, written out. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from vispa_green.errors import SlurmError

NO_NODES = frozenset({"", "None assigned", "(null)", "None", "N/A"})
"""What Slurm prints in place of a node list for a job that has no nodes yet."""

_PART = re.compile(r"\[([^\[\]]*)\]|([^\[\],]+)")


def expand(text: str) -> tuple[str, ...]:
    """Return the node names that ``text`` stands for, in its order; raise `SlurmError` for anything else."""
    if text.strip() in NO_NODES:
        return ()
    return tuple(name for group in _split_outside_brackets(text.strip()) for name in _expand_group(group))


def expand_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of ``0-2,7``, the form of Slurm's CPU and device ids."""
    return tuple(int(number) for number in _ranges(text))


def _split_outside_brackets(text: str) -> list[str]:
    groups, depth = [""], 0
    for character in text:
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            groups.append("")
        else:
            groups[-1] += character
    return groups


def _expand_group(group: str) -> Iterator[str]:
    parts = list(_PART.finditer(group))
    if not parts or "".join(part.group() for part in parts) != group:
        raise SlurmError(f"{group!r} is no list of nodes as Slurm writes it; please report this as a bug")
    choices = [_ranges(part[1]) if part[1] is not None else [part[2]] for part in parts]
    for combination in itertools.product(*choices):
        yield "".join(combination)


def _ranges(text: str) -> list[str]:
    numbers: list[str] = []
    for item in text.split(","):
        low, dash, high = item.partition("-")
        if not low.isdigit() or (dash and not high.isdigit()):
            raise SlurmError(f"{text!r} is no list of numbers as Slurm writes it; please report this as a bug")
        # n[08-11] is n08, n09, n10, n11: the width is that of the first number
        numbers += [str(n).zfill(len(low)) for n in range(int(low), int(high or low) + 1)]
    return numbers
