"""How to ask Slurm for an amount, and how people read one. Pure."""

from __future__ import annotations

import math

from vispa_green.model import JobFact


def memory_words(amount_mib: int, fact: JobFact) -> tuple[str, ...]:
    """Return the options that ask for so much on each node: those of which one is what the job was asked with.

    Slurm does not keep which it was. By CPUs it holds on one node only: on several, what needs the memory may be
    where few of the CPUs are.
    """
    if len(fact.nodes) > 1 or not fact.cpus:
        return (f"--mem={amount_mib}M",)
    one_node = "--nodes=1 " if fact.cpus > 1 else ""
    return f"--mem={amount_mib}M", f"{one_node}{per_cpu_word(amount_mib, fact.cpus)}"


def per_cpu_word(amount_mib: int, cpus: int) -> str:
    """Return the option that asks for so much on one node by its CPUs."""
    return f"--mem-per-cpu={math.ceil(amount_mib / cpus)}M"


def time_word(amount_s: int) -> str:
    """Return the option that limits a job to so long, in whole minutes, as Slurm does."""
    minutes = math.ceil(amount_s / 60)
    return f"--time={minutes // 1440}-{minutes % 1440 // 60:02}:{minutes % 60:02}"


def size_text(mib: float | None) -> str:
    """Return e.g. ``512 MiB``, ``2.3 GiB``; a dash for what is unknown."""
    if mib is None:
        return "–"
    return f"{mib:.0f} MiB" if mib < 1024 else f"{mib / 1024:.1f} GiB"
