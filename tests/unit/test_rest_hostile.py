"""Whatever slurmrestd answers: numbers of both ages are one, a damaged record costs itself alone, nothing raises."""

from __future__ import annotations

import copy
import json
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.slurm_day import ENTRY, FACT, NOW, SECOND
from tests.contracts.stand_ins.slurmrestd import ENDLESS, JOB, UNSET, WAITING, a
from vispa_green.clusters._rest.asking import Door, token_of
from vispa_green.clusters._rest.display import waiting_tasks
from vispa_green.clusters._rest.entries import entries
from vispa_green.clusters._rest.facts import facts
from vispa_green.clusters._rest.shapes import FLAGS_SHOWN, MARKS, Endless, amount, moment, state, whole
from vispa_green.errors import ConfigError, SlurmError
from vispa_green.model import Answer, JobFact, QueueEntry

PENDING = frozenset({"PENDING"})
NUMBERS = st.integers(0, 2**32).filter(lambda number: number not in MARKS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["0x3A", "n[1-"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["set", "infinite", "number", "job_id", "count", "type"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def facts_of(*records: object) -> Answer[list[JobFact]]:
    return facts({"jobs": list(records)}, 42, {FACT.user: FACT.uid}.get)


def entries_of(*records: object) -> Answer[list[QueueEntry]]:
    return entries({"jobs": list(records)}, PENDING, NOW)


@given(NUMBERS)
def test_a_plain_number_and_a_triple_are_the_same(number: int) -> None:
    assert whole({"n": number}, "n") == whole({"n": a(number)}, "n") == number
    if 0 < number < 2**32 - 2:
        assert moment({"n": number}, "n") == moment({"n": a(number)}, "n") is not None


@pytest.mark.parametrize("unset", [None, UNSET, *sorted(MARKS), a(2**32 - 2)])
def test_what_is_not_set_is_none_in_both_ages(unset: object) -> None:
    assert amount({"n": unset}, "n") is None
    assert amount({}, "n") is None
    assert amount({"n": ENDLESS}, "n") is Endless.ENDLESS


@pytest.mark.parametrize("value", [-1, 2**70, 1.5, float("nan"), True, "7", "\u00b2", [], [7], a(-3), {"set": True}])
def test_what_is_no_number_refuses_its_record(value: object) -> None:
    with pytest.raises(SlurmError, match="nothing that Slurm writes there"):
        whole({"n": value}, "n")


@given(st.sets(st.integers(0, 300), min_size=1))
def test_waiting_tasks_as_bits_are_the_same_tasks(tasks: set[int]) -> None:
    shown = waiting_tasks({"t": hex(sum(1 << task for task in tasks))}, "t")
    spans = [part.split("-") for part in shown.split(",")]
    assert {n for span in spans for n in range(int(span[0]), int(span[-1]) + 1)} == tasks
    assert waiting_tasks({"t": shown}, "t") == shown


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield every place in a record."""
    if path:
        yield path
    children: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from places(child, (*path, name))


def damaged(record: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    changed = copy.deepcopy(record)
    inside: Any = changed
    for name in path[:-1]:
        inside = inside[name]
    inside[path[-1]] = value
    return changed


@given(st.sampled_from(sorted(places(JOB), key=repr)), JSON)
def test_a_damaged_record_of_accounting_costs_itself_alone(path: tuple[Any, ...], value: object) -> None:
    other = JOB | {"job_id": 77}
    answer = facts_of(damaged(JOB, path, value), other)
    found = {fact.job_id: fact for fact in answer.records}
    assert found["77"].display_id == FACT.display_id
    assert len(found) + len(answer.faults) in {1, 2}
    assert all(fault.isprintable() for fault in answer.faults)


@given(st.sampled_from(sorted(places(WAITING), key=repr)), JSON)
def test_a_damaged_record_of_the_queue_costs_itself_alone(path: tuple[Any, ...], value: object) -> None:
    other = WAITING | {"job_id": 77}
    answer = entries_of(damaged(WAITING, path, value), other)
    assert "77" in {entry.job_id for entry in answer.records}
    assert all(fault.isprintable() for fault in answer.faults)


@given(st.lists(JSON, max_size=4))
def test_records_of_no_shape_at_all_are_told_of(records: list[object]) -> None:
    answer = facts_of(*records, JOB)
    assert [fact for fact in answer.records if fact.job_id == "42"] == [FACT]
    assert bool(answer.faults) == bool(records)
    assert ENTRY in entries_of(*records, WAITING).records


def test_of_a_requeued_job_the_last_run_is_told_in_whatever_order() -> None:
    again = damaged(JOB, ("time", "submission"), SECOND + 60)
    for records in ((JOB, again), (again, JOB)):
        [fact] = facts_of(*records).records
        assert fact.submit is not None
        assert FACT.submit is not None
        assert fact.submit - FACT.submit == timedelta(seconds=60)


def test_an_old_daemons_exit_codes_are_not_believed() -> None:
    [fact] = facts({"jobs": [JOB]}, 38, {FACT.user: FACT.uid}.get).records
    assert fact.exit_code == ""


@given(st.integers(0, 255))
def test_exit_codes_are_those_of_sacct(code: int) -> None:
    """Of 200 it says 72, of 128 0."""
    [fact] = facts_of(damaged(JOB, ("exit_code", "return_code"), a(code))).records
    assert fact.exit_code == f"{code if code < 128 else code - 128}:0"


@pytest.mark.parametrize(("version", "cpus"), [(38, 8), (39, None), (42, None)])
def test_a_job_without_an_allocation_has_the_cpus_that_the_sacct_of_its_time_shows(
    version: int, cpus: int | None
) -> None:
    never_ran = damaged(JOB, ("tres", "allocated"), [])
    [fact] = facts({"jobs": [never_ran]}, version, {FACT.user: FACT.uid}.get).records
    assert fact.cpus == cpus


@given(st.sampled_from(["PENDING", "CANCELLED", "COMPLETED"]), st.permutations(["LAUNCH_FAILED", *FLAGS_SHOWN]))
def test_of_a_state_and_its_flags_the_word_is_told_that_squeue_shows(base: str, flags: list[str]) -> None:
    assert state({"s": [base, *flags]}, "s") == "COMPLETING"
    assert state({"s": [base, "LAUNCH_FAILED"]}, "s") == state({"s": [base]}, "s") == state({"s": base}, "s") == base
    [entry] = entries({"jobs": [WAITING | {"job_state": [base, *flags]}]}, frozenset({"COMPLETING"}), NOW).records
    assert entry.state == "COMPLETING"


@given(st.sampled_from([600, 365 * 86400, 2**32 - 1]))
def test_a_job_that_is_cleaned_up_to_run_again_has_used_nothing(until_end_s: int) -> None:
    """Its end is the one of its next run, beyond 32 bits where that has no limit."""
    now_s = int(NOW.timestamp())
    times = {"start_time": a(now_s - 60), "end_time": a(now_s + until_end_s)}
    again = WAITING | {"job_state": ["PENDING", "COMPLETING"], **times}
    answer = entries({"jobs": [again]}, frozenset({"COMPLETING"}), NOW)
    assert [entry.used for entry in answer.records] == [timedelta(0)]


BODIES = {
    "no JSON": b"<html>",
    "no table": b"[1]",
    "a deep one": b"[" * 100_000,
    "a huge number": b'{"jobs": ' + b"9" * 5000 + b"}",
    "errors": b'{"errors": [{"error": "Slurm is \x1b[31m down", "error_number": 1}]}',
    "errors of no shape": b'{"errors": 7}',
    "jobs of no shape": b'{"jobs": {"a": 1}}',
}


@contextmanager
def answering(body: bytes) -> Iterator[Door]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base calls it
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Door(f"http://127.0.0.1:{server.server_port}", "", None, 10)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", BODIES)
def test_an_answer_that_is_none_is_one_sentence(kind: str) -> None:
    with answering(BODIES[kind]) as door, pytest.raises(SlurmError) as raised:
        facts(door.get("/slurmdb/v0.0.42/jobs/"), 42, {FACT.user: FACT.uid}.get)
    assert str(raised.value).isprintable()


def test_bytes_that_are_no_text_cost_no_more_than_themselves() -> None:
    body = json.dumps({"jobs": [JOB]}).replace("physics", "phy@ics").encode().replace(b"@", b"\xff")
    with answering(body) as door:
        [fact] = facts(door.get("/x"), 42, {FACT.user: FACT.uid}.get).records
    assert (fact.account, fact.name) == ("phy\ufffdics", FACT.name)


@pytest.mark.parametrize("mode", [mode for mode in range(0o1000) if mode & 0o077 and mode & 0o400][::17])
def test_a_token_that_others_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("SLURM_JWT=abc\n")
    file.chmod(0o600)
    assert token_of(file) == "abc"
    file.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        token_of(file)
    assert stat.S_IMODE(file.stat().st_mode) == mode


@pytest.mark.parametrize("text", ["", "two words", "abc\r\nX-Evil: 1", "SLURM_JWT=", "\u00e4"])
def test_what_is_no_token_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text(text)
    with pytest.raises(ConfigError, match="holds no token"):
        token_of(file)
