"""Jobs on the real Slurm, resubmitted as advised, are not killed: several tasks, nodes, arrays, and after a kill.

Control groups end what holds more than it asked for (``ConstrainRAMSpace``); where the cluster is started by a plain
user, Slurm itself does (``OverMemoryKill``), which looks each second.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab.cluster import Cluster, ClusterSpec
from lab.preparation import tracking
from lab.processes import wait_until

from vispa_green.host import user_name
from vispa_green.ledgers import open_ledger
from vispa_green.model import JobFact
from vispa_green.sizing.rule import LEAST_RUNS

pytestmark = pytest.mark.slurm

BIN = Path(sys.executable).parent
LIMITS = "" if tracking() == "cgroup_v1" else "JobAcctGatherParams=OverMemoryKill\n"
HOLD = "python3 -c 'import time; held = bytearray({mib} * 2**20); time.sleep({seconds})'"


class Site:
    """A cluster that ends what holds too much, and a user's account of it."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.config = cluster, folder / "config.toml"
        self.url = f"sqlite://{folder / 'ledger.sqlite'}"
        self.config.write_text(
            f'[ledger]\nurl = "{self.url}"\n[slurm]\nmemory_sampled_s = 0\n[grid]\nproviders = []\n'
        )
        open_ledger(self.url, create=True).close()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self.cluster.environment, "VISPA_GREEN_CONFIG": str(self.config)}
        environment["PATH"] = f"{BIN}:{os.environ['PATH']}"
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def ended(self, *words: str, times: int = 1, program: str = "sbatch") -> set[str]:
        """Submit a job so many times; return the states in which its runs ended."""
        submit = (program, "--parsable", "-D", "/tmp", "-o", "/dev/null", "-t", "5", *words)
        done = [self.run(*submit) for _ in range(times)]
        assert {one.returncode for one in done} == {0}, done
        numbers = [one.stdout.strip() for one in done]
        states = set(self.cluster.wait(numbers, timeout_s=240).values())
        known = ("sacct", "-n", "-X", "-P", "-S", "1970-01-02", "-o", "jobid")  # not of the second that is now
        assert wait_until(lambda: set(numbers) <= set(re.findall(r"\d+", self.run(*known).stdout)), timeout_s=30)
        return states

    def memory(self, name: str) -> dict[str, Any]:
        done = self.run("vispa-green", "memory", "--json", name)
        assert done.returncode == 0, done.stderr
        (found,) = [one["memory"] for one in json.loads(done.stdout)["families"]]
        return dict(found)

    def wait_for(self, name: str, runs: int) -> None:
        """Slurm's accounting learns a moment later which tasks of an array have run."""
        query = ("sacct", "-n", "-X", f"--name={name}", "-S", "1970-01-02", "-o", "jobid%30,state")
        assert wait_until(lambda: len(re.findall(r"_\d+ +COMPLETED", self.run(*query).stdout)) >= runs, timeout_s=30)


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    tmp_path.chmod(0o755)
    if not LIMITS:
        yield Site(request.getfixturevalue("slurm_cluster"), tmp_path)
        return
    root = request.getfixturevalue("cluster_root")
    with Cluster(ClusterSpec(root=root, nodes=2, cpus=8, extra_conf=LIMITS)) as cluster:
        yield Site(cluster, tmp_path)


@pytest.mark.full  # 45 jobs have to be over before anything is advised
def test_resubmitted_as_advised_none_is_killed(site: Site) -> None:
    kinds = {
        "tasks": ("-n3", "--wrap", f"srun {HOLD.format(mib=80, seconds=3)}"),
        "nodes": ("-N2", "-n4", "--wrap", f"srun {HOLD.format(mib=80, seconds=3)}"),
        "array": ("-n2", "-a", f"1-{LEAST_RUNS}", "--wrap", f"srun {HOLD.format(mib=80, seconds=3)}"),
    }
    for name, words in kinds.items():
        times = 1 if name == "array" else LEAST_RUNS
        assert site.ended("-J", name, "--mem=3000", *words, times=times) == {"COMPLETED"}
    site.wait_for("array", LEAST_RUNS)
    for name, words in kinds.items():
        found = site.memory(name)
        assert (found["ground"], found["runs"]) == ("less", LEAST_RUNS), (name, found)
        assert found["advised_mib"] < 1500
        for option in found["options"]:
            assert site.ended("-J", name, *option.split(), *words) == {"COMPLETED"}, option
        assert f"--mem={found['advised_mib']}M" in found["options"]


def test_what_was_killed_is_not_killed_again(site: Site) -> None:
    hungry = ("-J", "hungry", "--wrap", HOLD.format(mib=1200, seconds=8))
    assert "COMPLETED" not in site.ended(*hungry), "by default it has 1000 MiB"
    found = site.memory("hungry")
    assert (found["ground"], found["killed"]) == ("more", 1), found
    assert site.ended(*hungry, f"--mem={found['advised_mib']}M") == {"COMPLETED"}
    assert site.ended("--green-memory=auto", *hungry, program="gsbatch") == {"COMPLETED"}


def test_auto_adds_memory_only_where_the_user_names_none(site: Site) -> None:
    modest = ("-J", "modest", "--wrap", HOLD.format(mib=20, seconds=2))
    assert site.ended(*modest, "-a", "1-16") == {"COMPLETED"}
    site.wait_for("modest", 16)
    again = ("gsbatch", "--green-dry-run", "--green-memory=auto", "-a", "1-2", *modest)
    added, own, shown = site.run(*again), site.run(*again, "--mem=3G"), site.run(*again, "--green-memory=show")
    assert "would run: sbatch --mem=" in added.stderr
    assert "16 jobs like this one held at most" in added.stderr
    for done in (own, shown):
        assert "would run: sbatch -a" in done.stderr
        assert "would do" in done.stderr
    assert "(you ask for --mem=3G)" in own.stderr
    assert site.ended("--green-memory=auto", "-a", "1-2", *modest, program="gsbatch") == {"COMPLETED"}


def test_memory_that_slurm_would_not_give_costs_no_job(site: Site) -> None:
    """After a kill with most of a node, more is advised than any node has."""
    name, node_mib = "huge", int(site.run("sinfo", "-h", "-o", "%m").stdout.split()[0])
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)  # noqa: TID251 - the test's own clock
    user = user_name(os.getuid())
    killed = JobFact(
        "999", "999", user, "", "main", name, "OUT_OF_MEMORY", ("n1",), begin, begin, begin,
        begin + timedelta(hours=1), None, 1, memory_mib=node_mib - 1, uid=os.getuid(),
    )  # fmt: skip
    ledger = open_ledger(site.url)
    ledger.facts.append("cluster", [killed], begin + timedelta(hours=1))
    ledger.close()
    words = ("-J", name, "-o", "/dev/null", "-D", "/tmp", "-t", "5", "--wrap", "true")
    done = site.run("gsbatch", "--green-memory=auto", *words)
    assert (done.returncode, "Submitted" in done.stdout) == (0, True)
    assert f"Slurm would not take the job with --mem={math.ceil(1.1 * 1.5 * (node_mib - 1) + 512)}M" in done.stderr
