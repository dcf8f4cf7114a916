"""How many deliveries a server takes, each committed before it is acknowledged, beside a bare floor.

10,000 nodes that measure by the minute need 167 requests a second of 20 rows; five times that is aimed at, with 99 of
100 answered within 250 ms, on two cores for server and askers together. The floor books the same rows by executemany
into tables without keys, a commit for each delivery, nothing else. No assertions on time, the machine is shared.
"""

from __future__ import annotations

import gzip
import resource
import selectors
import socket
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from tests.contracts.real_server import RealServer, served, token_file
from tests.contracts.standing_in import stand_in_of
from tests.fleet.minutes import MINUTE, ROWS, minute, node_name
from tests.server.asking import APPEND, request
from vispa_green import host
from vispa_green.calls import call_of
from vispa_green.codec import text_of
from vispa_green.credentials import Asked
from vispa_green.credentials.token import Token
from vispa_green.ledgers import open_ledger
from vispa_green.model import NodeInterval, Origin, SpooledInterval

pytestmark = pytest.mark.full

NEEDED_PER_S = 10_000 / 60
AIM = 5
NODES, WARM, MINUTES = 500, 1, 12
CONNECTIONS = 16
SETTINGS = 'credentials = ["token"]\nmost_a_minute = 1000000\nthreads = 32'
TABLES = ("interval", 10), ("entry", 9), ("share", 5), ("presence", 6)


@dataclass(frozen=True, slots=True)
class Rate:
    """What a run of requests came to."""

    per_s: float
    p50_ms: float
    p99_ms: float
    client_ms: float
    server_ms: float


@dataclass(slots=True)
class Pending:
    """A request that was sent, and what came back so far."""

    since: float
    answer: bytes = b""

    def is_answered_by(self, part: bytes) -> bool:
        """Add to the answer; say whether that is all of it."""
        assert part, "the connection was closed"
        self.answer += part
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found:
            return False
        assert head.startswith(b"HTTP/1.1 200"), self.answer
        return len(body) == int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])


def requests(server: RealServer, intervals: Mapping[int, Sequence[NodeInterval]], first: int) -> list[bytes]:
    """Return signed deliveries of one interval each, minute by minute as the nodes would send them."""
    call = call_of("energy", "append")
    assert call is not None
    at, found = host.now().utc, []
    signers = {node: Token(token_file(server.directory, f"node:{node_name(node)}")) for node in intervals}
    for number in range(len(intervals[0])):
        for node, measured in intervals.items():
            items = [SpooledInterval(first + number, measured[number])]
            body = gzip.compress(text_of(call.written((Origin("lab", "s"), items, at), {})).encode(), 5)
            asked = Asked("POST", APPEND, body, node_name(node))
            headers = {**signers[node].sign(asked, at), "Content-Encoding": "gzip", "Connection": "keep-alive"}
            found.append(request(asked, headers))
    return found


def sent(server: RealServer, messages: Sequence[bytes]) -> Rate:
    """Send all, so many at once, each connection its next as soon as it has its answer."""
    waiting, took = list(reversed(messages)), list[float]()
    began, cpu_s, server_s = time.perf_counter(), time.process_time(), server.cpu_s
    with selectors.DefaultSelector() as ready:
        for _ in range(CONNECTIONS):
            asker = socket.create_connection(("127.0.0.1", server.port))
            asker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _next(ready, asker, waiting)
        while ready.get_map():
            for key, _ in ready.select():
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                if not key.data.is_answered_by(connection.recv(65536)):
                    continue
                took.append((time.perf_counter() - key.data.since) * 1000)
                ready.unregister(connection)
                _next(ready, connection, waiting)
    wall_s, count = time.perf_counter() - began, len(messages)
    p99 = statistics.quantiles(took, n=100)[98]
    return Rate(
        count / wall_s, statistics.median(took), p99,
        (time.process_time() - cpu_s) / count * 1000, (server.cpu_s - server_s) / count * 1000,
    )  # fmt: skip


