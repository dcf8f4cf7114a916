"""A later slurmrestd than the lab's on loopback: version v0.0.42, whose numbers are triples and states lists."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.contracts.slurm_day import COMMENT, NAME, SECOND, UID, USER
from tests.contracts.standing_in import StandIn

UNSET = {"set": False, "infinite": False, "number": 0}
ENDLESS = {"set": True, "infinite": True, "number": 0}


def a(number: int) -> dict[str, Any]:
    """Write a number as later versions do."""
    return {"set": True, "infinite": False, "number": number}


STEP = {
    "step": {"id": "42.0", "name": "srun"}, "tasks": {"count": 3},
    "time": {"start": a(SECOND + 60), "end": a(SECOND + 660)},
    "tres": {"requested": {"max": [{"type": "mem", "name": "", "id": 2, "count": 100 * 2**20, "task": 0}]}},
}  # fmt: skip
JOB = {
    "job_id": 42, "array": {"job_id": 41, "task_id": a(0), "task": "", "limits": {"max": {"running": {"tasks": 0}}}},
    "het": {"job_id": 0, "job_offset": UNSET}, "user": USER, "account": "physics", "partition": "main",
    "qos": "normal", "name": NAME, "comment": {"administrator": "", "job": COMMENT, "system": ""},
    "wckey": {"wckey": "p1", "flags": []}, "state": {"current": ["FAILED"], "reason": "NonZeroExitCode"},
    "nodes": "n[1-2]", "exit_code": {"status": ["ERROR"], "return_code": a(3), "signal": {"id": UNSET, "name": ""}},
    "time": {"submission": SECOND, "eligible": SECOND, "start": SECOND + 60, "end": SECOND + 660, "elapsed": 600,
             "limit": a(60)},
    "required": {"CPUs": 8, "memory_per_cpu": a(500), "memory_per_node": UNSET},
    "tres": {"allocated": [{"type": "cpu", "name": "", "id": 1, "count": 8}],
             "requested": [{"type": "mem", "name": "", "id": 2, "count": 4000}]},
    "steps": [STEP],
}  # fmt: skip
WAITING = {
    "job_id": 43, "array_job_id": a(43), "array_task_id": UNSET, "array_task_string": "1,3-5%2",
    "array_max_tasks": a(2), "het_job_id": a(0), "het_job_offset": a(0), "user_name": USER, "user_id": UID,
    "account": "physics", "partition": "main", "qos": "normal", "wckey": "p1", "name": NAME, "comment": COMMENT,
    "job_state": ["PENDING"], "state_reason": "BeginTime", "nodes": "", "cpus": a(2), "tasks": a(1),
    "cpus_per_task": a(2), "time_limit": ENDLESS, "submit_time": a(SECOND), "eligible_time": a(SECOND + 2 * 86400),
    "start_time": a(0), "end_time": UNSET, "suspend_time": a(0), "pre_sus_time": a(0), "priority": a(10),
}  # fmt: skip
COORDINATORS = [{"name": "ada", "direct": True}, {"name": "root", "direct": False}]
OFFERED = {
    **{f"/slurmdb/v0.0.{n}/jobs/": {} for n in (40, 42)},
    "/slurmdb/v0.0.42/accounts/": {"get": {"parameters": [{"name": "description"}, {"name": "WithCoordinators"}]}},
}


def accounts(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tell of two accounts; coordinators only where they were asked for."""
    return [{"name": "physics", "coordinators": told}, {"name": "chemistry", "coordinators": []}]


class Handler(BaseHTTPRequestHandler):
    """Answers as slurmrestd does, to whoever names himself."""

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(place.query).items()}
        since, until = (int(asked.get(word, "uts0").removeprefix("uts")) for word in ("start_time", "end_time"))
        is_within = since <= SECOND + 660 and until > SECOND
        told = COORDINATORS if asked.get("WithCoordinators") == "true" else []
        answers: dict[str, object] = {
            "/openapi": {"paths": OFFERED},
            "/slurmdb/v0.0.42/jobs/": {"jobs": [JOB] if is_within else [], "errors": []},
            "/slurmdb/v0.0.42/job/42": {"jobs": [JOB], "errors": []},
            "/slurmdb/v0.0.42/job/999999": {"jobs": [], "errors": [{"error_number": 9003, "error": "Nothing found"}]},
            "/slurm/v0.0.42/jobs/": {"jobs": [WAITING], "errors": []},
            "/slurmdb/v0.0.42/accounts/": {"accounts": accounts(told), "errors": []},
        }
        known = place.path in answers and self.headers["X-SLURM-USER-TOKEN"] == "eyJ.token"
        body = json.dumps(answers[place.path]).encode() if known else b"Authentication failure"
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base calls it
        """Say nothing."""


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield the daemon and a token for it."""
    token = directory / "token"
    token.touch(0o600)
    token.write_text("SLURM_JWT=eyJ.token\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        yield StandIn(table={"url": url, "user": "root", "token_file": str(token), "timeout_s": 30})
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def absent(directory: Path) -> StandIn:
    """Return a port that nobody listens on."""
    return StandIn(table={"url": "http://127.0.0.1:9", "timeout_s": 1})
