"""Slurm's queue becomes the machine ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vispa_green.model import QueueEntry
from vispa_green.slurm.machine import lay_out, parse_sinfo

NOW = datetime.fromtimestamp(1_795_334_400, UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def entry(
    job_id: str, cpus: int, state: str, reason: str, limit: timedelta | None, begin_h: float = -1, used_h: float = 0
) -> QueueEntry:
    begin = NOW + begin_h * HOUR
    return QueueEntry(job_id, job_id, "ada", state, reason, begin, cpus, limit, used=used_h * HOUR)


QUEUE = [
    entry("41", 8, "RUNNING", "None", 2 * HOUR, used_h=1),
    entry("42", 4, "PENDING", "Resources", HOUR),
    entry("43", 8, "PENDING", "BeginTime", 4 * HOUR, begin_h=2),
    entry("44", 8, "PENDING", "JobHeldUser", 24 * HOUR),
    entry("45", 2, "RUNNING", "None", None),
    entry("46", 8, "COMPLETED", "None", HOUR, used_h=1),
]


def test_running_waiting_and_held_jobs_are_told_apart() -> None:
    ahead = lay_out(NOW, 10, QUEUE)
    assert ahead.waiting == 1
    assert ahead.earliest(4, 30 * MINUTE) > NOW, "41 and 45 fill the machine"
    without_43 = lay_out(NOW, 10, [job for job in QUEUE if job.job_id != "43"])
    moment = NOW + 3 * HOUR
    assert ahead.crowding(8, moment, moment + HOUR) > without_43.crowding(8, moment, moment + HOUR)
    assert lay_out(NOW, 10, []).earliest(10, HOUR) == NOW


def test_waiting_tasks_of_an_array_count_once() -> None:
    task = entry("50", 4, "PENDING", "Resources", HOUR)
    assert lay_out(NOW, 10, [task, task, task]) == lay_out(NOW, 10, [task])


def test_what_ended_and_what_nothing_will_start_is_in_nobodys_way() -> None:
    kept = [job for job in QUEUE if job.job_id not in {"44", "46"}]
    assert lay_out(NOW, 10, QUEUE) == lay_out(NOW, 10, kept)


def test_cpus_of_working_nodes_count_once() -> None:
    answer = parse_sinfo("n1|4/4/0/8\nn1|4/4/0/8\nn2|0/8/0/8\nn3|0/0/8/8\n")
    assert (answer.records, answer.faults) == (16, ())


def test_a_damaged_line_about_a_node_is_left_out_and_told() -> None:
    for damaged in ("n2|0/8/0", "n2|0/8/0/9", "n2|0/²/0/8", "n2 0/8/0/8", "n2|-1/9/0/8", "n2|0/99999/0/99999"):
        answer = parse_sinfo(f"n1|4/4/0/8\n{damaged}\n")
        assert answer.records == 8
        assert len(answer.faults) == 1
