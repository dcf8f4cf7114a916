"""Slurm's queue becomes the machine ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vispa_green.slurm.queue import lay_out, parse_sinfo, parse_squeue

NOW = datetime.fromtimestamp(1_795_334_400, UTC)
RECORDED = """\
41|8|RUNNING|2:00:00|1:00:00|1795330800|None|
42|4|PENDING|1:00:00|0:00|N/A|Resources|
43|16|PENDING|4:00:00|0:00|1795341600|BeginTime|
44|8|PENDING|1-00:00:00|0:00|N/A|JobHeldUser|
45|2|RUNNING|UNLIMITED|5:00|1795334100|None|
"""


def test_running_waiting_and_held_jobs_are_told_apart() -> None:
    hour = timedelta(hours=1)
    jobs = {job.job_id: job for job in parse_squeue(RECORDED)}
    assert set(jobs) == {"41", "42", "43", "45"}
    assert (jobs["41"].is_running, jobs["41"].limit, jobs["41"].used) == (True, 2 * hour, hour)
    assert jobs["42"].begin is None
    assert jobs["43"].begin == NOW + 2 * hour


def test_cpus_of_working_nodes_count_once() -> None:
    assert parse_sinfo("n1|4/4/0/8\nn1|4/4/0/8\nn2|0/8/0/8\nn3|0/0/8/8\n") == 16


def test_a_full_machine_has_room_only_when_something_ends() -> None:
    ahead = lay_out(NOW, 10, parse_squeue(RECORDED))
    assert ahead.waiting == 1
    assert ahead.earliest(4, timedelta(minutes=30)) > NOW
    assert lay_out(NOW, 10, []).earliest(10, timedelta(hours=1)) == NOW
