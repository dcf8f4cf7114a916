"""What jobs like the one to be submitted held, and the option that asks for it. Loaded where somebody wants that."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

from vispa_green import host
from vispa_green.answers.memory import like_jobs, memory_reader
from vispa_green.errors import SlurmError, UsageError
from vispa_green.gsbatch.size import job_cpus
from vispa_green.session import open_session
from vispa_green.sizing.alike import family_of, runs_of
from vispa_green.sizing.replay import ByRule, replay
from vispa_green.sizing.rule import MEMORY, Advice, Ground, advised
from vispa_green.sizing.words import per_cpu_word, size_text
from vispa_green.slurm.commands import run
from vispa_green.slurm.memory import mebibytes

if TYPE_CHECKING:
    from vispa_green.gsbatch.argv import CommandLine
    from vispa_green.gsbatch.script import Head

SHOW = ("scontrol", "show")
MODES = ("show", "auto")
OWN = {"mem": "SBATCH_MEM_PER_NODE", "mem-per-cpu": "SBATCH_MEM_PER_CPU", "mem-per-gpu": "SBATCH_MEM_PER_GPU"}
"""The options with which a user asks for memory himself, and the variables that say the same."""


def added_memory(
    line: CommandLine, head: Head, environment: Mapping[str, str], mode: str, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Say what like jobs held; return the option to add, none where it is not wanted or the user has one.

    Raises `UsageError` for an unknown mode, `LedgerError` where there is no account.
    """
    if mode not in MODES:
        raise UsageError(f"--green-memory={mode}: there are {' and '.join(MODES)}")
    session = open_session()
    name = job_name(line, head, environment)
    is_array = line.has("array") or head.has("array") or "SBATCH_ARRAY_INX" in environment
    family = family_of(session.config.cluster.name, host.user_name(os.getuid()), name, is_array=is_array)
    cpus = job_cpus(line, head)
    option, text = own_memory(line, head, environment)
    runs = runs_of(like_jobs(session, family, []), memory_reader(session))
    timeout_s = session.config.slurm.timeout_s
    asked = asked_mib(option, text, cpus) if option else _by_default(line, head, environment, cpus, timeout_s)
    found = advised(runs, MEMORY, asked, cpus, session.now.utc)
    wanted = found.amount
    if wanted is None:
        say(f"memory: {said(found)}; nothing is advised: {found.ground.value}")
        return ()
    record = replay(runs, ByRule(MEMORY))
    failed = f"; this rule would have failed {record.failed} of {record.advised} of them" if record.advised else ""
    is_heterogeneous = len(line.components) > 1 or len(head.components) > 1
    if option or mode != "auto" or is_heterogeneous:
        by_cpu = option == "mem-per-cpu" and is_on_one_node(line, head)
        word = per_cpu_word(wanted, cpus) if by_cpu else f"--mem={wanted}M"
        verb = "is advised" if found.ground is Ground.MORE else "would do"
        own = f" (you ask for --{option}={text})" if option else ""
        say(f"memory: {said(found)}; {word} {verb}{own}{failed}")
        return ()
    say(f"memory: {said(found)}; asking for --mem={wanted}M{failed}")
    return (f"--mem={wanted}M",)


def said(found: Advice) -> str:
    """Return what was seen of like jobs, as half a sentence."""
    killed = f", and {found.cuts} were killed for it" if found.cuts else ""
    if found.most_used is None:
        return "of jobs like this one it is not known what they held"
    return f"{found.runs} jobs like this one held at most {size_text(found.most_used)}{killed}"


def job_name(line: CommandLine, head: Head, environment: Mapping[str, str]) -> str:
    """Return what Slurm will call the job (sbatch(1), ``--job-name``)."""
    stated = line.values("job-name") or [environment.get("SBATCH_JOB_NAME", "")]
    stated = stated if stated[0] else head.values("job-name")
    if stated and stated[0]:
        return stated[0]
    if line.has("wrap"):
        return "wrap"
    return PurePath(line.script).name if line.script else "sbatch"


def own_memory(line: CommandLine, head: Head, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the option with which the user asks for memory, and its value; empty where he does not."""
    for option in OWN:
        if values := line.values(option):
            return option, values[0]
    for option, variable in OWN.items():
        if text := environment.get(variable):
            return option, text
    for option in OWN:
        if values := head.values(option):
            return option, values[0]
    return "", ""


def is_on_one_node(line: CommandLine, head: Head) -> bool:
    """Say whether Slurm cannot lay the job out over several nodes."""
    if nodes := line.values("nodes") or head.values("nodes"):
        return nodes == ["1"]
    return not any(part.has(name) for part in (line, head) for name in ("ntasks", "ntasks-per-node"))


def asked_mib(option: str, text: str, cpus: int) -> float | None:
    """Return what is asked for on a node, if that can be told from the option; 0 asks for all that a node has."""
    each = {"mem": 1, "mem-per-cpu": cpus}.get(option)
    size = mebibytes(text if text[-1:].isalpha() else f"{text}M")
    return None if each is None or not size else float(size * each)


def _by_default(
    line: CommandLine, head: Head, environment: Mapping[str, str], cpus: int, timeout_s: float
) -> float | None:
    stated = line.values("partition") or [environment.get("SBATCH_PARTITION", "")]
    partitions = stated[0] or (head.values("partition") or [""])[0]
    try:
        records = run((*SHOW, "partition", "--oneliner"), timeout_s=timeout_s)
        return default_mib(records, run((*SHOW, "config"), timeout_s=timeout_s), partitions, cpus)
    except SlurmError:
        return None


def default_mib(records: str, config: str, partitions: str, cpus: int) -> float | None:
    """Return what a job is given on a node that asks for nothing, by what ``scontrol show`` says.

    ``None``: all that a node has, or not known. Of several partitions the largest default counts.
    """
    wanted = set(partitions.split(",")) if partitions else set()
    of_site = _default(config.replace(" ", ""), cpus)
    found: list[float | None] = []
    for record in records.splitlines():
        words = record.split()
        if (wanted and words[:1] and words[0].partition("=")[2] in wanted) or (not wanted and "Default=YES" in words):
            found.append(_default("\n".join(words), cpus) or of_site)
    known = [size for size in found if size is not None]
    return max(known) if known and len(known) == len(found) else None


def _default(lines: str, cpus: int) -> float | None:
    match = re.search(r"^DefMemPer(CPU|Node)=([0-9]+)$", lines, re.MULTILINE)
    return float(int(match[2]) * (cpus if match[1] == "CPU" else 1)) if match else None
