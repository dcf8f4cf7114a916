"""What every stand-in of a source of Slurm's facts tells: a job that failed two hours ago, an array that waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vispa_green import host
from vispa_green.model import JobFact, QueueEntry

SECOND = int(host.now().utc.timestamp()) - 2 * 3600
SUBMIT = datetime.fromtimestamp(SECOND, UTC)
NOW = SUBMIT + timedelta(hours=1)
NAME = 'a|b "c"\n7|root'
COMMENT = "line\nJobId=1 UserId=root(0)"
USER, UID = "daemon", 1  # one whom every machine knows: slurmrestd tells no numbers

FACT = JobFact(
    job_id="42", display_id="41_0", user=USER, account="physics", partition="main", name=NAME, state="FAILED",
    nodes=("n1", "n2"), submit=SUBMIT, eligible=SUBMIT, start=SUBMIT + timedelta(seconds=60),
    end=SUBMIT + timedelta(seconds=660), time_limit=timedelta(hours=1), cpus=8, memory_mib=4000, peak_memory_mib=300,
    comment=COMMENT, uid=UID, qos="normal", wckey="p1", exit_code="3:0", elapsed=timedelta(seconds=600),
)  # fmt: skip
ENTRY = QueueEntry(
    job_id="43", display_id="43_[1,3-5%2]", user=USER, state="PENDING", reason="BeginTime",
    begin=SUBMIT + timedelta(days=2), cpus=2, time_limit=None, uid=UID, account="physics", partition="main",
    qos="normal", wckey="p1", name=NAME, comment=COMMENT, submit=SUBMIT, tasks=1, cpus_per_task=2,
)  # fmt: skip
COORDINATORS = {"physics": frozenset({"ada", "root"})}
