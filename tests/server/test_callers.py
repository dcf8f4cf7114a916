"""Proofs that are none, and agents that say more than is theirs: refused by a real server, which lives on."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.contracts.real_server import RealServer
from tests.server.asking import ALL, APPEND, JOBS, an_interval, delivery, get, post, proof, raw, request
from vispa_green.credentials import NODE_HEADER, Asked


def test_a_good_request_is_answered(server: RealServer) -> None:
    assert post(server, "user:ada", JOBS, ALL).status == 200
    assert get(server, "node:n1", "/v1/hello").json["node"] == "n1"


def test_a_replayed_request_is_refused(server: RealServer) -> None:
    asked = Asked("POST", JOBS, b'{"selection":{}}')
    data = request(asked, proof(server, "user:ada", asked))
    assert raw(server, data).status == 200
    again = raw(server, data)
    assert (again.status, again.said) == (401, "the token's proof was used before")


@pytest.mark.parametrize("ahead", [timedelta(seconds=-400), timedelta(days=1)])
def test_an_expired_or_future_proof_is_refused(server: RealServer, ahead: timedelta) -> None:
    asked = Asked("GET", "/v1/hello")
    assert raw(server, request(asked, proof(server, "user:ada", asked, ahead))).status == 401


CHANGES = [
    ("method", lambda asked: replace(asked, method="GET", body=b"")),
    ("address", lambda asked: replace(asked, target="/v1/books/facts/facts")),
    ("query", lambda asked: replace(asked, target=JOBS + "?x=1")),
    ("escapes", lambda asked: replace(asked, target="/v1/books/energy/%6aobs")),
    ("body", lambda asked: replace(asked, body=b'{"selection":{ }}')),
    ("node", lambda asked: replace(asked, node="n1")),
]


@pytest.mark.parametrize(("what", "change"), CHANGES, ids=[what for what, _ in CHANGES])
def test_a_proof_of_another_request_is_refused(server: RealServer, what: str, change: Any) -> None:  # noqa: ANN401
    asked = Asked("POST", JOBS, b'{"selection":{}}')
    assert raw(server, request(change(asked), proof(server, "user:ada", asked))).status in {401, 405}


FORGED = [
    {},
    {"Authorization": "MUNGE MUNGE:AwQDAAB:"},
    {"Authorization": "Vispa-Green user:boss 1 " + "0" * 32 + " " + "0" * 64},
    {"Authorization": "Vispa-Green user:nobody-here 1 " + "0" * 32 + " " + "0" * 64},
    {"Authorization": "Basic Ym9zczpib3Nz"},
    {"Authorization": "Vispa-Green"},
    {"X-Remote-User": "boss"},
    {"X-Remote-User": "boss", "X-Forwarded-For": "192.0.2.1"},
    {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"},
    {"X_Remote_User": "boss"},
]


@pytest.mark.parametrize("headers", FORGED, ids=str)
def test_without_a_true_proof_nothing_is_told(server: RealServer, headers: dict[str, str]) -> None:
    reply = raw(server, request(Asked("GET", "/v1/jobs?all=1"), headers))
    assert reply.status in {400, 401}
    assert b"-secret" not in reply.raw


def test_a_proxy_on_the_socket_is_not_its_own_user(server: RealServer) -> None:
    """Whoever runs the tests is an admin there; a proxy that he runs makes nobody one."""
    assert raw(server, request(Asked("GET", "/v1/hello"), {}), unix=True).json["roles"] == ["admin"]
    forwarded = {"X-Forwarded-For": "192.0.2.77"}
    assert raw(server, request(Asked("GET", "/v1/hello"), forwarded), unix=True).status == 401


def test_two_proofs_in_one_request_are_none(server: RealServer) -> None:
    asked = Asked("GET", "/v1/hello")
    one, two = (proof(server, who, asked)["Authorization"] for who in ("user:ada", "user:boss"))
    data = request(asked, {"Authorization": one}).replace(b"\r\n\r\n", f"\r\nAuthorization: {two}\r\n\r\n".encode())
    assert raw(server, data).status == 401


def test_a_node_delivers_for_itself_once(server: RealServer) -> None:
    message = delivery(an_interval(hour=20), spool="own")
    assert post(server, "node:n1", APPEND, message, "n1").json == 1
    assert post(server, "node:n1", APPEND, message).json == 0, "the secret says which node it is"


FORGERIES = [
    ("another node's interval", delivery(an_interval("n2")), 422),
    ("another cluster", delivery(an_interval(), cluster="other"), 403),
    ("an interval of tomorrow", delivery(an_interval(hour=24 * 365 * 60)), 422),
    ("a number that no spool has", delivery(an_interval(), first=0), 422),
    ("a negative number", delivery(an_interval(), first=-5), 422),
]


@pytest.mark.parametrize(("what", "message", "status"), FORGERIES, ids=[what for what, *_ in FORGERIES])
def test_what_a_node_forges_is_refused(server: RealServer, what: str, message: object, status: int) -> None:
    assert post(server, "node:n1", APPEND, message).status == status


def test_a_node_that_names_another_is_refused(server: RealServer) -> None:
    assert post(server, "node:n1", APPEND, delivery(an_interval("n2")), "n2").status == 401


@pytest.mark.parametrize("node", ["../n1", "n1,n2", "n 1", "ä", "a" * 200, "n1;DROP TABLE node"])
def test_names_that_no_node_has_are_refused(server: RealServer, node: str) -> None:
    with_name = Asked("POST", APPEND, json.dumps(delivery(an_interval())).encode(), node)
    data = request(replace(with_name, node=""), proof(server, "user:boss", with_name))
    data = data.replace(b"\r\n\r\n", f"\r\n{NODE_HEADER}: {node}\r\n\r\n".encode("latin-1"), 1)
    assert raw(server, data).status == 401


def test_a_node_cannot_take_another_nodes_numbers(server: RealServer) -> None:
    """Who knows another's spool id and sends its next numbers would have them refused as sent before."""
    theirs = delivery(an_interval("n2", 30), an_interval("n2", 31), spool="of-n2")
    mine = delivery(an_interval("n1", 30), an_interval("n1", 31), spool="of-n2")
    assert post(server, "node:n1", APPEND, mine).json == 2
    assert post(server, "node:n2", APPEND, theirs).json == 2


@pytest.mark.parametrize("who", ["user:ada", "user:sue"])
@pytest.mark.parametrize("node", ["", "n1"])
def test_a_user_is_no_agent(server: RealServer, who: str, node: str) -> None:
    assert post(server, who, APPEND, delivery(an_interval()), node).status == 403


@pytest.mark.parametrize("target", ["/v1/jobs", "/v1/totals", "/v1/green", "/v1/week"])
def test_a_node_asks_nothing_of_users(server: RealServer, target: str) -> None:
    assert get(server, "node:n1", target).status == 403
    assert post(server, "node:n1", JOBS, ALL).status == 403


def test_an_entry_that_does_not_balance_is_refused(server: RealServer) -> None:
    message = delivery(an_interval(hour=40))
    message["intervals"][0]["interval"]["entries"][0]["idle_uj"] = 1
    assert post(server, "node:n1", APPEND, message).status == 400
