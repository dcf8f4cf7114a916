"""What Prometheus reads: every figure of the list, right numbers, and only who may know what nodes draw."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta

import pytest
from lab.privilege import AS_NOBODY

from tests.contracts.real_server import RealServer, served
from tests.contracts.rows import charged
from tests.server.asking import APPEND, delivery, post, raw, request
from vispa_green.credentials import Asked
from vispa_green.host import now
from vispa_green.server.figures import FIGURES

METRICS = Asked("GET", "/metrics")
LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="[^"\\\n]*",?)+)\})? (-?[0-9.e+-]+)')


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with served(server='credentials = ["token"]\nmetrics_from = ["127.0.0.1"]', tokens=["node:n1"]) as running:
        running.directory.chmod(0o755)
        yield running


def told(server: RealServer) -> dict[str, float]:
    reply = raw(server, request(METRICS, {}))
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in reply.body.decode().splitlines() if not line.startswith("#")]
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), lines
    return {f"{one[1]}{{{one[2] or ''}}}": float(one[3]) for one in found if one is not None}


def test_they_are_those_of_the_list_and_say_what_was_delivered(server: RealServer) -> None:
    ten = timedelta(seconds=10)
    end = now().utc - timedelta(seconds=100)
    one = charged({"7": 500_000_000}, end - ten, ten)
    assert post(server, "node:n1", APPEND, delivery(one)).json == 1
    assert post(server, "node:n1", APPEND, delivery(one, cluster="other")).status == 403
    found = told(server)
    assert found["vispa_green_ingest_intervals_total{}"] == 1
    assert found['vispa_green_ingest_refused_total{reason="LedgerForbidden"}'] == 1
    assert found['vispa_green_power_watts{component="cpu",node="n1"}'] == pytest.approx(50)
    assert 100 <= found['vispa_green_agent_last_interval_age_seconds{node="n1"}'] < 300
    assert found["vispa_green_ledger_balance_difference_uj{}"] == 0
    body = raw(server, request(METRICS, {})).body.decode()
    assert re.findall(r"^# TYPE (\w+) (\w+)$", body, re.MULTILINE) == [(one.name, one.type) for one in FIGURES]


def test_other_addresses_and_other_users_are_refused() -> None:
    with served(server='credentials = ["peer"]') as closed:
        closed.directory.chmod(0o755)
        assert raw(closed, request(METRICS, {})).status == 403
        assert raw(closed, request(METRICS, {}), unix=True).status == 200
        if os.getuid() == 0:
            command = [*AS_NOBODY, "curl", "-s", "--unix-socket", str(closed.socket), "http://x/metrics"]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert "watts" not in said
            assert "LedgerForbidden" in said
