"""How long a job may run, as Slurm will see it: its time limit, else its partition's, else the site's guess."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from vispa_green.errors import SlurmError, TimeFormatError
from vispa_green.slurm.commands import run
from vispa_green.times.slurm_time import finite_duration, parse_duration

if TYPE_CHECKING:
    from vispa_green.config import Config
    from vispa_green.gsbatch.argv import CommandLine
    from vispa_green.gsbatch.script import Head

_SHOW = ("scontrol", "show", "partition", "--oneliner")


def job_length(
    line: CommandLine, head: Head, environment: Mapping[str, str], config: Config
) -> tuple[timedelta, tuple[str, ...]]:
    """Return the length to plan for, and a remark where it is a guess; raise `TimeFormatError` on a bad limit.

    sbatch(1): the command line wins over the environment, that over the script. Of a heterogeneous
    job the longest limit counts, wherever it stands.
    """
    stated = [line.values("time"), [environment["SBATCH_TIMELIMIT"]] if "SBATCH_TIMELIMIT" in environment else []]
    stated.append(head.values("time"))
    is_heterogeneous = len(line.components) > 1 or len(head.components) > 1
    texts = (
        [text for texts in stated for text in texts]
        if is_heterogeneous
        else next((texts for texts in stated if texts), [])
    )
    if texts:
        limits = [parse_duration(text) for text in texts]
        known = [limit for limit in limits if limit]  # neither UNLIMITED nor 0, which means the same
        if len(known) == len(limits):
            return max(known), ()
        return _guess(config, "the job has no time limit")
    if config.slurm.enabled and not (line.has("clusters") or head.has("clusters")):
        partitions = (line.values("partition") or [environment.get("SBATCH_PARTITION", "")])[0]
        partitions = partitions or (head.values("partition") or [""])[0]
        try:
            limit = partition_limit(run(_SHOW, timeout_s=config.slurm.timeout_s), partitions)
        except (SlurmError, TimeFormatError):
            limit = None
        if limit:
            return limit, ()
    return _guess(config, "neither the job nor its partition states a time limit")


def partition_limit(records: str, partitions: str) -> timedelta | None:
    """Return the longest default limit among the named partitions, the default one if none is named.

    ``records`` are the lines of ``scontrol show partition --oneliner``. `None`: unlimited or unknown.
    """
    wanted = set(partitions.split(",")) if partitions else set()
    limits: list[timedelta | None] = []
    for record in records.splitlines():
        fields = dict(word.split("=", 1) for word in record.split() if "=" in word)
        if fields.get("PartitionName") in wanted or (not wanted and fields.get("Default") == "YES"):
            text = fields.get("DefaultTime", "NONE")
            text = fields.get("MaxTime", "UNLIMITED") if text == "NONE" else text
            limits.append(parse_duration(text))
    known = [limit for limit in limits if limit is not None]
    return max(known) if known and len(known) == len(limits) else None


def _guess(config: Config, why: str) -> tuple[timedelta, tuple[str, ...]]:
    text = config.green.default_duration
    duration = finite_duration(text, "[green] default_duration", least=timedelta(seconds=1))
    return duration, (f"{why}, so it is planned as {text} long; say --time to plan better",)
