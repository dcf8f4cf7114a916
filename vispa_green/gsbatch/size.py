"""How many CPUs a job asks for, as far as its options say; policies that look at the queue weigh jobs by it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING

from vispa_green.numbers import whole_number

if TYPE_CHECKING:
    from vispa_green.gsbatch.argv import CommandLine
    from vispa_green.gsbatch.script import Head

Options = Mapping[str, tuple[str | None, ...]]

_MOST = 2**24
"""More tasks or nodes than sbatch takes."""


def job_cpus(line: CommandLine, head: Head) -> int:
    """Return tasks × CPUs per task, summed over the components of a heterogeneous job; at least 1.

    sbatch(1): the command line wins over the script. What is not said counts as one.
    """
    nothing: Options = {}
    parts = zip_longest(line.components, head.components, fillvalue=nothing)
    return max(1, sum(_component({**in_script, **typed}) for typed, in_script in parts))


def _component(options: Options) -> int:
    nodes = _first_number(options, "nodes") or 1
    tasks = _first_number(options, "ntasks") or nodes * (_first_number(options, "ntasks-per-node") or 1)
    return tasks * (_first_number(options, "cpus-per-task") or 1)


def _first_number(options: Options, name: str) -> int | None:
    """Return the number an option starts with: of ``--nodes=2-4`` the smallest that will do."""
    text = (options.get(name) or ("",))[-1] or ""
    number = text.partition("-")[0]
    return whole_number(number, most=_MOST)
