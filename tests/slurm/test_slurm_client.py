"""The client against the real Slurm of deploy/lab, in another time zone than UTC."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lab.cluster import Cluster
from lab.processes import wait_until

PROGRAM = """
import json
from vispa_green.slurm import commands
from vispa_green.slurm.bindings import bindings
from vispa_green.slurm.jobs import JobQuery, job_facts
from dataclasses import asdict
known = job_facts(JobQuery(job_ids=({ids})), timeout_s=20)
bound = bindings(timeout_s=20)
print(json.dumps({{
    "facts": {{f.job_id: asdict(f) for f in known.records}},
    "held": {{job: {{node: asdict(b) for node, b in nodes.items()}} for job, nodes in bound.records.items()}},
    "faults": known.faults + bound.faults,
    "version": commands.version(timeout_s=20),
    "ping": commands.ping(timeout_s=20),
    "available": commands.available(),
}}, default=str))
"""


NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def asked(cluster: Cluster, ids: str) -> dict[str, Any]:
    """Return what the client says, in another time zone and with a user's own format set."""
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(ids=ids)],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, **cluster.environment, "TZ": "Asia/Kolkata", "SACCT_FORMAT": "JobName"},
    ).stdout
    found: dict[str, Any] = json.loads(answer)
    return found


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
    known = asked(slurm_cluster, ids)
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
    held = known["held"][running][slurm_cluster.node_names[0]]
    assert held["allocated_cpus"] >= 3
    assert len(held["gpus"]) == 1
    assert (held["submitted"], held["uid"]) == (facts[running]["submit"], facts[running]["uid"])
    assert (held["uid"], held["tasks"], held["cpus_per_task"]) == (os.getuid(), 2, 3)
    assert known["held"][later] == {}
    assert known["faults"] == []
    assert known["available"] is True
    assert known["version"].split(".")[0].isdigit()
    assert "UP" in known["ping"]


@pytest.mark.slurm
@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_what_an_ordinary_user_writes_changes_nobody_elses_record(slurm_cluster: Cluster) -> None:
    """The forgeries of findings/ledger.md A1, A2 and A16, and a copy of scontrol's record to the letter."""
    submit = ("sbatch", "--parsable", "-o", "/dev/null", "-D", "/tmp")
    sleep = ("--wrap", "sleep 300")

    def submitted(*words: str, by: tuple[str, ...] = NOBODY) -> str:
        return slurm_cluster.run(*by, *submit, *words, *sleep).stdout.strip()

    def state(job: str) -> dict[str, Any]:
        return dict(asked(slurm_cluster, f"{job!r},")["facts"].get(job, {}))

    victim = submitted("-J", "honest", "-c2", "--gres=gpu:1", "--comment=mine", by=())
    assert wait_until(lambda: state(victim).get("state") == "RUNNING", timeout_s=60)
    honest = asked(slurm_cluster, f"{victim!r},")
    row = "\x1f".join(
        [victim, victim, "nobody", "physics", "main", "COMPLETED", "n1", *"1113", "10", "8", "4000M", "", "x"]
    )
    damaged = f"{victim}\x1f{victim}\x1fa\x1fb\x1fc\x1fd\x1fn[0-99999999]\x1f²\x1f²"
    shown = slurm_cluster.run("scontrol", "-o", "-d", "show", "job", victim).stdout
    second = datetime.fromisoformat(honest["facts"][victim]["submit"]).timestamp()
    copied = shown[: shown.index(" Dependency=")] + f" SubmitTime={second:.0f} "
    copied += "  Nodes=n1 CPU_IDs=0-63 Mem=1 GRES=gpu:a100:2(IDX:0-1) MinCPUsNode=1"
    texts = {
        "A1": ("x", f"x\n{row}"),
        "A2": (f"x\n{damaged}", "y"),
        "A16": (f"x UserId=root(0) MinCPUsNode=1 JobId={victim} ", "z"),
        "copy": ("x", f"c\n{copied}"),
    }
    forged = {key: submitted("-J", name, f"--comment={comment}") for key, (name, comment) in texts.items()}
    jobs = (victim, *forged.values())

    def all_known() -> bool:
        """Until a job starts, accounting says of a user whom it does not know that he is root."""
        facts = asked(slurm_cluster, f"{','.join(map(repr, jobs))},")["facts"]
        return {job for job, fact in facts.items() if fact["state"] != "PENDING"} == set(jobs)

    assert wait_until(all_known, timeout_s=60)
    now = asked(slurm_cluster, f"{','.join(map(repr, jobs))},")
    slurm_cluster.run("scancel", *jobs)
    assert now["faults"] == []
    assert now["held"][victim] == honest["held"][victim]
    assert {job: fact["uid"] for job, fact in now["facts"].items()} == {
        victim: 0,
        **dict.fromkeys(forged.values(), 65534),
    }
    assert (now["facts"][victim]["name"], now["facts"][victim]["user"]) == ("honest", "root")
    assert {key: now["facts"][job]["name"] for key, job in forged.items()} == {
        key: n for key, (n, _) in texts.items()
    }


@pytest.mark.slurm
def test_the_peak_of_three_tasks_is_no_less_than_what_they_held_together(slurm_cluster: Cluster) -> None:
    """Slurm's MaxRSS is that of the largest task: advice by it had a job killed (findings/use.md W1)."""
    hold = (
        "import time; held = bytearray(100 * 2**20); end = time.monotonic() + 6\nwhile time.monotonic() < end: pass"
    )
    words = ("-n3", "--mem=3000", "-o", "/dev/null", "-D", "/tmp", "--wrap", f"srun python3 -c '{hold}'")
    job = slurm_cluster.run("sbatch", "--parsable", *words).stdout.strip()
    assert slurm_cluster.wait([job], timeout_s=90) == {job: "COMPLETED"}
    fact = asked(slurm_cluster, f"{job!r},")["facts"][job]
    assert 300 <= fact["peak_memory_mib"] < 400
    assert (fact["memory_mib"], fact["exit_code"]) == (3000, "0:0")
