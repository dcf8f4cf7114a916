"""Slurm's commands as programs that print what is known of `tests.contracts.slurm_day`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contracts.slurm_day import COMMENT, ENTRY, FACT, NAME, SECOND, UID, USER
from vispa_green.slurm import jobs, squeue

BOTH = {"Account": "physics", "Partition": "main", "QOS": "normal", "WCKey": "p1", "Comment": COMMENT}
JOB = BOTH | {
    "JobIDRaw": "42", "JobID": "41_0", "UID": str(UID), "User": USER, "State": "FAILED", "ExitCode": "3:0",
    "NodeList": "n[1-2]", "Submit": str(SECOND), "Eligible": str(SECOND), "Start": str(SECOND + 60),
    "End": str(SECOND + 660), "ElapsedRaw": "600", "TimelimitRaw": "60", "AllocCPUS": "8", "ReqMem": "4000M",
    "JobName": NAME,
}  # fmt: skip
STEP = {
    "JobIDRaw": "42.0", "JobID": "41_0.0", "Start": str(SECOND + 60), "End": str(SECOND + 660), "NTasks": "3",
    "MaxRSS": "100M",
}  # fmt: skip
WAITS = BOTH | {
    "JobID": "43", "JobArrayID": ENTRY.display_id, "UserName": USER, "UserID": str(UID), "State": "PENDING",
    "Reason": "BeginTime", "SubmitTime": str(SECOND), "EligibleTime": str(SECOND + 2 * 86400),
    "TimeLimit": "UNLIMITED", "TimeUsed": "0:00", "NumCPUs": "2", "NumTasks": "1", "cpus-per-task": "2", "Name": NAME,
}  # fmt: skip

SACCT = f"""
import sys, time, calendar
words = dict(word[2:].split("=", 1) for word in sys.argv[1:] if word.startswith("--") and "=" in word)
seconds = lambda text: calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
since, until = (seconds(words[w]) if w in words else None for w in ("starttime", "endtime"))
is_asked = "jobs" not in words or "42" in words["jobs"].split(",")
is_within = (since is None or since <= {SECOND + 660}) and (until is None or until > {SECOND})
for row in {[[row.get(name, "") for name in jobs.FIELDS] for row in (JOB, STEP)]!r} if is_asked and is_within else ():
    print("".join(value + words["delimiter"] for value in row))
"""
SQUEUE = f"""
import os
token = os.environ["SQUEUE_FORMAT2"].split(",")[0].partition(":")[2]
print("".join(value + token for value in {[WAITS.get(name, "") for name in squeue.FIELDS]!r}))
"""
assert FACT.display_id == JOB["JobID"]


@contextmanager
def on_path(directory: Path, version: str = "22.05.8") -> Iterator[pytest.MonkeyPatch]:
    """Put the programs in front of all others; yield what changes the environment, to change more of it."""
    programs = directory / "bin"
    programs.mkdir()
    texts = {
        "sacct": SACCT,
        "squeue": SQUEUE,
        "sacctmgr": "print('physics|ada,root\\nchemistry|')",
        "scontrol": f"print('slurm {version}')",
    }
    for name, text in texts.items():
        (programs / name).write_text(f"#!{sys.executable} -I\n{text}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        yield environment