def _next(ready: selectors.BaseSelector, connection: socket.socket, waiting: list[bytes]) -> None:
    if not waiting:
        connection.close()
        return
    message = waiting.pop()
    ready.register(connection, selectors.EVENT_READ, Pending(time.perf_counter()))
    connection.sendall(message)


def measured(count: int, since: datetime, minutes: int) -> dict[int, list[NodeInterval]]:
    chance = Random(1)
    return {
        node: [minute(node, since + number * MINUTE, chance) for number in range(minutes)] for node in range(count)
    }


def bare_rows(interval: NodeInterval) -> Iterator[tuple[str, Sequence[tuple[object, ...]]]]:
    """Yield the rows that a delivery is, by table."""
    shares = [(share.job_id, 1, e.device, share.busy_uj, share.idle_uj) for e in interval.entries for share in e.jobs]
    yield "interval", [(1, 1, 1, interval.node, "boot", 1, 2, 3, "measured", "")]
    yield "entry", [(1, e.component, e.device, e.quality, e.measured_uj, 1, 1, 1, "") for e in interval.entries]
    yield "share", shares
    yield "presence", [(seen.job_id, 1, 1, seen.cpu_ns, seen.present_us, 4) for seen in interval.jobs]


def floor_sqlite(url: str, deliveries: Sequence[NodeInterval]) -> float:
    """Return how many deliveries a second a bare SQLite file takes, with a commit for each."""
    file = Path(url.removeprefix("sqlite://")).with_name("bare.sqlite")
    with closing(sqlite3.connect(file, isolation_level=None)) as bare:
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("PRAGMA synchronous = FULL")
        for table, columns in TABLES:
            bare.execute(f"CREATE TABLE {table} ({', '.join(f'c{i}' for i in range(columns))})")
        began = time.perf_counter()
        for interval in deliveries:
            bare.execute("BEGIN IMMEDIATE")
            for table, rows in bare_rows(interval):
                bare.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)
            bare.execute("COMMIT")
        return len(deliveries) / (time.perf_counter() - began)


FLOORS: Mapping[str, Callable[[str, Sequence[NodeInterval]], float]] = {"sqlite": floor_sqlite}
"""The engines that are measured."""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", FLOORS)
def test_ingest(engine: str, tmp_path: Path) -> None:
    since = host.now().utc.replace(minute=0, second=0, microsecond=0) - 60 * MINUTE
    fleet = measured(NODES, since, WARM + MINUTES)
    people = [f"node:{node_name(node)}" for node in fleet]
    with (
        stand_in_of(engine).healthy(tmp_path) as there,
        served(server=SETTINGS, tokens=people, ledger=there.url) as server,
    ):
        sent(server, requests(server, {node: all_[:WARM] for node, all_ in fleet.items()}, 1))
        rate = sent(server, requests(server, {node: all_[WARM:] for node, all_ in fleet.items()}, WARM + 1))
        floor = FLOORS[engine](there.url, [one for all_ in fleet.values() for one in all_][: NODES * 4])
        with closing(open_ledger(there.url)) as ledger:
            rows = sum(1 for _ in ledger.energy.node_energy(since, since + 60 * MINUTE))
            uj = sum(row.measured_uj for row in ledger.energy.balance())
            assert ledger.energy.verify() == []
        assert rows == 2 * NODES * (WARM + MINUTES), "CPU and DRAM of each interval"
        assert uj == sum(e.measured_uj or 0 for all_ in fleet.values() for one in all_ for e in one.entries)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        f"\n{engine}: {rate.per_s:.0f} deliveries/s of {ROWS} rows, committed each:"
        f" {rate.per_s / NEEDED_PER_S:.1f} × what 10,000 nodes need (aim {AIM} ×)"
        f"\n  p50 {rate.p50_ms:.0f} ms, p99 {rate.p99_ms:.0f} ms (aim 250), {CONNECTIONS} at once"
        f"\n  CPU ms a delivery: server {rate.server_ms:.2f}, asker {rate.client_ms:.2f}"
        f"\n  bare floor {floor:.0f}/s: {rate.per_s / floor:.2f} of it; {usage.ru_maxrss / 1024:.0f} MiB"
    )
