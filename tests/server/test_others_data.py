"""Nobody gets a byte of another's or writes for him, by any call or answer of a real server."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.contracts.real_server import RealServer
from tests.contracts.rows import START, charged, promise
from tests.server.asking import ALL, get, post
from vispa_green.calls import books, call_of
from vispa_green.model import Move, Origin, ProjectTag, Quantity, SpooledInterval

QUESTIONS: dict[str, list[dict[str, Any]]] = {
    "energy/jobs": [ALL, {"selection": {}, "whole": False}, {"selection": {"users": ["bob"]}}],
    "energy/postings": [ALL, {"selection": {"keys": [{"cluster": "lab", "job_id": "8", "submitted": None}]}}],
    "energy/totals": [{**ALL, "by": [by], "zone": "UTC"} for by in ("user", "account", "job", "node", "day")],
    "promises/promises": [ALL, {"selection": {"job_ids": ["8"]}}],
    "promises/moves": [ALL],
    "projects/tags": [ALL, {"selection": {"users": ["bob"]}}],
    "facts/facts": [ALL, {"selection": {"accounts": ["of-bob"]}}],
}
WIDER = {"visible": {"user": "bob", "uid": 990_002, "accounts": ["of-bob"]}}


@pytest.mark.parametrize("call", QUESTIONS)
def test_ada_never_gets_a_byte_of_bobs(server: RealServer, call: str) -> None:
    for question in QUESTIONS[call]:
        for extra in ({}, WIDER):
            asked = question | {"selection": question["selection"] | extra}
            reply = post(server, "user:ada", f"/v1/books/{call}", asked)
            assert reply.status == 200
            for word in (b"bob", b'"8"', b"990002"):
                assert word not in reply.body, asked
    assert b"bob" in post(server, "user:bob", "/v1/books/facts/facts", ALL).body


TARGETS = ["/v1/jobs?all=1&since=2026-01-01", "/v1/jobs?user=bob&since=2026-01-01", "/v1/jobs?id=8",
           "/v1/totals?by=user,job&all=1&since=2026-01-01",
           "/v1/totals?by=account&account=of-bob&all=1&since=2026-01-01",
           "/v1/green?all=1"]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_nor_in_an_answer(server: RealServer, target: str) -> None:
    reply = get(server, "user:ada", target)
    assert reply.status == 200
    assert b"bob" not in reply.body
    assert b"bob" in get(server, "user:sue", target).body, "support sees it"


def test_a_week_of_another_is_empty(server: RealServer) -> None:
    week = "/v1/week?week=2026-W25&user=bob"
    assert get(server, "user:ada", week).json["week"]["energy_uj"] == 0
    assert get(server, "user:sue", week).json["week"]["energy_uj"] == 1000


def test_every_privileged_look_is_logged_and_no_other(server: RealServer) -> None:
    before = len(server.looks.splitlines())
    get(server, "user:sue", "/v1/jobs?user=bob&since=2026-01-01")
    post(server, "user:boss", "/v1/books/facts/facts", ALL)
    get(server, "user:sue", "/v1/jobs")
    get(server, "user:ada", "/v1/jobs?all=1")
    get(server, "user:sue", "/v1/grid")
    lines = [json.loads(line) for line in server.looks.splitlines()[before:]]
    assert [(line["who"], line["as"], line["what"], line["whose"]) for line in lines] == [
        ("sue", "support", "jobs", {"users": ["bob"]}),
        ("boss", "admin", "books/facts/facts", {}),
    ]


def test_who_cannot_be_written_down_does_not_see(server: RealServer) -> None:
    log = server.directory / "state/looks.log"
    kept = log.read_text() if log.exists() else ""
    log.unlink(missing_ok=True)
    log.mkdir()
    try:
        reply = get(server, "user:sue", "/v1/jobs?user=bob&since=2026-01-01")
        assert (reply.status, b"bob-secret" in reply.body) == (503, False)
    finally:
        log.rmdir()
        log.write_text(kept)


OTHERS_WRITING = [
    ("grid/append", {"values": []}),
    ("grid/prefer", {"sources": ["mine"]}),
    ("grid/asked", {"source": "x", "start": 0, "end": 1, "at": 1}),
    ("facts/append", {"cluster": "lab", "facts": [], "recorded": 0}),
    ("facts/imported", {"cluster": "lab", "until": 0}),
    ("facts/unfinished", {"cluster": "lab", "since": 0}),
    ("energy/append_all", {"batches": [], "received": 0}),
    ("energy/prune", {"before": 4_000_000_000_000_000}),
    ("energy/verify", {}),
    ("energy/heads", {}),
    ("energy/balance", {}),
    ("energy/node_energy", {"start": 0, "end": 4_000_000_000_000_000}),
]


@pytest.mark.parametrize(("call", "message"), OTHERS_WRITING, ids=[call for call, _ in OTHERS_WRITING])
def test_a_user_calls_nothing_that_is_not_his(server: RealServer, call: str, message: object) -> None:
    for who in ("user:ada", "node:n1"):
        assert post(server, who, f"/v1/books/{call}", message).status == 403


def test_every_call_is_either_for_users_or_refused_to_them(server: RealServer) -> None:
    """A method that is added to a book is closed until somebody decides for whom it is."""
    meant = {*QUESTIONS, "grid/values", "grid/unmeasured", "grid/last_asked", "facts/imported_until",
             "promises/append", "promises/append_moves", "projects/append", "energy/append",
             "preferences/keep", "preferences/preferences"}  # fmt: skip
    refused = {call for call, _ in OTHERS_WRITING}
    every = {f"{book}/{method}" for book, one in books().items() for method in vars(one) if method[0] != "_"}
    assert every == meant | refused


def plain_promise(user: str, job: str = "70") -> dict[str, Any]:
    call = call_of("promises", "append")
    assert call is not None
    plain = call.written((promise(job, user, cluster="elsewhere"),), {})
    assert isinstance(plain, dict)
    return plain


def test_a_promise_is_its_users_own(server: RealServer) -> None:
    assert post(server, "user:ada", "/v1/books/promises/append", plain_promise("bob")).status == 403
    assert post(server, "user:ada", "/v1/books/promises/append", plain_promise("ada")).status == 200
    assert post(server, "node:n1", "/v1/books/promises/append", plain_promise("")).status == 403
    [kept] = post(server, "user:ada", "/v1/books/promises/promises", {"selection": {"job_ids": ["70"]}}).json
    assert (kept["user"], kept["cluster"]) == ("ada", "lab"), "which cluster it is, the server knows"


def plain_move(job: str, user: str) -> dict[str, Any]:
    call = call_of("promises", "append_moves")
    assert call is not None
    move = Move(job, START, START, user, START, START, Quantity.CARBON_INTENSITY, 1, 1, "", "lab")
    plain = call.written(([move],), {})
    assert isinstance(plain, dict)
    return plain


@pytest.mark.parametrize(("job", "user", "status"), [("8", "ada", 403), ("7", "bob", 403), ("7", "ada", 200)])
def test_a_move_is_of_ones_own_promise(server: RealServer, job: str, user: str, status: int) -> None:
    assert post(server, "user:ada", "/v1/books/promises/append_moves", plain_move(job, user)).status == status


def plain_tag(job: str, project: str, user: str = "ada") -> dict[str, Any]:
    call = call_of("projects", "append")
    assert call is not None
    plain = call.written(([ProjectTag("elsewhere", job, START, project, user, START)],), {})
    assert isinstance(plain, dict)
    return plain


def test_a_tag_is_of_ones_own_job_and_says_who_gave_it(server: RealServer) -> None:
    assert post(server, "user:ada", "/v1/books/projects/append", plain_tag("8", "stolen")).status == 403
    assert post(server, "user:ada", "/v1/books/projects/append", plain_tag("70000", "none")).status == 403
    assert post(server, "node:n1", "/v1/books/projects/append", plain_tag("7", "none")).status == 403
    assert post(server, "user:ada", "/v1/books/projects/append", plain_tag("7", "paper-x", "bob")).status == 200
    [kept] = post(server, "user:ada", "/v1/books/projects/tags", ALL).json
    assert (kept["project"], kept["tagged_by"], kept["cluster"]) == ("paper-x", "ada", "lab")
    assert post(server, "user:bob", "/v1/books/projects/tags", ALL).json == []


def test_a_promise_on_anothers_job_tells_nothing_of_it(server: RealServer) -> None:
    """Where Slurm is not asked, nobody can say whose job it is; its energy is told to its owner all the same."""
    hers = plain_promise("ada", "8")
    hers["promise"]["submitted"] += 1_000_000  # bob has promised something of his own at the same second
    assert post(server, "user:ada", "/v1/books/promises/append", hers).status == 200
    [green] = [one for one in get(server, "user:ada", "/v1/green").json["green"] if one["job_id"] == "8"]
    assert (green["energy_uj"], green["start"]) == (0, None)
    assert b"1000" not in json.dumps(green).encode()


def test_a_long_question_is_a_short_line_in_the_log(server: RealServer) -> None:
    before = len(server.looks)
    post(server, "user:sue", "/v1/books/facts/facts", {"selection": {"users": [f"user{n}" for n in range(5000)]}})
    assert 0 < len(server.looks) - before < 2000


def test_ones_own_name_with_anothers_number_is_a_look(server: RealServer) -> None:
    before = len(server.looks.splitlines())
    post(server, "user:sue", "/v1/books/facts/facts", {"selection": {"users": ["sue"], "uids": [990_002]}})
    assert len(server.looks.splitlines()) == before + 1


YEAR_US = 31_556_952_000_000
SPANS = [
    ("grid/unmeasured", {"quantity": "gco2_per_kwh", "start": 0, "end": 6 * YEAR_US}),
    ("energy/totals", {"selection": {"end": 8000 * YEAR_US}, "by": ["day"], "zone": "UTC"}),
]


@pytest.mark.parametrize(("call", "message"), SPANS, ids=[call for call, _ in SPANS])
def test_a_span_without_an_end_is_refused(server: RealServer, call: str, message: dict[str, Any]) -> None:
    assert post(server, "user:ada", f"/v1/books/{call}", message).status == 400


def test_a_node_cannot_deliver_forty_years(server: RealServer) -> None:
    call = call_of("energy", "append")
    assert call is not None
    ages = charged({"7": 10}, START - timedelta(days=40 * 365), timedelta(days=40 * 365), node="n1")
    plain = call.written((Origin("lab", "s"), [SpooledInterval(1, ages)], START), {})
    reply = post(server, "node:n1", "/v1/books/energy/append", plain)
    assert reply.status in {400, 409, 422}
    assert b"366 days" in reply.body
