"""The service of energy-charts in good health and in every bad state it was seen in, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lab import gridserver as lab

from vispa_green.answers.grid import what_is_known
from vispa_green.config import Config, parse
from vispa_green.errors import GridDataError, GridUnavailable
from vispa_green.ledgers import open_ledger
from vispa_green.model import GridKind, GridValue, Quantity
from vispa_green.providers import PROVIDERS

CO2, SHARE = Quantity.CARBON_INTENSITY, Quantity.RENEWABLE_SHARE
T0 = datetime(2026, 6, 1, tzinfo=UTC)
NOON = T0 + timedelta(hours=12)
END = T0 + timedelta(days=1)


@pytest.fixture
def server() -> Iterator[lab.GridServer]:
    series = lab.compress(lab.german_day(Path("/nowhere")), T0)
    with lab.GridServer(series, now=NOON.timestamp) as running:
        yield running


def fetch(server_url: str, start: datetime = NOON, end: datetime = END, **options: object) -> list[GridValue]:
    table = {"base_url": server_url, "timeout_s": 2, "retries": 1, **options}
    return list(PROVIDERS.make("energy_charts", None, {"energy_charts": table}).fetch(start, end, NOON))


def of(values: list[GridValue], quantity: Quantity, kind: GridKind | None = None) -> list[GridValue]:
    return [value for value in values if value.quantity is quantity and kind in {None, value.kind}]


def test_a_healthy_service_tells_all(server: lab.GridServer) -> None:
    """Both quantities cover the span asked for; measured before now, foreseen after."""
    values = fetch(server.base_url, T0)
    assert len(of(values, CO2, GridKind.MEASURED)) == 48
    assert len(of(values, CO2, GridKind.FORECAST)) == 48
    assert len(of(values, SHARE, GridKind.MEASURED)) == 48
    assert {value.end - value.start for value in values} == {timedelta(minutes=15)}
    assert {(value.source, value.issued_at, value.fetched_at) for value in values} == {("energy_charts", NOON, NOON)}
    first = of(values, CO2)[0]
    assert (first.start, first.value) == (T0, server.series.gco2_per_kwh[0])


def test_the_future_alone_needs_two_requests_and_includes_the_step_under_way(server: lab.GridServer) -> None:
    values = fetch(server.base_url, NOON + timedelta(minutes=7))
    assert min(value.start for value in of(values, CO2)) == NOON
    assert [request.path for request in server.requests] == ["/co2eq", "/ren_share_forecast"]
    assert server.requests[0].headers["User-Agent"].startswith("vispa-green/")


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (lab.EmptyArrays(), "no data"),
        (lab.TruncatedJson(), "no JSON"),
        (lab.HtmlInsteadOfJson(), "no JSON.*doctype"),
        (lab.OutOfOrder(), "out of order"),
        (lab.LengthMismatch(), "values for"),
        (lab.Nulls(), "nothing but nulls"),
        (lab.OverHundred(peak=2500.0), "outside"),
        (lab.OverHundred(peak=-20.0), "outside"),
    ],
    ids=lambda item: type(item).__name__ if not isinstance(item, str) else "",
)
def test_an_answer_that_cannot_be_trusted_is_refused_whole(
    server: lab.GridServer, behaviour: lab.Behaviour, message: str
) -> None:
    for path in ("/co2eq", "/ren_share_forecast"):
        server.behave(path, behaviour)
    with pytest.raises(GridDataError, match=message):
        fetch(server.base_url)


def test_one_quantity_failing_does_not_lose_the_other(server: lab.GridServer) -> None:
    server.behave("/co2eq", lab.ServerError())
    assert not of(fetch(server.base_url), CO2)
    assert of(fetch(server.base_url), SHARE)
    server.behave("/co2eq", lab.Normal())
    server.behave("/ren_share_forecast", lab.EmptyArrays())
    assert of(fetch(server.base_url), CO2)


def test_nulls_are_left_out_and_never_a_zero(server: lab.GridServer) -> None:
    server.behave("/co2eq", lab.Nulls(first=10, end=20))
    values = of(fetch(server.base_url, T0), CO2)
    assert len(values) == 48 + 48 - 10
    assert min(value.value for value in values) > 0


def test_more_than_a_hundred_percent_is_kept(server: lab.GridServer) -> None:
    server.behave("/ren_share_forecast", lab.OverHundred())
    assert max(value.value for value in of(fetch(server.base_url, T0), SHARE, GridKind.FORECAST)) == 141


def test_a_busy_service_is_asked_again_when_it_says(server: lab.GridServer) -> None:
    server.behave("/co2eq", lab.TooManyRequests("1", times=1))
    began = time.monotonic()  # noqa: TID251 - how long it really took
    assert of(fetch(server.base_url), CO2)
    assert 1 <= time.monotonic() - began < 4  # noqa: TID251


@pytest.mark.parametrize("wish", ["3600", "Mon, 01 Jun 2026 13:00:00 GMT"])
def test_a_longer_wish_is_passed_on_at_once(server: lab.GridServer, wish: str) -> None:
    for path in ("/co2eq", "/ren_share_forecast"):
        server.behave(path, lab.TooManyRequests(wish))
    with pytest.raises(GridUnavailable, match="429") as refused:
        fetch(server.base_url)
    assert refused.value.retry_after_s == 3600
    assert len(server.requests) == 2, "each asked once"


def test_a_stumble_is_survived_and_a_fall_is_reported(server: lab.GridServer) -> None:
    server.behave("/co2eq", lab.ServerError(times=1))
    assert of(fetch(server.base_url), CO2)
    for path in ("/co2eq", "/ren_share_forecast"):
        server.behave(path, lab.ServerError())
    with pytest.raises(GridUnavailable, match="HTTP 500"):
        fetch(server.base_url)


def test_an_unknown_country_names_the_setting(server: lab.GridServer) -> None:
    with pytest.raises(GridUnavailable, match=r"400.*country"):
        fetch(server.base_url, country="atlantis")


def test_a_hanging_service_costs_one_timeout(server: lab.GridServer) -> None:
    for path in ("/co2eq", "/ren_share_forecast"):
        server.behave(path, lab.Hang())
    began = time.monotonic()  # noqa: TID251
    with pytest.raises(GridUnavailable, match=r"within 0\.5 s"):
        fetch(server.base_url, timeout_s=0.5, retries=5)
    assert time.monotonic() - began < 2  # noqa: TID251


@contextmanager
def talker(first: bytes, then: bytes, pause_s: float) -> Iterator[str]:
    """A server that sends ``first``, and then ``then`` again and again."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(first)
                while not over.wait(pause_s):
                    try:
                        connection.sendall(then)
                    except OSError:
                        return

        thread = threading.Thread(target=talk)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.set()
        thread.join()


