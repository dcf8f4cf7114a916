"""The grid service on loopback answers as the real one does, well and badly."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
from lab import gridserver
from lab.gridserver import GridDay, GridServer, compress, german_day, write_csv

START = datetime(2026, 7, 12, 22, tzinfo=UTC)
NOW_S = START.timestamp() + 2 * 900 + 1
DAY = GridDay(START, 900, (20.0, 50.0, 80.0, 141.0), (700.0, 500.0, 300.0, 100.0), "made for this test")


@pytest.fixture
def server() -> Iterator[GridServer]:
    with GridServer(DAY, now=lambda: NOW_S) as running:
        yield running


def get(server: GridServer, path: str, **query: str) -> requests.Response:
    return requests.get(server.base_url + path, params={"country": "de"} | query, timeout=5)


def columns(server: GridServer, path: str, **query: str) -> dict[str, Any]:
    payload: dict[str, Any] = get(server, path, **query).json()
    return payload


def test_measured_and_forecast_meet_at_now(server: GridServer) -> None:
    start_s = int(START.timestamp())
    assert columns(server, "/co2eq") == {
        "unix_seconds": [start_s, start_s + 900, start_s + 1800, start_s + 2700],
        "co2eq": [700.0, 500.0, None, None],
        "co2eq_forecast": [None, None, 300.0, 100.0],
        "deprecated": False,
    }
    (production,) = columns(server, "/public_power")["production_types"]
    assert production == {"name": "Renewable share of load", "data": [20.0, 50.0, None, None]}


def test_the_share_forecast_has_every_step_and_the_documented_keys(server: GridServer) -> None:
    payload = columns(server, "/ren_share_forecast")
    assert payload["ren_share"] == [20.0, 50.0, 80.0, 141.0]
    assert payload.keys() == {
        "unix_seconds", "ren_share", "solar_share", "wind_onshore_share", "wind_offshore_share",
        "substitute", "deprecated",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("start", "end", "steps"),
    [
        ("2026-07-12T22:15Z", "2026-07-12T22:30Z", [1, 2]),
        (str(int(START.timestamp()) + 1800), str(int(START.timestamp()) + 9999), [2, 3]),
        ("2026-07-13", "2026-07-13", [0, 1, 2, 3]),  # the German day has begun at 22:00 UTC
        ("2026-07-12", "2026-07-12", []),
    ],
)
def test_start_and_end_choose_steps(server: GridServer, start: str, end: str, steps: list[int]) -> None:
    answered = columns(server, "/co2eq", start=start, end=end)
    assert answered["unix_seconds"] == [DAY.times_s[step] for step in steps]


def test_requests_are_written_down(server: GridServer) -> None:
    requests.get(f"{server.base_url}/co2eq?country=de", headers={"User-Agent": "vispa-green test"}, timeout=5)
    (request,) = server.requests
    assert (request.path, request.query, request.time_s) == ("/co2eq", {"country": "de"}, NOW_S)
    assert request.headers["User-Agent"] == "vispa-green test"


def test_what_nobody_knows_is_refused_in_plain_text(server: GridServer) -> None:
    for answer in (get(server, "/co2eq", country="xx"), get(server, "/co2eq", start="yesterday")):
        assert answer.status_code == 400
        assert answer.headers["Content-Type"].startswith("text/plain")
    assert get(server, "/price").status_code == 404


def test_bad_data_with_200(server: GridServer) -> None:
    def ill(behaviour: gridserver.Behaviour, path: str = "/ren_share_forecast") -> dict[str, Any]:
        server.behave(path, behaviour)
        return columns(server, path)

    empty = ill(gridserver.EmptyArrays(), "/public_power")
    assert (empty["unix_seconds"], empty["production_types"][0]["data"]) == ([], [])
    assert ill(gridserver.Nulls(1, 3))["ren_share"] == [20.0, None, None, 141.0]
    assert ill(gridserver.OverHundred(282.0))["ren_share"] == [40.0, 100.0, 160.0, 282.0]
    disordered = ill(gridserver.OutOfOrder())["unix_seconds"]
    assert disordered != sorted(disordered)
    uneven = ill(gridserver.LengthMismatch())
    assert len(uneven["ren_share"]) == len(uneven["unix_seconds"]) - 1
    assert ill(gridserver.Deprecated())["deprecated"] is True
    assert ill(gridserver.Substitute())["substitute"] is True
    assert ill(gridserver.Normal())["ren_share"] == list(DAY.renewable_share_pct)


def test_what_is_no_json(server: GridServer) -> None:
    for behaviour in (gridserver.TruncatedJson(), gridserver.HtmlInsteadOfJson()):
        server.behave("/co2eq", behaviour)
        answer = get(server, "/co2eq")
        assert answer.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            json.loads(answer.text)


def test_errors_pass_after_so_many_requests_and_stay_on_their_path(server: GridServer) -> None:
    server.behave("/co2eq", gridserver.ServerError(times=2))
    server.behave("/public_power", gridserver.TooManyRequests(retry_after="7"))
    assert [get(server, "/co2eq").status_code for _ in range(3)] == [500, 500, 200]
    limited = get(server, "/public_power")
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
    assert get(server, "/ren_share_forecast").status_code == 200
    server.behave("/co2eq", gridserver.UnknownCountry())
    assert get(server, "/co2eq").status_code == 400


def test_a_hanging_server_answers_nobody_and_still_closes() -> None:
    with GridServer(DAY) as server:
        server.behave("/co2eq", gridserver.Hang())
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{server.base_url}/co2eq", timeout=0.2)
        assert len(server.requests) == 1


def recording_of(tmp_path: Path, hours: int) -> Path:
    (tmp_path / "grid").mkdir()
    rows = [
        f"2025-06-{17 + (22 + hour) // 24}T{(22 + hour) % 24:02}:00:00Z,{hour},{500 - hour}" for hour in range(hours)
    ]
    text = "\n".join(["utc_start,ren_share_of_load_pct,ci_lc_g_kwh", *rows])
    (tmp_path / "grid" / "de_smard_2025_hourly.csv").write_text(text)
    return tmp_path


def test_recorded_hours_become_quarters_on_straight_lines(tmp_path: Path) -> None:
    day = german_day(recording_of(tmp_path, 30), day=date(2025, 6, 18))
    assert day.start_utc == datetime(2025, 6, 17, 22, tzinfo=UTC)
    assert len(day.renewable_share_pct) == 96
    assert day.renewable_share_pct[:8] == (0.0, 0.0, 0.12, 0.38, 0.62, 0.88, 1.12, 1.38)
    assert day.gco2_per_kwh[-1] == 477.0
    assert "SMARD.de" in day.origin


def test_without_a_recording_a_summer_day_is_made_up_and_says_so(tmp_path: Path) -> None:
    day = german_day(tmp_path)
    assert "made-up" in day.origin
    greenest = max(range(96), key=lambda quarter: day.renewable_share_pct[quarter])
    assert 44 <= greenest <= 60  # between 11:00 and 15:00
    assert 20 < min(day.renewable_share_pct) < 40
    assert 90 < max(day.renewable_share_pct) < 100
    assert day.gco2_per_kwh[greenest] == min(day.gco2_per_kwh)


def test_a_compressed_day_keeps_its_values_and_passes_sooner(tmp_path: Path) -> None:
    day = german_day(tmp_path)
    short = compress(day, START, 5)
    assert short.renewable_share_pct == day.renewable_share_pct
    assert {after - before for before, after in pairwise(short.times_s)} == {5}
    assert short.times_s[0] == START.timestamp()
    with pytest.raises(ValueError, match="whole"):
        compress(day, START, 0)


def test_the_csv_says_what_is_measured(tmp_path: Path) -> None:
    write_csv(tmp_path / "grid.csv", DAY, NOW_S)
    rows = list(csv.DictReader((tmp_path / "grid.csv").read_text().splitlines()))
    assert rows[0] == {
        "start_utc": "2026-07-12T22:00:00Z",
        "renewable_share_pct": "20.0",
        "gco2_per_kwh": "700.0",
        "kind": "measured",
    }
    assert [row["kind"] for row in rows] == ["measured", "measured", "forecast", "forecast"]


def test_the_program_prints_its_address_and_stops_when_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lab.gridserver", f"--data-dir={tmp_path}", f"--csv={tmp_path / 'grid.csv'}"]
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "deploy")}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address, origin = process.stdout.readline().strip(), process.stdout.readline()
        answer = requests.get(f"{address}/co2eq?country=de", timeout=5).json()
        process.terminate()
    assert process.returncode == 0
    assert "made-up" in origin
    assert len(answer["unix_seconds"]) == 192
    assert answer["co2eq_forecast"][-1] is not None
    assert (tmp_path / "grid.csv").exists()
