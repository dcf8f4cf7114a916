"""A grid service on loopback that speaks as api.energy-charts.info does, in good health and in bad.

    python -m lab.gridserver --port 8642 --step-seconds 5 --start now

Without `start` in a request the whole series is answered, where the real service answers today: a compressed day
has no today.
"""

import argparse
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from lab.grid_behaviours import (
    Answer,
    Behaviour,
    Column,
    Deprecated,
    EmptyArrays,
    Hang,
    HtmlInsteadOfJson,
    LengthMismatch,
    Normal,
    Nulls,
    OutOfOrder,
    OverHundred,
    Payload,
    ServerError,
    Substitute,
    TooManyRequests,
    TruncatedJson,
    UnknownCountry,
    as_text,
)
from lab.gridday import GERMANY, QUARTER_S, SUMMER_DAY, GridDay, compress, german_day, write_csv

__all__ = [
    "GridServer", "Request", "GridDay", "german_day", "compress", "write_csv",
    "Answer", "Behaviour", "Normal", "EmptyArrays", "TooManyRequests", "ServerError", "TruncatedJson", "Nulls",
    "OverHundred", "OutOfOrder", "LengthMismatch", "Hang", "UnknownCountry", "HtmlInsteadOfJson", "Deprecated",
    "Substitute",
]  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    time_s: float


class GridServer:
    """Answers from a series of the grid; what is over at `now()` is measured, the rest forecast."""

    def __init__(
        self, series: GridDay, *, now: Callable[[], float] = time.time, country: str = "de", port: int = 0
    ) -> None:
        self.series = series
        self._now = now
        self._country = country
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._behaviours: dict[str, tuple[Behaviour, int]] = {}
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.grid = self
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="gridserver")

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let hanging requests go and stop listening."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every request so far, in order of arrival."""
        with self._lock:
            return tuple(self._requests)

    def behave(self, path: str, behaviour: Behaviour) -> None:
        """Let a path (`/co2eq`) answer in this way from now on; `Normal()` heals it."""
        with self._lock:
            self._behaviours[path] = (behaviour, 0)

    def answer(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Answer one request and write it down."""
        now_s = self._now()
        with self._lock:
            self._requests.append(Request(path, query, headers, now_s))
            behaviour, nth = self._behaviours.get(path, (Normal(), 0))
            self._behaviours[path] = (behaviour, nth + 1)
        if path not in _PATHS:
            return as_text(404, f"no such path: {path}")
        if query.get("country", self._country) != self._country:
            return as_text(400, f"unknown country {query['country']}")
        try:
            first, end = self._asked(query)
        except ValueError as error:
            return as_text(400, f"cannot read the time: {error}")
        return behaviour.reply(_PATHS[path](self.series, first, end, self.series.measured_steps(now_s)), nth)

    def _asked(self, query: Mapping[str, str]) -> tuple[int, int]:
        """Find the steps between `start` and `end` of the query."""
        times_s = self.series.times_s
        if "start" not in query:
            return 0, len(times_s)
        start_s = _moment_s(query["start"], end=False)
        end_s = _moment_s(query.get("end", query["start"]), end=True)
        return sum(time_s < start_s for time_s in times_s), sum(time_s <= end_s for time_s in times_s)


def _moment_s(text: str, *, end: bool) -> float:
    """Read unix seconds, ISO 8601, or a German day: its beginning, or as an end its last minute."""
    if text.isdigit():
        return float(text)
    if len(text) == len("2025-01-01"):
        day = datetime.combine(date.fromisoformat(text) + timedelta(days=end), time_of_day(), GERMANY)
        return day.timestamp() - 60 * end
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=GERMANY)).timestamp()


def _co2eq(series: GridDay, first: int, end: int, measured: int) -> Payload:
    steps = range(first, end)
    return {
        "unix_seconds": list(series.times_s[first:end]),
        "co2eq": [series.gco2_per_kwh[step] if step < measured else None for step in steps],
        "co2eq_forecast": [None if step < measured else series.gco2_per_kwh[step] for step in steps],
        "deprecated": False,
    }


def _ren_share_forecast(series: GridDay, first: int, end: int, measured: int) -> Payload:
    # The forecast keeps the hours of today that are over.
    return {
        "unix_seconds": list(series.times_s[first:end]),
        "ren_share": list(series.renewable_share_pct[first:end]),
        "solar_share": None,
        "wind_onshore_share": None,
        "wind_offshore_share": None,
        "substitute": False,
        "deprecated": False,
    }


def _public_power(series: GridDay, first: int, end: int, measured: int) -> Payload:
    shares: Column = [series.renewable_share_pct[step] if step < measured else None for step in range(first, end)]
    return {
        "unix_seconds": list(series.times_s[first:end]),
        "production_types": [{"name": "Renewable share of load", "data": shares}],
        "deprecated": False,
    }


_PATHS: Mapping[str, Callable[[GridDay, int, int, int], Payload]] = {
    "/co2eq": _co2eq,
    "/ren_share_forecast": _ren_share_forecast,
    "/public_power": _public_power,
}


class _Http(ThreadingHTTPServer):
    grid: GridServer
    daemon_threads = False  # so that closing waits for the answers under way


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    timeout = 10  # a client that connects and says nothing must not keep the server from closing

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        grid = self.server.grid
        answer = grid.answer(url.path, dict(parse_qsl(url.query)), dict(self.headers.items()))
        if answer.hangs:
            grid.closing.wait()
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: `GridServer.requests` is the log."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m lab.gridserver", description="Replay a German day of the grid.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--data-dir", type=Path, help="directory with the recording ($VISPA_GREEN_DATA)")
    parser.add_argument("--day", type=date.fromisoformat, default=SUMMER_DAY, help=f"recorded day ({SUMMER_DAY})")
    parser.add_argument("--days", type=int, default=2, help="how many days from then on (2)")
    parser.add_argument("--start", default="today", help="when the day begins: today, now or ISO 8601 with a zone")
    parser.add_argument("--step-seconds", type=int, default=QUARTER_S, help="how long a quarter-hour lasts (900)")
    parser.add_argument("--csv", type=Path, help="write the series to this file as well")
    return parser.parse_args(arguments)


def start_of(text: str, now_utc: datetime) -> datetime:
    """Say when the replayed day begins."""
    if text == "now":
        return now_utc
    if text == "today":
        return datetime.combine(now_utc.astimezone(GERMANY).date(), time_of_day(), GERMANY).astimezone(UTC)
    return datetime.fromisoformat(text).astimezone(UTC)


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; the first line printed is the address, the second where the values come from."""
    options = parse(arguments)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    now_utc = datetime.now(UTC)
    day = german_day(options.data_dir, day=options.day, days=options.days)
    series = compress(day, start_of(options.start, now_utc), options.step_seconds)
    if options.csv:
        write_csv(options.csv, series, now_utc.timestamp())
    with GridServer(series, port=options.port) as server:
        print(server.base_url, series.origin, sep="\n", flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