def test_a_dripping_service_is_given_up_in_time() -> None:
    """Each byte comes within the socket's timeout; the whole answer never."""
    with talker(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a", 0.05) as url:
        began = time.monotonic()  # noqa: TID251
        with pytest.raises(GridUnavailable, match="no complete answer"):
            fetch(url, timeout_s=0.5)
        assert time.monotonic() - began < 2  # noqa: TID251


def test_an_endless_answer_is_cut_off() -> None:
    with (
        talker(b"HTTP/1.1 200 OK\r\n\r\n", b" " * (1 << 20), 0) as url,
        pytest.raises(GridDataError, match="longer than"),
    ):
        fetch(url, timeout_s=2)


def test_nobody_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(GridUnavailable, match=r"127\.0\.0\.1"):
        fetch(f"http://127.0.0.1:{port}")


# ---- what is known: the ledger first ---------------------------------------------------------------


def asking(server: lab.GridServer, **options: object) -> Config:
    return parse({"grid": {"energy_charts": {"base_url": server.base_url, **options}}}, "the test")


def known(server: lab.GridServer, ledger: Path, now: datetime = NOON, hours: int = 6, **options: object) -> list[str]:
    config = asking(server, timeout_s=1, retries=0, **options)
    store = open_ledger(f"sqlite://{ledger}", create=True)
    found = what_is_known(now, now + timedelta(hours=hours), config=config, ledger=store, now=now)
    store.close()
    signals = found.signals()
    assert all(signal.covers(now, now + timedelta(hours=hours)) for signal in signals.values())
    return [quantity.value for quantity in signals] + list(found.warnings)


def test_the_ledger_answers_until_it_is_stale(server: lab.GridServer, tmp_path: Path) -> None:
    both = [CO2.value, SHARE.value]
    ledger = tmp_path / "ledger.sqlite"
    assert known(server, ledger) == both
    asked = len(server.requests)
    assert known(server, ledger, hours=8) == both, "what was fetched reaches further than what was asked"
    assert known(server, ledger, NOON + timedelta(minutes=14)) == both
    assert len(server.requests) == asked
    assert known(server, ledger, NOON + timedelta(minutes=16)) == both
    assert len(server.requests) > asked


def test_an_old_forecast_serves_while_the_service_is_down(server: lab.GridServer, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    known(server, ledger)
    for path in ("/co2eq", "/ren_share_forecast"):
        server.behave(path, lab.ServerError())
    *both, warning = known(server, ledger, NOON + timedelta(hours=1))
    assert both == [CO2.value, SHARE.value]
    assert "HTTP 500" in warning


def test_the_next_provider_fills_in(server: lab.GridServer, tmp_path: Path) -> None:
    """The first is down; the second, a recorded series, is asked in its place; nothing is stored, nothing fails."""
    file = tmp_path / "grid.csv"
    lab.write_csv(file, server.series, NOON.timestamp())
    for path in ("/co2eq", "/ren_share_forecast"):
        server.behave(path, lab.EmptyArrays())
    tables = {"csv": {"path": str(file)}, "energy_charts": {"base_url": server.base_url}}
    config = parse({"grid": {"providers": ["energy_charts", "csv"], **tables}}, "the test")
    found = what_is_known(NOON, NOON + timedelta(hours=3), config=config, ledger=None, now=NOON)
    assert found.signals()[CO2].covers(NOON, NOON + timedelta(hours=3))
    assert [warning.partition(":")[0] for warning in found.warnings] == ["energy_charts"]


def test_an_earlier_span_is_asked_for_though_a_later_one_was_just_fetched(
    server: lab.GridServer, tmp_path: Path
) -> None:
    store = open_ledger(f"sqlite://{tmp_path}/ledger.sqlite", create=True)
    config = asking(server)
    end = NOON - timedelta(minutes=30)
    what_is_known(NOON - timedelta(hours=1), end, config=config, ledger=store, now=NOON)
    soon = NOON + timedelta(seconds=5)
    found = what_is_known(NOON - timedelta(hours=6), end, config=config, ledger=store, now=soon)
    store.close()
    assert all(s.covers(NOON - timedelta(hours=6), end) for s in found.signals(GridKind.MEASURED).values())


def test_what_is_not_published_yet_is_not_asked_for_at_every_call(server: lab.GridServer, tmp_path: Path) -> None:
    store = open_ledger(f"sqlite://{tmp_path}/ledger.sqlite", create=True)
    config = asking(server)
    asked = []
    for seconds in (0, 5, 50, 70):
        now = NOON + timedelta(minutes=30, seconds=seconds)
        what_is_known(NOON - timedelta(hours=1), NOON + timedelta(minutes=20), config=config, ledger=store, now=now)
        asked.append(len(server.requests))
    store.close()
    assert asked[0] == asked[1] == asked[2] < asked[3]
