"""The client against the real Slurm of deploy/lab, in another time zone than UTC."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from lab.cluster import Cluster
from lab.processes import wait_until

PROGRAM = """
import json
from vispa_green.slurm import commands
from vispa_green.slurm.bindings import bindings
from vispa_green.slurm.jobs import JobQuery, job_facts
from dataclasses import asdict
facts = job_facts(JobQuery(job_ids=({ids})), timeout_s=20)
held = bindings(timeout_s=20)
print(json.dumps({{
    "facts": {{f.job_id: asdict(f) for f in facts}},
    "held": {{job: {{node: [b.allocated_cpus, b.gpus] for node, b in nodes.items()}} for job, nodes in held.items()}},
    "unknown": bindings("999999", timeout_s=20),
    "version": commands.version(timeout_s=20),
    "ping": commands.ping(timeout_s=20),
    "available": commands.available(),
}}, default=str))
"""


@pytest.mark.slurm
def test_jobs_and_their_bindings_are_known(slurm_cluster: Cluster) -> None:
    """Running with GPUs, finished, and waiting for its begin time: all three are found, at the right times."""
    submit = ("sbatch", "--parsable", "-o", "/dev/null")
    before = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the test's own clock
    running = slurm_cluster.run(
        *submit, "-N2", "--gres=gpu:1", "-c3", "-t", "5", "-J", "a|b", "--wrap", "sleep 300"
    ).stdout.strip()
    finished = slurm_cluster.run(*submit, "--array=4", "--comment=c|d e", "--wrap", "true").stdout.strip()
    later = slurm_cluster.run(*submit, "--begin=now+2hour", "--wrap", "true").stdout.strip()
    slurm_cluster.wait([finished], timeout_s=60)
    # slurmdbd learns a moment later which task of the array that was
    wait_until(lambda: bool(slurm_cluster.run("sacct", "-n", "-j", f"{finished}_4").stdout.strip()), timeout_s=30)
    ids = ", ".join(repr(job) for job in (running, f"{finished}_4", later))
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(ids=ids)],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, **slurm_cluster.environment, "TZ": "Asia/Kolkata", "SACCT_FORMAT": "JobName"},
    ).stdout
    known = json.loads(answer)
    slurm_cluster.run("scancel", running, later)

    facts = known["facts"]
    assert set(facts) == {running, finished, later}
    assert facts[running]["name"] == "a|b"
    assert facts[running]["nodes"] == list(slurm_cluster.node_names)
    assert facts[finished]["display_id"] == f"{finished}_4"
    assert facts[finished]["state"] == "COMPLETED"
    assert facts[finished]["comment"] == "c|d e"
    assert before <= datetime.fromisoformat(facts[finished]["end"]) <= before + timedelta(minutes=3)
    assert datetime.fromisoformat(facts[later]["eligible"]) - before >= timedelta(hours=1, minutes=59)
    assert facts[later]["start"] is None
    cpus, gpus = known["held"][running][slurm_cluster.node_names[0]]
    assert cpus >= 3
    assert len(gpus) == 1
    assert known["unknown"] == {}
    assert known["available"] is True
    assert known["version"].split(".")[0].isdigit()
    assert "UP" in known["ping"]
